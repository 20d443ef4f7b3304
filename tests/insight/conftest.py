"""A study of a small problem with the pipeline's objectives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_objectives
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Sample, Space

SPACE = Space("toy", (*(Choice(f"width{i}", (8, 16, 24, 32)) for i in range(3)), Choice("act", ("relu", "hswish"))))


def latency(sample: Sample) -> dict[str, float]:
    return {"latency_ms": sum(float(sample[f"width{i}"]) for i in range(3)) / 8}


def judge(sample: Sample) -> dict[str, float]:
    bonus = 0.02 if sample["act"] == "hswish" else 0.0
    return {"top1": 0.5 + sum(float(sample[f"width{i}"]) ** 0.5 for i in range(3)) / 50 + bonus}


PROBLEM = Problem(SPACE, (Objective("top1", "maximize"), Objective("latency_ms", cheap=True, unit="ms")), cheap=latency)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """40 finished trials."""
    with Study.create(tmp_path / "study.db", {}) as study:
        note_objectives(study, PROBLEM)
        study.set_note("plan", {"trials": 60})
        run_search(study, NSGA2(PROBLEM), judge, trials=40)
        yield study
