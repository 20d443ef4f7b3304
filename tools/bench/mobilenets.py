"""MobileNetV2 and MobileNetV3-Large as torch modules, for benchmarks: the published tables, random weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgetune.latency.reference.mobilenet import V2, V3_LARGE
from edgetune.nets.layers import Normalize, SqueezeExcite
from edgetune.space.architecture import round_width

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hswish": nn.Hardswish, None: nn.Identity}


def conv(in_width: int, width: int, kernel: int, act: str | None, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(in_width, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), ACTIVATIONS[act]())


class Block(nn.Module):
    """An inverted residual block (Sandler 2018), with squeeze-excite where it is asked for (Howard 2019)."""

    def __init__(
        self, in_width: int, hidden: int, width: int, kernel: int, stride: int, act: str, *, squeeze_excite: bool
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(in_width, hidden, 1, act) if hidden != in_width else nn.Identity(),
            conv(hidden, hidden, kernel, act, stride=stride, groups=hidden),
            SqueezeExcite(hidden, round_width(hidden / 4)) if squeeze_excite else nn.Identity(),
            conv(hidden, width, 1, None),
        )
        self.residual = stride == 1 and in_width == width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNet(nn.Module):
    """Raw pixels (1, 3, H, W), 0…255, to logits (1, 1000)."""

    def __init__(self, stem: nn.Module, blocks: list[Block], head: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.normalize = Normalize(*IMAGENET)
        self.features = nn.Sequential(stem, *blocks, head)
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.features(self.normalize(pixels)).mean((2, 3)))


def mobilenet_v2() -> MobileNet:
    torch.manual_seed(0)
    blocks, in_width = [], 32
    for expansion, width, depth, stride in V2:
        for i in range(depth):
            step = stride if i == 0 else 1
            blocks.append(Block(in_width, expansion * in_width, width, 3, step, "relu6", squeeze_excite=False))
            in_width = width
    return MobileNet(
        conv(3, 32, 3, "relu6", stride=2), blocks, conv(in_width, 1280, 1, "relu6"), nn.Linear(1280, 1000)
    ).eval()


def mobilenet_v3_large() -> MobileNet:
    torch.manual_seed(0)
    blocks, in_width = [], 16
    for kernel, hidden, width, squeeze_excite, act, stride in V3_LARGE:
        blocks.append(Block(in_width, hidden, width, kernel, stride, act, squeeze_excite=squeeze_excite))
        in_width = width
    classifier = nn.Sequential(nn.Linear(960, 1280), nn.Hardswish(), nn.Linear(1280, 1000))
    return MobileNet(conv(3, 16, 3, "hswish", stride=2), blocks, conv(in_width, 960, 1, "hswish"), classifier).eval()
