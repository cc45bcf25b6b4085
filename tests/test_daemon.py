"""The embedded pachd as a process: started once, found again, stopped, and never confused with somebody else's."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from workshop import daemon
from workshop.context import embedded_address, parse_address, resolve, version
from workshop.errors import NoPachd, WorkshopError, WrongUsage


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    yield folder
    daemon.stop(folder)


def test_a_started_daemon_answers_is_found_again_and_stops(state, monkeypatch):
    target = daemon.start(state, port=0)
    assert version(target).count(".") == 2
    pid = daemon.pid_of(state)
    assert daemon.start(state, port=0) == target and daemon.pid_of(state) == pid
    monkeypatch.setenv("WORKSHOP_STATE", str(state))
    monkeypatch.delenv("PACHD_ADDRESS", raising=False)
    assert resolve() == target
    assert daemon.stop(state) is True
    assert daemon.running(state) is None and daemon.stop(state) is False
    with pytest.raises(NoPachd, match="workshop up"):
        version(resolve())


def test_a_killed_daemon_is_noticed_and_started_anew(state):
    daemon.start(state, port=0)
    pid = daemon.pid_of(state)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert daemon.running(state) is None
    daemon.start(state, port=0)
    assert daemon.pid_of(state) not in {pid, None}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are addressed as Linux does")
def test_a_signal_that_the_kernel_gives_to_another_thread_ends_the_daemon_too(state):
    daemon.start(state, port=0)
    pid = daemon.pid_of(state)
    other = next(int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid)
    tgkill = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
    assert ctypes.CDLL(None).syscall(tgkill, pid, other, signal.SIGTERM) == 0
    with pytest.raises(ChildProcessError):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)


def test_what_user_code_runs_in_is_chosen_at_the_start_and_kept(state, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkshopError, match="there is no program podman on the PATH"):
        daemon.start(state, port=0, runtime="podman")
    daemon.start(state, port=0)
    with pytest.raises(WorkshopError, match="keeps its runtime"):
        daemon.start(state, runtime="podman")


def test_a_pid_that_belongs_to_another_program_by_now_is_left_alone(state):
    state.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (state / "pid").write_text(f"{other.pid}\n")
        assert daemon.pid_of(state) is None and daemon.stop(state) is False
        assert other.poll() is None
        other.communicate(b"\n")


def test_a_taken_port_is_not_free_and_named_explicitly_it_is_an_error(state):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not daemon.is_free(port)
        with pytest.raises(WorkshopError, match=r"pachd ended with status 1: .*"):
            daemon.start(state, port=port)
    assert embedded_address(state) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:1234", ("localhost", 1234, False)),
        ("grpc://pachd.example", ("pachd.example", 30650, False)),
        ("grpcs://pachd.example:443", ("pachd.example", 443, True)),
    ],
)
def test_addresses_are_read_as_pachctl_reads_them(text, expected):
    target = parse_address(text, "here")
    assert (target.host, target.port, target.tls) == expected


@pytest.mark.parametrize("text", ["ftp://a:1", "a:b", ":1", ""])
def test_what_is_no_address_is_wrong_usage(text):
    with pytest.raises(WrongUsage, match="is not an address"):
        parse_address(text, "here")


def test_a_context_of_pachctls_config_file_gives_address_token_and_certificates(tmp_path, monkeypatch):
    config = tmp_path / "config.json"
    config.write_text(
        '{"user_id": "u", "v2": {"active_context": "one", "contexts": {"one": {"pachd_address": "grpcs://a.example:650",'
        ' "session_token": "secret", "server_cas": "Q0FT"}, "empty": {}}}}'
    )
    monkeypatch.setenv("PACH_CONFIG", str(config))
    monkeypatch.setenv("PACHD_ADDRESS", "other:1")
    target = resolve("one")
    assert (target.address, target.tls, target.token, target.certificates) == ("a.example:650", True, "secret", b"CAS")
    assert not target.embedded
    assert resolve().address == "other:1"
    with pytest.raises(WrongUsage, match=r"there is no such context in .*\n  it has: one, empty"):
        resolve("two")
    with pytest.raises(WrongUsage, match="has no pachd_address"):
        resolve("empty")
    config.write_text("{}")
    with pytest.raises(WrongUsage, match="is not a pachctl 2"):
        resolve("one")
