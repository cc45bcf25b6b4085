"""Stage 3: slide the patch classifier over each cropped mammogram and draw where it suspects what."""

import argparse
import random
import time
from pathlib import Path

import devices
import exam_list
import images
import numpy as np
import patch_classifier
import patch_predictor
import stage
from patch_grid import PatchGrid

CLASS_OF = {"malignant": patch_classifier.MALIGNANT, "benign": patch_classifier.BENIGN}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-path", type=Path, required=True, help="the patch model")
    parser.add_argument("--data-path", type=Path, required=True, help="the exam list")
    parser.add_argument("--image-path", type=Path, required=True, help="where the cropped PNGs are")
    parser.add_argument("--output-heatmap-path", type=Path, required=True, help="where the heatmaps go")
    parser.add_argument(
        "--batch-size",
        type=stage.positive_int,
        default=100,
        help="patches at a time on a GPU; a CPU takes as many as fit its cache, whatever is asked (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the patches' places (%(default)s)")
    parser.add_argument("--use-hdf5", action="store_true", help="accepted for the original's sake; images are PNGs")
    devices.add_arguments(parser, devices.PRECISIONS)
    return parser.parse_args(arguments)


def read_images(
    exam: exam_list.Exam, folder: Path, generator: random.Random
) -> list[tuple[str, bool, np.ndarray, PatchGrid]]:
    """(name, points right, pixels pointing right, grid) of each of an exam's images; draws the grids in order."""
    found = []
    for _, view, _, name in exam_list.images([exam]):
        try:
            pixels = images.read_mammogram(folder / f"{name}.png")
            grid = PatchGrid.draw(pixels.shape, generator)
        except stage.StageError as error:
            raise stage.StageError(f"{view} ({name}): {error}") from None
        right = exam_list.points_right(view, exam["horizontal_flip"])
        found.append((name, right, pixels if right else pixels[:, ::-1], grid))
    return found


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    exams = exam_list.load_exam_list(options.data_path, after_crop=True)
    device = devices.choose(options.device_type, options.gpu_number)
    network = patch_classifier.load(options.model_path)
    predictor = patch_predictor.make(network, device, options.precision, options.batch_size)
    generator = random.Random(options.seed)
    for number, exam in enumerate(exams):
        began = time.perf_counter()
        found = read_images(exam, options.image_path, generator)
        predicted = predictor.exam([pixels for _, _, pixels, _ in found], [grid for *_, grid in found])
        for (name, right, _, grid), probabilities in zip(found, predicted.probabilities, strict=True):
            for kind, column in CLASS_OF.items():
                heatmap = grid.heatmap(probabilities[:, column])
                folder = options.output_heatmap_path / f"heatmap_{kind}"
                images.write_heatmap(heatmap if right else heatmap[:, ::-1], folder / f"{name}.hdf5")
        seconds = time.perf_counter() - began
        stage.say(
            f"exam {number}: {predicted.patches} patches ({predicted.empty} of background only) in {seconds:.1f} s "
            f"on {predictor.name}"
        )


if __name__ == "__main__":
    stage.run(main)
