"""Models of random weights, reference exams through the first stages, and the references where they are at hand."""

import json
import os
from pathlib import Path

import pytest
from breast_cancer.helpers import ROOT, call_stage, make_sample, run_stage


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The folder of reference results made with the original; skips where it is not at hand."""
    shared = Path(os.environ.get("WORKSHOP_SHARED", ROOT.parent / "shared"))
    folder = shared / "goldens" / "breast-cancer"
    if not folder.is_dir():
        pytest.skip(f"the reference results of the original are not at hand ({folder}; WORKSHOP_SHARED moves it)")
    return folder


@pytest.fixture(scope="session")
def golden(goldens: Path) -> dict:
    """goldens.json."""
    return json.loads((goldens / "goldens.json").read_text())["exams"]


@pytest.fixture(scope="session")
def unit(goldens: Path) -> dict:
    """unit/unit.json."""
    return json.loads((goldens / "unit" / "unit.json").read_text())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three checkpoints of random weights, by the recipe of the references, in the published files' format."""
    folder = tmp_path_factory.mktemp("models")
    for file in make_sample.SEEDS:
        make_sample.write_model(file, folder, old_format=True)
    return folder


@pytest.fixture(scope="session")
def cropped(tmp_path_factory: pytest.TempPathFactory, goldens: Path):
    """name -> the folder with a reference exam's cropped images (`cropped_images`) and `data.pkl`, made by us."""
    made: dict[str, Path] = {}

    def crop(name: str) -> Path:
        if name not in made:
            folder, source = tmp_path_factory.mktemp(name), goldens / "exams" / name
            run_stage(
                "crop.py",
                *("--input-data-folder", source, "--output-data-folder", folder / "cropped_images"),
                *("--exam-list-path", source / "gen_exam_list_before_cropping.pkl"),
                *("--cropped-exam-list-path", folder / "cropped_images" / "cropped_exam_list.pkl"),
            )
            run_stage(
                "extract_centers.py",
                *("--cropped-exam-list-path", folder / "cropped_images" / "cropped_exam_list.pkl"),
                *("--data-prefix", folder / "cropped_images", "--output-exam-list-path", folder / "data.pkl"),
            )
            made[name] = folder
        return made[name]

    return crop


@pytest.fixture(scope="session")
def heatmaps(tmp_path_factory: pytest.TempPathFactory, cropped, models: Path):
    """name -> the folder with our heatmaps of a reference exam; made once, the large one takes minutes."""
    made: dict[str, Path] = {}

    def generate(name: str) -> Path:
        if name not in made:
            folder, out = cropped(name), tmp_path_factory.mktemp(f"{name}_heatmaps")
            call_stage(
                "generate_heatmaps.py",
                *("--model-path", models / make_sample.PATCH_MODEL, "--data-path", folder / "data.pkl"),
                *("--image-path", folder / "cropped_images", "--output-heatmap-path", out),
            )
            made[name] = out
        return made[name]

    return generate
