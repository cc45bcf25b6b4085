"""Convolutions on a CPU with what follows them done while the result is still in registers."""

import torch
from torch import nn


def folded_norm(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """(scale, shift) of a batch norm in inference, float64."""
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale


class Convolution:
    """A convolution with its weights laid out for oneDNN once, and its ReLU or sum fused, where PyTorch can do that.

    Inputs and results are channels-last. `shape`: a typical input, (n, channels, height, width); others work too.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        shape: tuple[int, int, int, int],
        stride: int = 1,
        padding: int = 0,
        relu: bool = False,
    ) -> None:
        self.weight = weight.float().contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.float().contiguous()
        self.stride, self.padding = [stride, stride], [padding, padding]
        self.relu = relu
        self.packed = self._pack(shape)

    def _pack(self, shape: tuple[int, int, int, int]) -> torch.Tensor | None:
        # These operators are what torch.compile's own CPU code calls; they carry no promise, hence the trial on
        # a small input and the way without them.
        try:
            packed = torch._C._nn.mkldnn_reorder_conv2d_weight(
                self.weight.to_mkldnn(), self.padding, self.stride, [1, 1], 1, list(shape)
            )
            side = self.weight.shape[2]
            sample = torch.zeros(1, shape[1], side, side).to(memory_format=torch.channels_last)
            self._fused(sample, packed)
            self._fused_sum(sample, self._fused(sample, packed), packed)
        except (AttributeError, RuntimeError, TypeError):
            return None
        return packed

    def _fused(self, inputs: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
        attribute = "relu" if self.relu else "none"
        return torch.ops.mkldnn._convolution_pointwise(
            inputs, packed, self.bias, self.padding, self.stride, [1, 1], 1, attribute, [], ""
        )

    def _fused_sum(self, inputs: torch.Tensor, total: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
        attribute = "relu" if self.relu else None
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            total, inputs, packed, self.bias, self.padding, self.stride, [1, 1], 1, "add", 1.0, attribute, [], None
        )

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.packed is not None:
            return self._fused(inputs, self.packed)
        result = torch.conv2d(inputs, self.weight, self.bias, self.stride, self.padding)
        return result.relu_() if self.relu else result

    def add_to(self, total: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """`total` plus the convolution (with its ReLU after the sum, if it has one); `total` is used up."""
        if self.packed is not None:
            return self._fused_sum(inputs, total, self.packed)
        total += torch.conv2d(inputs, self.weight, self.bias, self.stride, self.padding)
        return total.relu_() if self.relu else total
