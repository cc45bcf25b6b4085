"""The data are those of the workshop's original, byte for byte."""

import pytest
from sklearn.datasets import load_iris


def published_rows():
    """Fisher's Iris as UCI publishes it, out of scikit-learn's copy, 150 lines of text."""
    iris = load_iris()
    names = [f"Iris-{name}" for name in iris.target_names]
    rows = [",".join(f"{value:.1f}" for value in row) for row in iris.data]
    rows[34] = rows[37] = "4.9,3.1,1.5,0.1"  # UCI's file and Fisher's paper differ in these two
    return [f"{row},{names[target]}" for row, target in zip(rows, iris.target, strict=True)]


def test_the_training_set_is_iris_without_rows_3_to_7(data):
    rows = published_rows()
    text = (data / "iris.csv").read_text()
    assert text == "\n".join(rows[:2] + rows[7:]) + "\n\n"
    assert len(text) == 4411 and len(text.splitlines()) == 146


@pytest.mark.parametrize(
    ("name", "size", "rows"), [("test1.csv", 96, [100, 101, 102, 103, 1, 2]), ("test2.csv", 64, [104, 105, 3, 4])]
)
def test_attributes_are_published_rows_without_their_species(data, name, size, rows):
    published = published_rows()
    text = (data / name).read_text()
    assert text.splitlines() == [published[row - 1].rsplit(",", 1)[0] for row in rows]
    assert len(text) == size
