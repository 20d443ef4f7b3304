"""The interactive plots as plotly figures. Colours are CSS variables, which the page resolves for light and dark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from edgetune.latency.prediction import Prediction
from edgetune.report.labels import RADIUS, places
from edgetune.report.summary import Finalist, RunSummary, TrialPoint
from edgetune.report.words import count, milliseconds, percent, size

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--line)"
TRIAL, REFUSED, FRONT, FINALIST, LIMIT, TEACHER = (
    f"var(--{name})" for name in ("trial", "refused", "front", "finalist", "limit", "teacher")
)
HOVER = {"bgcolor": "var(--paper)", "bordercolor": GRID, "font": {"color": INK}}


def pareto(summary: RunSummary) -> dict[str, Any]:
    """Top-1 over latency: every trial, the search's front, the finalists with their interval, teacher and limits."""
    import plotly.graph_objects as go

    kind = summary.conditions.kind
    figure = go.Figure(
        layout=layout(f"{kind} latency on {escape(summary.conditions.device, quote=False)}, ms", "top-1 accuracy, %")
    )
    drawn = [trial for trial in summary.trials if trial.validation_top1 is not None and trial.latency_ms is not None]
    front = sorted((trial for trial in drawn if trial.on_front), key=lambda trial: trial.latency_ms or 0)
    behind = [trial for trial in drawn if trial.feasible and not trial.on_front]
    beyond = [trial for trial in drawn if not trial.feasible]
    add_trials(figure, "trials", behind, kind, color=TRIAL, symbol="circle")
    add_trials(figure, "trials beyond a limit", beyond, kind, color=REFUSED, symbol="x-thin-open")
    add_trials(figure, "front of the search", front, kind, mode="lines+markers", color=FRONT, symbol="diamond")
    x, y = latency_range(summary, drawn), accuracy_range(summary, drawn)
    add_finalists(figure, summary, x, y)
    add_lines(figure, summary)
    figure.update_xaxes(range=x)
    figure.update_yaxes(range=y)
    return plain(figure)


def add_trials(
    figure: go.Figure,
    name: str,
    trials: Sequence[TrialPoint],
    kind: str,
    *,
    color: str,
    symbol: str,
    mode: str = "markers",
) -> None:
    if not trials:
        return
    figure.add_scatter(
        name=name,
        x=[trial.latency_ms for trial in trials],
        y=[100 * (trial.validation_top1 or 0) for trial in trials],
        mode=mode,
        marker={"color": color, "size": 7, "symbol": symbol, "line": {"width": 1.5, "color": color}},
        line={"shape": "hv", "width": 1.5, "color": color, "dash": "dot"},
        customdata=[[trial_text(trial, kind)] for trial in trials],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )


def add_finalists(figure: go.Figure, summary: RunSummary, x: Sequence[float], y: Sequence[float]) -> None:
    """Each with its name where there is room for it between the ends of the axes, `x` and `y`."""
    finalists = summary.finalists
    if not finalists:
        return
    latencies = [finalist.latency for finalist in finalists]
    where = places(
        [finalist.name for finalist in finalists],
        [(share(f.latency.latency_ms, x), share(100 * f.test_top1, y)) for f in finalists],
    )
    best = list(accumulate((100 * finalist.test_top1 for finalist in finalists), max))
    figure.add_scatter(
        x=[latency.latency_ms for latency in latencies],
        y=best,
        mode="lines",
        line={"shape": "hv", "width": 2, "color": FINALIST},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        name="finalists, test top-1",
        x=[latency.latency_ms for latency in latencies],
        y=[100 * finalist.test_top1 for finalist in finalists],
        mode="markers+text",
        text=[escape(finalist.name, quote=False) if at else "" for finalist, at in zip(finalists, where, strict=True)],
        textposition=[at or "top left" for at in where],
        textfont={"color": INK},
        marker={"color": FINALIST, "size": 2 * RADIUS, "line": {"width": 1.5, "color": "var(--paper)"}},
        error_x=interval_bars(latencies),
        customdata=[[finalist_text(finalist)] for finalist in finalists],
        hovertemplate="%{customdata[0]}<extra></extra>",
    )


def add_lines(figure: go.Figure, summary: RunSummary) -> None:
    def label(text: str, colour: str, position: str) -> dict[str, Any]:
        return {
            "annotation_text": text,
            "annotation_font_color": colour,
            "annotation_position": position,
            "annotation_bgcolor": "var(--paper)",
            "line_color": colour,
        }

    limits, teacher = summary.limits, summary.teacher
    figure.add_hline(
        y=100 * teacher.test_top1,
        line_dash="dash",
        line_width=1.5,
        **label(f"teacher {percent(teacher.test_top1)}", TEACHER, "top right"),
    )
    if limits.max_latency_ms is not None:
        text = f"limit {milliseconds(limits.max_latency_ms)}"
        figure.add_vline(x=limits.max_latency_ms, line_width=1.5, **label(text, LIMIT, "bottom left"))
    if limits.min_top1 is not None:
        text = f"limit {percent(limits.min_top1)}"
        figure.add_hline(y=100 * limits.min_top1, line_width=1.5, **label(text, LIMIT, "bottom right"))


def share(value: float, axis: Sequence[float]) -> float:
    """Of the way from one end of an axis to the other."""
    low, high = axis
    return (value - low) / (high - low)


def latency_range(summary: RunSummary, drawn: Sequence[TrialPoint]) -> list[float]:
    """From nothing to a little beyond the slowest, the finalists' intervals and the limit."""
    values = [trial.latency_ms or 0 for trial in drawn]
    values += [finalist.latency.interval_ms[1] for finalist in summary.finalists]
    values += [summary.limits.max_latency_ms] if summary.limits.max_latency_ms is not None else []
    return [0.0, 1.06 * (max(values, default=0.0) or 1.0)]


def accuracy_range(summary: RunSummary, drawn: Sequence[TrialPoint]) -> list[float]:
    """Shows what matters: a tenth of the trials, the worst, may lie below the edge until the reader zooms out."""
    values = sorted(100 * (trial.validation_top1 or 0) for trial in drawn)
    lowest = [values[len(values) // 10]] if values else []
    lowest += [100 * finalist.test_top1 for finalist in summary.finalists]
    lowest += [100 * (trial.validation_top1 or 0) for trial in drawn if trial.on_front]
    lowest += [100 * summary.limits.min_top1] if summary.limits.min_top1 is not None else []
    top = max([100 * summary.teacher.test_top1, *(100 * finalist.test_top1 for finalist in summary.finalists), *values])
    bottom = min([*lowest, top - 1])
    margin = 0.08 * (top - bottom)
    return [bottom - margin, top + 1.5 * margin]


def hypervolume(summary: RunSummary) -> dict[str, Any]:
    """Hypervolume over trials, in percent of the last one; runs of other seeds beside it as a band."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=layout("trials", "hypervolume, % of the last"))
    convergence = summary.convergence
    last = max(convergence.hypervolume, default=0.0) or 1.0
    shares = [100 * value / last for value in convergence.hypervolume]
    curves = [[100 * value / last for value in curve.hypervolume] for curve in convergence.beside]
    if curves:
        add_band(figure, [shares, *curves])
    figure.add_scatter(
        x=list(convergence.trials),
        y=shares,
        mode="lines",
        line={"shape": "hv", "color": FRONT, "width": 2},
        hovertemplate="after trial %{x}: %{y:.1f} % of the last<extra></extra>",
        showlegend=False,
    )
    figure.update_yaxes(range=[max(0.0, min([90.0, *shares]) - 2), max(102, *(1.02 * max(c) for c in curves if c), 0)])
    return plain(figure)


def add_band(figure: go.Figure, curves: Sequence[Sequence[float]]) -> None:
    """From the lowest to the highest of the curves, as far as all of them go."""
    count = min(map(len, curves))
    columns = list(zip(*(curve[:count] for curve in curves), strict=True))
    for values, filled in ((map(min, columns), None), (map(max, columns), "tonexty")):
        figure.add_scatter(
            name=f"lowest to highest of {len(curves)} runs",
            x=list(range(count)),
            y=list(values),
            mode="lines",
            line={"shape": "hv", "width": 1, "color": TRIAL},
            fill=filled,
            fillcolor="var(--band)",
            hoverinfo="skip",
            showlegend=filled is not None,
        )


def measured(summary: RunSummary) -> dict[str, Any] | None:
    """Each measured latency over the predicted one of the same network; None where nothing was measured."""
    import plotly.graph_objects as go

    pairs = [
        (finalist, found)
        for finalist in summary.finalists
        for found in finalist.latencies[1:]
        if found.kind == "measured" and found.device == finalist.latency.device
    ]
    if not pairs or summary.conditions.kind == "measured":
        return None
    kind = summary.conditions.kind
    device = escape(summary.conditions.device, quote=False)
    figure = go.Figure(layout=layout(f"{kind} latency on {device}, ms", "measured latency, ms"))
    top = 1.1 * max(max(finalist.latency.interval_ms[1], found.latency_ms) for finalist, found in pairs)
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", line={"color": MUTED, "width": 1, "dash": "dot"}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=[finalist.latency.latency_ms for finalist, _ in pairs],
        y=[found.latency_ms for _, found in pairs],
        mode="markers",
        marker={"color": FINALIST, "size": 10},
        error_x=interval_bars([finalist.latency for finalist, _ in pairs]),
        customdata=[[escape(finalist.name, quote=False)] for finalist, _ in pairs],
        hovertemplate="<b>%{customdata[0]}</b><br>%{x:.3g} ms, measured %{y:.3g} ms<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    return plain(figure)


def interval_bars(latencies: Sequence[Prediction]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, latency.interval_ms[1] - latency.latency_ms) for latency in latencies],
        "arrayminus": [max(0.0, latency.latency_ms - latency.interval_ms[0]) for latency in latencies],
        "color": FINALIST,
        "thickness": 1.2,
        "width": 4,
    }


def layout(x: str, y: str) -> dict[str, Any]:
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "tickfont": {"color": MUTED}, "automargin": True}
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        "hoverlabel": HOVER | {"align": "left"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"color": INK}},
        "xaxis": axis | {"title": {"text": x, "font": {"color": MUTED}}},
        "yaxis": axis | {"title": {"text": y, "font": {"color": MUTED}}},
    }


def trial_text(trial: TrialPoint, kind: str) -> str:
    interval = "" if trial.interval_ms is None else f" ({' to '.join(map(milliseconds, trial.interval_ms))})"
    return "<br>".join(
        (
            f"<b>trial {trial.number}</b>",
            f"validation top-1 {percent(trial.validation_top1)}",
            f"{milliseconds(trial.latency_ms)}{interval}, {kind}",
            f"{count(trial.macs)} MACs, {size(trial.size_bytes)}",
        )
    )


def finalist_text(finalist: Finalist) -> str:
    latency = finalist.latency
    low, high = latency.interval_ms
    return "<br>".join(
        (
            f"<b>{escape(finalist.name, quote=False)}</b>, trial {finalist.trial}",
            f"test top-1 {percent(finalist.test_top1, 2)}",
            f"{milliseconds(latency.latency_ms)} ({milliseconds(low)} to {milliseconds(high)}), {latency.kind}",
            f"{count(finalist.macs)} MACs, {count(finalist.parameters)} parameters",
        )
    )


def plain(figure: go.Figure) -> dict[str, Any]:
    """Plain JSON values, without numpy arrays or plotly objects."""
    return dict(json.loads(figure.to_json()))
