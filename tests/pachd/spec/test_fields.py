"""Protobuf's JSON rules, held against protobuf's own parser and the protocol's own descriptors."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.pachd.spec import fields
from workshop.pachd.spec.fields import JsonFault, dump, parse
from workshop.pachd.wire import schema

OWN_NAMES = {  # of messages whose names in the table are not the protocol's
    "Project": "pfs_v2.Project",
    "Repo": "pfs_v2.Repo",
    "Branch": "pfs_v2.Branch",
    "Commit": "pfs_v2.Commit",
    "Trigger": "pfs_v2.Trigger",
    "PropagationSpec": "pfs_v2.PropagationSpec",
    "ObjectStorageEgress": "pfs_v2.ObjectStorageEgress",
    "SQLDatabaseEgress": "pfs_v2.SQLDatabaseEgress",
    "FileFormat": "pfs_v2.SQLDatabaseEgress.FileFormat",
    "SQLSecret": "pfs_v2.SQLDatabaseEgress.Secret",
}


@pytest.mark.parametrize("message", sorted(fields.FIELDS))
def test_the_table_has_the_fields_of_the_protocol(message):
    descriptor = schema.message_class(OWN_NAMES.get(message, f"pps_v2.{message}")).DESCRIPTOR
    assert {key for key, _ in fields.FIELDS[message].values()} == {field.json_name for field in descriptor.fields}
    for field in descriptor.fields:
        kind = fields.FIELDS[message][field.name][1]
        repeated = field.label == field.LABEL_REPEATED
        assert repeated == (kind.startswith("[") or kind == "{}"), field.name
        if field.cpp_type == field.CPPTYPE_MESSAGE and kind != "{}":
            assert field.message_type.name == {"SQLSecret": "Secret"}.get(kind.strip("[]"), kind.strip("[]")), (
                field.name
            )
        elif kind != "{}" and field.cpp_type == field.CPPTYPE_ENUM:
            assert tuple(value.name for value in field.enum_type.values) == fields.ENUMS[kind]
        elif kind != "{}":
            names = {
                field.TYPE_STRING: "string",
                field.TYPE_BOOL: "bool",
                field.TYPE_INT64: "int64",
                field.TYPE_INT32: "int32",
            }
            names |= {field.TYPE_UINT64: "uint64", field.TYPE_FLOAT: "float"}
            assert names[field.type] == kind.strip("[]"), field.name


def canonical_of_protobuf(text: str) -> dict:
    message = json_format.Parse(text, schema.pps_v2.CreatePipelineRequest())
    return json.loads(json_format.MessageToJson(message))


@pytest.mark.parametrize(
    "text",
    [
        '{"pipeline": {"name": "p"}, "datum_tries": 4, "datumTimeout": "1.5s"}',
        '{"datumTries": "4", "parallelism_spec": {"constant": "3"}, "s3_out": true}',
        '{"datumTries": 4.0, "transform": {"accept_return_code": [3, "4"], "env": {"A": ""}}}',
        '{"tolerations": [{"operator": 1}, {"operator": "EQUAL", "tolerationSeconds": "5"}, {}]}',
        '{"input": {"cross": [{"pfs": {"repo": "a", "glob": "/"}}, {"cron": {"name": "t", "start": '
        '"2026-01-01T00:00:00Z"}}]}}',
        '{"resourceRequests": {}, "spout": {}, "description": "", "autoscaling": false, "datumTries": 0, '
        '"tolerations": []}',
        '{"resource_limits": {"cpu": 0.25, "gpu": {"type": "x", "number": 1}}, "metadata": {"labels": {"a": "b"}}}',
        '{"transform": null, "datumTries": null, "input": {"pfs": null}}',
        '{"egress": {"URL": "s3://b"}, "podPatch": "{}", "description": "0"}',
        '{"jobTimeout": "-0.000000001s", "datumTimeout": "90s", "maximumExpectedUptime": "0s"}',
        '{"input": {"cron": {"start": "2026-01-01T01:02:03.5+02:00"}}, "determined": {"workspaces": ["a"]}}',
        '{"specCommit": {"id": "x", "branch": {"name": "master", "repo": {"name": "r", "type": "spec"}}}}',
        '{"egress": {"sqlDatabase": {"fileFormat": {"type": "CSV", "columns": ["a"]}, "secret": {"name": "n", "key": '
        '"k"}}}}',
    ],
)
def test_documents_are_those_of_protobufs_own_parser(text):
    assert parse(text) == canonical_of_protobuf(text)


scalars = st.one_of(st.text(max_size=5), st.integers(-10, 10), st.booleans(), st.none())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["pfs", "repo", "name", "cpu", "cross", "env", "a"]), inner, max_size=3)
    ),
)
requests = st.dictionaries(
    st.sampled_from(
        [
            "pipeline",
            "transform",
            "input",
            "datumTries",
            "datum_tries",
            "egress",
            "spout",
            "s3Out",
            "resourceLimits",
            "nope",
        ]
    ),
    values,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(requests)
def test_what_protobuf_refuses_is_refused_and_the_rest_agrees(request):
    text = json.dumps(request)
    try:
        theirs = canonical_of_protobuf(text)
    except json_format.ParseError:
        theirs = None
    try:
        ours = parse(text)
    except JsonFault:
        ours = None
    if (
        ours is not None
    ):  # Python's own parser takes a few things that the protocol's does not, such as "" for a message
        assert ours == theirs


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "unexpected token"),
        ("{", "syntax error"),
        ("[]", "expected an object"),
        ('"x"', "expected an object"),
        ("null", "expected an object"),
        ("{}{}", "syntax error"),
        ("pipeline: p", "syntax error"),
        ('{"nope": 1}', 'unknown field "nope"'),
        ('{"transfrom": {}}', 'did you mean "transform"?'),
        ('{"transform": {"nope": 1}}', '(transform): unknown field "nope"'),
        ('{"datumTries": "x"}', '(datumTries): invalid value for int64 field: "x"'),
        ('{"datumTries": 1.5}', "invalid value for int64"),
        ('{"datumTries": 9223372036854775808}', "invalid value for int64"),
        ('{"parallelismSpec": {"constant": -1}}', "invalid value for uint64"),
        ('{"transform": "x"}', "(transform): expected an object"),
        ('{"transform": {"cmd": "true"}}', "(transform.cmd): expected a list"),
        ('{"transform": {"cmd": [null]}}', "(transform.cmd[0])"),
        ('{"datumTimeout": "90"}', "google.protobuf.Duration"),
        ('{"datumTries": 1, "datum_tries": 1}', "duplicate field"),
        ('{"salt": "a", "salt": "b"}', "duplicate map key"),
        ('{"resourceLimits": {"cpu": NaN}}', "NaN"),
        ('{"egress": {"objectStorage": {}, "sqlDatabase": {}}}', "oneof Egress.target is already set"),
        ('{"input": ' * 5000 + "1" + "}" * 5000, "recursion"),
        ('{"input": {"cross": ' + "[{" * 80 + "}]" * 80 + "}}", "recursion"),
        ('{"salt": "' + "[" * 5000 + '\\""', "syntax error"),
    ],
)
def test_faults_say_what_and_where(text, hint):
    with pytest.raises(JsonFault) as fault:
        parse(text)
    assert hint in str(fault.value)


def test_dump_is_gos_json():
    assert dump({"b": 1, "a": "x > y && é \u2028"}) == '{"a":"x \\u003e y \\u0026\\u0026 é \\u2028","b":1}'
    assert (
        dump(fields.load('{"cpu": 1.0, "half": 0.5, "big": 12345678901}')) == '{"big":12345678901,"cpu":1,"half":0.5}'
    )


@pytest.mark.parametrize(
    ("given_", "kept"), [(0.1, 0.1), (0.123456789, 0.12345679), (16777217, 16777216), (1e-7, 1e-7), (3, 3)]
)
def test_a_float_keeps_the_digits_that_32_bits_hold(given_, kept):
    assert parse(f'{{"resourceRequests": {{"cpu": {given_}}}}}') == {"resourceRequests": {"cpu": kept}}


def test_an_enum_takes_numbers_without_a_name_that_fit():
    for number in (9, -1, -(2**31)):
        assert parse(f'{{"tolerations": [{{"operator": {number}}}]}}')["tolerations"] == [{"operator": number}]
    for number in (2**31, -(2**31) - 1, 1.5):
        with pytest.raises(JsonFault):
            parse(f'{{"tolerations": [{{"operator": {number}}}]}}')


@given(st.integers(-(10**18), 10**18))
def test_durations_and_times_survive_the_round_trip(nanoseconds):
    assert fields.duration(fields.duration_text(nanoseconds)) == nanoseconds
    assert fields.timestamp(fields.timestamp_text(nanoseconds)) == nanoseconds
