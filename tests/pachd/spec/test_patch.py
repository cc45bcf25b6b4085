"""Laying specification texts over each other."""

from __future__ import annotations

import pytest

from workshop.pachd.spec.fields import JsonFault, dump, load
from workshop.pachd.spec.patch import canonical_keys, compact, merge, rounded


def test_merge_replaces_lists_and_null_removes():
    assert merge({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3], "e": {"f": None}}, "d": None}) == {
        "a": {"b": 1, "c": [3], "e": {}}
    }


def test_keys_become_camel_case_and_enums_names_while_values_stay():
    given = load(
        '{"datum_tries": "4", "tolerations": [{"operator": 1}, null], "input": null, "transform": {"env": {}}}'
    )
    assert canonical_keys(given, "CreatePipelineRequest") == {
        "datumTries": "4",
        "tolerations": [{"operator": "EXISTS"}, None],
        "input": None,
        "transform": {"env": {}},
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"tolerations": null}', "expected []any; got <nil> in pps_v2.CreatePipelineRequest.tolerations"),
        (
            '{"transform": {"errCmd": null, "env": {"A": "b c"}, "debug": true, "stdin": ["x", "y"]}}',
            "could not canonicalize field pps_v2.CreatePipelineRequest.transform "
            "(map[debug:true env:map[A:b c] errCmd:<nil> stdin:[x y]]): "
            "expected []any; got <nil> in pps_v2.Transform.err_cmd",
        ),
        (
            '{"schedulingSpec": {"nodeSelector": null}}',
            "could not canonicalize field pps_v2.CreatePipelineRequest.scheduling_spec (map[nodeSelector:<nil>]): "
            "expected map[string]any; got <nil> in pps_v2.SchedulingSpec.node_selector",
        ),
    ],
)
def test_a_null_in_the_place_of_a_list_or_a_map_is_refused_in_gos_words(text, fault):
    with pytest.raises(JsonFault) as refusal:
        canonical_keys(load(text), "CreatePipelineRequest")
    assert str(refusal.value) == fault


def test_numbers_are_rounded_as_64_bit_floats():
    given = load('{"a": 9007199254740993, "b": [4.0, 1e2, 0.10], "c": "9007199254740993", "d": 12345678901234567890}')
    assert dump(rounded(given)) == (
        '{"a":9007199254740992,"b":[4,100,0.1],"c":"9007199254740993","d":12345678901234567000}'
    )


def test_blanks_between_tokens_go_and_those_in_strings_stay():
    assert compact(' { "a b" :\n [1 , "c \\" d"] } ') == '{"a b":[1,"c \\" d"]}'
