"""What every engine must do, wherever it evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgetune.errors import EngineError
from edgetune.search.engines.base import Engine, EvaluatorSource, Job, trial_seed
from edgetune.search.engines.in_process import InProcess
from edgetune.search.engines.processes import ProcessPool
from edgetune.search.engines.ray_tasks import RayTasks
from edgetune.search.nsga2 import NSGA2
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Sample
from tests.search.engines import toys

NOISY = EvaluatorSource(f"{toys.HERE}:noisy")
Make = Callable[[EvaluatorSource], Engine]

ENGINES: dict[str, Make] = {
    "in-process": lambda source: InProcess(source.make()),
    "processes": lambda source: ProcessPool(source, workers=2),
    "ray": lambda source: RayTasks(source, workers=2),
}


@pytest.fixture(params=list(ENGINES))
def make(request: pytest.FixtureRequest) -> Make:
    return ENGINES[request.param]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study.db", {}) as study:
        yield study


def test_the_same_asks_give_the_same_trials_everywhere(make: Make, study: Study, tmp_path: Path) -> None:
    with Study.create(tmp_path / "plain.db", {}) as plain:
        expected = run_search(plain, NSGA2(toys.PROBLEM, seed=3), toys.noisy(), trials=14, seed=3, batch=4)
    with make(NOISY) as engine:
        trials = run_search(study, NSGA2(toys.PROBLEM, seed=3), engine, trials=14, seed=3, batch=4)
    assert trials == expected == study.trials()
    assert all(trial.seconds >= 0 and trial.finished_at > 0 for trial in trials)


def test_what_goes_wrong_is_the_outcomes_error(make: Make) -> None:
    with make(EvaluatorSource(f"{toys.HERE}:misbehaving")) as engine:
        said = {}
        for width in (8, 48, 56, 64, 72):
            engine.submit(Job(width, sample(width), seed=0))
            job, outcome = engine.next()
            assert job.number == width
            said[width] = outcome.error or str(dict(outcome.values or {}))
    assert said == {
        8: "RuntimeError: CUDA error",
        48: "{'error': nan}",
        56: "{}",
        64: "AttributeError: 'NoneType' object has no attribute 'items'",
        72: "{'error': 0.5}",
    }


def test_a_factory_that_fails_ends_the_search(make: Make, study: Study) -> None:
    if make is ENGINES["in-process"]:
        pytest.skip("it is called before there is an engine")
    with make(EvaluatorSource(f"{toys.HERE}:broken")) as engine, pytest.raises(EngineError, match=r"supernet\.pt"):
        run_search(study, NSGA2(toys.PROBLEM), engine, trials=5)
    assert len(study) == 0


def sample(width: int) -> Sample:
    return toys.SPACE.sample({"width": width, "op": "a", "lr": 0.1})


def test_a_job_is_the_same_after_a_journey() -> None:
    job = Job(3, sample(16), trial_seed(1, 3))
    assert Job.from_json(job.to_json()) == job
