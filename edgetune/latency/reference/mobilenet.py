"""MobileNet v1 (Howard 2017, arXiv:1704.04861), v2 (Sandler 2018, 1801.04381) and v3 (Howard 2019, 1905.02244)."""

from __future__ import annotations

from collections.abc import Iterable

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.from_architecture import add_inverted_residual
from edgetune.latency.graph import Graph
from edgetune.space.architecture import round_width

CLASSES = 1001  # TensorFlow's ImageNet models have a background class

V1 = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)  # width, stride

V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# expansion, width, depth, stride

V3_LARGE = (  # kernel, hidden width, width, squeeze-excite, activation, stride
    (3, 16, 16, False, "relu", 1), (3, 64, 24, False, "relu", 2), (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2), (5, 120, 40, True, "relu", 1), (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hswish", 2), (3, 200, 80, False, "hswish", 1), (3, 184, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1), (3, 480, 112, True, "hswish", 1), (3, 672, 112, True, "hswish", 1),
    (5, 672, 160, True, "hswish", 2), (5, 960, 160, True, "hswish", 1), (5, 960, 160, True, "hswish", 1),
)  # fmt: skip

V3_SMALL = (
    (3, 16, 16, True, "relu", 2), (3, 72, 24, False, "relu", 2), (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hswish", 2), (5, 240, 40, True, "hswish", 1), (5, 240, 40, True, "hswish", 1),
    (5, 120, 48, True, "hswish", 1), (5, 144, 48, True, "hswish", 1), (5, 288, 96, True, "hswish", 2),
    (5, 576, 96, True, "hswish", 1), (5, 576, 96, True, "hswish", 1),
)  # fmt: skip


def mobilenet_v1(width: float, resolution: int) -> Graph:
    builder = GraphBuilder(f"mobilenet-v1-{width}-{resolution}", (3, resolution, resolution))
    x = builder.conv(INPUT, int(32 * width), kernel=3, stride=2, activation="relu6", name="stem")
    for number, (out_width, stride) in enumerate(V1, 1):
        builder.prefix = f"block{number}."
        x = builder.depthwise(x, 3, stride=stride, activation="relu6")
        x = builder.conv(x, int(out_width * width), activation="relu6", name="pointwise")
    builder.prefix = ""
    builder.linear(builder.global_pool(x), CLASSES, name="classifier")
    return builder.graph()


def mobilenet_v2(width: float, resolution: int) -> Graph:
    builder = GraphBuilder(f"mobilenet-v2-{width}-{resolution}", (3, resolution, resolution))
    x = builder.conv(INPUT, round_width(32 * width), kernel=3, stride=2, activation="relu6", name="stem")
    x = add_inverted_residuals(builder, x, [(e, round_width(c * width), n, s, 3) for e, c, n, s in V2])
    x = builder.conv(x, round_width(1280 * max(1.0, width)), activation="relu6", name="head")
    builder.linear(builder.global_pool(x), CLASSES, name="classifier")
    return builder.graph()


def add_inverted_residuals(builder: GraphBuilder, x: int, stages: Iterable[tuple[int, int, int, int, int]]) -> int:
    """Stages of (expansion, width, depth, stride, kernel) with ReLU6 and no squeeze-excite."""
    number = 0
    for expansion, width, depth, first_stride, kernel in stages:
        for i in range(depth):
            number += 1
            builder.prefix = f"block{number}."
            x = add_inverted_residual(
                builder,
                x,
                hidden=builder.shape(x)[0] * expansion,
                width=width,
                kernel=kernel,
                stride=first_stride if i == 0 else 1,
                activation="relu6",
            )
    builder.prefix = ""
    return x


def mobilenet_v3(size: str, width: float, resolution: int, *, minimalistic: bool = False) -> Graph:
    """`size` is "large" or "small"; minimalistic: 3×3 kernels, ReLU, no squeeze-excite."""
    name = f"mobilenet-v3-{size}{'-minimalistic' if minimalistic else ''}_{resolution}_{width}"
    builder = GraphBuilder(name, (3, resolution, resolution))
    hswish = "relu" if minimalistic else "hswish"
    x = builder.conv(INPUT, 16, kernel=3, stride=2, activation=hswish, name="stem")
    in_width = 16  # before the multiplier: the published hidden widths are ratios of it
    for number, (kernel, hidden, out_width, squeeze_excite, act, stride) in enumerate(
        V3_LARGE if size == "large" else V3_SMALL, 1
    ):
        builder.prefix = f"block{number}."
        channels = builder.shape(x)[0]
        scaled = channels if hidden == in_width else round_width(channels * hidden / in_width)
        x = add_inverted_residual(
            builder,
            x,
            hidden=scaled,
            width=round_width(out_width * width),
            kernel=3 if minimalistic else kernel,
            stride=stride,
            activation=act if act == "relu" else hswish,
            squeeze_width=round_width(scaled / 4) if squeeze_excite and not minimalistic else None,
        )
        in_width = out_width
    builder.prefix = ""
    x = builder.conv(x, round_width(builder.shape(x)[0] * 6), activation=hswish, name="head")
    x = builder.conv(builder.global_pool(x), 1280 if size == "large" else 1024, activation=hswish, name="features")
    builder.linear(x, CLASSES, name="classifier")
    return builder.graph()
