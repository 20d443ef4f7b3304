"""Widths that are multiples of 8, and what a block's options make of it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.space.architecture import Architecture, Block, round_width

BLOCK = Block("b", "mbconv", 24, 24, stride=1, kernel=5, expansion=3, activation="hswish", squeeze_excite=True)


@given(st.floats(0.1, 5000))
def test_rounding_is_to_the_nearest_multiple_of_8_that_loses_little(width: float) -> None:
    rounded = round_width(width)
    assert rounded % 8 == 0 and rounded >= max(8, 0.9 * width)
    nearest = min((8 * math.floor(width / 8), 8 * math.floor(width / 8) + 8), key=lambda w: (abs(w - width), -w))
    assert rounded == (nearest if nearest >= max(8, 0.9 * width) else 8 * math.floor(width / 8) + 8)


@pytest.mark.parametrize(("width", "rounded"), [(1, 8), (8, 8), (11, 16), (12, 16), (19, 24), (28, 32), (35, 32)])
def test_rounding_by_hand(width: int, rounded: int) -> None:
    assert round_width(width) == rounded


@pytest.mark.parametrize(
    ("in_width", "expansion", "hidden", "squeeze"),
    # MobileNetV3-Large's own: 72, 120 and 672 channels squeezed to 24, 32 and 168 (Howard 2019, published model)
    [(24, 3, 72, 24), (40, 3, 120, 32), (112, 6, 672, 168), (12, 1, 12, 8), (12, 2, 24, 8), (8, 4, 32, 8)],
)
def test_hidden_and_squeeze_widths(in_width: int, expansion: int, hidden: int, squeeze: int) -> None:
    block = replace(BLOCK, in_width=in_width, expansion=expansion)
    assert (block.hidden_width, block.squeeze_width) == (hidden, squeeze)


@pytest.mark.parametrize(
    ("change", "residual"), [({}, True), ({"stride": 2}, False), ({"in_width": 16}, False), ({"expansion": 1}, True)]
)
def test_a_shortcut_needs_equal_shapes(change: dict[str, int], residual: bool) -> None:
    assert replace(BLOCK, **change).residual is residual  # type: ignore[arg-type]


def test_the_head_follows_the_last_block_or_the_stem() -> None:
    network = Architecture(3, 32, 10, stem_width=16, stem_stride=1, blocks=(), head_width=96, activation="relu")
    assert network.last_width == 16
    assert replace(network, blocks=(replace(BLOCK, in_width=16),)).last_width == 24
