"""EfficientNet-Lite 0 to 4 (Liu 2020; tensorflow/tpu, models/official/efficientnet/lite) after EfficientNet (Tan 2019).

ReLU6, no squeeze-excite, stem and head of fixed width. Plain values: what a network of weights and what a latency
predictor both read.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from edgetune.space.architecture import round_width

STEM_WIDTH, HEAD_WIDTH = 32, 1280


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    expansion: int
    width: int
    depth: int
    stride: int
    kernel: int


class Variant(NamedTuple):
    """How much wider and deeper than EfficientNet-B0, and the pixels a side that it was trained on."""

    width: float
    depth: float
    resolution: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
"""EfficientNet-B0's."""
VARIANTS: Mapping[str, Variant] = {
    "efficientnet-lite0": Variant(1.0, 1.0, 224),
    "efficientnet-lite1": Variant(1.0, 1.1, 240),
    "efficientnet-lite2": Variant(1.1, 1.2, 260),
    "efficientnet-lite3": Variant(1.2, 1.4, 280),
    "efficientnet-lite4": Variant(1.4, 1.8, 300),
}


def stages_of(variant: str) -> list[Stage]:
    """Widths scaled and rounded; depths scaled but for the first and the last stage.

    >>> [stage.width for stage in stages_of("efficientnet-lite2")]
    [16, 24, 48, 88, 120, 208, 352]
    """
    scale = VARIANTS[variant]
    return [
        stage._replace(
            width=round_width(scale.width * stage.width),
            depth=stage.depth if stage in (STAGES[0], STAGES[-1]) else ceil(scale.depth * stage.depth),
        )
        for stage in STAGES
    ]
