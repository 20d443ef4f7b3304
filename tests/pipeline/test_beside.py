"""The band around a convergence curve takes runs of the same search alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgetune.errors import StudyError
from edgetune.pipeline.beside import with_curves
from edgetune.report.summary import RunSummary
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_objectives
from edgetune.search.random import RandomSearch
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Sample, Space
from tests.report.conftest import make_summary

PROBLEM = Problem(
    Space("toy", (Choice("x", tuple(range(8))),)), (Objective("top1", "maximize"), Objective("latency_ms"))
)


def judge(sample: Sample) -> dict[str, float]:
    return {"top1": 0.8 + float(sample["x"]) / 50, "latency_ms": 1 + float(sample["x"]) / 4}


def run_of(folder: Path, data: str = "fashion-mnist", device: str = "rpi4") -> Path:
    folder.mkdir()
    with Study.create(folder / "study.db", {"config": {"data": data, "device": device}}) as study:
        note_objectives(study, PROBLEM)
        run_search(study, RandomSearch(PROBLEM), judge, trials=5)
    return folder


@pytest.fixture
def summary() -> RunSummary:
    made = make_summary(trials=20)
    return replace(made, run=replace(made.run, settings={"data": "fashion-mnist", "device": "rpi4"}))


def test_a_run_of_the_same_search_is_a_curve(summary: RunSummary, tmp_path: Path) -> None:
    (curve,) = with_curves(summary, [run_of(tmp_path / "other")]).convergence.beside
    assert curve.run == "other" and len(curve.hypervolume) == 5
    assert list(curve.hypervolume) == sorted(curve.hypervolume) and curve.hypervolume[-1] > 0


@pytest.mark.parametrize("other", [{"data": "digits"}, {"device": "rpi5"}])
def test_a_run_of_another_search_is_refused(summary: RunSummary, tmp_path: Path, other: dict[str, str]) -> None:
    with pytest.raises(StudyError, match=f"of another {next(iter(other))}"):
        with_curves(summary, [run_of(tmp_path / "other", **other)])
