"""Rounding to the grids of an INT8 file, with gradients.

torch's own fake quantisation multiplies by 1 / scale where onnxruntime divides by the scale, so that values near the
middle of two levels go to different ones, and it learns no ranges; hence these.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

WEIGHT_LEVELS = 127
"""Of either sign: onnxruntime's symmetric int8 leaves -128 out."""
ACTIVATION_LEVELS = 255
"""Above the lowest, uint8."""
QUICKER = 10.0
"""How many times quicker than a weight a range's logarithm is learnt. An optimizer such as Adam takes steps of the
learning rate's size, and a range that fits must be reached in a few hundred of them."""


class Activation(nn.Module):
    """Rounds a tensor to 256 levels and cuts what lies beyond them.

    The range is learnt: its ends grow and shrink by factors, whose logarithms are the parameters (Jain 2019), by the
    gradients of Esser 2020 (LSQ). An end at zero, as after a ReLU, stays there.

    Parameters
    ----------
    lowest, highest
        The range to begin with; zero lies in it.
    """

    lowest: Tensor
    highest: Tensor

    def __init__(self, lowest: float, highest: float) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.tensor(lowest, dtype=torch.float32))
        self.register_buffer("highest", torch.tensor(highest, dtype=torch.float32))
        self.growth = nn.Parameter(torch.zeros(2))

    def ends(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest value that it can be, as they are now."""
        low, high = torch.exp(QUICKER * self.growth)
        return self.lowest * low, self.highest * high

    def grid(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point, as onnxruntime takes them from the range."""
        return grid_of(*self.ends())

    def forward(self, x: Tensor) -> Tensor:
        return _Rounded.apply(x, *self.ends())


def grid_of(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """onnxruntime's `compute_scale_zp` for uint8: in double precision, the scale then stored in single."""
    scale = (high.detach().double() - low.detach().double()) / ACTIVATION_LEVELS
    return scale.float(), torch.round(-low.detach().double() / scale).float()


class _Rounded(torch.autograd.Function):
    """To the grid between two ends. Within it the gradient passes straight through, beyond it an end takes it; what
    rounding adds is the step's, and so the ends', share (Esser 2020, equation 3, and section 2.2 for its size)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        scale, zero = grid_of(low, high)
        ctx.save_for_backward(steps := x / scale, zero)
        return (torch.round(steps).add_(zero).clamp_(0, ACTIVATION_LEVELS) - zero).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (gradient,), (steps, zero) = gradients, ctx.saved_tensors
        rounded = torch.round(steps)
        level = rounded + zero
        below, above = level < 0, level > ACTIVATION_LEVELS
        within = gradient.masked_fill(below | above, 0)
        step = (within * rounded.sub_(steps)).sum() / ACTIVATION_LEVELS
        size = 1 / math.sqrt(steps.numel() * ACTIVATION_LEVELS)
        return within, size * ((gradient * below).sum() - step), size * ((gradient * above).sum() + step)


def weight_scales(weight: Tensor) -> Tensor:
    """Per output channel, (channels,); of a channel of zeros 1, as onnxruntime has it."""
    largest = weight.detach().flatten(1).abs().amax(1)
    return torch.where(largest > 0, (largest.double() / WEIGHT_LEVELS).float(), torch.ones_like(largest))


def round_weight(weight: Tensor, scales: Tensor) -> Tensor:
    """To int8 per output channel; the gradient passes straight through."""
    return _on_steps(weight, scales.view(-1, *[1] * (weight.ndim - 1)))


def round_bias(bias: Tensor, input_scale: Tensor, scales: Tensor) -> Tensor:
    """To the int32 grid of the sums that it is added to."""
    return _on_steps(bias, input_scale * scales)


def _on_steps(x: Tensor, step: Tensor) -> Tensor:
    steps = x / step
    return (steps + (torch.round(steps) - steps).detach()) * step
