"""The effective specification, and every refusal by its exact text."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.pachd import errors, spec
from workshop.pachd.spec import inputs
from workshop.pachd.spec.fields import JsonFault

NOW = "2026-01-01T00:00:00Z"


def no_defaults(project: str) -> str:
    if project == "nowhere":
        raise errors.NotFound(f'error getting project "{project}": get project by name: project "{project}" not found')
    return "{}"


def plain(**more) -> dict:
    return {
        "pipeline": {"name": "p", "project": {"name": "default"}},
        "transform": {"cmd": ["true"]},
        "input": {"pfs": {"repo": "in", "glob": "/*"}},
        **more,
    }


def make(document, **flags) -> spec.Spec:
    text = document if isinstance(document, str) else json.dumps(document)
    return spec.effective(text, spec.CLUSTER_DEFAULTS, no_defaults, **flags)


def check_cron(text: str) -> None:
    if text == "x":
        raise ValueError("Expected exactly 5 fields, found 1: x")


def details(document) -> dict:
    return spec.describe(make(document).request, NOW, check_cron)


def test_defaults_stand_under_what_the_user_wrote():
    made = make(plain(datumTries=5, resourceRequests={"cpu": 0.25}))
    assert json.loads(made.effective) == plain(
        datumTries=5,
        outputBranch="master",
        reprocessSpec="until_success",
        transform={"cmd": ["true"], "image": "ubuntu:20.04"},
        resourceRequests={"cpu": 0.25, "disk": "1Gi", "memory": "256Mi"},
        sidecarResourceRequests={"cpu": 1, "disk": "1Gi", "memory": "256Mi"},
    )
    assert json.loads(made.answer)["datumTries"] == "5"


def test_the_projects_defaults_stand_between():
    text = json.dumps(plain(description=None))
    made = spec.effective(
        text, spec.CLUSTER_DEFAULTS, lambda project: '{"createPipelineRequest": {"description": "d", "datum_tries": 7}}'
    )
    assert json.loads(made.effective)["datumTries"] == 7
    assert "description" not in json.loads(made.effective)


def test_the_calls_flags_stand_in_the_answer_but_are_not_stored():
    made = make(plain(), update=True, reprocess=True)
    assert json.loads(made.answer)["update"] and json.loads(made.answer)["reprocess"]
    assert "update" not in made.effective


def test_an_update_in_the_text_counts_for_nothing_but_is_kept_with_it():
    made = make(plain(update=True))
    assert "update" not in made.request
    assert json.loads(made.effective)["update"] is True


def test_defaults_may_name_the_project():
    cluster = '{"createPipelineRequest": {"pipeline": {"project": {"name": "elsewhere"}}}}'
    made = spec.effective('{"pipeline": {"name": "p"}}', cluster, lambda project: "{}")
    assert made.request["pipeline"] == {"name": "p", "project": {"name": "elsewhere"}}


def test_null_defaults_clear_those_below():
    made = spec.effective(json.dumps(plain()), spec.CLUSTER_DEFAULTS, lambda project: '{"createPipelineRequest": null}')
    assert json.loads(made.effective) == plain()


def test_defaults_may_be_written_in_snake_case():
    made = spec.effective(json.dumps(plain()), '{"create_pipeline_request": {"datum_tries": 7}}', lambda project: "{}")
    assert json.loads(made.effective)["datumTries"] == 7


def test_a_null_list_is_refused_by_the_merger():
    with pytest.raises(errors.InvalidArgument) as refusal:
        spec.effective(
            '{"pipeline": {"name": "p"}, "tolerations": null}', '{"createPipelineRequest": null}', lambda project: "{}"
        )
    assert refusal.value.text == (
        'could not make effective spec: could not merge user wrapper {"createPipelineRequest":{"pipeline":'
        '{"name":"p"},"tolerations":null}} into effective project defaults {}: could not canonicalize target object: '
        "could not canonicalize field pps_v2.ClusterDefaults.create_pipeline_request (map[pipeline:map[name:p] "
        "tolerations:<nil>]): expected []any; got <nil> in pps_v2.CreatePipelineRequest.tolerations"
    )


def test_the_project_is_filled_in_the_request_only():
    made = make({**plain(), "pipeline": {"name": "p"}})
    assert made.request["pipeline"] == {"name": "p", "project": {"name": "default"}}
    assert json.loads(made.effective)["pipeline"] == {"name": "p"}


EFFECTIVE = (
    '{"datumTries":"3","input":{"pfs":{"glob":"/*","repo":"in"}},"outputBranch":"master",'
    '"pipeline":{"name":"p","project":{"name":"default"}},"reprocessSpec":"nope",'
    '"resourceRequests":{"cpu":1,"disk":"1Gi","memory":"256Mi"},"sidecarResourceRequests":{"cpu":1,"disk":"1Gi","memory":"256Mi"},'
    '"transform":{"cmd":["true"],"image":"ubuntu:20.04"}}'
)


@pytest.mark.parametrize(
    ("document", "code", "text"),
    [
        (
            plain(reprocessSpec="nope"),
            "INVALID_ARGUMENT",
            f"could not make effective spec: invalid effective spec {EFFECTIVE}: "
            'invalid pipeline spec: ReprocessSpec must be one of "until_success" or "every_job"',
        ),
        ({}, "UNKNOWN", "request.Pipeline cannot be nil"),
        (
            {"pipeline": {"name": "p", "project": {"name": "nowhere"}}},
            "INVALID_ARGUMENT",
            "could not make effective spec: could not get defaults for project nowhere: could not get defaults for "
            "project nowhere: "
            'error getting project "nowhere": get project by name: project "nowhere" not found',
        ),
    ],
)
def test_refusals_of_the_effective_specification(document, code, text):
    with pytest.raises(errors.PachydermError) as refusal:
        make(document)
    assert (refusal.value.code, refusal.value.text) == (code, text)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tfJob": {}}, "embedding TFJobs in pipelines is not supported yet"),
        (
            {"tolerations": [{"operator": 1}, {}]},
            "toleration 2/2: cannot omit key/value comparison operator; specify EQUAL or EXISTS",
        ),
        ({"podSpec": "{"}, "malformed PodSpec"),
        ({"podPatch": "NaN"}, "malformed PodPatch"),
        ({"service": {"type": "x"}}, "the following service type x is not allowed"),
    ],
)
def test_static_refusals_end_with_their_reason(more, reason):
    with pytest.raises(errors.InvalidArgument) as refusal:
        make(plain(**more))
    assert refusal.value.text.startswith("could not make effective spec: invalid effective spec {")
    assert refusal.value.text.endswith(f": {reason}")


def test_a_text_that_is_no_specification_is_quoted():
    with pytest.raises(errors.InvalidArgument) as refusal:
        make("pipeline: p")
    assert refusal.value.text.startswith(
        "could not make effective spec: could not parse pipeline: p as Create Pipeline Request message: proto: "
    )


# ---------------------------------------------------------------- names
@pytest.mark.parametrize(
    ("project", "name", "text"),
    [
        (
            "default",
            "a b",
            "invalid pipeline name: name (a b) invalid: only alphanumeric characters, underscores, and dashes are "
            "allowed",
        ),
        ("default", "n" * 52, f'pipeline name "{"n" * 52}" is 1 characters longer than the 51 max'),
        (
            "A_project12",
            "n" * 48,
            f'Kubernetes name "a-project12-{"n" * 48}-v99" is 1 characters longer than the 63 max',
        ),
    ],
)
def test_names_that_cannot_be(project, name, text):
    with pytest.raises(errors.PachydermError) as refusal:
        spec.check_name(project, name)
    assert refusal.value.text == text


def pfs(**more) -> dict:
    return {"pfs": {"repo": "in", "glob": "/*", **more}}


S3 = "as 's3' requires input data to be accessed via Pachyderm's S3 gateway rather than the file system"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"input": pfs(name="out")}, "input cannot be named out"),
        ({"input": pfs(repo="out")}, "input cannot be named out"),
        ({"input": pfs(name=".env")}, "input cannot be named .env"),
        ({"input": {"cross": [pfs(), pfs()]}}, 'name "in" was used more than once'),
        ({"input": {"cross": [{"union": [pfs(), pfs()]}, pfs()]}}, 'name "in" was used more than once'),
        ({"input": {"pfs": {"repo": "in"}}}, "input must specify a glob"),
        ({"input": {"pfs": {"glob": "/", "name": "a"}}}, "input must specify a repo"),
        ({"input": {"pfs": {"glob": "/"}}}, "input must specify a name"),
        (
            {"input": pfs(commit="master")},
            "input cannot come from a commit; use a branch with head pointing to the commit",
        ),
        ({"input": {}}, "no input set"),
        ({"input": {"cross": []}}, "no input set"),
        ({"input": {"cross": [pfs(), {}]}}, "no input set"),
        ({"input": {**pfs(), "cross": [pfs(name="b")]}}, "multiple input types set"),
        (
            {"input": pfs(s3=True)},
            "inputs that set 's3' to 'true' must also set 'glob', to \"/\", as the S3 gateway is only able to expose "
            "data at the commit level",
        ),
        ({"input": pfs(s3=True, glob="/", lazy=True)}, f"input cannot specify both 's3' and 'lazy', {S3}"),
        ({"input": pfs(s3=True, glob="/", emptyFiles=True)}, f"input cannot specify both 's3' and 'empty_files', {S3}"),
        ({"input": {"join": [pfs(s3=True, glob="/")]}}, "S3 inputs in join expressions are not supported"),
        ({"input": {"union": [pfs(s3=True, glob="/")]}}, "S3 inputs in union expressions are not supported"),
        ({"input": {"cron": {"spec": "@never"}}}, "input must specify a name"),
        (
            {"input": {"cron": {"name": "t", "spec": "x"}}},
            "error parsing cron-spec: Expected exactly 5 fields, found 1: x",
        ),
        ({"egress": {"sqlDatabase": {}}}, "egress.sql_database.secret is required"),
        (
            {"spout": {}, "autoscaling": True},
            "autoscaling can't be used with spouts (spouts aren't triggered externally)",
        ),
        ({"spout": {}}, "spout pipelines (without a service) must not have an input"),
        ({"spout": {}, "s3Out": True}, "s3 output is not supported in spouts or services"),
        (
            {"service": {}, "parallelismSpec": {"constant": 2}},
            "services can only be run with a constant parallelism of 1",
        ),
        ({"service": {}, "parallelismSpec": {}}, "services can only be run with a constant parallelism of 1"),
        ({"pipeline": {"name": "-p"}}, "pipeline names must start with an alphanumeric character"),
    ],
)
def test_refusals_of_the_details(more, text):
    with pytest.raises(errors.PachydermError) as refusal:
        details(plain(**more))
    assert refusal.value.text == text


@pytest.mark.parametrize(
    "more",
    [
        {"input": {"union": [pfs(), pfs()]}},
        {"input": pfs(name="a/b")},
        {"input": {"cross": [pfs()]}},
        {"input": {"group": [pfs(glob="/(*)")]}},
        {"datumTries": -1, "datumTimeout": "-5s", "datumSetSpec": {"number": -1}},
        {"service": {}, "parallelismSpec": {"constant": 1}},
        {"egress": {"URL": "nope"}},
        {"podSpec": '"x"', "podPatch": "[]"},
        {"spout": {"service": {"internalPort": 80}}},
    ],
)
def test_what_is_odd_but_accepted(more):
    assert details(plain(**more))


def test_a_pipeline_needs_no_input():
    document = plain()
    del document["input"]
    assert "input" not in details(document)


# ---------------------------------------------------------------- filling in
def test_input_defaults():
    assert details(plain())["input"]["pfs"] == {
        "project": "default", "name": "in", "repo": "in", "repoType": "user", "branch": "master", "glob": "/*"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "stored"),
    [("*", "/*"), ("/a/", "/a"), ("/./a//b", "/a/b"), ("/", "/"), ("//", "/"), ("/../x", "/x"), ("/a b", "/a b")],
)
def test_globs_are_cleaned(given, stored):
    assert inputs.clean_glob(given) == stored


def names(document: dict) -> list[str]:
    return [leaf["name"] for _, leaf in inputs.leaves(document)]


def test_arms_are_sorted_by_the_names_that_the_user_gave():
    unnamed = {"cross": [pfs(repo=name) for name in "cab"]}
    assert names(details(plain(input=unnamed))["input"]) == ["c", "a", "b"]
    mixed = {"cross": [pfs(name="z"), pfs(repo="c"), pfs(name="b"), {"cron": {"name": "a", "spec": "@never"}}]}
    assert names(details(plain(input=mixed))["input"]) == ["c", "a", "b", "z"]
    nested = {"cross": [pfs(name="b"), {"union": [pfs(name="c"), pfs(name="a")]}]}
    assert names(details(plain(input=nested))["input"]) == ["a", "c", "b"]


def test_trigger_branches_are_numbered_by_repo():
    document = {
        "cross": [pfs(name="a", trigger={"commits": 2}), pfs(name="b", trigger={}), pfs(name="c", repo="r", trigger={})]
    }
    found = [leaf["branch"] for _, leaf in inputs.leaves(details(plain(input=document))["input"])]
    assert found == ["p-trigger-1", "p-trigger-2", "p-trigger-1"]


def test_a_cron_input_gets_a_repo_and_a_start():
    cron = details(plain(input={"cron": {"name": "tick", "spec": "@never"}}))["input"]["cron"]
    assert cron == {"name": "tick", "repo": "p_tick", "spec": "@never", "start": NOW, "project": "default"}


def test_no_parallelism_is_one_worker_and_is_not_stored():
    for more in ({}, {"parallelismSpec": {}}, {"parallelismSpec": {"constant": 0}}):
        found = details(plain(**more))
        assert "parallelismSpec" not in found
        assert spec.parallelism_of(found) == 1
    assert spec.parallelism_of(details(plain(parallelismSpec={"constant": "4"}))) == 4


def test_kinds_of_pipelines():
    service = details(plain(service={}))
    assert (spec.type_of(service), service["service"]["type"]) == (spec.SERVICE, "NodePort")
    assert spec.type_of(details(plain())) == spec.TRANSFORM
    assert spec.type_of(details({"pipeline": {"name": "p"}, "spout": {}})) == spec.SPOUT


def test_the_branches_that_a_pipeline_stands_on():
    document = {
        "cross": [
            pfs(repo="a"),
            pfs(repo="b", branch="dev", propagationSpec={"never": True}),
            {"cron": {"name": "t", "spec": "@never"}},
        ]
    }
    found = inputs.branches(details(plain(input=document))["input"], "default")
    assert [(str(branch), never) for branch, never in found] == [
        ("default/a@master", False), ("default/b@dev", True), ("default/p_t@master", False)
    ]  # fmt: skip


def test_a_jobs_input_names_its_commit():
    given = details(plain(input={"cross": [pfs(repo="a"), {"cron": {"name": "t", "spec": "@never"}}]}))["input"]
    shown = inputs.with_commit(given, "i" * 32)
    assert [leaf["commit"] for _, leaf in inputs.leaves(shown)] == ["i" * 32] * 2
    assert all("commit" not in leaf for _, leaf in inputs.leaves(given))


# ---------------------------------------------------------------- 1.x
def test_a_1x_specification_is_translated_with_warnings():
    old = {
        "pipeline": {"name": "p"}, "transform": {"image": "i", "cmd": ["true"]}, "standby": True, "enable_stats": True,
        "parallelism_spec": {"constant": "1"},
        "input": {"cross": [{"atom": {"repo": name, "glob": "/"}} for name in ("training", "attributes")]},
    }  # fmt: skip
    made = make(old)
    assert made.request["autoscaling"] is True
    assert [arm["pfs"]["repo"] for arm in made.request["input"]["cross"]] == ["training", "attributes"]
    assert len(made.warnings) == 4
    assert made.user == json.dumps(old)


def test_a_specification_with_a_project_is_no_1x_one():
    with pytest.raises(errors.InvalidArgument, match="unknown field"):
        make(plain(input={"atom": {"repo": "in", "glob": "/*"}}))


@pytest.mark.parametrize(
    "text", ["{}", '{"createPipelineRequest": {"datum_tries": 4}}', '{"create_pipeline_request": null}']
)
def test_defaults_documents(text):
    spec.check_defaults(text)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"nope": {}}', '{"createPipelineRequest": {"nope": 1}}', '{"createPipelineRequest": []}']
)
def test_faulty_defaults_documents(text):
    with pytest.raises(JsonFault):
        spec.check_defaults(text)


# ---------------------------------------------------------------- anything at all
KEYS = [
    *(
        "pipeline",
        "transform",
        "input",
        "pfs",
        "cross",
        "join",
        "union",
        "cron",
        "name",
        "repo",
        "glob",
        "spec",
        "trigger",
    ),
    *(
        "egress",
        "sqlDatabase",
        "service",
        "spout",
        "tolerations",
        "operator",
        "podPatch",
        "parallelismSpec",
        "constant",
    ),
    *("constant", "trigger", "resourceRequests", "cpu", "gpu", "standby", "atom", "project", "specCommit", "type"),
]
words = st.text(max_size=4) | st.sampled_from(["p", "1", "/*", "90s"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(anything, st.dictionaries(st.sampled_from(KEYS), anything, max_size=5))
def test_whatever_is_sent_is_understood_or_refused(document, more):
    if isinstance(document, dict):
        document = {**more, **document, "pipeline": document.get("pipeline", {"name": "p"})}
    with contextlib.suppress(errors.PachydermError):
        details(document)
    with contextlib.suppress(errors.PachydermError):
        details({"pipeline": {"name": "p"}, "input": document})
