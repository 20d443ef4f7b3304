"""Studies taken elsewhere: rows, and Optuna's own view of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetune.errors import StudyError
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.optuna_export import export_optuna
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.problem_note import noted_problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.study_tables import find_study, overview, study_csv, study_json
from edgetune.search.trial import Trial
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space

SPACE = Space(
    "mixed",
    (
        Choice("op", ("conv", "skip")),
        Choice("width", (8, 16, 32), (Condition("op", ("conv",)),)),
        Choice("bias", (False, True)),
        Range("lr", 1e-4, 1e-1, log=True),
    ),
)
OBJECTIVES = (
    Objective("top1", "maximize"),
    Objective("latency", limit=20.0, unit="ms", cheap=False),
    Objective("size", limit=30.0, optimize=False),
)
PROBLEM = Problem(SPACE, OBJECTIVES)


def evaluate(sample: Sample) -> dict[str, float]:
    width = float(sample.values.get("width", 4))
    lr = float(sample["lr"])
    if lr > 0.05:
        raise RuntimeError("diverged, and said so, with a comma")
    return {"top1": 1 - 1 / width - lr, "latency": width, "size": width * (1 + bool(sample["bias"])), "macs": width**2}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "run" / "study.db", {"seed": 1}) as study:
        run_search(study, NSGA2(PROBLEM, seed=1), evaluate, trials=40)
        study.add(Trial(40, study.trials()[0].sample, None, "stopped", 0, 1.0, "stopped after step 2", 1e9, (0.1, 0.2)))
        yield study


def test_a_study_says_itself_what_it_is_about(study: Study) -> None:
    assert noted_problem(study) == PROBLEM
    with Study.create(study.path.with_name("mobile.db"), {}) as mobile:
        problem = Problem(MOBILE_SMALL.space, (Objective("top1", "maximize"),))
        run_search(mobile, NSGA2(problem), lambda sample: {"top1": 1.0}, trials=1)
        assert noted_problem(mobile) == problem


def test_optuna_reads_what_was_written(study: Study) -> None:
    import optuna

    path = study.path.with_name("optuna.db")
    export_optuna(study, path, "run")
    theirs = optuna.load_study(study_name="run", storage=f"sqlite:///{path}")
    ours = study.trials()
    states = {"done": "COMPLETE", "infeasible": "COMPLETE", "failed": "FAIL", "stopped": "PRUNED"}
    assert [trial.state.name for trial in theirs.trials] == [states[trial.state] for trial in ours]
    assert {trial.state for trial in ours} == set(states), "every state occurs"
    assert [direction.name for direction in theirs.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert theirs.metric_names == ["top1", "latency"]
    for their, own in zip(theirs.trials, ours, strict=True):
        assert their.number == own.number and their.params == dict(own.sample.values)
        if own.values is not None:
            assert their.values == [own.values["top1"], own.values["latency"]]
            assert their.user_attrs == {name: own.values[name] for name in ("size", "macs")}
            assert their.system_attrs["constraints"] == [own.values["latency"] - 20, own.values["size"] - 30]
            assert their.duration is not None and abs(their.duration.total_seconds() - own.seconds) < 1e-3
    assert theirs.trials[40].user_attrs["curve"] == [0.1, 0.2]
    best = {trial.number for trial in theirs.best_trials}  # Optuna keeps equal points, and leaves out the infeasible
    own_front = front(PROBLEM, ours)
    assert {trial.number for trial in own_front} <= best
    assert {tuple(theirs.trials[number].values) for number in best} == {
        (trial.values["top1"], trial.values["latency"]) for trial in own_front if trial.values
    }
    importances = optuna.importance.get_param_importances(theirs, target=lambda trial: trial.values[0])
    assert set(importances) >= {"op", "bias", "lr"}
    with pytest.raises(StudyError, match="exists"):
        export_optuna(study, path, "run")


def test_a_single_objectives_curves_become_intermediate_values(tmp_path: Path) -> None:
    import optuna

    problem = Problem(SPACE, (Objective("top1", "maximize"),))
    with Study.create(tmp_path / "study.db", {}) as study:
        run_search(study, NSGA2(problem), lambda sample: {"top1": 0.5}, trials=1)
        study.add(Trial(1, study.trials()[0].sample, {"top1": 0.3}, "done", 0, curve=(0.1, 0.3)))
        export_optuna(study, tmp_path / "optuna.db", "x")
    theirs = optuna.load_study(study_name="x", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert theirs.trials[1].intermediate_values == {1: 0.1, 2: 0.3}


def test_rows_hold_every_figure_and_choice(study: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(study_csv(study))))
    told = study_json(study)
    assert len(rows) == len(told["trials"]) == 41
    for row, trial, given in zip(rows, study.trials(), told["trials"], strict=True):
        assert given["sample"] == dict(trial.sample.values) and given["error"] == trial.error
        assert float(row["sample.lr"]) == trial.sample["lr"]
        assert row["sample.width"] == str(trial.sample.values.get("width", ""))
        assert row["error"] == (trial.error or "")
        assert row["value.macs"] == ("" if trial.values is None else repr(trial.values["macs"]))
        assert row["on_front"] == str(given["on_front"])
    assert [t["number"] for t in told["trials"] if t["on_front"]] == sorted(
        t.number for t in front(PROBLEM, study.trials())
    )


def test_an_overview_counts(study: Study) -> None:
    path = find_study(study.path.parent)
    assert path == find_study(study.path) == study.path
    row = overview(path)
    trials = study.trials()
    for state in ("done", "infeasible", "failed", "stopped"):
        assert row[state] == sum(trial.state == state for trial in trials)
    assert row["trials"] == 41 and row["objectives"] == ["top1", "latency"]


def test_a_study_without_a_search_has_no_problem(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study.db", {}) as study:
        assert overview(study.path)["trials"] == 0
        with pytest.raises(StudyError, match="no trial was ever begun"):
            study_csv(study)
