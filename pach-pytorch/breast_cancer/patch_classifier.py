"""The patch classifier: DenseNet-121 with TensorFlow's SAME padding, four classes, one 256 x 256 patch at a time.

`DenseNet` is the network as one would draw it, with the parameter names of the published checkpoint. It is the
reference, and what a GPU runs. `fused_patch.FusedDenseNet` computes the same on a CPU several times faster.
"""

from pathlib import Path

import checkpoints
import torch
from torch import nn
from torch.nn import functional

GROWTH = 32
BOTTLENECK = 4 * GROWTH
BLOCKS = (6, 12, 24, 16)
STEM = 64
CLASSES = 4
MALIGNANT, BENIGN = 0, 1


def channels_of(block: int) -> tuple[int, int]:
    """Channels before and after a dense block (the transitions between blocks halve them)."""
    before = STEM
    for layers in BLOCKS[:block]:
        before = (before + GROWTH * layers) // 2
    return before, before + GROWTH * BLOCKS[block]


class DenseLayer(nn.Module):
    """Adds 32 channels to what all layers before made: norm, relu, 1x1, norm, relu, 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK)
        self.conv2 = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = self.conv1(functional.relu(self.norm1(features)))
        return torch.cat([features, self.conv2(functional.relu(self.norm2(hidden)))], dim=1)


class Transition(nn.Module):
    """Halves the channels and both sides of the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(self.conv(functional.relu(self.norm(features))), 2)


class DenseNet(nn.Module):
    """(n, 1, 256, 256) standardised grey patches -> (n, 4) logits.

    The published stem takes three channels, which are always equal; `load` adds its weights up for one.
    """

    def __init__(self) -> None:
        super().__init__()
        features = nn.Sequential()
        features.add_module("conv0", nn.Conv2d(1, STEM, 7, stride=2, bias=False))
        features.add_module("norm0", nn.BatchNorm2d(STEM))
        for block, layers in enumerate(BLOCKS):
            before, after = channels_of(block)
            dense = nn.Sequential()
            for layer in range(layers):
                dense.add_module(f"denselayer{layer + 1}", DenseLayer(before + GROWTH * layer))
            features.add_module(f"denseblock{block + 1}", dense)
            if block < len(BLOCKS) - 1:
                features.add_module(f"transition{block + 1}", Transition(after))
        features.add_module("norm5", nn.BatchNorm2d(after))
        self.features = features
        self.classifier = nn.Linear(after, CLASSES)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        # SAME padding puts the odd pixel last: 2 before and 3 after the stem, 0 and 1 around the pool. The pool pads
        # with zeros, which after a ReLU never win.
        stem = self.features.conv0(functional.pad(patches, (2, 3, 2, 3)))
        stem = functional.relu(self.features.norm0(stem))
        features = functional.max_pool2d(functional.pad(stem, (0, 1, 0, 1)), 3, stride=2)
        for block in range(len(BLOCKS)):
            features = getattr(self.features, f"denseblock{block + 1}")(features)
            if block < len(BLOCKS) - 1:
                features = getattr(self.features, f"transition{block + 1}")(features)
        features = functional.relu(self.features.norm5(features))
        return self.classifier(features.mean(dim=(2, 3)))


def load(path: Path) -> DenseNet:
    """The network with the weights of a published patch model, ready to predict."""
    weights = checkpoints.load_weights(path, wrapped=False)
    stem = weights.get("features.conv0.weight")
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3:
        weights["features.conv0.weight"] = stem.double().sum(dim=1, keepdim=True).float()
    network = DenseNet()
    checkpoints.fill(network, weights, path)
    return network.eval().requires_grad_(False)
