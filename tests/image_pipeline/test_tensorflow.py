"""tf.data and PyTorch: sample for sample the same bytes. Runs where TensorFlow is: here, or in TENSORFLOW_PYTHON."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loader import Loader
from sources import FileSource

SCRIPTS = Path(__file__).resolve().parents[2] / "pach-pytorch" / "image_pipeline"


def interpreter() -> str | None:
    named = os.environ.get("TENSORFLOW_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("tensorflow") else None


pytestmark = [
    pytest.mark.skipif(
        interpreter() is None,
        reason="no TensorFlow: install requirements-tensorflow.txt elsewhere and set TENSORFLOW_PYTHON to that python",
    ),
    pytest.mark.slow,
]


def batches_of(tmp_path, filelist, batch, steps, *options):
    """What tf_ilsvrc_dataset.py delivers: images, labels, samples of the first steps + 1 batches."""
    config = tmp_path / "ilsvrc.json"
    data = {"batch_size": batch, "train_filelist": str(filelist), "crop_image_size": [48, 48], "seed": 5}
    config.write_text(json.dumps({"data": data}))
    command = [
        interpreter(),
        SCRIPTS / "tf_ilsvrc_dataset.py",
        "-c",
        config,
        "-n",
        steps,
        "--save",
        tmp_path / "tf.npz",
        *options,
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "images/sec = " in done.stdout and "samples/sec = " in done.stdout
    return np.load(tmp_path / "tf.npz")


@pytest.mark.parametrize("options", [(1, 0, 0, 1), (3, 2, 1, 2)], ids=["serial", "parallel, rank 1 of 2"])
def test_tensorflow_gives_the_bytes_of_pytorch(image_set, index, tmp_path, options):
    readers, prefetch, rank, size = options
    words = ("--num-parallel-readers", readers, "--prefetch-buffer-size", prefetch, "--rank", rank, "--size", size)
    found = batches_of(tmp_path, image_set / "train.txt", 8, 5, *words)
    mine = Loader(FileSource(index, 48), 8, seed=5, rank=rank, world=size)
    expected = [(np.array(b.images), b.labels, b.samples) for epoch in range(3) for b in mine][: len(found["images"])]
    for step, (images, labels, samples) in enumerate(expected):
        assert np.array_equal(found["samples"][step], samples)
        assert np.array_equal(found["labels"][step], labels)
        assert np.array_equal(found["images"][step], images)


def test_the_odd_files_are_the_same_too(image_set, odd, tmp_path):
    found = batches_of(tmp_path, image_set / "odd.txt", 4, 3)
    expected = [np.array(batch.images) for batch in Loader(FileSource(odd, 48), 4, seed=5)]
    assert len(expected) == 4 and np.array_equal(found["images"], np.stack(expected))
