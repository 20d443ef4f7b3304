"""Where the names of points are written, so that none covers another name or a point on any page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTHS = (500, 1040)
"""Pixels between the axes on the narrowest page that has names and on the widest."""
HEIGHT = 380
FONT, LINE, LETTER = 13, 17, 8  # pixels: size of the font, height of a line, width of a letter
RADIUS = 5.5
OFFSET = RADIUS / 0.8 + 1  # from a point to its name, as plotly has it
PLACES = {
    # of plotly's `textposition`: (to the right, downwards); those first that a front leaves free
    "top left": (-1, -1),
    "bottom right": (1, 1),
    "top right": (1, -1),
    "bottom left": (-1, 1),
    "top center": (0, -1),
    "bottom center": (0, 1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
}


@dataclass(frozen=True)
class Box:
    """Around `y` from the top and around an `x` at each of `WIDTHS`, in pixels; `half` its width and height."""

    x: tuple[float, ...]
    y: float
    half: tuple[float, float]

    def apart(self, other: Box) -> bool:
        """One above the other, or side by side in the same order at both widths, and so at those between."""
        width, height = (ours + theirs for ours, theirs in zip(self.half, other.half, strict=True))
        away = [ours - theirs for ours, theirs in zip(self.x, other.x, strict=True)]
        return abs(self.y - other.y) >= height or min(away) >= width or max(away) <= -width

    @property
    def inside(self) -> bool:
        """Whether the axes leave it whole."""
        across = all(self.half[0] <= x <= width - self.half[0] for x, width in zip(self.x, WIDTHS, strict=True))
        return across and self.half[1] <= self.y <= HEIGHT - self.half[1]


def places(names: Sequence[str], points: Sequence[tuple[float, float]]) -> list[str | None]:
    """One of `PLACES` for each name, in their order; None where no room is left.

    Parameters
    ----------
    points
        Shares of the axes, 0 to 1, from the left and from the bottom.
    """
    dots = [Box(tuple(x * width for width in WIDTHS), (1 - y) * HEIGHT, (RADIUS, RADIUS)) for x, y in points]
    taken, found = list(dots), list[str | None]()
    for name, dot in zip(names, dots, strict=True):
        boxes = {place: written(name, dot, place) for place in PLACES}
        free = (place for place, box in boxes.items() if box.inside and all(map(box.apart, taken)))
        found.append(next(free, None))
        taken += [box for place, box in boxes.items() if place == found[-1]]
    return found


def written(name: str, point: Box, place: str) -> Box:
    """The box of a name at a place beside its point."""
    right, down = PLACES[place]
    half = LETTER * len(name) / 2
    x = tuple(at + right * (OFFSET + half) for at in point.x)
    return Box(x, point.y + down * (OFFSET + FONT / 2), (half, LINE / 2))
