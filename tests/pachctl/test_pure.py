"""Pure parts: metadata's small language, the DAG in letters, texts around a cause, completion, YAML, details."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workshop.pachctl import completion, tables
from workshop.pachctl.details import job_lines, printed, struct_json, transform_json
from workshop.pachctl.draw import Vertex, draw
from workshop.pachctl.errors import Failure
from workshop.pachctl.messages import Message, decode, encode
from workshop.pachctl.metadata import parse_edits, parse_one
from workshop.pachctl.pipelines import shorthand
from workshop.pachctl.wrapping import surrounded
from workshop.pachctl.yamltext import yaml_text

_REPO = {"name": "r", "type": "user", "project": {"name": "P"}}


@pytest.fixture(autouse=True)
def without_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    tables.set_colours(True)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a=b", ("a", "b")),
        ('"two lines"="one\\ntwo"', ("two lines", "one\ntwo")),
        ("'a b'='c;d'", ("a b", "c;d")),
        ("a=", ("a", "")),
    ],
)
def test_a_pair_is_key_and_value_either_quoted(text, pair):
    assert parse_one(text) == pair


def test_an_edit_names_its_object_and_its_change():
    edits = parse_edits(["repo", "data", "add", "a=b", "commit", "P2/data@master^2", "replace", '{"k":"v"}'], "P")
    assert edits[0] == {
        "repo": {"name": {"project": {"name": "P"}, "name": "data", "type": "user"}},
        "add_key": {"key": "a", "value": "b"},
    }
    assert edits[1]["commit"]["ancestor"]["offset"] == 2
    assert edits[1]["replace"] == {"replacement": {"k": "v"}}
    encode("metadata.EditMetadataRequest", {"edits": edits})


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            "repo data add nonsense",
            'arg set 0: parse error: parse kv: 1:9: unexpected token "<EOF>" '
            "(expected <equals> Str? (<terminator> | <eof>))",
        ),
        ("thing data add a=b", 'arg set 0: unknown object type "thing"'),
        ("repo data frob a=b", 'arg set 0: unknown operation "frob"'),
        ("branch data add a=b", 'arg set 0: unable to parse branch picker "data"'),
        ("repo data replace a=1;a=2", 'arg set 0: duplicate key "a"'),
    ],
)
def test_an_edit_that_cannot_be_read_is_refused_by_its_number(words, problem):
    with pytest.raises(Failure) as caught:
        parse_edits(words.split(), "P")
    assert caught.value.text == f"parse cmdline: {problem}"


def test_a_dag_is_drawn_with_sources_above_and_an_edge_for_each_input():
    out = Vertex("inference")
    train = Vertex("train", edges=[out])
    picture = draw([train, out, Vertex("attributes-of-all", edges=[out])]).splitlines()
    assert picture[1].split() == ["|", "train", "|", "|attributes..|"] or "attribute.." in picture[1]
    assert picture.index(next(line for line in picture if "inference" in line)) > 3
    assert sum("\\" in line or "/" in line for line in picture) >= 4


def test_a_long_edge_passes_a_layer_as_a_line():
    last = Vertex("c")
    middle = Vertex("b", edges=[last])
    first = Vertex("a", edges=[middle, last])
    picture = draw([first, middle, last])
    row = next(line for line in picture.splitlines() if "|     b     |" in line)
    assert row.replace("|     b     |", "").strip() == "|"


@pytest.mark.parametrize(
    ("method", "request_of", "text", "code", "whole"),
    [
        (
            "InspectCommit",
            {"commit": {"repo": _REPO, "id": "", "branch": {"repo": _REPO, "name": "b"}}},
            'branch "b" not found in repo P/r',
            "NotFound",
            'pick commit tx: commit P/r@ not found\nbranch "b" not found in repo P/r',
        ),
        (
            "FinishCommit",
            {"commit": {"repo": _REPO, "id": "x^", "branch": {"repo": _REPO, "name": ""}}},
            "repo P/r not found",
            "NotFound",
            "finish commit in transaction: pick commit tx: commit P/r@x^ not found\nrepo P/r not found",
        ),
        (
            "InspectFile",
            {"file": {"path": "/f", "commit": {"repo": _REPO, "id": "", "branch": {"repo": _REPO, "name": "b"}}}},
            "file /f not found in repo P/r at commit 123",
            "NotFound",
            "file /f not found in repo P/r at commit ",
        ),
        (
            "StartCommit",
            {},
            "branch must be specified",
            "Unknown",
            "start commit in transaction: branch must be specified",
        ),
        ("StartCommit", {}, "start commit in transaction: x", "Unknown", "start commit in transaction: x"),
        (
            "CreateBranch",
            {"branch": {"repo": _REPO, "name": "b"}, "head": {"repo": _REPO, "id": "x", "branch": {"name": ""}}},
            'branch "x" not found in repo P/r',
            "NotFound",
            'unable to inspect P/r@x: pick commit tx: commit P/r@x not found\nbranch "" not found in repo P/r',
        ),
        (
            "CreateBranch",
            {"branch": {"repo": _REPO, "name": "b"}, "head": None, "trigger": {"branch": "s"}},
            "repo P/r not found",
            "NotFound",
            "repo P/r not found",
        ),
        ("ListRepo", {}, "repo P/r not found", "NotFound", "repo P/r not found"),
        (
            "DeleteBranch",
            {"branch": {"repo": _REPO, "name": "b"}},
            'branch "b" not found in repo P/r',
            "NotFound",
            'get branch "P/r.user@b": branch (id=0, branch=P/r@b) not found',
        ),
        (
            "DeleteRepo",
            {"repo": _REPO},
            "cannot delete a repo associated with a pipeline - delete the pipeline instead",
            "Unknown",
            'delete repo: error checking whether repo "P/r" can be deleted: cannot delete a repo associated with a '
            "pipeline - delete the pipeline instead",
        ),
        (
            "CreateBranch",
            {"branch": {"repo": _REPO, "name": "b"}, "head": {"repo": _REPO, "id": "x", "branch": {"name": ""}}},
            'project "P" not found',
            "NotFound",
            "unable to inspect P/r@x: pick commit tx: picking commit: picking branch: picking repo: picking project: "
            'project "P" not found',
        ),
    ],
)
def test_a_cause_gets_its_surroundings_once(method, request_of, text, code, whole):
    assert surrounded(f"pfs_v2.API/{method}", request_of, text, code) == whole
    if "at commit" not in text:
        assert surrounded(f"pfs_v2.API/{method}", request_of, whole, code) == whole


@pytest.mark.parametrize(
    ("lacks", "above"), [("project", 'get project by name: project "P" not found\n'), ("repo", ""), ("", None)]
)
def test_a_branch_is_missed_below_its_repo_and_its_project(lacks, above):
    asked = {"branch": {"repo": _REPO, "name": "b"}}
    row = "repo (id=0, project=P, name=r, type=user) not found\n"
    whole = surrounded("A/InspectBranch", asked, 'branch "b" not found in repo P/r', "NotFound", lambda repo: lacks)
    rows = "" if above is None else above + row
    assert whole == (
        f'inspect branch in transaction: {rows}branch (id=0, branch=P/r@b) not found\nbranch "b" not found in repo P/r'
    )
    if lacks:
        missed = surrounded("A/SubscribeCommit", {"repo": _REPO}, "repo P/r not found", "NotFound", lambda repo: lacks)
        assert missed == f"get repo ID: {rows.rstrip()}"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:-# 1", min_size=1, max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_yaml_reads_back_as_what_was_written(value):
    assert yaml.safe_load(yaml_text(value)) == value


def test_yaml_keeps_lines_of_text_readable():
    text = yaml_text({"a": "one\ntwo", "b": [{"c": 1, "a": "1"}]})
    assert text == 'a: |-\n  one\n  two\nb:\n  - a: "1"\n    c: 1\n'


def test_inputs_are_written_on_one_line():
    pfs = {"pfs": Message("pps_v2.PFSInput", {"project": "p", "repo": "r", "glob": "/*"})}
    one = Message("pps_v2.Input", pfs)
    cron = Message("pps_v2.Input", {"cron": Message("pps_v2.CronInput", {"name": "t", "spec": "@never"})})
    assert shorthand(Message("pps_v2.Input", {"cross": [one, cron]})) == "(p/r:/* ⨯ t:@never)"
    assert shorthand(Message("pps_v2.Input", {"group": [one, one]})) == "(Group: p/r:/*, p/r:/*)"


def test_a_jobs_screen_has_every_line_of_a_job_with_limits_and_service():
    info = decode(
        "pps_v2.JobInfo",
        encode(
            "pps_v2.JobInfo",
            {
                "job": {"pipeline": {"name": "p", "project": {"name": "P"}}, "id": "x"},
                "stats": {},
                "details": {
                    "transform": {"image": "i", "cmd": ["<&>"]},
                    "resource_limits": {"cpu": 0.1, "memory": "1G", "gpu": {"type": "nvidia", "number": 2}},
                    "service": {"internal_port": 80},
                    "job_timeout": {"seconds": 60, "nanos": 5},
                    "parallelism_spec": {"constant": 3},
                },
            },
        ),
    )
    text = "\n".join(job_lines(info, "running", full=True))
    assert "ParallelismSpec: constant:3\nResourceLimits:\n  CPU: 0.1\n  Memory: 1G\n  GPU:\n    Type: nvidia\n" in text
    assert "\nJob Timeout: seconds:60  nanos:5\n" in text
    assert "\nDatum Timeout: <nil>\n" in text
    assert "InternalPort: 80" in text
    assert printed(info.details, "egress") == "<nil>"
    assert '"<\\u0026>"' in transform_json(info.details.transform)
    assert '"\\u003c\\u0026\\u003e"' in struct_json(info.details.transform)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_code_that_knows_the_tree(shell):
    text = completion.script(completion._BASH if shell == "bash" else completion._ZSH)
    function = text[text.index("__pachctl_words()") : text.index("__pachctl_names()")]
    asked = subprocess.run(
        ["bash", "-c", f"{function}\n__pachctl_words 'create'"], capture_output=True, text=True, check=True
    )
    assert {"branch", "pipeline", "repo"} <= set(asked.stdout.split())
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert shell == "zsh" or done.returncode == 0, done.stderr
