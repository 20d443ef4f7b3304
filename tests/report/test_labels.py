"""Names beside points, as rectangles of pixels on pages of any width."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.report.labels import HEIGHT, LETTER, LINE, RADIUS, WIDTHS, places

SHARES = st.tuples(st.floats(0, 1), st.floats(0, 1))
Rectangle = tuple[float, float, float, float]


def beside(place: str, name: str, x: float, y: float) -> Rectangle:
    """Left, top, right and bottom of a name around the pixel (x, y), as plotly writes it in 13 pixels."""
    row, column = place.split()
    width, gap = LETTER * len(name), 7.875
    left = {"left": x - gap - width, "center": x - width / 2, "right": x + gap}[column]
    middle = y + {"top": -gap - 6.5, "middle": 0, "bottom": gap + 6.5}[row]
    return left, middle - LINE / 2, left + width, middle + LINE / 2


def overlap(one: Rectangle, other: Rectangle) -> bool:
    edge = 1e-6
    across = one[0] + edge < other[2] and other[0] + edge < one[2]
    return across and one[1] + edge < other[3] and other[1] + edge < one[3]


@given(st.lists(SHARES, min_size=1, max_size=20), st.floats(*WIDTHS))
def test_no_name_covers_another_or_a_point_or_leaves_the_axes(points: list[tuple[float, float]], width: float) -> None:
    names = [f"net-{i}" for i in range(len(points))]
    pixels = [(x * width, (1 - y) * HEIGHT) for x, y in points]
    found = zip(names, pixels, places(names, points), strict=True)
    written = [beside(place, name, *pixel) for name, pixel, place in found if place]
    dots = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in pixels]
    assert not any(overlap(one, other) for one, other in combinations(written, 2))
    assert not any(overlap(name, dot) for name in written for dot in dots)
    for left, top, right, bottom in written:
        assert left > -1e-6 and top > -1e-6 and right < width + 1e-6 and bottom < HEIGHT + 1e-6


@pytest.mark.parametrize("away", [0.0, 0.003])
def test_two_points_in_one_place_have_both_names(away: float) -> None:
    assert places(["net-a", "net-b"], [(0.5, 0.5), (0.5 + away, 0.5 + away)]) == ["top left", "bottom right"]


def test_a_point_at_the_left_end_has_its_name_on_the_right() -> None:
    assert places(["net-a", "net-b"], [(0.01, 0.5), (0.99, 0.5)]) == ["bottom right", "top left"]
