"""The three scripts, run as their containers run them: what they write, what they answer, how they refuse."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler

TEST1 = ["Iris-versicolor"] + ["Iris-virginica"] * 3 + ["Iris-setosa"] * 2
TEST2 = ["Iris-virginica"] * 2 + ["Iris-setosa"] * 2


def rows(path):
    return [row for row in csv.reader(Path(path).read_text().splitlines()) if row]


# What they write


def test_pre_process_writes_the_sizes_the_workshop_prints(prepared):
    assert {path.name: path.stat().st_size for path in prepared.iterdir()} == {
        "x_train.csv": 10207,
        "y_train.csv": 870,
        "scaling.json": 294,
    }


def test_features_are_scaled_as_scikit_learn_scales_them_to_the_last_bit(prepared, data):
    raw = np.array([[float(word) for word in row[:4]] for row in rows(data / "iris.csv")])
    scaled = np.array([[float(word) for word in row] for row in rows(prepared / "x_train.csv")])
    assert np.array_equal(scaled, MinMaxScaler().fit_transform(raw))


def test_species_become_one_hot_integers_in_the_order_the_scaling_names(prepared, data):
    classes = json.loads((prepared / "scaling.json").read_text())["classes"]
    assert classes == ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
    expected = [[str(int(row[4] == name)) for name in classes] for row in rows(data / "iris.csv")]
    assert rows(prepared / "y_train.csv") == expected


def test_a_model_is_loadable_without_running_code_and_holds_all_an_answer_needs(model, prepared):
    document = torch.load(model, weights_only=True)
    scaling = json.loads((prepared / "scaling.json").read_text())
    assert {name: tuple(value.shape) for name, value in document["weights"].items()} == {
        "hidden.weight": (5, 4),
        "hidden.bias": (5,),
        "output.weight": (3, 5),
        "output.bias": (3,),
    }
    assert {name: document[name] for name in ("minimum", "maximum", "classes")} == {
        name: scaling[name] for name in ("minimum", "maximum", "classes")
    }


def test_training_reports_progress_on_stderr_only(trained):
    _, process = trained
    assert process.stdout == ""
    assert "epoch 10000 of 10000" in process.stderr
    assert len(process.stderr.splitlines()) == 11


def test_the_same_rows_and_seed_give_the_same_model_byte_for_byte(quick_script, prepared, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        quick_script("train.py", prepared, tmp_path / name, "--epochs", 20, "--seed", seed)
    models = {name: (tmp_path / name / "model.pt").read_bytes() for name in ("one", "two", "other")}
    assert models["one"] == models["two"] != models["other"]


# What they answer


@pytest.mark.parametrize(("name", "expected", "size"), [("test1.csv", TEST1, 85), ("test2.csv", TEST2, 54)])
def test_the_answers_are_those_the_workshop_prints(script, model, data, tmp_path, name, expected, size):
    process = script("infer.py", model, data / name, tmp_path)
    assert (tmp_path / name).read_text().splitlines() == expected
    assert (tmp_path / name).stat().st_size == size
    assert (process.stdout, process.stderr) == ("", f"{name}: {len(expected)} flowers named\n")


def test_a_row_alone_gets_the_answer_it_gets_among_others(script, model, data, tmp_path):
    """The scaling is the model's: refitted on a file of one row, every feature would become 0."""
    lines = (data / "test1.csv").read_text().splitlines()
    (tmp_path / "single").mkdir()
    for number, line in enumerate(lines):
        (tmp_path / "single" / f"{number}.csv").write_text(line + "\n")
    script("infer.py", model, tmp_path / "single", tmp_path / "out")
    assert [(tmp_path / "out" / f"{number}.csv").read_text().strip() for number in range(len(lines))] == TEST1


def test_28_of_29_held_out_rows_are_named_rightly(quick_script, data, tmp_path):
    """Every fifth row is kept from the training; always the same guess would get 10 of them."""
    lines = [line for line in (data / "iris.csv").read_text().splitlines() if line]
    held_out = lines[::5]
    (tmp_path / "iris.csv").write_text("\n".join(line for line in lines if line not in set(held_out)) + "\n")
    (tmp_path / "unseen.csv").write_text("".join(line.rsplit(",", 1)[0] + "\n" for line in held_out))
    quick_script("pre_process.py", tmp_path / "iris.csv", tmp_path / "pre")
    quick_script("train.py", tmp_path / "pre", tmp_path / "train")
    quick_script("infer.py", tmp_path / "train" / "model.pt", tmp_path / "unseen.csv", tmp_path / "out")
    answers = (tmp_path / "out" / "unseen.csv").read_text().splitlines()
    right = sum(answer == line.rsplit(",", 1)[1] for answer, line in zip(answers, held_out, strict=True))
    assert (len(held_out), right) == (29, 28)


# How they refuse


@pytest.mark.parametrize("name", ["pre_process.py", "train.py", "infer.py"])
def test_a_refusal_is_one_line_on_stderr_and_exit_status_1(script, data, tmp_path, name):
    inputs = [tmp_path / "missing", data / "test1.csv"] if name == "infer.py" else [tmp_path / "missing"]
    process = script(name, *inputs, tmp_path / "out", check=False)
    assert (process.returncode, process.stdout, len(process.stderr.splitlines())) == (1, "", 1)
    assert process.stderr.startswith(f"{name}: {tmp_path}/missing")
    assert not (tmp_path / "out").exists()


def refused(quick_script, tmp_path, name, *arguments):
    """Run a script on bad input; check that it says so in one line and leaves nothing behind; return the line."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    process = quick_script(name, *arguments, out)
    assert process.returncode == 1, process.stderr
    assert process.stdout == "" and list(out.iterdir()) == []
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"{name}: ")
    return line


GOOD = "5.1,3.5,1.4,0.2,a\n6.3,3.3,6.0,2.5,b\n5.7,2.8,4.1,1.3,c\n"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (GOOD + "5.1,3.5,1.4,a\n", "line 4: 4 columns, but 5 are expected: '5.1,3.5,1.4,a'"),
        (GOOD + "\n5.1,3.5,wide,0.2,a\n", "line 5: column 3 is not a number: 'wide'"),
        (GOOD + "5.1,3.5,nan,0.2,a\n", "line 4: column 3 is not a number: 'nan'"),
        (GOOD + "5.1,3.5,1.4,0.2,\n", "line 4: the species is missing"),
        ("sepal,petal,x,y,species\n" + GOOD, "line 1: column 1 is not a number: 'sepal'"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("5.1,3.5,1.4,0.2,a\n6.3,3.3,6.0,2.5,b\n", "2 species (a, b), but 3 are expected"),
        (b"\xff\xfe\x00", "cannot be read: this is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_pre_process_names_file_row_and_cause_of_bad_input(quick_script, tmp_path, content, cause):
    path = tmp_path / "iris.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(quick_script, tmp_path, "pre_process.py", path)
    assert line.startswith(f"pre_process.py: {path}") and line.endswith(cause)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"x_train.csv": None}, "x_train.csv: cannot be read: No such file or directory"),
        ({"x_train.csv": "0.1,0.2,0.3\n"}, "x_train.csv, line 1: 3 columns, but 4 are expected: '0.1,0.2,0.3'"),
        ({"x_train.csv": "0.1,0.2,0.3,0.4\n"}, "x_train.csv has 1 rows, y_train.csv has 145"),
        ({"y_train.csv": "1,0\n"}, "y_train.csv, line 1: 2 columns, but 3 are expected: '1,0'"),
        ({"y_train.csv": "1,1,0\n"}, "y_train.csv, line 1: a single 1 among zeros is expected: '1,1,0'"),
        ({"y_train.csv": ""}, "y_train.csv: the file is empty"),
        ({"scaling.json": "{"}, "scaling.json: this is not a scaling that pre_process.py wrote"),
        (
            {"scaling.json": '{"minimum": [0, 0, 0, 0], "maximum": [1, 1, 1, 1], "classes": ["a", "b"]}'},
            "2 classes, but the network has 3 outputs",
        ),
    ],
)
def test_train_names_file_row_and_cause_of_bad_input(quick_script, prepared, tmp_path, change, cause):
    folder = tmp_path / "input"
    folder.mkdir()
    for path in prepared.iterdir():
        content = change.get(path.name, path.read_text())
        if content is not None:
            (folder / path.name).write_text(content)
    assert refused(quick_script, tmp_path, "train.py", folder).endswith(cause)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("5.1,3.5,1.4\n", "line 1: 3 columns, but 4 are expected: '5.1,3.5,1.4'"),
        (
            "5.1,3.5,1.4,0.2\n5.1,3.5,1.4,0.2,Iris-setosa\n",
            "line 2: 5 columns, but 4 are expected: '5.1,3.5,1.4,0.2,Iris-setosa'",
        ),
        ("5.1,3.5,1.4,short\n", "line 1: column 4 is not a number: 'short'"),
        ("", "the file is empty"),
    ],
)
def test_infer_names_file_row_and_cause_of_bad_input(quick_script, model, tmp_path, content, cause):
    (tmp_path / "test.csv").write_text(content)
    assert refused(quick_script, tmp_path, "infer.py", model, tmp_path / "test.csv").endswith(cause)


def test_one_bad_file_of_a_folder_leaves_no_result_of_the_good_ones(quick_script, model, tmp_path):
    (tmp_path / "attributes").mkdir()
    (tmp_path / "attributes" / "a.csv").write_text("5.1,3.5,1.4,0.2\n")
    (tmp_path / "attributes" / "b.csv").write_text("5.1\n")
    assert "b.csv, line 1" in refused(quick_script, tmp_path, "infer.py", model, tmp_path / "attributes")


def damaged(document, damage):
    if damage == "classes":
        document["classes"] = document["classes"][:2]
    elif damage == "scaling":
        del document["minimum"]
    elif damage == "weights":
        document["weights"]["hidden.weight"] = torch.zeros(7, 4)
    return document


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        ("absent", "cannot be read: No such file or directory"),
        ("cut", "this is not a model that train.py wrote, or it is damaged"),
        ("text", "this is not a model that train.py wrote, or it is damaged"),
        ("list", "the model lacks classes, maximum, minimum, weights: was it written by train.py?"),
        ("scaling", "the model lacks minimum: was it written by train.py?"),
        ("classes", "2 class names for a network with 3 outputs"),
        ("weights", "the weights are those of another network, not 4-5-3"),
    ],
)
def test_infer_refuses_a_model_it_cannot_use_and_says_why(quick_script, model, data, tmp_path, damage, cause):
    path = tmp_path / "model.pt"
    if damage == "cut":
        path.write_bytes(model.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("not a model")
    elif damage == "list":
        torch.save([1, 2], path)
    elif damage != "absent":
        torch.save(damaged(torch.load(model, weights_only=True), damage), path)
    assert refused(quick_script, tmp_path, "infer.py", path, data / "test1.csv") == f"infer.py: {path}: {cause}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written_is_one_line_too(script, data, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    process = script("pre_process.py", data / "iris.csv", out, check=False)
    assert process.returncode == 1 and process.stderr.endswith("cannot be written: Permission denied\n")


# Datum batching


@pytest.fixture
def worker(tmp_path):
    """A worker's NextDatum service with three datums, the second bad: its port, and the reports it has been given."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from python_pachyderm.proto.v2.worker import worker_pb2, worker_pb2_grpc

    folder, reports = tmp_path / "attributes", []
    datums = [("good.csv", "5.1,3.5,1.4,0.2\n"), ("bad.csv", "5.1,short,1.4,0.2\n"), ("last.csv", "6.3,3.3,6.0,2.5\n")]
    folder.mkdir()

    class Worker(worker_pb2_grpc.WorkerServicer):
        def NextDatum(self, request, context):
            reports.append(request.error)
            for path in folder.iterdir():
                path.unlink()
            if len(reports) > len(datums):
                context.abort(grpc.StatusCode.CANCELLED, "no more datums")  # a real worker kills the process here
            name, content = datums[len(reports) - 1]
            (folder / name).write_text(content)
            return worker_pb2.NextDatumResponse()

    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    worker_pb2_grpc.add_WorkerServicer_to_server(Worker(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, reports
    server.stop(grace=None)


def test_with_datum_batching_one_process_answers_every_datum_and_reports_the_bad_one(worker, model, tmp_path):
    port, reports = worker
    script = Path(__file__).resolve().parents[2] / "pach-pytorch" / "infer.py"
    arguments = [str(model), str(tmp_path / "attributes"), str(tmp_path / "out"), "--datum-batching"]
    environment = os.environ | {"PPS_WORKER_GRPC_PORT": str(port), "PACH_IN_WORKER": "true", "PEER_PORT": str(port)}
    command = [sys.executable, str(script), *arguments]
    subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert {path.name: path.read_text().strip() for path in (tmp_path / "out").iterdir()} == {
        "good.csv": "Iris-setosa",
        "last.csv": "Iris-virginica",
    }
    assert len(reports) == 4 and reports[:2] == ["", ""] and reports[3] == ""
    assert "bad.csv, line 1: column 2 is not a number: 'short'" in reports[2]
