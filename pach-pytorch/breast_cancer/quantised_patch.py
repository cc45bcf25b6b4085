"""DenseNet-121 with the dense blocks' convolutions in 8-bit integers: faster, and not the published numbers.

Weights are rounded to 8 bits channel by channel, activations tensor by tensor with ranges seen on a few patches
beforehand. The stem, the transitions, the features between the layers and the last layer stay in fp32.
"""

import fused_patch
import torch
from fused_patch import GROUP, PAIR, SIDES, FusedDenseNet, Workspace
from onednn import folded_norm
from patch_classifier import BLOCKS, GROWTH, DenseNet, channels_of
from stage import StageError
from torch import nn

ACTIVATION_LEVELS = 255


class QuantisedConvolution:
    """uint8 in, uint8 (with ReLU) or fp32 out."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, padding: int) -> None:
        self.scales = (weight.abs().amax(dim=(1, 2, 3)) / 127).float().clamp(min=1e-12)
        self.weight = (weight / self.scales.view(-1, 1, 1, 1)).round().clamp(-127, 127).to(torch.int8)
        self.zeros = torch.zeros(len(self.scales), dtype=torch.int32)
        self.bias, self.padding = bias, [padding, padding]
        self.packed: torch.Tensor | None = None

    def pack(self, scale: float, shape: tuple[int, ...]) -> None:
        """Lays the weights out for inputs of this scale."""
        self.packed = torch.ops.onednn.qconv_prepack(
            self.weight, self.scales, scale, 0, [1, 1], self.padding, [1, 1], 1, list(shape)
        )

    def __call__(self, inputs: torch.Tensor, scale: float, result_scale: float | None) -> torch.Tensor:
        out = (1.0, torch.float32, "none") if result_scale is None else (result_scale, torch.uint8, "relu")
        return torch.ops.onednn.qconv2d_pointwise(
            inputs,
            scale,
            0,
            self.packed,
            self.scales,
            self.zeros,
            self.bias,
            [1, 1],
            self.padding,
            [1, 1],
            1,
            out[0],
            0,
            out[1],
            out[2],
            [],
            "",
        )


class QuantisedLayer:
    """One dense layer; `calibrate` first."""

    def __init__(self, layer: nn.Module) -> None:
        self.channels = layer.conv1.in_channels
        scale, shift = folded_norm(layer.norm1)
        self.scale, self.shift = scale.float().view(1, -1, 1, 1), shift.float().view(1, -1, 1, 1)
        after, bias = folded_norm(layer.norm2)
        self.exact = (layer.conv1.weight * after.float().view(-1, 1, 1, 1), bias.float())
        self.squeeze = QuantisedConvolution(self.exact[0], self.exact[1], 0)
        self.expand = QuantisedConvolution(layer.conv2.weight, None, 1)
        self.ranges = [0.0, 0.0]

    def active(self, features: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.shift, features, self.scale).relu_()

    def observe(self, features: torch.Tensor) -> None:
        """Widens the ranges of both activations to what these features make of them."""
        active = self.active(features)
        hidden = torch.conv2d(active, *self.exact).relu_()
        for number, values in enumerate((active, hidden)):
            self.ranges[number] = max(self.ranges[number], float(values.max()))

    def settle(self, together: int, side: int) -> None:
        """Fixes the scales to the ranges seen."""
        self.steps = [max(value, 1e-6) / ACTIVATION_LEVELS for value in self.ranges]
        self.rounding_scale = self.scale / self.steps[0]
        # Half a level more: the conversion to integers cuts off.
        self.rounding_shift = self.shift / self.steps[0] + 0.5
        self.squeeze.pack(self.steps[0], (together, self.channels, side, side))
        self.expand.pack(self.steps[1], (together, self.squeeze.weight.shape[0], side, side))

    def __call__(self, features: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        torch.addcmul(self.rounding_shift, features, self.rounding_scale, out=levels)
        inputs = levels.clamp_(0, ACTIVATION_LEVELS).to(torch.uint8)
        return self.expand(self.squeeze(inputs, self.steps[0], self.steps[1]), self.steps[1], None)


class QuantisedDenseNet(FusedDenseNet):
    """FusedDenseNet with quantised dense layers. Call `calibrate` with some typical patches before anything else."""

    def __init__(self, network: DenseNet) -> None:
        super().__init__(network)
        self.quantised = [
            [QuantisedLayer(layer) for layer in getattr(network.features, f"denseblock{block + 1}")]
            for block in range(len(BLOCKS))
        ]
        self.observing = False

    def calibrate(self, patches: torch.Tensor) -> None:
        """Finds the activations' ranges on these patches."""
        self.observing = True
        self(patches, Workspace())
        self.observing = False
        try:
            for block, layers in enumerate(self.quantised):
                for layer in layers:
                    layer.settle(PAIR if block < 2 else GROUP, SIDES[block])
        except (AttributeError, RuntimeError, NotImplementedError) as error:
            raise StageError(f"--precision int8: this PyTorch has no 8-bit convolutions here ({error})") from None

    def _dense(self, block: int, count: int, space: Workspace) -> torch.Tensor:
        if self.observing:
            features = super()._dense(block, count, space)
            for layer in self.quantised[block]:
                layer.observe(features[:, : layer.channels])
            return features
        side, (_, after) = SIDES[block], channels_of(block)
        features = fused_patch.channels_last(space.features[block], count, side, after)
        for layer in self.quantised[block]:
            levels = fused_patch.channels_last(space.scratch, count, side, layer.channels)
            features[:, layer.channels : layer.channels + GROWTH] = layer(features[:, : layer.channels], levels)
        return features
