"""A small set of images with the odd files, drawn once; the scripts' folder on the path, as in a container."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "pach-pytorch" / "image_pipeline"
sys.path.insert(0, str(SCRIPTS))

from index import Index, build_index  # noqa: E402


@pytest.fixture(scope="session")
def image_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """45 + 6 images of 3 classes, about 160 x 120 pixels, and one of each odd kind."""
    folder = tmp_path_factory.mktemp("images") / "set"
    command = [sys.executable, ROOT / "data" / "make_images.py", folder, "--images", "45", "--val", "6"]
    subprocess.run([*command, "--classes", "3", "--side", "160"], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="session")
def index(image_set: Path) -> Index:
    """The training list's index."""
    return build_index(image_set / "train.txt", image_set / "train.index.parquet")


@pytest.fixture(scope="session")
def odd(image_set: Path) -> Index:
    """The odd files' index."""
    return build_index(image_set / "odd.txt", image_set / "odd.index.parquet")


def run_script(name: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Run a script of the pipeline as a container does: by its path, with nothing but its own folder beside it."""
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
