"""What steps promise and need, read off their lines; asked of a real pachd where the answer is pachd's."""

import json

import pytest

from workshop import checks
from workshop.checks import ChecksError, Fact
from workshop.readme import parse

README = """\
# Workshop: Test

## 1. Look

```console
$ pachctl version
```

## 2. Repos

```console
$ pachctl create repo training
$ pachctl create repo attributes
$ pachctl list repo
```

## 3. Data

```console
$ pachctl put file training@master:iris.csv -f data/iris.csv
$ pachctl list file training@master
```

## 4. Pipeline

<!-- check: pipeline train parallelism 3 -->

```console
$ pachctl create pipeline -f train.json
$ pachctl list file train@master
```

## 5. More data

<!-- check: file training@master:/iris.csv rows 2 -->

```console
$ pachctl put file -r attributes@master:/ -f data
$ pachctl put file -r attributes@master -f data
$ sed 1d data/iris.csv | pachctl put file training@master:/iris.csv -f -
$ sed s/1/2/ train.json | pachctl update pipeline -f -
```

## 6. Inference

```console
$ pachctl create pipeline -f infer.json
$ pachctl get file train@master:/model.pt
$ pachctl get file inference@master:/a.csv; pachctl create repo unseen
```
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "iris.csv").write_text("1\n2\n3\n")
    (tmp_path / "data" / "sub" / "b.csv").write_text("1\n")
    train = {"pipeline": {"name": "train"}, "input": {"pfs": {"repo": "training", "glob": "/"}}}
    infer = {
        "pipeline": {"name": "inference"},
        "input": {"cross": [{"pfs": {"repo": "attributes", "branch": "b"}}, {"pfs": {"repo": "train"}}]},
    }
    (tmp_path / "train.json").write_text(json.dumps(train))
    (tmp_path / "infer.json").write_text(json.dumps(infer))
    return tmp_path


@pytest.fixture
def workshop():
    return parse(README)["test"]


def test_a_steps_lines_say_what_it_makes(workshop, folder):
    made = {step.number: checks.makes(step, folder) for step in workshop.steps}
    assert made == {
        1: [],
        2: [Fact("repo", "training"), Fact("repo", "attributes")],
        3: [Fact("file", "training@master:/iris.csv")],
        4: [Fact("pipeline", "train"), Fact("parallelism", "train", 3)],
        5: [
            Fact("file", "attributes@master:/iris.csv"),
            Fact("file", "attributes@master:/sub/b.csv"),
            Fact("file", "attributes@master:/data/iris.csv"),
            Fact("file", "attributes@master:/data/sub/b.csv"),
            Fact("file", "training@master:/iris.csv"),
            Fact("file", "training@master:/iris.csv", 2),
        ],
        6: [Fact("pipeline", "inference")],
    }


def test_a_steps_lines_say_what_it_needs_and_not_what_it_makes_itself(workshop, folder):
    needed = {step.number: checks.needs(step, folder) for step in workshop.steps}
    assert needed == {
        1: [],
        2: [],
        3: [Fact("repo", "training")],
        4: [Fact("branch", "training@master")],
        5: [Fact("repo", "attributes"), Fact("repo", "training")],
        6: [Fact("branch", "attributes@b"), Fact("branch", "train@master")],
    }


@pytest.mark.parametrize(
    ("fact", "number"),
    [
        (Fact("repo", "training"), 2),
        (Fact("branch", "training@master"), 3),
        (Fact("branch", "train@master"), 4),
        (Fact("branch", "attributes@master"), 5),
        (Fact("branch", "attributes@b"), None),
    ],
)
def test_what_is_needed_is_traced_to_the_first_step_that_makes_it(workshop, folder, fact, number):
    step = checks.provider(fact, workshop, folder)
    assert (step and step.number) == number


def test_a_folder_that_is_not_there_yet_promises_files_on_the_branch(workshop, folder):
    step = parse(README.replace("-f data\n", "-f later\n"))["test"].step(5)
    assert checks.makes(step, folder)[0] == Fact("branch", "attributes@master")


def test_a_check_that_is_none_is_refused(workshop, folder):
    workshop.steps[0].checks.append("file a@b rows many")
    with pytest.raises(ChecksError, match="'file a@b rows many'"):
        checks.makes(workshop.steps[0], folder)


def test_facts_are_asked_of_pachd_and_problems_are_told_in_its_words(pachd):
    client = pachd.client()
    facts = [
        Fact("repo", "training"),
        Fact("branch", "training@master"),
        Fact("file", "training@master:/iris.csv"),
        Fact("file", "training@master:/iris.csv", 2),
        Fact("pipeline", "train"),
    ]

    def problems():
        return [finding.problem for finding in checks.check(facts, client)]

    assert all(problems()) and "not found" in problems()[0]
    client.create_repo("training")
    assert problems()[0] == "" and all(problems()[1:])
    client.put_file_bytes(("training", "master"), "/iris.csv", b"1\n2\n\n3\n")
    assert problems()[:4] == ["", "", "", "training@master:/iris.csv has 3 rows, not 2"]
    client.put_file_bytes(("training", "master"), "/iris.csv", b"1\n2")
    assert problems()[:4] == ["", "", "", ""] and problems()[4]
    client.delete_file(("training", "master"), "/iris.csv")
    assert problems()[1] == "training@master holds no file yet"


def test_a_step_that_is_not_ready_is_told_the_step_that_is_missing(pachd, workshop, folder):
    client = pachd.client()

    def lacking(number):
        found = checks.missing(workshop.step(number), workshop, folder, client)
        return found and found[1] and found[1].number

    assert [lacking(number) for number in (1, 2, 3, 4, 5)] == [None, None, 2, 3, 2]
    client.create_repo("training")
    client.create_repo("attributes")
    assert [lacking(number) for number in (3, 4, 5)] == [None, 3, None]
    client.put_file_bytes(("training", "master"), "/iris.csv", b"1\n")
    assert lacking(4) is None
    assert lacking(6) == 4
