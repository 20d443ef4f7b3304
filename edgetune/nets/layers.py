"""The few layers that the networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgetune.nets.depthwise import DepthwiseConv2d
from edgetune.space.architecture import Activation


class Normalize(nn.Module):
    """Raw pixel values 0…255 to zero mean and unit deviation, as the first layer, so that it travels with the artefact.

    `mean` and `std` are per channel on the 0…1 scale.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1)))

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) * self.scale


class SqueezeExcite(nn.Module):
    """Channel attention (Hu 2018) with the hard sigmoid of MobileNetV3 (Howard 2019)."""

    def __init__(self, width: int, squeeze_width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, squeeze_width, 1)
        self.expand = nn.Conv2d(squeeze_width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(torch.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(gate)


def activation(name: Activation | None) -> nn.Module:
    """A fresh activation layer; `None` is the identity."""
    return {None: nn.Identity, "relu": nn.ReLU, "hswish": nn.Hardswish}[name]()


def conv_bn(
    in_width: int, out_width: int, kernel: int, *, stride: int = 1, act: Activation | None = None
) -> nn.Sequential:
    """Convolution with "same" padding, BatchNorm, activation."""
    conv = nn.Conv2d(in_width, out_width, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_width), activation(act))


def depthwise_bn(width: int, kernel: int, *, stride: int, act: Activation) -> nn.Sequential:
    """Depthwise convolution with "same" padding, BatchNorm, activation."""
    return nn.Sequential(DepthwiseConv2d(width, kernel, stride), nn.BatchNorm2d(width), activation(act))
