"""EfficientNet-Lite; see :mod:`edgetune.space.efficientnet_lite`.

A teacher for colour pictures: weights trained on ImageNet are published under Apache-2.0 and
`tools/efficientnet_lite.py` makes a checkpoint of them.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from edgetune.nets.layers import Normalize
from edgetune.space.efficientnet_lite import HEAD_WIDTH, STEM_WIDTH, stages_of

DROPOUT = 0.2
EPSILON, MOMENTUM = 1e-3, 0.01  # of BatchNorm, which the weights were trained with


class SamePadding(nn.Module):
    """TensorFlow's padding: the output has ⌈size / stride⌉ pixels, and an odd pixel is added below and to the right."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        (above, below), (left, right) = (self._sides(size) for size in x.shape[2:])
        return functional.pad(x, (left, right, above, below))

    def _sides(self, size: int) -> tuple[int, int]:
        total = max(0, (math.ceil(size / self.stride) - 1) * self.stride + self.kernel - size)
        return total // 2, total - total // 2


def conv_bn_relu6(
    in_width: int, out_width: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """Convolution with TensorFlow's padding, BatchNorm, ReLU6."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if kernel > 1:
        layers["pad"] = SamePadding(kernel, stride)
    layers["conv"] = nn.Conv2d(in_width, out_width, kernel, stride, groups=groups, bias=False)
    layers["norm"] = nn.BatchNorm2d(out_width, EPSILON, MOMENTUM)
    if act:
        layers["act"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)


class LiteBlock(nn.Module):
    """1×1 expansion, depthwise convolution, 1×1 projection, beside an identity where the shapes allow it."""

    def __init__(self, in_width: int, out_width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_width * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers["expand"] = conv_bn_relu6(in_width, hidden, 1)
        layers["depthwise"] = conv_bn_relu6(hidden, hidden, kernel, stride=stride, groups=hidden)
        layers["project"] = conv_bn_relu6(hidden, out_width, 1, act=False)
        self.path = nn.Sequential(layers)
        self.residual = stride == 1 and in_width == out_width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.path(x) if self.residual else self.path(x)


class EfficientNetLite(nn.Module):
    """Raw pixels (N, 3, H, W), 0…255, to logits (N, classes).

    `variant` is one of :data:`edgetune.space.efficientnet_lite.VARIANTS`; `mean` and `std` are per channel on the 0…1
    scale.
    """

    def __init__(self, variant: str, *, classes: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        in_width = STEM_WIDTH
        for expansion, width, depth, stride, kernel in stages_of(variant):
            for number in range(depth):
                blocks.append(LiteBlock(in_width, width, kernel, 1 if number else stride, expansion))
                in_width = width
        self.normalize = Normalize(mean, std)
        self.stem = conv_bn_relu6(3, STEM_WIDTH, 3, stride=2)
        self.blocks = nn.Sequential(*blocks)
        self.head = conv_bn_relu6(in_width, HEAD_WIDTH, 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(HEAD_WIDTH, classes)

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled features before the classifier, (N, 1280)."""
        return self.head(self.blocks(self.stem(self.normalize(pixels)))).mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(pixels)))


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published PyTorch weights under the names that :class:`EfficientNetLite` uses.

    >>> list(from_published({"_blocks.3._bn1.weight": 0, "_conv_stem.weight": 0}))
    ['blocks.3.path.depthwise.norm.weight', 'stem.conv.weight']
    """
    names = {
        r"^_conv_stem": "stem.conv",
        r"^_bn0": "stem.norm",
        r"^_conv_head": "head.conv",
        r"^_bn1": "head.norm",
        r"^_fc": "classifier",
        r"^_blocks\.(\d+)\.": r"blocks.\1.path.",
        r"\._expand_conv": ".expand.conv",
        r"\._bn0": ".expand.norm",
        r"\._depthwise_conv": ".depthwise.conv",
        r"\._bn1": ".depthwise.norm",
        r"\._project_conv": ".project.conv",
        r"\._bn2": ".project.norm",
    }
    renamed = {}
    for name, tensor in state.items():
        for published, ours in names.items():
            name = re.sub(published, ours, name)
        renamed[name] = tensor
    return renamed
