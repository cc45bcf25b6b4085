"""With the original's published weights and sample exams in place, its published table of predictions comes out.

  WORKSHOP_PUBLISHED=FOLDER python -m pytest tests/breast_cancer/test_published.py

FOLDER holds the original repository's `models` and `sample_data` folders: three checkpoints, `images/0_L_CC.png` ...
`images/3_R_MLO.png` and `exam_list_before_cropping.pkl`. Neither may be passed on with this repository. About twelve
minutes of two processors: the heatmaps of four exams.
"""

from breast_cancer.helpers import run_stage  # isort: skip  (puts the stages on the path)

import csv
import os
from pathlib import Path

import numpy as np
import pytest

PUBLISHED = os.environ.get("WORKSHOP_PUBLISHED")

# Left benign, right benign, left malignant, right malignant; ten epochs, seed 0, one run over the four exams.
TABLE = {
    "image": [
        [0.0580, 0.0754, 0.0091, 0.0179],
        [0.0646, 0.9536, 0.0012, 0.7258],
        [0.4388, 0.3526, 0.2325, 0.1061],
        [0.3765, 0.6483, 0.0909, 0.2579],
    ],
    "imageheatmaps": [
        [0.0612, 0.0555, 0.0099, 0.0063],
        [0.0507, 0.8025, 0.0009, 0.9000],
        [0.2877, 0.2286, 0.2524, 0.0461],
        [0.4181, 0.3172, 0.3174, 0.0485],
    ],
}


@pytest.mark.slow
@pytest.mark.skipif(not PUBLISHED, reason="WORKSHOP_PUBLISHED does not name a folder with the published weights")
def test_the_published_predictions_come_out(tmp_path):
    models, samples = Path(PUBLISHED or "") / "models", Path(PUBLISHED or "") / "sample_data"
    cropped, exams = tmp_path / "cropped_images", tmp_path / "data.pkl"
    run_stage(
        "crop.py",
        *("--input-data-folder", samples / "images", "--output-data-folder", cropped),
        *(
            "--exam-list-path",
            samples / "exam_list_before_cropping.pkl",
            "--cropped-exam-list-path",
            tmp_path / "c.pkl",
        ),
    )
    run_stage(
        "extract_centers.py",
        *("--cropped-exam-list-path", tmp_path / "c.pkl", "--data-prefix", cropped, "--output-exam-list-path", exams),
    )
    run_stage(
        "generate_heatmaps.py",
        *("--model-path", models / "sample_patch_model.p", "--data-path", exams, "--image-path", cropped),
        *("--output-heatmap-path", tmp_path / "heatmaps"),
        timeout=7200,
    )
    for kind, table in TABLE.items():
        extra = ["--use-heatmaps", "--heatmaps-path", tmp_path / "heatmaps"] if kind == "imageheatmaps" else []
        run_stage(
            "classify.py",
            *("--model-path", models / f"sample_{kind}_model.p", "--data-path", exams, "--image-path", cropped),
            *("--output-path", tmp_path / f"{kind}.csv", "--use-augmentation", "--num-epochs", 10, *extra),
        )
        rows = list(csv.reader((tmp_path / f"{kind}.csv").open()))[1:]
        assert np.abs(np.array(rows, dtype=float) - np.array(table)).max() <= 0.0005, kind
        named = csv.DictReader((tmp_path / f"{kind}_by_exam.csv").open())
        assert [row["exam_id"] for row in named] == ["0", "1", "2", "3"]
