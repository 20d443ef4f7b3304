"""A depthwise convolution that trains fast in bfloat16 on CPUs.

oneDNN has fast bfloat16 kernels for the forward pass, and for the gradients of 3×3 kernels only: the weight gradient
of a 7×7 kernel takes 2 to 5 times as long as nine gradients of 3×3 ones that cover it, and the input gradient of a
strided convolution up to 40 times as long as in float32. So the backward pass is put together from the fast ones.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

TILE = 3


class DepthwiseConv2d(nn.Conv2d):
    """One k×k filter a channel, "same" padding."""

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            return _Bfloat16Depthwise.apply(x.bfloat16(), self.weight.bfloat16(), self.stride[0])
        return super().forward(x)


class _Bfloat16Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        output = gradients[0].contiguous(memory_format=torch.channels_last)
        return _input_gradient(output, x, weight, ctx.stride), _weight_gradient(output, x, weight, ctx.stride), None


def _input_gradient(output: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Of stride 1 a convolution with the mirrored kernel, else oneDNN's own in float32."""
    if stride == 1:
        return functional.conv2d(output, weight.flip(2, 3), None, 1, weight.shape[2] // 2, groups=len(weight))
    return _backward(output.float(), x.float(), weight.float(), stride, weight.shape[2] // 2, (True, False)).to(x.dtype)


def _weight_gradient(output: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Put together from the gradients of 3×3 kernels on shifted inputs; what lies beyond the kernel is cut off."""
    kernel = weight.shape[2]
    if kernel == TILE:
        return _backward(output, x, weight, stride, kernel // 2, (False, True))
    tiles = -(-kernel // TILE)
    before, after = kernel // 2, kernel // 2 + tiles * TILE - kernel
    padded = functional.pad(x, (before, after, before, after))
    height, width = ((size - 1) * stride + TILE for size in output.shape[2:])
    tile = weight.new_empty(len(weight), 1, TILE, TILE)
    rows = []
    for top in range(0, tiles * TILE, TILE):
        windows = (padded[:, :, top : top + height, left : left + width] for left in range(0, tiles * TILE, TILE))
        rows.append(torch.cat([_backward(output, window, tile, stride, 0, (False, True)) for window in windows], 3))
    return torch.cat(rows, 2)[:, :, :kernel, :kernel]


def _backward(
    output: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: tuple[bool, bool]
) -> Tensor:
    """The gradient of the input or of the weight by torch's own primitive."""
    gradients = torch.ops.aten.convolution_backward(
        output, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), [*wanted, False]
    )
    return gradients[wanted.index(True)]
