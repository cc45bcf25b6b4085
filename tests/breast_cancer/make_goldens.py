"""Makes the small golden set of this folder: `python tests/breast_cancer/make_goldens.py`.

Everything is computed a second time here, by the shortest way that can be right: networks as drawn and in float64,
heatmaps summed pixel by pixel, every patch on its own. What is fast and clever in the stages has no part in it; the
crop's windows and the random draws, which have no second way, are pinned by the reference results as well.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from breast_cancer.helpers import make_sample, write_small_exam  # isort: skip

import augmentation
import exam_classifier
import exam_list
import exam_predictor
import geometry
import images
import numpy as np
import patch_classifier
import torch
from patch_grid import PATCH, PatchGrid

FOLDER = Path(__file__).with_name("goldens")
EPOCHS = 2


def crop_and_center(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The exam after stage 2, and the cropped images pointing right."""
    exam = exam_list.load_exam_list(folder / "gen_exam_list_before_cropping.pkl")[0]
    cropped = {}
    for key in (*exam_list.CROP_KEYS, exam_list.CENTER_KEY):
        exam[key] = {}
    for view in exam_list.VIEWS:
        pixels = images.read_mammogram(folder / f"{exam[view][0]}.png")
        right = exam_list.points_right(view, "NO")
        crop = geometry.find_crop(pixels, right)
        top, bottom, left, right_edge = crop.window_location
        inside = pixels[top:bottom, left:right_edge]
        cropped[view] = inside if right else inside[:, ::-1]
        for key in exam_list.CROP_KEYS:
            exam[key][view] = [getattr(crop, key)]
        exam[exam_list.CENTER_KEY][view] = [geometry.best_center(cropped[view], exam_list.angle(view), crop)]
    return exam, cropped


@torch.inference_mode()
def patch_probabilities(cropped: dict[str, np.ndarray], model: Path) -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """All patches' probabilities, and the (malignant, benign) heatmaps of each view."""
    network = patch_classifier.load(model).double()
    generator = random.Random(0)
    everything, heatmaps = [], {}
    for view, pixels in cropped.items():
        grid = PatchGrid.draw(pixels.shape, generator)
        standardised = (pixels - pixels.astype(np.float64).mean()) / pixels.astype(np.float64).std()
        total, count = np.zeros((2, *pixels.shape)), np.zeros(pixels.shape)
        for row, column in grid.positions():
            place = (slice(row, row + PATCH), slice(column, column + PATCH))
            found = network(torch.from_numpy(standardised[place])[None, None]).softmax(dim=1)[0].numpy()
            everything.append(found)
            total[0][place] += found[patch_classifier.MALIGNANT]
            total[1][place] += found[patch_classifier.BENIGN]
            count[place] += 1
        heatmaps[view] = list(total / count)
    return np.array(everything), heatmaps


@torch.inference_mode()
def classify(exam: dict, channels: dict[str, list[np.ndarray]], network: torch.nn.Module) -> tuple[list, list]:
    """Per epoch the log-softmax by angle; the mean probabilities."""
    generator = np.random.RandomState(0)
    shapes = {view: [channels[view][0].shape] for view in exam_list.VIEWS}
    epochs, probabilities = [], []
    for _ in range(EPOCHS):
        views = {}
        for look in exam_predictor.draw_looks(exam, shapes, generator, augment=True):
            size = geometry.CLASSIFIER_WINDOW[exam_list.angle(look.view)]
            views[look.view] = augmentation.look(channels[look.view], look.window, size).double()
        decision = network.double()(views)
        epochs.append({angle: values[0].tolist() for angle, values in decision.items()})
        probabilities.append(exam_classifier.probabilities(decision)[0].numpy())
    return epochs, np.mean(probabilities, axis=0).tolist()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exam, cropped = crop_and_center(write_small_exam(folder / "exam"))
        for file in make_sample.SEEDS:
            make_sample.write_model(file, folder)
        probabilities, heatmaps = patch_probabilities(cropped, folder / make_sample.PATCH_MODEL)
        result = {"exam_after_centers": exam, "epochs": {}, "predictions": {}}
        for kind in ("image", "imageheatmaps"):
            channels = {view: [cropped[view]] for view in exam_list.VIEWS}
            if kind == "imageheatmaps":
                channels = {view: [cropped[view], heatmaps[view][1], heatmaps[view][0]] for view in exam_list.VIEWS}
            network = exam_classifier.load(folder / f"sample_{kind}_model.p", len(channels["L-CC"]))
            result["epochs"][kind], result["predictions"][kind] = classify(exam, channels, network)
        result["input_sha256"] = {
            view: images_sha256(images.read_mammogram(folder / "exam" / f"{view.replace('-', '_')}.png"))
            for view in exam_list.VIEWS
        }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "small_exam.json").write_text(json.dumps(result, indent=1) + "\n")
    arrays = {"patch_probabilities": probabilities.astype(np.float32)}
    for view, (malignant, benign) in heatmaps.items():
        arrays[f"{view}_malignant"], arrays[f"{view}_benign"] = (
            heatmap[4::8, 4::8].astype(np.float32) for heatmap in (malignant, benign)
        )
    np.savez_compressed(FOLDER / "small_exam.npz", **arrays)


def images_sha256(pixels: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


if __name__ == "__main__":
    main()
