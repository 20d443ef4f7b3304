"""The network that edgetune trains as a teacher when none is given: a small ResNet (He 2016)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from edgetune.nets.layers import Normalize, conv_bn


class Residual(nn.Module):
    """Two 3×3 convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv_bn(width, width, 3, act="relu"), conv_bn(width, width, 3, act="relu"))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResidualNetwork(nn.Module):
    """Raw pixels (N, C, H, W), 0…255, to logits.

    The stem halves the picture until at most 32 pixels are left, then three stages of doubling width follow.
    """

    def __init__(
        self,
        *,
        channels: int,
        resolution: int,
        classes: int,
        width: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        halvings = max(0, math.ceil(math.log2(resolution / 32)))
        stem = [conv_bn(channels, width, 3, stride=2 if halvings else 1, act="relu")]
        stem += [conv_bn(width, width, 3, stride=2, act="relu") for _ in range(halvings - 1)]
        self.normalize = Normalize(mean, std)
        self.features = nn.Sequential(
            *stem,
            conv_bn(width, 2 * width, 3, stride=2, act="relu"),
            Residual(2 * width),
            conv_bn(2 * width, 4 * width, 3, stride=2, act="relu"),
            Residual(4 * width),
            conv_bn(4 * width, 8 * width, 3, stride=2, act="relu"),
        )
        self.classifier = nn.Linear(8 * width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.features(self.normalize(pixels)).mean((2, 3)))
