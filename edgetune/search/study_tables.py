"""A study as rows, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edgetune.errors import StudyError
from edgetune.search.narrowing import narrowings
from edgetune.search.narrowing_note import noted_changes
from edgetune.search.pareto import front
from edgetune.search.problem_note import noted_problem
from edgetune.search.study import STUDY_FILE, Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Space


def find_study(path: Path) -> Path:
    """The database of a run folder, or the path itself."""
    return path / STUDY_FILE if path.is_dir() else path


def overview(path: Path) -> dict[str, Any]:
    """One study in a line: what it searches for, how many trials ended how, how many are on the front."""
    with Study.open(path, read_only=True) as study:
        trials = study.trials()
        states = Counter(trial.state for trial in trials)
        row: dict[str, Any] = {
            "study": str(path),
            "created": datetime.fromtimestamp(study.created_at, UTC).isoformat(timespec="seconds"),
            "trials": len(trials),
            **{state: states.get(state, 0) for state in ("done", "infeasible", "failed", "stopped")},
            "hours": sum(trial.seconds for trial in trials) / 3600,
        }
        try:
            problem = noted_problem(study)
        except StudyError:
            return {**row, "objectives": [], "front": 0}
        return {**row, "objectives": [t.name for t in problem.targets], "front": len(front(problem, trials))}


def study_json(study: Study) -> dict[str, Any]:
    """Everything a study knows, for programs."""
    problem, trials, changes = noted_problem(study), study.trials(), noted_changes(study)
    best = {trial.number for trial in front(problem, trials)}
    return {
        "created_at": study.created_at,
        "settings": study.settings,
        "objectives": [
            {"name": o.name, "direction": o.direction, "limit": o.limit, "unit": o.unit, "optimized": o.optimize}
            for o in problem.objectives
        ],
        "space": TypeAdapter(Space).dump_python(problem.space, mode="json"),
        "changes": [asdict(change) for change in changes],
        "narrowed": {label: list(options) for label, options in narrowings(problem.space, changes).items()},
        "trials": [_trial(trial, on_front=trial.number in best) for trial in trials],
    }


def study_csv(study: Study) -> str:
    """A row a trial: `value.NAME` for its figures, `sample.LABEL` for its choices; empty where there is none."""
    problem, trials = noted_problem(study), study.trials()
    best = {trial.number for trial in front(problem, trials)}
    figures = dict.fromkeys(name for trial in trials for name in trial.values or {})
    columns = ["number", "state", "on_front", "seconds", "finished_at", "seed", "error"]
    columns += [f"value.{name}" for name in figures]
    columns += [f"sample.{parameter.label}" for parameter in problem.space.parameters]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for trial in trials:
        row = _trial(trial, on_front=trial.number in best)
        writer.writerow(
            {name: row[name] for name in columns[:7]}
            | {f"value.{name}": value for name, value in (trial.values or {}).items()}
            | {f"sample.{label}": value for label, value in trial.sample.values.items()}
        )
    return text.getvalue()


def _trial(trial: Trial, *, on_front: bool) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "on_front": on_front,
        "values": None if trial.values is None else dict(trial.values),
        "sample": dict(trial.sample.values),
        "curve": [figure if math.isfinite(figure) else None for figure in trial.curve],  # JSON has no NaN
        "error": trial.error,
        "seed": trial.seed,
        "seconds": trial.seconds,
        "finished_at": trial.finished_at,
    }
