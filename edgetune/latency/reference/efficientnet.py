"""EfficientNet-Lite 0 to 4 (tensorflow/tpu, models/official/efficientnet/lite), after EfficientNet (Tan 2019)."""

from __future__ import annotations

from math import ceil

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.graph import Graph
from edgetune.latency.reference.mobilenet import add_inverted_residuals
from edgetune.space.architecture import round_width

STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
# expansion, width, depth, stride, kernel

LITE = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))  # width, depth, resolution


def efficientnet_lite(number: int) -> Graph:
    """Stem, head and the depth of the first and last stage are not scaled; ReLU6, no squeeze-excite."""
    width, depth, resolution = LITE[number]
    builder = GraphBuilder(f"efficientnet-lite{number}", (3, resolution, resolution))
    x = builder.conv(INPUT, 32, kernel=3, stride=2, activation="relu6", name="stem")
    ends = (0, len(STAGES) - 1)
    stages = [
        (e, round_width(c * width), n if i in ends else ceil(n * depth), s, k)
        for i, (e, c, n, s, k) in enumerate(STAGES)
    ]
    x = add_inverted_residuals(builder, x, stages)
    x = builder.conv(x, 1280, activation="relu6", name="head")
    builder.linear(builder.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return builder.graph()
