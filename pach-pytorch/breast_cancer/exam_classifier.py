"""The exam classifier: two ResNet-22 columns, one for both CC views and one for both MLO views.

`ExamClassifier` is the network as one would draw it, with the parameter names of the published checkpoints. It is the
reference, and what a GPU runs. `fused_exam.FusedExamClassifier` computes the same faster on a CPU.
"""

from pathlib import Path

import checkpoints
import torch
from exam_list import VIEWS, angle
from torch import nn
from torch.nn import functional

STEM = 16
STAGES = (16, 32, 64, 128, 256)
STRIDES = (1, 2, 2, 2, 2)
FEATURES = STAGES[-1]

_COLUMNS = "four_view_resnet."
# The original's module also names its columns by view; the published files hold every tensor under both names.
ALIASES = {f"{_COLUMNS}{side}_{column}.": f"{_COLUMNS}{column}." for side in ("l", "r") for column in ("cc", "mlo")}


class Block(nn.Module):
    """Pre-activation residual block: norm, relu, 3x3, norm, relu, 3x3, plus the input.

    The first block of a stage takes its shortcut from the activated input, through a 1x1 convolution; the second
    takes the input as it came. Nothing is activated after the sum.
    """

    def __init__(self, channels: int, width: int, stride: int, downsample: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, width, 1, stride=stride, bias=False)) if downsample else None
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        active = functional.relu(self.bn1(inputs))
        shortcut = inputs if self.downsample is None else self.downsample(active)
        return self.conv2(functional.relu(self.bn2(self.conv1(active)))) + shortcut


class Column(nn.Module):
    """ResNet-22: one view (n, channels, height, width) -> (n, 256) features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first_conv = nn.Conv2d(channels, STEM, 7, stride=2, bias=False)
        self.layer_list = nn.ModuleList()
        before = STEM
        for width, stride in zip(STAGES, STRIDES, strict=True):
            self.layer_list.append(nn.Sequential(Block(before, width, stride, True), Block(width, width, 1, False)))
            before = width
        self.final_bn = nn.BatchNorm2d(before)

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        features = functional.max_pool2d(self.first_conv(view), 3, stride=2)
        for one in self.layer_list:
            features = one(features)
        return functional.relu(self.final_bn(features)).mean(dim=(2, 3))


class Head(nn.Module):
    """A linear layer to (n, 4, 2) log-probabilities: the four labels, each (no, yes)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc_layer = nn.Linear(2 * FEATURES, 8)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.fc_layer(features).view(-1, 4, 2), dim=-1)


class ExamClassifier(nn.Module):
    """Four views -> log-probabilities (n, 4, 2) from the CC views and from the MLO views.

    `channels`: 1 for the image alone, 3 for image, benign heatmap, malignant heatmap (in this order).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.four_view_resnet = nn.ModuleDict({"cc": Column(channels), "mlo": Column(channels)})
        self.fc1_cc = nn.Linear(2 * FEATURES, 2 * FEATURES)
        self.fc1_mlo = nn.Linear(2 * FEATURES, 2 * FEATURES)
        self.output_layer_cc = Head()
        self.output_layer_mlo = Head()

    def column(self, view: str) -> Column:
        """The column that sees this view."""
        return self.four_view_resnet[angle(view).lower()]

    def decide(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Log-probabilities by angle from the four views' features."""
        cc = torch.cat([features["L-CC"], features["R-CC"]], dim=1)
        mlo = torch.cat([features["L-MLO"], features["R-MLO"]], dim=1)
        return {
            "CC": self.output_layer_cc(functional.relu(self.fc1_cc(cc))),
            "MLO": self.output_layer_mlo(functional.relu(self.fc1_mlo(mlo))),
        }

    def forward(self, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.decide({view: self.column(view)(views[view]) for view in VIEWS})


def probabilities(decision: dict[str, torch.Tensor]) -> torch.Tensor:
    """(n, 4) probabilities of the labels: the mean of what the CC and the MLO views say."""
    return (decision["CC"].exp()[..., 1] + decision["MLO"].exp()[..., 1]) / 2


def load(path: Path, channels: int) -> ExamClassifier:
    """The network with the weights of a published exam model, ready to predict."""
    weights = checkpoints.without_aliases(checkpoints.load_weights(path, wrapped=True), ALIASES, path)
    network = ExamClassifier(channels)
    checkpoints.fill(network, weights, path)
    return network.eval().requires_grad_(False)
