"""Texts of Go's JSON and base64 packages about what is none."""

import pytest

from workshop.pachd.gojson import base64_fault, fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "invalid character 'o' in literal null (expecting 'u')"),
        ("", "unexpected end of JSON input"),
        ('{"a"', "unexpected end of JSON input"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("'x", r"invalid character '\'' looking for beginning of value"),
        ('"a\nb"', r"invalid character '\n' in string literal"),
        (r'"\q"', "invalid character 'q' in string escape code"),
        (r'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e+x", "invalid character 'x' in exponent of numeric literal"),
        ("[" * 100_000, "unexpected end of JSON input"),
        (' {"a": [{"b": {}}, -1.5e3, "\\u00e4", true, null, []]} ', ""),
    ],
)
def test_the_first_wrong_character_of_a_json_text_is_named(text, words):
    assert fault(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("YQ==", ""),
        ("YWI=", ""),
        ("YW\nJj", ""),
        ("abc", "illegal base64 data at input byte 0"),
        ("YWJj!", "illegal base64 data at input byte 4"),
    ],
)
def test_the_first_wrong_byte_of_a_base64_text_is_counted(text, words):
    assert base64_fault(text) == words
