"""Searched mobile networks: MNASNet-B1 (Tan 2018, arXiv:1807.11626), ProxylessNAS mobile (Cai 2018, 1812.00332),
EfficientNet-B0 (Tan 2019, 1905.11946)."""

from __future__ import annotations

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.from_architecture import add_inverted_residual
from edgetune.latency.graph import Graph
from edgetune.latency.reference.mobilenet import add_inverted_residuals
from edgetune.space.efficientnet_lite import STAGES

MNASNET = ((3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))
# expansion, width, depth, stride, kernel

PROXYLESS = (
    (3, 32, 1, 2, 5), (3, 32, 1, 1, 3), (3, 40, 1, 2, 7), (3, 40, 1, 1, 3), (3, 40, 2, 1, 5),
    (6, 80, 1, 2, 7), (3, 80, 3, 1, 5), (6, 96, 1, 1, 5), (3, 96, 3, 1, 5),
    (6, 192, 1, 2, 7), (6, 192, 1, 1, 7), (3, 192, 2, 1, 7), (6, 320, 1, 1, 7),
)  # fmt: skip


def mnasnet() -> Graph:
    return _mobile("mnasnet", ((1, 16, 1, 1, 3), *MNASNET))


def proxylessnas() -> Graph:
    return _mobile("proxylessnasnet", ((1, 16, 1, 1, 3), *PROXYLESS))


def _mobile(name: str, stages: tuple[tuple[int, int, int, int, int], ...]) -> Graph:
    b = GraphBuilder(name, (3, 224, 224))
    x = b.conv(INPUT, 32, kernel=3, stride=2, activation="relu", name="stem")
    x = add_inverted_residuals(b, x, stages)
    x = b.conv(x, 1280, activation="relu", name="head")
    b.linear(b.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return b.graph()


def efficientnet_b0() -> Graph:
    """Swish and squeeze-excite, whose bottleneck is a quarter of the block's input."""
    b = GraphBuilder("efficientnet_b0", (3, 224, 224))
    x = b.conv(INPUT, 32, kernel=3, stride=2, activation="swish", name="stem")
    for number, (expansion, width, depth, first_stride, kernel) in enumerate(STAGES, 1):
        for i in range(depth):
            b.prefix = f"stage{number}.{i + 1}."
            in_width = b.shape(x)[0]
            x = add_inverted_residual(
                b,
                x,
                hidden=in_width * expansion,
                width=width,
                kernel=kernel,
                stride=first_stride if i == 0 else 1,
                activation="swish",
                squeeze_width=in_width // 4,
                gate="sigmoid",
            )
    b.prefix = ""
    x = b.conv(x, 1280, activation="swish", name="head")
    b.linear(b.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return b.graph()
