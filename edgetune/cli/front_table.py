"""The front of a run as a table."""

from __future__ import annotations

from pathlib import Path

from edgetune.cli.output import print_table
from edgetune.report.summary import Finalist, RunSummary


def print_front(summary: RunSummary, folder: Path) -> None:
    """One row a network, from the fastest to the slowest, and where everything is."""
    conditions, teacher = summary.conditions, summary.teacher
    title = f"{summary.run.name}: {len(summary.finalists)} networks for {conditions.device}; latencies are {conditions}"
    columns = ["network", "test top-1", "latency, ms", "90 % interval", "MACs", "parameters", "ONNX", "INT8", "bundle"]
    print_table(title, columns, [_row(finalist, folder) for finalist in summary.finalists])
    print(f"teacher: {teacher.name}, {teacher.test_top1:.2%} test top-1, {teacher.macs / 1e6:.1f} M MACs")
    for text in dict.fromkeys(warning for finalist in summary.finalists for warning in finalist.latency.warnings):
        print(f"note: {text}")
    for text in summary.run.notes:
        print(f"note: {text}")
    print(f"report: {folder / 'report.html'}")


def _row(finalist: Finalist, folder: Path) -> list[str]:
    low, high = finalist.latency.interval_ms
    size = {artefact.format: f"{artefact.size_bytes / 1000:,.0f} kB" for artefact in finalist.artefacts}
    return [
        finalist.name,
        f"{finalist.test_top1:.2%}",
        f"{finalist.latency.latency_ms:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{finalist.macs / 1e6:.2f} M",
        f"{finalist.parameters / 1e3:,.0f} k",
        size.get("onnx", "–"),
        size.get("int8", "–"),
        str(folder / Path(finalist.artefacts[0].path).parent),
    ]
