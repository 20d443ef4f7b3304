"""The roofline of one network as an SVG drawing: kernels below the board's ceilings, both axes logarithmic."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10, sqrt

from edgetune.latency.roofline import Roofline
from edgetune.report.words import percent, three_digits

WIDTH, HEIGHT = 640, 260  # SVG units of the plot itself
LEFT, TOP, BOTTOM = 56, 16, 44
LARGEST = 16.0  # radius of a kernel that takes all of the latency


@dataclass(frozen=True)
class Dot:
    """One kernel; its area is its part of the latency."""

    x: float
    y: float
    radius: float
    kind: str
    text: str


@dataclass(frozen=True)
class RooflinePlot:
    """`roof` are the points of a polyline; ticks are pairs of a text and a place."""

    dots: tuple[Dot, ...]
    roof: str
    x_ticks: tuple[tuple[str, float], ...]
    y_ticks: tuple[tuple[str, float], ...]


class Scale:
    """Whole decades that hold all values, onto a stretch of the drawing."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        self.low, self.high = floor(log10(min(values))), ceil(log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[tuple[str, float], ...]:
        return tuple((f"{10.0**power:g}", self(10.0**power)) for power in range(self.low, self.high + 1))


def roofline_plot(roofline: Roofline) -> RooflinePlot | None:
    """None where no kernel multiplies."""
    points = roofline.points
    if not points:
        return None
    x = Scale([*(point.intensity for point in points), roofline.ridge], LEFT, LEFT + WIDTH)
    y = Scale([*(point.gmacs_per_s for point in points), roofline.peak_gmacs_per_s], TOP + HEIGHT, TOP)
    bottom, right = 10.0**y.low, 10.0**x.high
    first = max(bottom / roofline.stream_gb_per_s, 10.0**x.low)  # where the slope enters the drawing
    corners = [(i, roofline.ceiling(i)) for i in (first, roofline.ridge, right)]
    dots = [
        Dot(
            x(point.intensity),
            y(point.gmacs_per_s),
            max(2.5, LARGEST * sqrt(point.share)),
            point.kind,
            f"{point.name}: {three_digits(point.gmacs_per_s)} GMAC/s at {three_digits(point.intensity)} MACs a byte, "
            f"{percent(point.share)} of the latency",
        )
        for point in sorted(points, key=lambda point: -point.share)
    ]
    roof = " ".join(f"{x(i):.1f},{y(ceiling):.1f}" for i, ceiling in corners)
    return RooflinePlot(tuple(dots), roof, x.ticks(), y.ticks())
