"""ShuffleNet v1 (Zhang 2017, arXiv:1707.01083), 1×, 3 groups, and v2 (Ma 2018, 1807.11164), 1×."""

from __future__ import annotations

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.graph import Graph

GROUPS = 3


def _stem(name: str) -> tuple[GraphBuilder, int]:
    b = GraphBuilder(name, (3, 224, 224))
    x = b.conv(INPUT, 24, kernel=3, stride=2, activation="relu", name="stem")
    return b, b.pool(x, 3, stride=2)


def shufflenet_v1() -> Graph:
    b, x = _stem("shufflenet")
    for stage, (width, depth) in enumerate(((240, 4), (480, 8), (960, 4)), 2):
        for i in range(depth):
            b.prefix = f"stage{stage}.{i + 1}."
            x = _unit_v1(b, x, width, first=stage == 2 and i == 0, down=i == 0)
    b.prefix = ""
    b.linear(b.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return b.graph()


def _unit_v1(b: GraphBuilder, x: int, width: int, *, first: bool, down: bool) -> int:
    """The very first grouped convolution is not grouped; units that halve the size concatenate a pooled shortcut."""
    out_width = width - b.shape(x)[0] if down else width
    y = b.conv(x, width // 4, groups=1 if first else GROUPS, activation="relu", name="reduce")
    y = b.copy(y, b.shape(y), name="shuffle")
    y = b.depthwise(y, 3, stride=2 if down else 1)
    y = b.conv(y, out_width, groups=GROUPS, activation="relu" if down else None, name="expand")
    return b.concat((b.pool(x, 3, stride=2, name="shortcut"), y)) if down else b.add(x, y, activation="relu")


def shufflenet_v2() -> Graph:
    b, x = _stem("shufflenet_v2")
    for stage, (width, depth) in enumerate(((116, 4), (232, 8), (464, 4)), 2):
        for i in range(depth):
            b.prefix = f"stage{stage}.{i + 1}."
            x = _unit_v2(b, x, width // 2, down=i == 0)
    b.prefix = ""
    x = b.conv(x, 1024, activation="relu", name="head")
    b.linear(b.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return b.graph()


def _unit_v2(b: GraphBuilder, x: int, half: int, *, down: bool) -> int:
    if down:
        kept = b.conv(b.depthwise(x, 3, stride=2, name="shortcut.depthwise"), half, activation="relu", name="shortcut")
        y = x
    else:
        _, height, width = b.shape(x)
        kept = y = b.copy(x, (half, height, width), name="split")
    y = b.conv(y, half, activation="relu", name="reduce")
    y = b.depthwise(y, 3, stride=2 if down else 1)
    y = b.conv(y, half, activation="relu", name="expand")
    x = b.concat((kept, y))
    return b.copy(x, b.shape(x), name="shuffle")
