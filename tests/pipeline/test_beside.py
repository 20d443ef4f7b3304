"""The band around a convergence curve takes runs of the same search alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgetune.errors import StudyError
from edgetune.pipeline.beside import with_curves
from edgetune.report.summary import RunSummary
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
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


WIDER = replace(PROBLEM, space=Space("toy", (Choice("x", tuple(range(9))),)))


def run_of(
    folder: Path, *, data: str = "5d", device: str = "rpi4", space: str = "toy", problem: Problem = PROBLEM
) -> Path:
    folder.mkdir()
    settings = {"data": data, "space": space, "config": {"data": "fashion-mnist", "device": device}}
    with Study.create(folder / "study.db", settings) as study:
        run_search(study, RandomSearch(problem), judge, trials=5)
    return folder


@pytest.fixture
def summary() -> RunSummary:
    return make_summary(trials=20)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return run_of(tmp_path / "own")


def test_a_run_of_the_same_search_is_a_curve(summary: RunSummary, own: Path, tmp_path: Path) -> None:
    (curve,) = with_curves(summary, own, [run_of(tmp_path / "other")]).convergence.beside
    assert curve.run == "other" and len(curve.hypervolume) == 5
    assert list(curve.hypervolume) == sorted(curve.hypervolume) and curve.hypervolume[-1] > 0


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("data", {"data": "6e"}),  # other pictures under the same name
        ("device", {"device": "rpi5"}),
        ("space", {"space": "other"}),
        ("space", {"problem": WIDER}),
    ],
)
def test_a_run_of_another_search_is_refused(
    summary: RunSummary, own: Path, tmp_path: Path, what: str, other: dict[str, Any]
) -> None:
    with pytest.raises(StudyError, match=f"of another {what}"):
        with_curves(summary, own, [run_of(tmp_path / "other", **other)])


def test_a_study_of_something_else_than_a_search_is_refused(summary: RunSummary, own: Path, tmp_path: Path) -> None:
    with Study.create(tmp_path / "study.db", {}) as study:
        run_search(study, RandomSearch(PROBLEM), judge, trials=5)
    with pytest.raises(StudyError, match="not a study of `edgetune search`"):
        with_curves(summary, own, [tmp_path])
