"""Makes what a newcomer needs to see the pipelines run: synthetic exams, and checkpoints of random weights.

MEDICALLY MEANINGLESS. The exams are drawn, not photographed, and the models have learnt nothing; what comes out of
the pipelines says nothing about anybody. Pixels and weights are the same on every machine and in every run.

  sample_data/      two exams of different sizes        models/       the three checkpoints
  one_more_exam/    a third exam                        new_model/    another patch model under the same name
  broken_exams/     exams that must fail: a missing view, a colour picture, an image with nothing in it
"""

import argparse
import math
import pickle
import zlib
from pathlib import Path

import checkpoints
import exam_classifier
import exam_list
import images
import numpy as np
import patch_classifier
import stage
import torch
from torch import nn

PATCH_MODEL = "sample_patch_model.p"
IMAGE_MODEL = "sample_image_model.p"
IMAGEHEATMAPS_MODEL = "sample_imageheatmaps_model.p"
SEEDS = {PATCH_MODEL: 1001, IMAGE_MODEL: 2002, IMAGEHEATMAPS_MODEL: 3003}

# Last-layer biases that keep the random models' answers away from 0 and 1, where every difference would vanish.
PATCH_BIAS = [0.35, -7.47, -1.81, 0.23]
EXAM_BIASES = {
    IMAGE_MODEL: {"cc": [2.27, -0.18, -5.97, 6.21], "mlo": [6.51, 5.97, -3.84, -5.45]},
    IMAGEHEATMAPS_MODEL: {"cc": [0.76, -5.13, -1.90, -2.60], "mlo": [7.94, -5.08, 12.76, 18.50]},
}


def random_tensor(name: str, shape: tuple[int, ...], file: str, seed: int) -> np.ndarray:
    """The random weight of this name in this file: seeded by its own name, so that no order of drawing matters."""
    if name.endswith(checkpoints.COUNTER):
        return np.zeros(shape, dtype=np.int64)
    generator = np.random.RandomState((zlib.crc32(name.encode("ascii")) + seed) % 2**32)
    count = math.prod(shape)
    if name.endswith(".running_mean"):
        values = 0.1 * generator.standard_normal(count)
    elif name.endswith(".running_var"):
        values = 0.5 + generator.random_sample(count)
    elif name == "classifier.bias":
        values = np.array(PATCH_BIAS)
    elif ".fc_layer.bias" in name:
        values = np.zeros(count)
        values[1::2] = EXAM_BIASES[file]["cc" if "_cc." in name else "mlo"]
    elif name.endswith(".bias"):
        values = 0.1 * generator.standard_normal(count)
    elif len(shape) == 1:
        values = 0.75 + 0.5 * generator.random_sample(count)
    else:
        values = math.sqrt(_gain(name, file) / math.prod(shape[1:])) * generator.standard_normal(count)
    return values.reshape(shape).astype(np.float32)


def _gain(name: str, file: str) -> float:
    """How strongly a layer's random weights amplify; chosen so that nothing dies out or blows up."""
    if name == "classifier.weight":
        return 4.0
    if ".fc_layer." in name:
        return 16.0 if file == IMAGE_MODEL else 64.0
    if ".downsample." in name:
        return 1.0
    if ".conv2." in name and file != PATCH_MODEL:
        return 0.5
    return 2.0


def random_weights(file: str, seed: int) -> dict[str, torch.Tensor]:
    """The state dict of a published checkpoint file (names, shapes, aliases), with random values."""
    network: nn.Module
    if file == PATCH_MODEL:
        network = patch_classifier.DenseNet()
    else:
        network = exam_classifier.ExamClassifier(1 if file == IMAGE_MODEL else 3)
    weights = {}
    for name, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        if name == "features.conv0.weight":
            # The published stem takes three equal channels.
            shape = (shape[0], 3, *shape[2:])
        weights[name] = torch.from_numpy(random_tensor(name, shape, file, seed))
    for alias, original in exam_classifier.ALIASES.items():
        for name in [name for name in weights if name.startswith(original)]:
            weights[alias + name[len(original) :]] = weights[name]
    return weights


def write_model(file: str, folder: Path, seed: int | None = None, old_format: bool = False) -> None:
    """Writes a checkpoint with the published files' names and nesting: exam models lie under "model".

    The published files are in PyTorch's old format, which holds memory addresses and so differs from run to run.
    Today's format gives the same bytes every time, and Pachyderm sees that nothing has changed.
    """
    weights = random_weights(file, SEEDS[file] if seed is None else seed)
    content = weights if file == PATCH_MODEL else {"model": weights}
    # To an open file: to a path, torch.save would write the path's (random) name into the archive.
    with stage.whole_file(folder / file) as temporary, open(temporary, "wb") as stream:
        torch.save(content, stream, _use_new_zipfile_serialization=not old_format)


def phantom(view: str, height: int, width: int, seed: int) -> np.ndarray:
    """A drawn mammogram (height, width) uint16 in the orientation of horizontal_flip 'NO'.

    A half ellipse at the chest wall with a cloudy texture and some bright discs; an MLO view has a brighter triangle
    at the top. Beside it a marker and a line, which the crop stage must drop.
    """
    generator = np.random.RandomState(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    middle = height * (0.48 if exam_list.angle(view) == "CC" else 0.44)
    reach = (height * 0.42, width * 0.62)
    distance = ((rows - middle) / reach[0]) ** 2 + (columns / reach[1]) ** 2
    pixels = 9000 + 15000 * (1 - distance)
    for cell in (64, 24, 9):
        pixels += 2200 * (_clouds(generator, height, width, cell) - 0.5) * math.sqrt(cell / 24)
    for _ in range(3):
        row, column = middle + (generator.random_sample() - 0.5) * reach[0], generator.random_sample() * 0.6 * reach[1]
        radius = (0.03 + 0.05 * generator.random_sample()) * height
        bump = 1 - ((rows - row) ** 2 + (columns - column) ** 2) / radius**2
        pixels += 12000 * np.clip(bump, 0, None)
    if exam_list.angle(view) == "MLO":
        pixels += 9000 * (columns < 0.8 * (height * 0.4 - rows))
    pixels = np.where(distance < 1, np.clip(pixels, 1, 65535), 0)
    marker = (slice(height // 20, height // 20 + height // 16), slice(width - width // 6, width - width // 12))
    pixels[marker] = 60000
    pixels[:, width - 3] = 30000
    pixels = pixels.astype(np.uint16)
    return pixels if exam_list.side(view) == "L" else np.ascontiguousarray(pixels[:, ::-1])


def _clouds(generator: np.random.RandomState, height: int, width: int, cell: int) -> np.ndarray:
    """Random values on a grid of this spacing, linearly interpolated between; 0 to 1."""
    lattice = generator.random_sample((height // cell + 2, width // cell + 2))
    row, column = np.arange(height) / cell, np.arange(width) / cell
    top, left = row.astype(int), column.astype(int)
    down, right = (row - top)[:, None], (column - left)[None]
    upper = lattice[top][:, left] * (1 - right) + lattice[top][:, left + 1] * right
    lower = lattice[top + 1][:, left] * (1 - right) + lattice[top + 1][:, left + 1] * right
    return upper * (1 - down) + lower * down


def write_exam(folder: Path, height: int, width: int, seed: int, views: tuple[str, ...] = exam_list.VIEWS) -> None:
    """Writes an exam as the Pachyderm example lays it out: a PNG a view and the list of one exam."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, view in enumerate(views):
        images.write_png(phantom(view, height, width, 100 * seed + number), folder / f"{view.replace('-', '_')}.png")
    exam = {"horizontal_flip": "NO", **{view: [view.replace("-", "_")] for view in exam_list.VIEWS}}
    with stage.whole_file(folder / "gen_exam_list_before_cropping.pkl") as temporary:
        temporary.write_bytes(pickle.dumps([exam], protocol=3))


def write_broken_exams(folder: Path) -> None:
    """Three exams that the crop stage must refuse, each for a reason of its own."""
    write_exam(folder / "exam_without_a_view", 470, 440, 11, views=exam_list.VIEWS[:3])
    write_exam(folder / "exam_in_colour", 470, 440, 12)
    grey = (phantom("L-CC", 470, 440, 1200) // 257).astype(np.uint8)
    images.write_png(np.stack([grey] * 3, axis=-1), folder / "exam_in_colour" / "L_CC.png")
    write_exam(folder / "exam_of_nothing", 470, 440, 13)
    images.write_png(np.zeros((470, 440), dtype=np.uint16), folder / "exam_of_nothing" / "R_MLO.png")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to put the folders above; made if it is not there")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    folder = parse(arguments).folder
    write_exam(folder / "sample_data" / "exam_small", 470, 440, 1)
    write_exam(folder / "sample_data" / "exam_large", 620, 520, 2)
    write_exam(folder / "one_more_exam" / "exam_third", 500, 440, 3)
    write_broken_exams(folder / "broken_exams")
    for file in SEEDS:
        write_model(file, folder / "models")
    write_model(PATCH_MODEL, folder / "new_model", seed=1002)
    print(f"Wrote sample_data, one_more_exam, broken_exams, models and new_model to {folder} (medically meaningless).")


if __name__ == "__main__":
    stage.run(main)
