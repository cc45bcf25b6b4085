"""The index: every odd file ends as the policy says, counted and named; labels and rows are the same everywhere."""

import shutil
from pathlib import Path

import annotations
import numpy as np
import pictures
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index import annotation_path, build_index, is_index_of, notes_of, quarantine_of, read_index

ODD = {
    "grey": ("noted", "grey"),
    "cmyk": ("noted", "CMYK JPEG"),
    "png": ("noted", "PNG"),
    "exif6": ("noted", "EXIF orientation ignored"),
    "progressive": ("ok", ""),
    "restart": ("ok", ""),
    "trailing": ("noted", "bytes after the end"),
    "truncated": ("quarantined", "Premature end of JPEG file"),
    "corrupt": ("quarantined", "Corrupt JPEG data"),
    "empty": ("quarantined", "the file is empty"),
    "box_outside": ("noted", "box clamped"),
    "box_edge": ("ok", ""),
    "box_away": ("noted", "box clamped, no box within the image"),
    "box_zero": ("noted", "box empty, no box within the image"),
    "box_reversed": ("noted", "box reversed"),
    "box_none": ("noted", "annotation has no object"),
    "no_xml": ("noted", "annotation missing"),
    "wrong_size": ("noted", "boxes scaled"),
    "other_shape": ("noted", "size ignored"),
}


def kind_of(path: str) -> str:
    return Path(path).stem.partition("_")[2]


def test_each_odd_file_ends_as_the_policy_says(image_set, odd):
    rows = {
        kind_of(row["name"]): (row["status"], row["note"], row["boxes"])
        for row in pq.read_table(image_set / "odd.index.parquet").to_pylist()
    }
    assert set(rows) == set(ODD)
    for kind, (status, note) in ODD.items():
        assert rows[kind][0] == status, kind
        assert rows[kind][1].startswith(note) and bool(rows[kind][1]) == bool(note), kind
    width, height = 160, 120
    whole, drawn = [0, 0, width, height], [width // 5 - 1, height // 5 - 1, width * 4 // 5, height * 4 // 5]
    assert rows["box_outside"][2] == [width * 2 // 3 - 1, height // 2 - 1, width, height]
    assert rows["box_reversed"][2] == rows["other_shape"][2] == rows["grey"][2] == drawn
    assert all(rows[kind][2] == whole for kind in ("box_away", "box_zero", "box_none", "no_xml", "box_edge"))
    assert np.abs(np.array(rows["wrong_size"][2]) - drawn).max() <= 1


def test_every_note_and_reason_belongs_to_a_stated_policy(image_set, odd):
    assert set(notes_of(image_set / "odd.index.parquet")) <= set(annotations.POLICY) | set(pictures.ODDITIES)


def test_what_is_left_out_is_counted_listed_and_given_a_reason(image_set, odd):
    assert odd.report() == [
        "19 files: 16 used with 16 samples (boxes) of 1 classes, 3 quarantined, 13 used with a note"
    ]
    listed = [line.split("\t") for line in (image_set / "odd.quarantine.txt").read_text().splitlines()]
    assert [tuple(line) for line in listed] == quarantine_of(image_set / "odd.index.parquet")
    assert sorted(kind_of(path) for path, _ in listed) == ["corrupt", "empty", "truncated"]
    assert all(reason for _, reason in listed)


def test_a_clean_list_leaves_no_quarantine_list_behind(image_set, index):
    assert index.images == 45 and index.counts == {"ok": 45}
    assert not (image_set / "train.quarantine.txt").exists()


def test_labels_are_places_in_the_sorted_class_names(image_set, index, tmp_path):
    assert index.classes == sorted(index.classes) and len(index.classes) == 3
    shuffled = tmp_path / "reversed.txt"
    shuffled.write_text("\n".join(reversed((image_set / "train.txt").read_text().split())) + "\n")
    again = build_index(shuffled, tmp_path / "reversed.index.parquet", image_set)
    assert again.classes == index.classes
    assert again.labels.tolist() == index.labels[::-1].tolist()


def test_a_class_that_the_training_set_lacks_is_quarantined_not_relabelled(image_set, index, tmp_path):
    few = build_index(image_set / "val.txt", tmp_path / "val.index.parquet", image_set, classes=index.classes[1:])
    assert few.counts["quarantined"] == 2 and set(few.labels.tolist()) == {0, 1}
    assert "is not among the 2 classes" in quarantine_of(tmp_path / "val.index.parquet")[0][1]


def test_an_index_read_again_is_the_index_that_was_made(image_set, odd):
    again = read_index(image_set / "odd.index.parquet")
    assert again.root.resolve() == image_set.resolve() and again.counts == odd.counts
    for name in ("labels", "sizes", "careful", "first", "boxes"):
        assert np.array_equal(getattr(again, name), getattr(odd, name)), name
    assert [again.path(image) for image in range(again.images)] == [odd.path(image) for image in range(odd.images)]


def test_any_number_of_threads_makes_the_same_index(image_set, tmp_path):
    files = []
    for threads in (1, 3):
        out = tmp_path / f"{threads}.parquet"
        build_index(image_set / "odd.txt", out, image_set, threads=threads)
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_an_index_belongs_to_one_list(image_set, index, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text((image_set / "train.txt").read_text() + "one/more.JPEG\n")
    assert is_index_of(image_set / "train.index.parquet", image_set / "train.txt")
    assert not is_index_of(image_set / "train.index.parquet", other)
    (tmp_path / "broken").write_bytes(b"no parquet")
    assert not is_index_of(tmp_path / "broken", other)


def test_a_missing_file_and_a_broken_annotation_are_quarantined_with_their_reasons(image_set, tmp_path):
    first, second, third = (image_set / "train.txt").read_text().split()[:3]
    for path in (first, second):
        for name in (path, annotation_path(path)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image_set / name, tmp_path / name)
    (tmp_path / annotation_path(second)).write_text("<annotation><object>")
    (tmp_path / "list.txt").write_text(f"{first}\n\n{second}\n{third}\n")
    index = build_index(tmp_path / "list.txt", tmp_path / "list.index.parquet")
    reasons = dict(quarantine_of(tmp_path / "list.index.parquet"))
    assert index.images == 1 and reasons[third] == "cannot be read: No such file or directory"
    assert reasons[second].startswith("annotation unreadable: not XML")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ILSVRC/Data/CLS-LOC/train/n1/n1_2.JPEG", "ILSVRC/Annotations/CLS-LOC/train/n1/n1_2.xml"),
        ("/JPEG/MyData/ILSVRC/Data/n1/Data_JPEG.JPEG", "/JPEG/MyData/ILSVRC/Annotations/n1/Data_JPEG.xml"),
        ("Data/Data/n1/a.jpg", "Data/Annotations/n1/a.xml"),
        ("n1/a.JPEG", "n1/a.xml"),
    ],
)
def test_only_the_folder_named_data_is_replaced(path, expected):
    assert annotation_path(path) == expected


number = st.floats(-2000, 2000)


@given(
    st.integers(1, 700),
    st.integers(1, 700),
    st.lists(st.tuples(number, number, number, number), max_size=5),
    number,
    number,
)
def test_whatever_an_annotation_says_the_boxes_lie_within_the_picture(width, height, corners, said_width, said_height):
    boxes, notes = annotations.true_boxes(annotations.Annotation(said_width, said_height, corners), width, height)
    assert boxes and set(notes) <= set(annotations.POLICY)
    assert all(0 <= left < right <= width and 0 <= top < bottom <= height for left, top, right, bottom in boxes)
    if len(boxes) < len(corners):
        assert notes


@pytest.mark.parametrize("text", ["nan", "inf", "", "ten", "1e999"])
def test_a_corner_that_is_no_number_makes_the_annotation_unreadable(text):
    box = f"<bndbox><xmin>{text}</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
    with pytest.raises(annotations.AnnotationError, match="not a number"):
        annotations.parse(f"<annotation><object>{box}</object></annotation>".encode())


def test_a_list_of_nothing_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(ValueError, match="lists no file"):
        build_index(tmp_path / "empty.txt", tmp_path / "empty.index.parquet")
