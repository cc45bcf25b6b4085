"""How datums are shared out: sets, and workers' shares of a queue."""

import pytest

from workshop.pachd.scheduler.sharing import set_numbers, shares


@pytest.mark.parametrize(
    ("spec", "sizes", "expected"),
    [
        ({}, [1, 1], [0, 0]),
        ({"perWorker": "2"}, [1, 1], [0, 0]),
        ({"number": "2"}, [9, 9, 9, 9, 9], [1, 1, 2, 2, 3]),
        ({"number": "9"}, [1, 1], [1, 1]),
        ({"sizeBytes": "3"}, [1, 1, 1, 5, 1, 2], [1, 1, 1, 2, 3, 3]),
        ({"sizeBytes": "3"}, [0, 0, 9, 0], [1, 1, 1, 2]),
        ({"number": "1", "sizeBytes": "4"}, [2, 2, 2], [1, 1, 2]),
        ({"number": "2"}, [], []),
    ],
)
def test_a_datum_set_is_full_with_so_many_datums_or_bytes(spec, sizes, expected):
    assert list(set_numbers(sizes, spec)) == expected


@pytest.mark.parametrize(
    "queued, chunks, shared",
    [
        (10, (20, 20), [5, 5]),
        (10, (1, 1), [1, 1]),
        (1, (64, 64), [1, 0]),
        (1000, (4, 4), [4, 4]),
        (9, (8, 1, 8), [4, 1, 4]),
    ],
)
def test_datums_go_to_whoever_has_least_so_that_few_are_shared_evenly(queued, chunks, shared):
    """Until nobody takes more: a message each, and another for who has worked off half of one."""
    waiting = [0] * len(chunks)
    while sum(sent := shares(queued, list(zip(waiting, chunks, strict=True)))):
        assert sum(sent) <= queued and all(number <= chunk for number, chunk in zip(sent, chunks, strict=True))
        waiting = [old + new for old, new in zip(waiting, sent, strict=True)]
        queued -= sum(sent)
    assert waiting == shared
