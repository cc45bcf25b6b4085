"""Exam lists: what is read, what is refused by name, and what is said about it."""

from breast_cancer.helpers import make_sample  # isort: skip  (puts the stages on the path)

import os
import pickle
from collections import OrderedDict, deque

import exam_list
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import StageError

EXAM = {"horizontal_flip": "NO", "L-CC": ["L_CC"], "R-CC": ["R_CC"], "L-MLO": ["L_MLO"], "R-MLO": ["R_MLO"]}

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers())
    ),
    max_leaves=12,
)


@given(plain_values, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_of_every_protocol_are_read(value, protocol):
    assert exam_list.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_numpy_scalars_become_plain_numbers(kind, protocol):
    found = exam_list.loads(pickle.dumps([{"x": kind(1)}], protocol))
    assert found == [{"x": 1}]
    assert type(found[0]["x"]).__module__ == "builtins"


def test_scalars_pickled_by_numpy_1_are_read():
    old = pickle.dumps(np.int64(-7), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert exam_list.loads(old) == -7


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Command(), "system"),
        (np.arange(3), "_reconstruct"),
        (deque([1]), "collections.deque"),
        (np.dtype("O"), "O"),
        (len, "builtins.len"),
    ],
)
def test_everything_else_is_refused_by_name(value, name):
    with pytest.raises(StageError, match=name):
        exam_list.loads(pickle.dumps([value]))


def test_getattr_chains_are_refused():
    attack = b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93."
    with pytest.raises(StageError, match=r"builtins\.getattr"):
        exam_list.loads(attack)


@given(st.binary(max_size=200))
def test_broken_pickles_are_told_in_one_line(data):
    try:
        exam_list.loads(data)
    except StageError as error:
        assert "\n" not in str(error)


def test_ordered_dicts_are_dicts():
    assert exam_list.loads(pickle.dumps(OrderedDict(a=1))) == {"a": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"horizontal_flip": "no"}, "must be 'YES' or 'NO'"),
        ({"horizontal_flip": None}, "must be 'YES' or 'NO'"),
        ({"L-CC": "L_CC"}, "L-CC must be a list"),
        ({"L-CC": ["../secret"]}, "without folders"),
        ({"L-CC": ["/etc/passwd"]}, "without folders"),
        ({"L-CC": ["R_CC"]}, "R_CC is listed twice"),
        ({"L-CC": [7]}, "L-CC must be a list"),
    ],
)
def test_what_is_wrong_with_an_exam_is_named(tmp_path, change, words):
    path = tmp_path / "list.pkl"
    path.write_bytes(pickle.dumps([{**EXAM, **change}]))
    with pytest.raises(StageError, match=words) as caught:
        exam_list.load_exam_list(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [[], {}, "exam", [1], [{}]])
def test_a_list_without_exams_is_refused(tmp_path, content):
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(StageError):
        exam_list.load_exam_list(tmp_path / "list.pkl")


def test_a_stage_says_which_one_must_run_before(tmp_path):
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([EXAM]))
    with pytest.raises(StageError, match="run crop first"):
        exam_list.load_exam_list(tmp_path / "list.pkl", after_crop=True)
    centers = {view: [(1, 2)] for view in exam_list.VIEWS}
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([{**EXAM, "best_center": centers}]))
    with pytest.raises(StageError, match="run crop first"):
        exam_list.load_exam_list(tmp_path / "list.pkl", after_centers=True)


def test_the_list_of_the_example_is_the_published_151_bytes(tmp_path):
    make_sample.write_exam(tmp_path, 300, 200, 1)
    assert (tmp_path / "gen_exam_list_before_cropping.pkl").read_bytes() == pickle.dumps([EXAM], protocol=3)
    assert (tmp_path / "gen_exam_list_before_cropping.pkl").stat().st_size == 151


def test_exams_are_named_after_their_files_or_their_place():
    four = {**EXAM, **{view: [f"3_{view.replace('-', '_')}"] for view in exam_list.VIEWS}}
    assert exam_list.exam_ids([four], []) == ["3"]
    assert exam_list.exam_ids([EXAM], []) == ["0"]
    assert exam_list.exam_ids([EXAM, EXAM], []) == ["0", "1"]
    assert exam_list.exam_ids([EXAM], ["exam_17"]) == ["exam_17"]
    with pytest.raises(StageError, match="2 --exam-id for 1 exams"):
        exam_list.exam_ids([EXAM], ["a", "b"])


@pytest.mark.parametrize(
    ("view", "flip", "right"),
    [("L-CC", "NO", True), ("R-CC", "NO", False), ("L-MLO", "YES", False), ("R-MLO", "YES", True)],
)
def test_left_breasts_point_right_unless_the_exam_is_flipped(view, flip, right):
    assert exam_list.points_right(view, flip) is right
