"""Runs an exam classifier over exams, each seen several times through slightly different windows."""

from dataclasses import dataclass
from pathlib import Path

import augmentation
import devices
import exam_list
import images
import numpy as np
import stage
import torch
from exam_classifier import ExamClassifier, probabilities
from fused_exam import FusedExamClassifier
from geometry import CLASSIFIER_WINDOW


@dataclass(frozen=True)
class Look:
    """One view at one epoch: which image, through which window."""

    view: str
    image: int
    window: augmentation.Window


def draw_looks(
    exam: exam_list.Exam, shapes: dict[str, list[tuple[int, int]]], generator: np.random.RandomState, augment: bool
) -> list[Look]:
    """One epoch: for each view in order an image (drawn when augmenting, else the first) and its window."""
    looks = []
    for view in exam_list.VIEWS:
        count = len(exam[view])
        image = int(generator.randint(0, count)) if augment else 0
        noise = augmentation.draw_noise(generator, augment)
        center = exam[exam_list.CENTER_KEY][view][image]
        window = augmentation.place(exam_list.angle(view), shapes[view][image], center, noise, augment)
        looks.append(Look(view, image, window))
    return looks


def read_channels(
    exam: exam_list.Exam, image_path: Path, heatmaps_path: Path | None
) -> dict[str, list[list[np.ndarray]]]:
    """Per view and image the channels, pointing right: the mammogram, then the benign and the malignant heatmap."""
    found: dict[str, list[list[np.ndarray]]] = {view: [] for view in exam_list.VIEWS}
    for _, view, _, name in exam_list.images([exam]):
        try:
            channels = [images.read_mammogram(image_path / f"{name}.png")]
            shape = channels[0].shape
            if heatmaps_path is not None:
                for kind in ("benign", "malignant"):
                    channels.append(images.read_heatmap(heatmaps_path / f"heatmap_{kind}" / f"{name}.hdf5", shape))
        except stage.StageError as error:
            raise stage.StageError(f"{view}: {error}") from None
        if not exam_list.points_right(view, exam["horizontal_flip"]):
            channels = [channel[:, ::-1] for channel in channels]
        found[view].append(channels)
    return found


class ExamPredictor:
    """Predicts exams one after the other; the windows' noise runs on from one to the next, as in the original."""

    def __init__(
        self, network: ExamClassifier, device: torch.device, *, precision: str, seed: int, augment: bool, epochs: int
    ) -> None:
        self.network, self.device, self.precision = network, device, precision
        self.augment, self.epochs = augment, epochs
        self.generator = np.random.RandomState(seed)
        # With a GPU the processors still cut and resize the windows.
        self.workers = stage.available_processors()
        self.fused = FusedExamClassifier(network) if device.type == "cpu" and precision == "fp32" else None
        if self.fused is None:
            self.network.to(device, memory_format=torch.channels_last)

    def decisions(
        self, exam: exam_list.Exam, channels: dict[str, list[list[np.ndarray]]]
    ) -> list[dict[str, torch.Tensor]]:
        """The network's log-probabilities, by angle, for each epoch."""
        shapes = {view: [one[0].shape for one in channels[view]] for view in exam_list.VIEWS}
        epochs = [draw_looks(exam, shapes, self.generator, self.augment) for _ in range(self.epochs)]
        looks = [look for epoch in epochs for look in epoch]

        @devices.single_threaded
        def features(look: Look) -> torch.Tensor:
            size = CLASSIFIER_WINDOW[exam_list.angle(look.view)]
            return self._features(look.view, augmentation.look(channels[look.view][look.image], look.window, size))

        found = stage.in_parallel(features, looks, self.workers)
        decisions = []
        with torch.inference_mode(), devices.rounding(self.device, self.precision):
            for start in range(0, len(found), len(exam_list.VIEWS)):
                per_view = dict(zip(exam_list.VIEWS, found[start : start + len(exam_list.VIEWS)], strict=True))
                decided = self.network.decide(per_view)
                decisions.append({angle: value.float().cpu() for angle, value in decided.items()})
        return decisions

    def _features(self, view: str, pixels: torch.Tensor) -> torch.Tensor:
        if self.fused is not None:
            return self.fused.features(view, pixels)
        pixels = pixels.to(self.device).contiguous(memory_format=torch.channels_last)
        with devices.rounding(self.device, self.precision):
            return self.network.column(view)(pixels)

    def predict(self, exam: exam_list.Exam, channels: dict[str, list[list[np.ndarray]]]) -> np.ndarray:
        """(4,) probabilities of the labels: the mean over the epochs."""
        epochs = [probabilities(decision)[0] for decision in self.decisions(exam, channels)]
        return torch.stack(epochs).mean(dim=0).numpy()
