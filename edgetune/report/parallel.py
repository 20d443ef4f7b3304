"""Parallel coordinates as one SVG drawing: a line a trial through the choices that matter, latency and accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgetune.report.summary import RunSummary, TrialPoint
from edgetune.report.words import milliseconds, percent, shown
from edgetune.space.parameters import Value

PARAMETERS = 7  # axes besides the two objectives
TICKS = 8  # at most, on an axis of choices; a learning rate has as many values as there are trials
GAP, TOP, HEIGHT = 112, 68, 260  # SVG units between axes, above them, along them
MARGIN = 56
SPREAD, GOLDEN = 22, 0.618034  # trials of the same choice lie so far apart, evenly, or one line would hide the rest


@dataclass(frozen=True)
class Axis:
    """`ticks` are pairs of a text and a height."""

    x: float
    title: tuple[str, str]
    ticks: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Line:
    """One trial: the points of a polyline."""

    trial: int
    points: str
    on_front: bool


@dataclass(frozen=True)
class Parallel:
    """The drawing; lines of the front come last, above the rest."""

    width: float
    height: float
    axes: tuple[Axis, ...]
    lines: tuple[Line, ...]


def parallel(summary: RunSummary) -> Parallel | None:
    """None where no importance or no sample is known."""
    trials = [trial for trial in summary.trials if trial.state == "done" and trial.sample]
    labels = telling_labels(summary)
    if not trials or not labels:
        return None
    scales = [choice_scale([trial.sample.get(label) for trial in trials]) for label in labels]
    latency = number_scale([trial.latency_ms or 0.0 for trial in trials])
    top1 = number_scale([trial.validation_top1 or 0.0 for trial in trials])
    axes = [
        Axis(MARGIN + GAP * i, split(label), choice_ticks(scale))
        for i, (label, scale) in enumerate(zip(labels, scales, strict=True))
    ]
    ends = [
        ((summary.conditions.kind, "latency"), [(milliseconds(value), share) for value, share in marks(latency)]),
        (("validation", "top-1"), [(percent(value), share) for value, share in marks(top1)]),
    ]
    for title, ticks in ends:
        axes.append(Axis(MARGIN + GAP * len(axes), title, tuple((text, height(share)) for text, share in ticks)))

    def line(trial: TrialPoint) -> Line:
        spread = SPREAD * ((trial.number * GOLDEN) % 1 - 0.5)
        heights = [scale[trial.sample.get(label)] + spread for label, scale in zip(labels, scales, strict=True)]
        heights += [
            height(share_of(trial.latency_ms or 0.0, latency)),
            height(share_of(trial.validation_top1 or 0.0, top1)),
        ]
        points = " ".join(f"{axis.x:.0f},{y:.1f}" for axis, y in zip(axes, heights, strict=True))
        return Line(trial.number, points, trial.on_front)

    lines = sorted(map(line, trials), key=lambda drawn: drawn.on_front)
    return Parallel(2 * MARGIN + GAP * (len(axes) - 1), TOP + HEIGHT + 36, tuple(axes), tuple(lines))


def telling_labels(summary: RunSummary) -> list[str]:
    """The labels of the largest importance for any objective, in the order of the space."""
    if summary.insight is None or not summary.insight.importance:
        return []
    shares: dict[str, float] = {}
    for of_one in summary.insight.importance["variance"].values():
        for label, share in of_one.items():
            shares[label] = max(share, shares.get(label, 0.0))
    chosen = sorted(shares, key=lambda label: -shares[label])[:PARAMETERS]
    return [label for label in shares if label in chosen]


def choice_scale(values: Sequence[Value | None]) -> dict[Value | None, float]:
    """A height for each value that occurs: numbers ascending, other values in alphabetical order, none at the foot."""
    present = sorted({value for value in values if value is not None}, key=lambda value: (not number(value), value, ""))
    rungs: list[Value | None] = [*([None] if None in values else []), *present]
    return {value: height(i / max(1, len(rungs) - 1)) for i, value in enumerate(rungs)}


def choice_ticks(scale: Mapping[Value | None, float]) -> tuple[tuple[str, float], ...]:
    """Of each value, or of every so many where they would lie upon each other."""
    every = -(-len(scale) // TICKS)
    return tuple((shown(value), y) for value, y in list(scale.items())[::every])


def number(value: Value) -> bool:
    return isinstance(value, int | float)


def number_scale(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def marks(scale: tuple[float, float]) -> list[tuple[float, float]]:
    """The foot, the middle and the top of an axis: pairs of a figure and its share."""
    low, high = scale
    return [(low + share * (high - low), share) for share in (0.0, 0.5, 1.0)]


def share_of(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return (value - low) / (high - low) if high > low else 0.5


def height(share: float) -> float:
    return TOP + HEIGHT * (1 - share)


def split(label: str) -> tuple[str, str]:
    """
    >>> split("stage1.block2.kernel"), split("depth")
    (('stage1.block2', 'kernel'), ('', 'depth'))
    """
    before, _, last = label.rpartition(".")
    return before, last
