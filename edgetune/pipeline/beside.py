"""Runs of the same search from other seeds, for the band around a convergence curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgetune.errors import StudyError
from edgetune.insight.state import judging
from edgetune.pipeline.run_folder import RunFolder
from edgetune.report.summary import Curve, RunSummary
from edgetune.search.pareto import hypervolume_history
from edgetune.search.problem_note import noted_objectives
from edgetune.search.study import Study


def with_curves(summary: RunSummary, runs: Sequence[Path]) -> RunSummary:
    """The summary with the other runs' hypervolume below its own reference point.

    Raises
    ------
    StudyError
        Not a run, or one of other pictures, another board or other objectives.
    """
    return replace(
        summary, convergence=replace(summary.convergence, beside=tuple(_curve(summary, run) for run in runs))
    )


def _curve(summary: RunSummary, run: Path) -> Curve:
    with Study.open(RunFolder.open(run).study, read_only=True) as study:
        objectives, trials, settings = noted_objectives(study), study.trials(), study.settings["config"]
    for name in ("data", "device"):
        if settings[name] != summary.run.settings[name]:
            what = f"a search of another {name}, {settings[name]}"
            raise StudyError(what, where=run, mend="name runs of the same search")
    problem = judging(objectives) if objectives else None
    if problem is None or [target.name for target in problem.targets] != ["top1", "latency_ms"]:
        raise StudyError("not a search of top-1 against latency", where=run, mend="name runs of the same search")
    convergence = summary.convergence
    history = hypervolume_history(problem, trials, (convergence.reference_top1, convergence.reference_ms))
    return Curve(run.name, tuple(history))
