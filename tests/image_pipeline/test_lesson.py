"""The lesson's commands, run as in a container: what they print, what they write, and how they refuse."""

import contextlib
import importlib
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from settings import SettingsError, read_settings
from timeline import tick_step

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "pach-pytorch" / "image_pipeline"


def run(name, *arguments, python=sys.executable, **environment):
    command = [python, str(SCRIPTS / name), *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)


def run_here(name, *arguments):
    """The same in this process, where importing PyTorch is already paid for; a traceback fails the test by itself."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = importlib.import_module(name.removesuffix(".py")).main([str(word) for word in arguments])
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
    return subprocess.CompletedProcess([name], 0 if code == 0 else 1, out.getvalue(), error.getvalue())


@pytest.fixture
def config(image_set, index, tmp_path):
    """A configuration in the lesson's words, the misspelt one among them."""
    data = {
        "handler": "ilsvrc_dataset",
        "batch_size": 8,
        "train_filelist": str(image_set / "train.txt"),
        "test_filelist": str(image_set / "val.txt"),
        "shuffle_buffer": 200000,
        "reshuffle_each_iteration": True,
        "num_parallel_readers": 1,
        "prefectch_buffer_size": 0,
        "crop_image_size": [48, 48],
        "num_classes": 3,
        "num_channels": 3,
    }
    path = tmp_path / "ilsvrc.json"
    path.write_text(json.dumps({"data": data}))
    return path


def changed(config, **values):
    document = json.loads(config.read_text())
    document["data"].update(values)
    config.write_text(json.dumps(document))
    return config


@pytest.mark.parametrize(
    ("how", "options"), [(run, []), (run_here, ["--num-parallel-readers", 4, "--prefetch-buffer-size", 2])]
)
def test_the_lessons_command_prints_shapes_and_both_rates(config, how, options):
    done = how("ilsvrc_dataset.py", "-c", config, "-n", 3, *options)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "45 files: 45 used with" in done.stdout and "0 quarantined" in done.stdout
    shapes = [line for line in lines if line.startswith("batch_number")]
    assert (
        shapes[0] == "batch_number = 0 input shape = (8, 48, 48, 3) torch.uint8 labels shape = (8,)"
        and len(shapes) == 4
    )
    images, samples = (re.search(rf"^{what}/sec = (\d+\.\d\d)$", done.stdout, re.M) for what in ("images", "samples"))
    assert float(samples[1]) >= float(images[1]) > 0


def test_readers_and_prefetch_change_no_label(config):
    def labels(*options):
        done = run_here("ilsvrc_dataset.py", "-c", config, "-n", 2, *options)
        return [line for line in done.stdout.splitlines() if line.startswith("labels = ")]

    assert labels() == labels("--num-parallel-readers", 3, "--prefetch-buffer-size", 3) != []
    ranks = [labels("--rank", rank, "--size", 2) for rank in (0, 1)]
    assert ranks[0] != ranks[1]


def test_logdir_gets_a_trace_for_perfetto_and_a_picture(config, tmp_path):
    done = run_here("ilsvrc_dataset.py", "-c", config, "-n", 3, "-l", tmp_path / "log", "--num-parallel-readers", 2)
    assert done.returncode == 0, done.stderr
    events = json.loads((tmp_path / "log" / "trace.json").read_text())["traceEvents"]
    named = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert named == {"consumer", "reader 1", "reader 2"}
    work = [event for event in events if event["ph"] == "X"]
    assert {"read", "decode", "resample", "wait for batch", "use batch"} <= {event["name"] for event in work}
    for thread in {event["tid"] for event in work}:
        own = sorted((event for event in work if event["tid"] == thread), key=lambda event: event["ts"])
        assert all(a["ts"] + a["dur"] <= b["ts"] + 0.01 for a, b in itertools.pairwise(own)), (
            "a thread does one thing at a time"
        )
    picture = (tmp_path / "log" / "trace.svg").read_text()
    assert picture.startswith("<svg") and "reader 2" in picture and "images/s" in picture
    assert "busy: consumer" in done.stdout


def test_a_logdir_that_cannot_be_made_is_refused_before_the_work(config, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_here("ilsvrc_dataset.py", "-c", config, "-n", 3, "-l", tmp_path / "file" / "log")
    assert done.returncode == 1 and "batch_number" not in done.stdout
    assert done.stderr == f"error: --logdir {tmp_path / 'file' / 'log'}: Not a directory\n"


@pytest.mark.parametrize("length", [0.03, 1, 10.4, 52, 61, 99.9, 1234])
def test_the_pictures_time_axis_has_a_handful_of_round_marks(length):
    step = tick_step(length)
    assert 4 <= length / step <= 11
    assert f"{step:.1e}"[:3] in ("1.0", "2.0", "5.0")


def test_nothing_in_the_timed_loop_sleeps():
    for script in ("ilsvrc_dataset.py", "tf_ilsvrc_dataset.py", "lesson.py", "loader.py"):
        assert "sleep" not in re.sub(r'""".*?"""', "", (SCRIPTS / script).read_text(), flags=re.S)


def test_the_index_is_made_once_and_again_for_another_list(config, image_set, tmp_path):
    shutil.copytree(image_set, tmp_path / "set")
    (tmp_path / "set" / "train.index.parquet").unlink()
    changed(config, train_filelist=str(tmp_path / "set" / "train.txt"))
    first, second = (run_here("ilsvrc_dataset.py", "-c", config, "-n", 1) for _ in range(2))
    assert "making the index" in first.stdout and "making the index" not in second.stdout
    with open(tmp_path / "set" / "train.txt", "a") as file:
        file.write("no/such.JPEG\n")
    third = run_here("ilsvrc_dataset.py", "-c", config, "-n", 1)
    assert "making the index" in third.stdout and "1 quarantined" in third.stdout
    assert "quarantined 1 x cannot be read: No such file or directory" in third.stdout


def test_the_contact_sheet_shows_samples_and_boxes(config, odd, image_set, tmp_path):
    done = run_here("inspect_batch.py", "--filelist", image_set / "odd.txt", "--out", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert "3 quarantined" in done.stdout and "16 samples" in done.stdout
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (sheet == (255, 0, 0)).all(axis=2).sum() > 16 * 100, "a red box on every image"


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"train_filelist": "nowhere.txt"}, [], "nowhere.txt: No such file"),
        ({"batch_size": 0}, [], '"batch_size" is 0; it must be a whole number of at least 1'),
        ({"batch_size": 4000}, [], "do not fill one step"),
        ({"crop_image_size": [256, 128]}, [], "two equal whole numbers"),
        ({"num_channels": 1}, [], '"num_channels" must be 3'),
        ({"num_classes": 2}, [], '3 classes in the list, "num_classes" is 2'),
        ({"bach_size": 3}, [], 'unknown in "data": bach_size'),
        ({}, ["--rank", 2, "--size", 2], "--rank 2 is not one of --size 2"),
        ({}, ["--start-batch", 999], "none is number 999"),
        ({}, ["-n", 0], "at least 1"),
    ],
)
def test_a_mistake_is_answered_in_one_line(config, change, options, message):
    done = run_here("ilsvrc_dataset.py", "-c", changed(config, **change), *options)
    assert done.returncode != 0 and message in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_mistake_ends_the_command_without_a_traceback(config):
    done = run("ilsvrc_dataset.py", "-c", config, "--resampler", "native", IMAGE_PIPELINE_NATIVE="0")
    assert done.returncode == 1 and done.stderr.startswith("error: no resampler 'native' on this machine; there are: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_configuration_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "c.json").write_text("{data:")
    with pytest.raises(SettingsError, match="not JSON"):
        read_settings(tmp_path / "c.json")
    with pytest.raises(SettingsError, match="No such file"):
        read_settings(tmp_path / "none.json")


def test_both_spellings_of_prefetch_are_read_and_the_right_one_wins(config):
    assert read_settings(config).prefetch == 0
    assert read_settings(changed(config, prefetch_buffer_size=5)).prefetch == 5


def test_the_configuration_that_is_shipped_is_read():
    settings = read_settings(SCRIPTS / "ilsvrc.json")
    assert (settings.batch_size, settings.side, settings.num_classes) == (128, 224, 20)


def test_the_generator_draws_the_same_set_again_and_never_overwrites_another(image_set, tmp_path):
    def draw(*options):
        command = [
            sys.executable,
            ROOT / "data" / "make_images.py",
            tmp_path / "again",
            "--classes",
            "3",
            "--side",
            "160",
        ]
        return subprocess.run([*command, *options], capture_output=True, text=True)

    first = draw("--images", "9", "--threads", "3")
    paths = (tmp_path / "again" / "train.txt").read_text().split()
    assert len(paths) == 9
    assert all((tmp_path / "again" / path).read_bytes() == (image_set / path).read_bytes() for path in paths)
    (tmp_path / "again" / paths[0]).write_bytes(b"mine")
    assert draw("--images", "9").stdout == first.stdout and first.returncode == 0
    other = draw("--images", "10")
    assert other.returncode != 0 and "holds another set" in other.stderr and "Traceback" not in other.stderr
    assert (tmp_path / "again" / paths[0]).read_bytes() == b"mine"


def test_the_index_command_counts_what_is_odd(image_set, tmp_path):
    done = run_here("index.py", image_set / "odd.txt", "--out", tmp_path / "odd.index.parquet")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("19 files: 16 used with 16 samples") and "  quarantined 1 x the file is empty" in lines
    assert "  noted 2 x box clamped: used, the box cut to the image" in lines
    gone = run_here("index.py", tmp_path / "none.txt")
    assert gone.returncode and gone.stderr == f"error: {tmp_path / 'none.txt'}: No such file or directory\n"
