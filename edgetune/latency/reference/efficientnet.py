"""EfficientNet-Lite 0 to 4; see :mod:`edgetune.space.efficientnet_lite`."""

from __future__ import annotations

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.graph import Graph
from edgetune.latency.reference.mobilenet import add_inverted_residuals
from edgetune.space.efficientnet_lite import HEAD_WIDTH, STEM_WIDTH, VARIANTS, stages_of


def efficientnet_lite(variant: str) -> Graph:
    """`variant` is one of :data:`VARIANTS`."""
    resolution = VARIANTS[variant].resolution
    builder = GraphBuilder(variant, (3, resolution, resolution))
    x = builder.conv(INPUT, STEM_WIDTH, kernel=3, stride=2, activation="relu6", name="stem")
    x = add_inverted_residuals(builder, x, stages_of(variant))
    x = builder.conv(x, HEAD_WIDTH, activation="relu6", name="head")
    builder.linear(builder.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return builder.graph()
