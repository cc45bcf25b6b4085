"""The grammar of README.md: what a step is, what counts as the same output, and what is refused with its line."""

import pytest

from workshop.readme import ReadmeError, classed, parse, rewritten

TEXT = """\
# Box
Words about the box.

# Workshop: Two Words

## 1. Begin

First words.
<!-- check: repo a -->

```console
$ pachctl create repo a
$ pachctl list repo
NAME SIZE
a    0B
```

More words.

```json
{"not": "run"}
```

<!-- numbers vary -->

```console
$ pachctl count
7 things
```

Last words.

## 2. Go on

## After the steps

```console
$ not a step
```

# Workshop: Other

## 1. Alone

# Appendix

## 1. No step
"""


def test_steps_commands_outputs_prose_and_checks_are_found_where_they_stand():
    workshops = parse(TEXT)
    assert {name: [step.title for step in workshop.steps] for name, workshop in workshops.items()} == {
        "two-words": ["Begin", "Go on"],
        "other": ["Alone"],
    }
    step = workshops["two-words"].step(1)
    assert [(command.line, command.text, command.output) for command in step.commands] == [
        (12, "pachctl create repo a", []),
        (13, "pachctl list repo", ["NAME SIZE", "a    0B"]),
        (27, "pachctl count", ["7 things"]),
    ]
    assert step.blocks[0].prose == "First words."
    assert step.blocks[1].prose == 'More words.\n\n```json\n{"not": "run"}\n```'
    assert step.afterword == "Last words."
    assert step.checks == ["repo a"]


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a  1 second ago   x", "a    About a minute ago x", True),
        ("took 5 seconds", "took Less than a second", True),
        ("took 5 seconds", "took 5 bananas", False),
        (f"job {'a' * 32}", f"job {'0' * 32}", True),
        (f"job {'a' * 31}", f"job {'0' * 31}", False),
        ("1.5s at work", "312ms at work", True),
        ("4.308KiB", "4.309KiB", False),
        ("2 + 0 / 2", "0 + 2 / 2", False),
        ("on 127.0.0.1:30650", "on 127.0.0.1:1234", True),
        ("a\nb", "b\na", False),
        ("a", "a\nb", False),
    ],
)
def test_ids_ages_durations_and_addresses_are_classes_and_all_else_is_exact(expected, actual, same):
    assert (classed(expected) == classed(actual)) is same


def test_numbers_vary_only_where_the_readme_says_so():
    first, _, count = parse(TEXT)["two-words"].step(1).commands
    assert count.prints("123 things") and not count.prints("many things")
    assert not first.prints("1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# Workshop: A\n## 1. B\n```console\nNAME\n```",
            "line 4: a console block begins with a `$ ` line, not 'NAME'",
        ),
        ("# Workshop: A\n## 1. B\n```console\n```", "line 3: a console block without a `$ ` line"),
        ("# Workshop: A\n## 1. B\n```console\n$ ls", "line 3: the block that begins here does not end"),
        ("# Workshop: A\n## 1. B\n## 3. C", "line 3: step 3 follows step 1 of A"),
        ("# Workshop: A\n## 1. B\n# Workshop: a\n## 1. B", "line 3: a workshop needs a name of its own: 'a'"),
        ("# Workshop: A\nwords", "the workshop A has no steps"),
    ],
)
def test_what_does_not_fit_the_grammar_is_refused_with_its_line(text, message):
    with pytest.raises(ReadmeError) as error:
        parse(text)
    assert str(error.value) == message


def test_a_step_that_is_not_there_is_named():
    with pytest.raises(ReadmeError, match="Two Words has no step 3: its steps are 1 to 2"):
        parse(TEXT)["two-words"].step(3)


def test_rewriting_replaces_outputs_and_nothing_else():
    text = rewritten(TEXT, {12: "", 13: "NEW  \nROWS\n", 27: "8 things"})
    assert text == TEXT.replace("NAME SIZE\na    0B", "NEW\nROWS").replace("7 things", "8 things")
    assert rewritten(TEXT, {}) == TEXT
