"""The plan is a pure function: the same for ever, one sequence for any number of ranks, the same share for each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan import permutation, plan_epoch, sequence

counts = st.lists(st.integers(1, 4), min_size=1, max_size=60)


def first_of(counts):
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def test_the_order_of_a_seed_and_an_epoch_is_the_same_for_ever():
    assert permutation(10, 0, 0).tolist() == [0, 3, 2, 8, 4, 5, 1, 7, 9, 6]
    assert permutation(10, 0, 1).tolist() == [0, 2, 3, 4, 6, 8, 1, 7, 5, 9]
    assert permutation(10, 1, 0).tolist() == [6, 1, 8, 5, 4, 9, 0, 2, 3, 7]


@given(st.integers(0, 300_000), st.integers(0, 2**64 - 1), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_permutation_has_every_number_once(count, seed, epoch):
    assert np.array_equal(np.sort(permutation(count, seed, epoch)), np.arange(count))


def test_shuffling_is_uniform_over_the_whole_list_not_over_a_buffer():
    """An element of n travels n/3 on average in a uniform shuffle; a buffer of a tenth would move it n/10."""
    order = permutation(100_000, 7, 3)
    travelled = np.abs(order - np.arange(len(order))).mean() / len(order)
    assert 0.32 < travelled < 0.345
    assert abs(np.corrcoef(order, permutation(100_000, 7, 4))[0, 1]) < 0.02
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.02


@given(counts, st.integers(0, 5), st.integers(0, 5), st.sampled_from(["images", "samples", "none"]))
def test_an_epoch_has_every_sample_once_and_by_image_keeps_neighbours(counts, seed, epoch, shuffle):
    first = first_of(counts)
    order = sequence(first, seed, epoch, shuffle)
    assert np.array_equal(np.sort(order), np.arange(first[-1]))
    if shuffle == "images":
        images = np.searchsorted(first, order, side="right") - 1
        assert 1 + np.count_nonzero(np.diff(images)) == len(counts)


@given(
    counts,
    st.integers(1, 7),
    st.integers(1, 5),
    st.sampled_from(["drop", "wrap"]),
    st.sampled_from(["images", "samples"]),
)
def test_all_ranks_have_equally_many_batches_and_together_the_one_sequence(counts, batch, world, last, shuffle):
    first = first_of(counts)
    if last == "drop" and first[-1] < batch * world:
        with pytest.raises(ValueError, match="do not fill one step"):
            plan_epoch(first, 3, 2, batch, 0, world, shuffle, last)
        return
    plans = [plan_epoch(first, 3, 2, batch, rank, world, shuffle, last) for rank in range(world)]
    assert len({plan.batches for plan in plans}) == 1
    together = np.stack([plan.samples for plan in plans], axis=1).ravel()
    order = sequence(first, 3, 2, shuffle)
    assert np.array_equal(together, np.resize(order, len(together)))
    missing = len(order) - len(together)
    assert (0 <= missing < batch * world) if last == "drop" else (0 <= -missing < batch * world)


@given(counts, st.integers(1, 4))
def test_the_same_step_has_the_same_samples_for_any_split_into_ranks(counts, world):
    first = first_of([*counts, *[1] * 12])
    whole = plan_epoch(first, 1, 1, 12, 0, 1).samples
    if 12 % world == 0:
        parts = [plan_epoch(first, 1, 1, 12 // world, rank, world).samples for rank in range(world)]
        assert np.array_equal(np.concatenate(parts, axis=1), whole)


@given(counts, st.integers(1, 9), st.sampled_from(["images", "samples", "none"]))
def test_the_tasks_of_a_batch_fill_each_slot_once_with_the_planned_sample(counts, batch, shuffle):
    first = first_of(counts)
    plan = plan_epoch(first, 5, 0, batch, shuffle=shuffle, last="wrap")
    for number in range(plan.batches):
        filled = {}
        for task in plan.tasks(number):
            assert first[task.image] <= task.box and task.box + task.count <= first[task.image + 1]
            for place in range(task.count):
                assert filled.setdefault(task.slot + place, task.box + place) == task.box + place
        assert [filled[slot] for slot in range(batch)] == plan.samples[number].tolist()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"batch": 0}, "make no sense"),
        ({"batch": 2, "rank": 2, "world": 2}, "make no sense"),
        ({"batch": 2, "shuffle": "buffer"}, "shuffle is 'buffer'"),
        ({"batch": 2, "last": "keep"}, "last is 'keep'"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_with_a_reason(numbers, message):
    with pytest.raises(ValueError, match=message):
        plan_epoch(first_of([1, 2, 3]), 0, 0, **numbers)
