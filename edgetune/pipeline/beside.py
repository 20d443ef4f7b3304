"""Runs of the same search from other seeds, for the band around a convergence curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgetune.errors import StudyError
from edgetune.insight.state import judging
from edgetune.pipeline.run_folder import RunFolder, settings_of
from edgetune.report.summary import Curve, RunSummary
from edgetune.search.note_names import SPACE
from edgetune.search.pareto import hypervolume_history
from edgetune.search.problem_note import noted_objectives
from edgetune.search.study import Study


def with_curves(summary: RunSummary, own: Path, others: Sequence[Path]) -> RunSummary:
    """The summary of the run `own` with the other runs' hypervolume below its own reference point.

    Raises
    ------
    StudyError
        Not a run, or one of other pictures, another space, another board or other objectives.
    """
    with Study.open(RunFolder.open(own).study, read_only=True) as study:
        about = _about(study)
    curves = tuple(_curve(summary, about, run) for run in others)
    return replace(summary, convergence=replace(summary.convergence, beside=curves))


def _about(study: Study) -> dict[str, Any]:
    """What runs whose curves can be compared have in common. The same pictures may have two names, not two hashes."""
    settings = settings_of(study)
    return {
        "data": settings["data"],
        "device": settings["config"]["device"],
        "space": (settings["space"], study.note(SPACE)),
    }


def _curve(summary: RunSummary, about: Mapping[str, Any], run: Path) -> Curve:
    with Study.open(RunFolder.open(run).study, read_only=True) as study:
        objectives, trials, found = noted_objectives(study), study.trials(), _about(study)
    for name, value in about.items():
        if found[name] != value:
            raise StudyError(f"a search of another {name}", where=run, mend="name runs of the same search")
    problem = judging(objectives) if objectives else None
    if problem is None or [target.name for target in problem.targets] != ["top1", "latency_ms"]:
        raise StudyError("not a search of top-1 against latency", where=run, mend="name runs of the same search")
    convergence = summary.convergence
    history = hypervolume_history(problem, trials, (convergence.reference_top1, convergence.reference_ms))
    return Curve(run.name, tuple(history))
