"""FBNet's space (Wu 2019, arXiv:1812.03443) as HW-NAS-Bench (Li 2021, arXiv:2103.10584) measured it: 32 pixels, 100
classes, the first stage without a stride."""

from __future__ import annotations

from edgetune.errors import ConfigError
from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.graph import Graph

BLOCKS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))
"""Kernel, expansion, groups; a ninth choice is to skip."""
SKIP = 8
LAYERS = tuple(
    (width, stride if i == 0 else 1)
    for width, stride, depth in zip(
        (16, 24, 32, 64, 112, 184, 352), (1, 1, 2, 2, 1, 2, 1), (1, 4, 4, 4, 4, 4, 1), strict=True
    )
    for i in range(depth)
)
STEM, HEAD, CLASSES = 16, 1504, 100


def fbnet(choices: str) -> Graph:
    """The network of 22 digits, 0 to 8, one for each layer.

    Raises
    ------
    ConfigError
        Not 22 such digits.
    """
    if len(choices) != len(LAYERS) or set(choices) - set("012345678"):
        raise ConfigError("not a network of FBNet's space", where=choices, mend="give 22 digits from 0 to 8")
    b = GraphBuilder(f"fbnet-{choices}", (3, 32, 32))
    x = b.conv(INPUT, STEM, kernel=3, activation="relu", name="stem")
    for number, ((width, stride), choice) in enumerate(zip(LAYERS, choices, strict=True)):
        b.prefix = f"layer{number}."
        x = _layer(b, x, width, stride, int(choice))
    b.prefix = ""
    x = b.conv(x, HEAD, activation="relu", name="head")
    b.linear(b.global_pool(x), CLASSES, name="classifier")
    return b.graph()


def _layer(b: GraphBuilder, x: int, width: int, stride: int, choice: int) -> int:
    same = stride == 1 and b.shape(x)[0] == width
    if choice == SKIP:
        return x if same else b.conv(x, width, stride=stride, activation="relu", name="skip")
    kernel, expansion, groups = BLOCKS[choice]
    y = b.conv(x, b.shape(x)[0] * expansion, groups=groups, activation="relu", name="expand")
    if groups > 1:
        y = b.copy(y, b.shape(y), name="shuffle")
    y = b.depthwise(y, kernel, stride=stride, activation="relu")
    y = b.conv(y, width, groups=groups, name="project")
    return b.add(x, y) if same else y
