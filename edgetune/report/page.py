"""The report: one HTML file that needs no network, drawn from a :class:`RunSummary`."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from edgetune.files import atomic_write
from edgetune.latency.prediction import KernelCost, Prediction
from edgetune.report import plots, words
from edgetune.report.diagram import draw
from edgetune.report.explanation import Attribution
from edgetune.report.parallel import parallel
from edgetune.report.roofline_plot import roofline_plot
from edgetune.report.summary import Conditions, Finalist, RunSummary

NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
TELLING = 6  # choices of a network that are shown for each objective


def write_report(summary: RunSummary, path: Path) -> None:
    """Writes the page, about 5 MB of which nearly all is plotly.

    Raises
    ------
    StorageError
        No room, no permission.
    """
    page = render(summary)
    with atomic_write(path) as aside:
        aside.write_text(page, encoding="utf-8", newline="\n")


def render(summary: RunSummary) -> str:
    """The page as text. Everything that comes from the run is escaped; no script but the page's own may run."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("edgetune.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {word.__name__: word for word in words.ALL} | {
        "telling": telling,
        "roofline_plot": roofline_plot,
    }
    plotly, script = get_plotlyjs().replace("\r", ""), template_text("page.js")
    return environment.get_template("page.html").render(
        summary=summary,
        figures=figures_of(summary),
        coordinates=parallel(summary),
        columns=latency_columns(summary),
        warnings=warnings_of(summary),
        best=max(summary.finalists, key=lambda finalist: finalist.test_top1, default=None),
        draw=draw,
        kernel_kinds=kernel_kinds,
        find_latency=find_latency,
        deploy=deploy_steps(summary),
        style=template_text("page.css"),
        plotly=plotly,
        script=script,
        script_hashes=" ".join(f"'{script_hash(text)}'" for text in (plotly, script)),
    )


def figures_of(summary: RunSummary) -> dict[str, Any]:
    """The interactive plots by the id of their place on the page."""
    figures = {"pareto": plots.pareto(summary), "hypervolume": plots.hypervolume(summary)}
    measured = plots.measured(summary)
    return figures if measured is None else {**figures, "measured": measured}


def telling(attributions: Sequence[Attribution]) -> list[Attribution]:
    """Those that add or cost most top-1, and those that add or save most latency; by top-1."""
    by_latency = sorted(attributions, key=lambda found: -abs(found.latency_ms))[:TELLING]
    return [found for i, found in enumerate(attributions) if i < TELLING or found in by_latency]


def template_text(name: str) -> str:
    return (files("edgetune.report") / "templates" / name).read_text(encoding="utf-8")


def script_hash(text: str) -> str:
    """The name by which the page's security policy admits an inline script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def latency_columns(summary: RunSummary) -> list[Conditions]:
    """One column for each set of conditions that some latency speaks of; the search's own comes first."""
    found = (Conditions.of(latency) for finalist in summary.finalists for latency in finalist.latencies)
    return list(dict.fromkeys([summary.conditions, *found]))


def find_latency(finalist: Finalist, conditions: Conditions) -> Prediction | None:
    return next((latency for latency in finalist.latencies if Conditions.of(latency) == conditions), None)


def warnings_of(summary: RunSummary) -> dict[str, list[str]]:
    """Each warning once, with the finalists it speaks of; those that differ in a number alone are one."""
    alike: dict[str, dict[str, list[str]]] = {}
    for finalist in summary.finalists:
        for text in dict.fromkeys(warning for latency in finalist.latencies for warning in latency.warnings):
            alike.setdefault(NUMBER.sub("#", text), {}).setdefault(finalist.name, []).append(text)
    return {spanned([text for texts in of.values() for text in texts]): list(of) for of in alike.values()}


def spanned(texts: Sequence[str]) -> str:
    """One text for those that differ in numbers alone.

    >>> spanned(["work of 0.6 million", "work of 5.22 million", "work of 2 million"])
    'work of 0.6 to 5.22 million'
    """
    parts = zip(*(NUMBER.split(text) for text in texts), strict=True)
    ranked = (sorted(set(part), key=float) if place % 2 else list(part) for place, part in enumerate(parts))
    return "".join(part[0] if part[0] == part[-1] else f"{part[0]} to {part[-1]}" for part in ranked)


def kernel_kinds(kernels: Iterable[KernelCost]) -> list[tuple[str, float, int]]:
    """Kind, part of the latency, number of kernels; the costliest first."""
    shares: dict[str, list[float]] = {}
    for kernel in kernels:
        shares.setdefault(kernel.kind, []).append(kernel.share)
    return sorted(((kind, sum(parts), len(parts)) for kind, parts in shares.items()), key=lambda row: -row[1])


@dataclass(frozen=True)
class Deployment:
    """The way of one bundle to the board, as shell commands; `classify` runs the bundle's own program there."""

    finalist: Finalist
    copy: str
    install: str
    classify: str


def deploy_steps(summary: RunSummary) -> Deployment | None:
    """For the most accurate finalist that has an ONNX file."""
    ranked = sorted(summary.finalists, key=lambda finalist: -finalist.test_top1)
    for finalist in ranked:
        for artefact in finalist.artefacts:
            if artefact.format == "onnx":
                path = PurePosixPath(artefact.path)
                copy = f"scp -r {shlex.quote(str(path.parent))} user@board:"
                classify = f"python classify.py {shlex.quote(path.name)} picture.jpg"
                return Deployment(finalist, copy, "pip install numpy pillow onnxruntime", classify)
    return None
