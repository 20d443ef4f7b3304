from __future__ import annotations

import pytest

from edgetune.latency.roofline import Roofline, RooflinePoint
from edgetune.report.roofline_plot import HEIGHT, LEFT, TOP, WIDTH, roofline_plot


def point(name: str, intensity: float, gmacs: float, share: float) -> RooflinePoint:
    return RooflinePoint(name, "conv", 1_000_000, int(1e6 / intensity), intensity, 1 / gmacs, gmacs, share)


def roof(*points: RooflinePoint) -> Roofline:
    return Roofline("net", "rpi4", "setting", "calibrated", 20.0, 4.0, 5.0, points)


def test_decades_are_evenly_apart() -> None:
    plot = roofline_plot(roof(point("a", 0.1, 0.1, 0.3), point("b", 1.0, 1.0, 0.6), point("c", 10.0, 10.0, 0.1)))
    assert plot is not None
    by_x = sorted(plot.dots, key=lambda dot: dot.x)
    assert by_x[1].x - by_x[0].x == pytest.approx(by_x[2].x - by_x[1].x)
    assert by_x[0].y - by_x[1].y == pytest.approx(by_x[1].y - by_x[2].y)
    assert [text for text, _ in plot.x_ticks] == ["0.1", "1", "10"]


def test_the_area_of_a_dot_is_its_share_and_large_ones_lie_below() -> None:
    plot = roofline_plot(roof(point("small", 1, 1, 0.16), point("large", 2, 2, 0.64)))
    assert plot is not None
    large, small = plot.dots
    assert large.radius == pytest.approx(2 * small.radius)
    assert large.text.startswith("large: 2.00 GMAC/s at 2.00 MACs a byte, 64.0 %")


def test_everything_lies_within_the_drawing_and_the_roof_bends_at_the_ridge() -> None:
    plot = roofline_plot(roof(point("a", 0.3, 0.02, 0.5), point("b", 40.0, 15.0, 0.5)))
    assert plot is not None
    corners = [tuple(map(float, corner.split(","))) for corner in plot.roof.split()]
    for x, y in [*corners, *((dot.x, dot.y) for dot in plot.dots)]:
        assert LEFT - 0.1 <= x <= LEFT + WIDTH + 0.1 and TOP - 0.1 <= y <= TOP + HEIGHT + 0.1
    assert corners[1][1] == pytest.approx(corners[2][1])
    assert corners[0][1] > corners[1][1]


def test_a_network_that_multiplies_nothing_has_none() -> None:
    assert roofline_plot(roof()) is None
