"""ResNet-18 and ResNet-50 (He 2015, arXiv:1512.03385), the latter as version 1.5: its 3×3 convolutions stride."""

from __future__ import annotations

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.graph import Graph


def resnet50() -> Graph:
    return _resnet("resnet50", (3, 4, 6, 3))


def resnet18() -> Graph:
    return _resnet("resnet18", (2, 2, 2, 2))


def _resnet(name: str, depths: tuple[int, ...]) -> Graph:
    block = _bottleneck if name == "resnet50" else _basic
    builder = GraphBuilder(name, (3, 224, 224))
    x = builder.pool(builder.conv(INPUT, 64, kernel=7, stride=2, activation="relu", name="stem"), 3, stride=2)
    for stage, depth in enumerate(depths):
        for i in range(depth):
            builder.prefix = f"stage{stage + 1}.block{i + 1}."
            x = block(builder, x, 64 * 2**stage, 2 if stage and i == 0 else 1)
    builder.prefix = ""
    builder.linear(builder.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return builder.graph()


def _basic(builder: GraphBuilder, x: int, width: int, stride: int) -> int:
    shortcut = x if builder.shape(x)[0] == width else builder.conv(x, width, stride=stride, name="shortcut")
    y = builder.conv(x, width, kernel=3, stride=stride, activation="relu", name="conv1")
    return builder.add(shortcut, builder.conv(y, width, kernel=3, name="conv2"), activation="relu")


def _bottleneck(builder: GraphBuilder, x: int, width: int, stride: int) -> int:
    shortcut = x
    if builder.shape(x)[0] != 4 * width:
        shortcut = builder.conv(x, 4 * width, stride=stride, name="shortcut")
    x = builder.conv(x, width, activation="relu", name="reduce")
    x = builder.conv(x, width, kernel=3, stride=stride, activation="relu", name="spatial")
    x = builder.conv(x, 4 * width, name="expand")
    return builder.add(shortcut, x, activation="relu")
