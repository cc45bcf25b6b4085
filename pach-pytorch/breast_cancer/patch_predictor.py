"""Runs the patch classifier over all patches of an exam, on a CPU's processors or on a GPU."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import devices
import fused_patch
import images
import numpy as np
import quantised_patch
import stage
import torch
from patch_classifier import CLASSES, DenseNet
from patch_grid import PATCH, PatchGrid

Place = tuple[int, int, int]


@dataclass
class ExamPatches:
    """What the classifier says: an array (patches, 4) of probabilities for each image, and how much work it was."""

    probabilities: list[np.ndarray]
    patches: int
    empty: int


class Predictor(Protocol):
    """(image, row, column) places of patches in standardised images -> (places, 4) probabilities."""

    name: str

    def predict(self, pixels: list[torch.Tensor], places: list[Place]) -> np.ndarray: ...

    def exam(self, pixels: list[np.ndarray], grids: list[PatchGrid]) -> ExamPatches: ...


class _Exams:
    """The part that all predictors share: which patches need a pass."""

    def exam(self: Predictor, pixels: list[np.ndarray], grids: list[PatchGrid]) -> ExamPatches:
        """Probabilities of all patches of all images.

        Patches without a single foreground pixel are all alike once standardised; one of them is computed an image.
        """
        places: list[Place] = []
        rows_of = []
        empty_count = 0
        for number, (image, grid) in enumerate(zip(pixels, grids, strict=True)):
            empty = grid.empty_patches(image > 0)
            rows = np.empty(len(grid), dtype=int)
            first_empty = None
            for patch, (row, column) in enumerate(grid.positions()):
                if empty[patch] and first_empty is not None:
                    rows[patch] = first_empty
                    continue
                rows[patch] = len(places)
                if empty[patch]:
                    first_empty = len(places)
                places.append((number, row, column))
            rows_of.append(rows)
            empty_count += int(empty.sum())
        # The whole image is standardised, background and all, in double precision, then rounded once.
        standardised = [torch.from_numpy(images.standardise(image, np.float64).astype(np.float32)) for image in pixels]
        predicted = self.predict(standardised, places)
        return ExamPatches([predicted[rows] for rows in rows_of], sum(len(grid) for grid in grids), empty_count)


def _stack(pixels: list[torch.Tensor], places: list[Place]) -> torch.Tensor:
    """(n, 1, 256, 256) patches."""
    patches = [pixels[image][row : row + PATCH, column : column + PATCH] for image, row, column in places]
    return torch.stack(patches)[:, None]


def even_groups(count: int, workers: int) -> list[slice]:
    """Groups of whole pairs (but for an odd last one), at most eight patches each, equally many for each worker.

    With eights to the end one processor would wait for another's last ones, a fifth of the time of a small exam.
    """
    pairs = -(-count // fused_patch.PAIR)
    groups = -(-count // (fused_patch.GROUP * workers)) * workers
    edges = [min(pairs * number // groups * fused_patch.PAIR, count) for number in range(groups + 1)] if count else []
    return [slice(*edge) for edge in itertools.pairwise(edges) if edge[0] < edge[1]]


class CpuPredictor(_Exams):
    """Several threads, each taking the next few patches through the network on one processor."""

    def __init__(self, forward: Callable[[torch.Tensor], torch.Tensor], workers: int, name: str) -> None:
        self.forward, self.workers, self.name = forward, workers, name

    def predict(self, pixels: list[torch.Tensor], places: list[Place]) -> np.ndarray:
        @devices.single_threaded
        def group(span: slice) -> np.ndarray:
            logits = self.forward(_stack(pixels, places[span]))
            return logits.float().softmax(dim=1).numpy()

        found = stage.in_parallel(group, even_groups(len(places), self.workers), self.workers)
        return np.concatenate(found) if found else np.empty((0, CLASSES), dtype=np.float32)


class QuantisedPredictor(CpuPredictor):
    """8-bit convolutions, whose ranges are taken from patches spread over the first exam."""

    SAMPLES = 8

    def __init__(self, network: DenseNet, workers: int, name: str) -> None:
        self.quantised = quantised_patch.QuantisedDenseNet(network)
        self.calibrated = False
        super().__init__(self._forward, workers, name)

    def _forward(self, patches: torch.Tensor) -> torch.Tensor:
        return self.quantised(patches, devices.per_thread(fused_patch.Workspace, id(self)))

    def predict(self, pixels: list[torch.Tensor], places: list[Place]) -> np.ndarray:
        if places and not self.calibrated:
            spread = [places[int(number)] for number in np.linspace(0, len(places) - 1, self.SAMPLES)]
            devices.single_threaded(self.quantised.calibrate)(_stack(pixels, spread))
            self.calibrated = True
        return super().predict(pixels, places)


class GpuPredictor(_Exams):
    """Whole images on the GPU; patches are cut out there, a batch at a time."""

    def __init__(self, network: DenseNet, device: torch.device, precision: str, batch_size: int) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.device, self.precision, self.batch_size = device, precision, batch_size
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
        self.name = f"{where}, {precision}"

    @torch.inference_mode()
    def predict(self, pixels: list[torch.Tensor], places: list[Place]) -> np.ndarray:
        there = [image.to(self.device) for image in pixels]
        found = []
        with devices.rounding(self.device, self.precision):
            for start in range(0, len(places), self.batch_size):
                patches = _stack(there, places[start : start + self.batch_size])
                patches = patches.contiguous(memory_format=torch.channels_last)
                found.append(self.network(patches).float().softmax(dim=1))
        return torch.cat(found).cpu().numpy() if found else np.empty((0, CLASSES), dtype=np.float32)


def make(network: DenseNet, device: torch.device, precision: str, batch_size: int) -> CpuPredictor | GpuPredictor:
    """The predictor for this device and precision."""
    if device.type == "cuda":
        if precision == "int8":
            raise stage.StageError("--precision int8 is for CPUs; a GPU takes fp32 or bf16")
        return GpuPredictor(network, device, precision, batch_size)
    workers = stage.available_processors()
    name = f"{workers} processor{'s' if workers > 1 else ''}, {precision}"
    if precision == "fp32":
        fused = fused_patch.FusedDenseNet(network)
        return CpuPredictor(
            lambda patches: fused(patches, devices.per_thread(fused_patch.Workspace, id(fused))), workers, name
        )
    if precision == "int8":
        return QuantisedPredictor(network, workers, name)
    plain = network.to(memory_format=torch.channels_last)

    def rounded(patches: torch.Tensor) -> torch.Tensor:
        with devices.rounding(device, precision):
            return plain(patches.contiguous(memory_format=torch.channels_last))

    return CpuPredictor(rounded, workers, name)
