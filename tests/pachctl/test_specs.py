"""Pipeline specs and protobuf's JSON: what is wrong is told with its place, in the words that pachctl's users know."""

from __future__ import annotations

import pytest

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import json_text
from workshop.pachctl.protojson import parse
from workshop.pachctl.specs import pipeline_specs, read_json, resolved

_GOOD = '{"pipeline": {"name": "p"}, "transform": {"image": "i:1"}, "input": {"pfs": {"repo": "r", "glob": "/"}}}'
_PIPELINE = "pps_v2.CreatePipelineRequest"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"colour":1}', 'proto: (line 1:2): unknown field "colour"'),
        ('{"transform":{"cmd":"sh"}}', 'proto: syntax error (line 1:21): unexpected token "sh"'),
        ('{"pipeline":"p"}', 'proto: syntax error (line 1:13): unexpected token "p"'),
        ('{"parallelism_spec":{"constant":"many"}}', 'proto: (line 1:33): invalid value for uint64 type: "many"'),
        ('{"parallelism_spec":{"constant":-1}}', "proto: (line 1:33): invalid value for uint64 type: -1"),
        ('{"datum_tries":1.5}', "proto: (line 1:16): invalid value for int64 type: 1.5"),
        ('{"update":"yes"}', 'proto: (line 1:11): invalid value for bool type: "yes"'),
        ('{"datum_timeout":"soon"}', 'proto: (line 1:18): invalid google.protobuf.Duration value "soon"'),
        ('{"salt":1}', "proto: (line 1:9): invalid value for string type: 1"),
        ('{"salt":"a","salt":"b"}', 'proto: (line 1:13): duplicate field "salt"'),
        ('{"salt":"a"', "proto: syntax error (line 1:12): unexpected token "),
        ("no json", "proto: syntax error (line 1:1): invalid value no"),
        ("", "proto: syntax error (line 1:1): unexpected token "),
        ('{\n "x": 1}', 'proto: (line 2:2): unknown field "x"'),
    ],
)
def test_json_that_is_no_pipeline_is_refused_at_its_place(text, problem):
    with pytest.raises(ValueError, match=r"^proto: ") as caught:
        parse(_PIPELINE, text)
    assert str(caught.value) == problem


def test_both_spellings_null_text_numbers_and_durations_are_read():
    text = (
        '{"datumTries":"4","parallelism_spec":{"constant":1e1},"egress":null,"jobTimeout":"1.5s",'
        '"transform":{"env":{"K":"v"}},"tolerations":[{"effect":"NO_EXECUTE","toleration_seconds":"5"}]}'
    )
    request = parse(_PIPELINE, text)
    assert request.datum_tries == 4
    assert request.parallelism_spec.constant == 10
    assert "egress" not in request
    assert request.job_timeout == {"seconds": 1, "nanos": 500_000_000}
    assert request.transform.env == {"K": "v"}
    assert request.tolerations[0].toleration_seconds.value == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"pipeline":', "malformed pipeline spec: yaml: line 1: did not find expected node content"),
        (
            '{"pipeline":{"name":"p"} "input":1}',
            "malformed pipeline spec: yaml: did not find expected ',' or '}'",
        ),
        ("pipeline:\n  name: p\n bad: x\n", "malformed pipeline spec: yaml: line 2: did not find expected key"),
        ("just words", "expected a mapping or a sequence; got 8"),
        ("null", "expected a mapping or a sequence; got 8"),
        ("{}", "no `pipeline` specified"),
        ('{"pipeline":{}}', "no pipeline `name` specified"),
        ("pipeline: {name: p}\ndatum_tries: 010\n", "could not convert YAML to JSON object: integer value"),
    ],
)
def test_text_that_is_no_spec_is_refused_in_pachctls_words(text, problem):
    with pytest.raises(Failure) as caught:
        list(pipeline_specs(text))
    assert caught.value.text.startswith(problem)


def test_documents_and_lists_give_their_specs_one_by_one():
    assert len(list(pipeline_specs(f"{_GOOD}\n---\n{_GOOD}"))) == 2
    assert len(list(pipeline_specs(f"[{_GOOD},\n{_GOOD}]"))) == 2
    assert list(pipeline_specs("")) == []


def test_specs_before_a_bad_one_are_handed_out_first():
    specs = pipeline_specs(f'{_GOOD}\n---\n{{"pipeline": {{"name": "q"}}, "colour": 1}}')
    assert next(specs)["pipeline"]["name"] == "p"
    with pytest.raises(Failure, match='unknown field "colour"'):
        next(specs)


def test_numbers_and_strings_of_yaml_keep_what_they_are():
    spec = next(pipeline_specs("pipeline: {name: 'no'}\ndescription: on\nparallelism_spec: {constant: 2}\n"))
    assert json_text(spec) == '{"description":"on","parallelism_spec":{"constant":2},"pipeline":{"name":"no"}}'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("yes", "str"),
        ("true", "bool"),
        ("~", "null"),
        ("1_000", "int"),
        ("0o7", "int"),
        ("1e3", "float"),
        (".5", "float"),
        ("2024-01-01", "timestamp"),
        ("1.2.3", "str"),
        ("/*", "str"),
        ("<<", "merge"),
        ("-", "str"),
    ],
)
def test_plain_scalars_have_the_types_of_yaml_1_2(text, kind):
    assert resolved(text) == kind


def test_an_editors_schema_key_is_dropped_and_atom_is_read_as_pfs(capsys):
    text = '{"$schema": "x", "pipeline": {"name": "p"}, "input": {"cross": [{"atom": {"repo": "r", "glob": "/"}}]}}'
    assert next(pipeline_specs(text))["input"] == {"cross": [{"pfs": {"repo": "r", "glob": "/"}}]}
    assert "`atom` inputs are Pachyderm 1.x's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("image", "words"), [("python", "specify a tag"), ("python:latest", "do not specify the ':latest' tag")]
)
def test_an_image_without_a_fixed_tag_is_warned_of(image, words, capsys):
    list(pipeline_specs(f'{{"pipeline": {{"name": "p"}}, "transform": {{"image": "{image}"}}}}'))
    assert words in capsys.readouterr().err


def test_defaults_are_one_document_as_json():
    assert read_json("createPipelineRequest:\n  datumTries: 6\n") == '{"createPipelineRequest":{"datumTries":6}}'
    with pytest.raises(Failure, match="unexpected YAML kind 0"):
        read_json("")
