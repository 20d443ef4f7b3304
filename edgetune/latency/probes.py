"""Networks made to be clocked: random ones built as published families are, so that between them they hold every part
that a cost model knows, in the shapes in which networks use it. None is a published network."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.from_architecture import add_squeeze_excite
from edgetune.latency.graph import Graph

RESOLUTIONS = (28, 32, 32, 48, 64, 96, 128, 160, 192, 224)
MOST_MACS, MOST_WEIGHTS = 250e6, 12_000_000
RECTIFIERS = ("relu", "relu", "relu6", "hswish", "swish")

Block = Callable[[GraphBuilder, int, int, int, np.random.Generator, str], int]
"""Builder, input, width, stride, random numbers, the network's activation; gives the output."""


def probe(rng: np.random.Generator) -> Graph:
    """A random network of one family: stem, stages that halve the side while their width grows, classifier."""
    side, channels = int(rng.choice(RESOLUTIONS)), int(rng.choice((1, 3, 3, 3)))
    b = GraphBuilder("probe", (channels, side, side))
    activation, block = str(rng.choice(RECTIFIERS)), FAMILIES[rng.integers(len(FAMILIES))]
    width = int(rng.choice((8, 16, 16, 24, 32, 64)))
    stride = 2 if side > 64 or rng.random() < 0.3 else 1
    x = b.conv(INPUT, width, kernel=int(rng.choice((3, 3, 5, 7))), stride=stride, activation=activation, name="stem")
    if side > 100 and rng.random() < 0.3:
        x = b.pool(x, 3, stride=2)
    if rng.random() < 0.15:
        x = b.with_constant("softmax", x, name="norm")
    while b.shape(x)[1] > 7 and sum(k.macs for k in b.kernels) < MOST_MACS / 2:
        width = _widened(width, rng)
        for i in range(int(rng.integers(1, 4))):
            x = block(b, x, width, 2 if i == 0 else 1, rng, activation)
            if sum(k.macs for k in b.kernels) > MOST_MACS:
                break
    return _classified(b, x, rng, activation)


def _widened(width: int, rng: np.random.Generator) -> int:
    """Grown by a factor of 1.2 to 2.5; a multiple of 8 as a rule, of 2 or 16 at times."""
    unit = int(rng.choice((2, 4, 8, 8, 8, 16, 16)))
    return unit * max(1, round(width * float(rng.uniform(1.2, 2.5)) / unit))


def _classified(b: GraphBuilder, x: int, rng: np.random.Generator, activation: str) -> Graph:
    """Head convolution, pool, and up to three linear layers."""
    if rng.random() < 0.6:
        x = b.conv(x, int(rng.choice((128, 256, 512, 1024, 1280))), activation=activation, name="head")
    if rng.random() < 0.8 or prod(b.shape(x)) > 10_000:
        x = b.global_pool(x)
    for _ in range(int(rng.choice((0, 0, 0, 1, 2)))):
        hidden = int(rng.choice((128, 512, 1024, 2048, 4096)))
        x = b.linear(x, max(16, min(hidden, MOST_WEIGHTS // prod(b.shape(x)))), activation="relu")
    b.linear(x, int(rng.choice((10, 100, 1000))), name="classifier")
    return b.graph()


def _inverted(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As MobileNet v2 and v3, EfficientNet, MNASNet."""
    shortcut, channels = x, b.shape(x)[0]
    hidden = round(channels * float(rng.choice((1, 2, 3, 4, 6))))
    if hidden != channels:
        x = b.conv(x, hidden, activation=activation, name="expand")
    x = b.depthwise(x, int(rng.choice((3, 3, 5, 7))), stride=stride, activation=activation)
    if rng.random() < 0.3:
        gate = "sigmoid" if activation == "swish" else "hsigmoid"
        x = add_squeeze_excite(b, x, max(8, hidden // 32 * 8), gate=gate)
    x = b.conv(x, width, name="project")
    return b.add(shortcut, x) if stride == 1 and channels == width else x


def _fused(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As EfficientNet v2 and the mobile spaces: a 3×3 convolution expands."""
    shortcut, channels = x, b.shape(x)[0]
    x = b.conv(x, channels * int(rng.choice((1, 2, 3, 4))), kernel=3, stride=stride, activation=activation)
    x = b.conv(x, width, name="project")
    return b.add(shortcut, x) if stride == 1 and channels == width else x


def _separable(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As MobileNet v1."""
    x = b.depthwise(x, int(rng.choice((3, 3, 5))), stride=stride, activation=activation)
    return b.conv(x, width, activation=activation)


def _residual(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As ResNet, basic or with a bottleneck."""
    shortcut = x
    if stride > 1 or b.shape(x)[0] != width:
        shortcut = b.conv(x, width, stride=stride, name="shortcut")
    if rng.random() < 0.5:
        x = b.conv(x, width, kernel=3, stride=stride, activation="relu")
        x = b.conv(x, width, kernel=3)
    else:
        x = b.conv(x, max(4, width // 4), activation="relu", name="reduce")
        x = b.conv(x, b.shape(x)[0], kernel=3, stride=stride, activation="relu")
        x = b.conv(x, width, name="expand")
    return b.add(shortcut, x, activation="relu")


def _plain(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As AlexNet and VGG."""
    groups = 2 if rng.random() < 0.2 and b.shape(x)[0] % 4 == 0 and width % 2 == 0 else 1
    x = b.conv(x, width, kernel=int(rng.choice((3, 3, 3, 5))), groups=groups, activation="relu")
    return b.pool(x, int(rng.choice((2, 3))), stride=2) if stride > 1 else x


def _branches(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As GoogLeNet and SqueezeNet."""
    if stride > 1:
        x = b.pool(x, 3, stride=2)
    reduced = b.conv(x, max(4, width // 4), activation="relu", name="reduce")
    parts = [
        b.conv(reduced, max(4, width // 2), activation="relu"),
        b.conv(reduced, max(4, width // 2), kernel=int(rng.choice((3, 3, 5))), activation="relu"),
    ]
    if rng.random() < 0.5:
        parts.append(b.conv(b.pool(x, 3, stride=1), max(4, width // 4), activation="relu"))
    return b.concat(tuple(parts))


def _shuffled(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As ShuffleNet: halves or groups that a shuffle mixes."""
    channels, side, _ = b.shape(x)
    half = max(2, width // 4 * 2)
    if stride > 1 or channels % 4:
        kept = b.conv(b.depthwise(x, 3, stride=stride), half, activation="relu")
        y = b.conv(x, half, activation="relu", name="reduce")
    else:
        half = channels // 2
        kept = y = b.copy(x, (half, side, side), name="split")
        groups = int(rng.choice((1, 1, 2)))
        y = b.conv(y, half, groups=groups, activation="relu", name="reduce")
    y = b.conv(b.depthwise(y, 3, stride=stride), half, activation="relu", name="expand")
    x = b.concat((kept, y))
    return b.copy(x, b.shape(x), name="shuffle")


def _preactivated(b: GraphBuilder, x: int, width: int, stride: int, rng: np.random.Generator, activation: str) -> int:
    """As the cells of NAS-Bench-201: a rectifier that no convolution takes in, since its source has other readers."""
    y = b.conv(x, width, kernel=int(rng.choice((1, 3))), stride=stride)
    z = b.conv(b.rectify(y, name="rectify"), width, kernel=int(rng.choice((1, 3))))
    return b.add(z, b.pool(y, 3, stride=1) if rng.random() < 0.5 else y)


FAMILIES: tuple[Block, ...] = (
    _inverted, _inverted, _inverted, _fused, _separable, _residual, _plain, _branches, _shuffled, _preactivated,
)  # fmt: skip
