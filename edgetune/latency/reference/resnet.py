"""ResNet-50 (He 2015, arXiv:1512.03385), version 1.5: the stride sits in the 3×3 convolution, as MLPerf runs it."""

from __future__ import annotations

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.graph import Graph

DEPTHS = (3, 4, 6, 3)


def resnet50(classes: int = 1000, resolution: int = 224) -> Graph:
    builder = GraphBuilder("resnet50", (3, resolution, resolution))
    x = builder.pool(builder.conv(INPUT, 64, kernel=7, stride=2, activation="relu", name="stem"), 3, stride=2)
    for stage, depth in enumerate(DEPTHS):
        for i in range(depth):
            builder.prefix = f"stage{stage + 1}.block{i + 1}."
            x = _bottleneck(builder, x, 64 * 2**stage, stride=2 if stage and i == 0 else 1)
    builder.prefix = ""
    builder.linear(builder.global_pool(x), classes, name="classifier")
    return builder.graph()


def _bottleneck(builder: GraphBuilder, x: int, width: int, stride: int) -> int:
    shortcut = x
    if builder.shape(x)[0] != 4 * width:
        shortcut = builder.conv(x, 4 * width, stride=stride, name="shortcut")
    x = builder.conv(x, width, activation="relu", name="reduce")
    x = builder.conv(x, width, kernel=3, stride=stride, activation="relu", name="spatial")
    x = builder.conv(x, 4 * width, name="expand")
    return builder.add(shortcut, x, activation="relu")
