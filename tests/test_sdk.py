"""Pachyderm's newer official client, pachyderm-sdk, unmodified; in a python of its own, for its gRPC parts differ."""

import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("PACHYDERM_SDK_PYTHON")


@pytest.mark.skipif(not PYTHON, reason="set PACHYDERM_SDK_PYTHON to a python that has pachyderm-sdk>=2.12 installed")
def test_what_users_of_the_newer_client_do_works(pachd):
    script = Path(__file__).with_name("sdk_client.py")
    command = [str(PYTHON), str(script), pachd.host, str(pachd.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 5, done.stdout + done.stderr
