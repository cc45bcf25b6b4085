"""ResNet-22 columns on a CPU: the same numbers as `exam_classifier.Column` up to rounding, faster.

Activations are channels-last; the second batch norm of a block goes into its first convolution, ReLUs and the sum
with the shortcut are done by the convolutions; the stem's large result never exists, because the stem and its pool
go down the image in strips.
"""

import torch
from exam_classifier import STEM, Block, Column, ExamClassifier
from exam_list import angle
from onednn import Convolution, folded_norm
from torch import nn
from torch.nn import functional

# Rows of the pooled image made at a time: what belongs to them fits the second-level cache.
STRIP = 16


class Activation:
    """relu(scale * x + shift), channel by channel."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        scale, shift = folded_norm(norm)
        self.scale = scale.float().view(1, -1, 1, 1)
        self.shift = shift.float().view(1, -1, 1, 1)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.shift, features, self.scale).relu_()


class FusedBlock:
    """A pre-activation residual block."""

    def __init__(self, block: Block) -> None:
        self.activate = Activation(block.bn1)
        before, width = block.conv1.in_channels, block.conv1.out_channels
        stride = block.conv1.stride[0]
        scale, shift = folded_norm(block.bn2)
        self.first = Convolution(
            block.conv1.weight.double() * scale.view(-1, 1, 1, 1),
            shift,
            shape=(1, before, 64, 64),
            stride=stride,
            padding=1,
            relu=True,
        )
        self.second = Convolution(block.conv2.weight, None, shape=(1, width, 64, 64), padding=1)
        self.shortcut = None
        if block.downsample is not None:
            self.shortcut = Convolution(block.downsample[0].weight, None, shape=(1, before, 64, 64), stride=stride)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        active = self.activate(features)
        total = features if self.shortcut is None else self.shortcut(active)
        return self.second.add_to(total, self.first(active))


class FusedColumn:
    """One view (1, channels, height, width) -> (1, 256) features."""

    def __init__(self, column: Column) -> None:
        channels = column.first_conv.in_channels
        self.stem = Convolution(column.first_conv.weight, None, shape=(1, channels, 4 * STRIP + 7, 1942), stride=2)
        self.blocks = [FusedBlock(block) for stage in column.layer_list for block in stage]
        self.final = Activation(column.final_bn)

    def _stem(self, view: torch.Tensor) -> torch.Tensor:
        """The stem and its pool, strip by strip: pooled row r comes from the rows 4r to 4r + 10."""
        height, width = (((length - 7) // 2 + 1 - 3) // 2 + 1 for length in view.shape[2:])
        pooled = torch.empty(1, height, width, STEM).permute(0, 3, 1, 2)
        for row in range(0, height, STRIP):
            count = min(STRIP, height - row)
            rows = view[:, :, 4 * row : 4 * (row + count) + 7].contiguous(memory_format=torch.channels_last)
            pooled[:, :, row : row + count] = functional.max_pool2d(self.stem(rows), 3, stride=2)
        return pooled

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        features = self._stem(view)
        for block in self.blocks:
            features = block(features)
        return self.final(features).mean(dim=(2, 3))


class FusedExamClassifier:
    """The exam classifier with fused columns; its few linear layers stay as they are."""

    def __init__(self, network: ExamClassifier) -> None:
        self.columns = {name: FusedColumn(column) for name, column in network.four_view_resnet.items()}
        self.decide = network.decide

    def features(self, view: str, pixels: torch.Tensor) -> torch.Tensor:
        """(1, channels, height, width) -> (1, 256) of this view's column."""
        return self.columns[angle(view).lower()](pixels)
