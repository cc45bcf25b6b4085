"""The page of an exam shows what was seen and said: every view, every map on a scale, every probability."""

from breast_cancer.helpers import call_stage, make_sample  # isort: skip  (puts the stages on the path)

import re
from html.parser import HTMLParser

import exam_list
import images
import numpy as np
import overlays
import pytest

NAME = "<exam> & co"
VALUES = {"left_benign": 0.1, "right_benign": 0.2, "left_malignant": 0.3, "right_malignant": 0.9876}


class Page(HTMLParser):
    """All pictures' words, all widths of bars, and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.bars, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "img":
            assert found["src"].startswith("data:image/jpeg;base64,")
            self.pictures.append(found["alt"])
        if tag == "i":
            self.bars.append((found["class"], found["style"]))

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """A folder with a cropped exam, a heatmap of each kind with one bright pixel a view, and predictions."""
    folder = tmp_path_factory.mktemp("sheet")
    make_sample.write_exam(folder / "exam", 420, 400, 5)
    call_stage(
        "crop.py",
        *("--input-data-folder", folder / "exam", "--output-data-folder", folder / "cropped"),
        *("--exam-list-path", folder / "exam" / "gen_exam_list_before_cropping.pkl"),
        *("--cropped-exam-list-path", folder / "list.pkl"),
    )
    for number, view in enumerate(exam_list.VIEWS):
        file = view.replace("-", "_")
        for kind in ("malignant", "benign"):
            heatmap = np.zeros(images.read_mammogram(folder / "cropped" / f"{file}.png").shape, dtype=np.float32)
            heatmap[100, 100] = (0.125 if kind == "benign" else 0.25) * (number + 1)
            images.write_heatmap(heatmap, folder / "heatmaps" / f"heatmap_{kind}" / f"{file}.hdf5")
    row = ",".join(str(VALUES[label]) for label in exam_list.LABELS)
    (folder / "p.csv").write_text(f"exam_id,{','.join(exam_list.LABELS)},model\n{NAME},{row},some_model.p:0123abcd\n")
    return folder


def sheet(exam, name, status=0):
    return call_stage(
        "exam_sheet.py",
        *("--data-path", exam / "list.pkl", "--image-path", exam / "cropped", "--heatmaps-path", exam / "heatmaps"),
        *("--predictions", exam / "p.csv", "--exam-id", name, "--output-path", exam / "sheet.html"),
        status=status,
    )


def test_a_sheet_hangs_four_views_three_times_with_scales_and_bars(exam):
    sheet(exam, NAME)
    page = Page((exam / "sheet.html").read_text())
    hung = [f"{view} {view.replace('-', '_')}" for view in ("R-CC", "L-CC", "R-MLO", "L-MLO")]
    assert page.pictures == [f"{one} {what}" for what in ("mammogram", "malignant", "benign") for one in hung]
    assert page.bars == [
        ("malignant", "width:98.8%"),
        ("benign", "width:20.0%"),
        ("malignant", "width:30.0%"),
        ("benign", "width:10.0%"),
    ]
    assert {f"Exam {NAME}", "0.9876", "some_model.p", "0123abcd", "R-MLO · highest 1.000", "1.000", "0.500"} <= {
        *page.words
    }
    assert not re.search(r"(src|href)=.?https?:", (exam / "sheet.html").read_text()), "a page is complete in itself"


def test_predictions_of_another_exam_are_refused(exam):
    assert "no predictions for the exam another" in sheet(exam, "another", status=1).stderr


def test_a_glow_leaves_what_is_not_suspected_and_follows_the_scale():
    mammogram = np.array([[0, 100, 100, 100, 255]], dtype=np.uint8)
    heatmap = np.array([[1.0, 0.0, 0.2, 0.4, 0.0]], dtype=np.float32)
    grey = np.repeat(overlays.to_bytes(mammogram)[..., None], 3, axis=2)
    glow = overlays.glow(mammogram, heatmap, "malignant", highest=0.4)
    assert (glow[0, :2] == grey[0, :2]).all()
    change = np.abs(glow.astype(int) - grey).sum(axis=2)[0]
    assert 0 < change[2] < change[3]
    assert (overlays.glow(mammogram, heatmap * 2, "malignant", highest=0.8) == glow).all()
