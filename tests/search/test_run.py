from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgetune.errors import InfeasibleError
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.random import RandomSearch
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Condition, Sample, Space

SPACE = Space(
    "toy",
    (
        Choice("depth", (1, 2, 3)),
        *(Choice(f"width{b}", tuple(range(8, 72, 8)), (Condition("depth", tuple(range(b, 4))),)) for b in (1, 2, 3)),
    ),
)


def latency(sample: Sample) -> dict[str, float]:
    return {"latency": float(sum(v for k, v in sample.values.items() if k.startswith("width")))}  # type: ignore[misc]


def evaluate(sample: Sample) -> dict[str, float]:
    return {"error": 1 / (1 + sum(np.sqrt(float(v)) for k, v in sample.values.items() if k.startswith("width")))}


def problem(*, max_latency: float | None = None, max_error: float | None = None) -> Problem:
    return Problem(
        SPACE,
        (Objective("error", limit=max_error), Objective("latency", limit=max_latency, cheap=True, unit="ms")),
        latency,
    )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study.db", {})


def test_no_trial_is_spent_outside_a_cheap_limit(study: Study) -> None:
    trials = run_search(study, NSGA2(problem(max_latency=24)), evaluate, trials=4)
    assert [trial.state for trial in trials] == ["done"] * 4
    assert all(trial.values and trial.values["latency"] <= 24 for trial in trials)


def test_a_cheap_limit_nothing_holds_names_the_nearest(study: Study) -> None:
    with pytest.raises(InfeasibleError) as caught:
        run_search(study, NSGA2(problem(max_latency=7)), evaluate, trials=10)
    assert "latency at most 7 ms" in str(caught.value)
    assert "has latency 8 ms and misses latency by 1 ms" in str(caught.value)
    assert "feasible: latency at most 8 ms" in str(caught.value)
    assert len(study) == 0


def test_a_costly_limit_nothing_holds_names_the_nearest(study: Study) -> None:
    with pytest.raises(InfeasibleError, match="feasible: error at most") as caught:
        run_search(study, NSGA2(problem(max_error=1e-3)), evaluate, trials=30)
    offered = float(caught.value.mend.split("at most ")[1])  # type: ignore[union-attr]
    best = min(trial.values["error"] for trial in study.trials() if trial.values)
    assert best <= offered <= best * 1.01


def test_evolution_reaches_a_feasible_region_that_random_draws_miss(study: Study) -> None:
    """One sample in about 10^13 holds the limit."""
    space = Space("long", tuple(Choice(f"x{i}", tuple(range(20))) for i in range(10)))

    def total(sample: Sample) -> dict[str, float]:
        return {"latency": float(sum(int(value) for value in sample.values.values()))}

    narrow = Problem(space, (Objective("error"), Objective("latency", limit=1.0, cheap=True)), total)
    trials = run_search(study, RandomSearch(narrow), lambda s: {"error": float(s["x0"])}, trials=5)
    assert len(trials) == 5 and all(trial.state == "done" for trial in trials)


def test_the_search_ends_when_the_space_does(study: Study) -> None:
    trials = run_search(study, NSGA2(problem(max_latency=16)), evaluate, trials=1000)
    assert sorted(trial.sample.to_json() for trial in trials) == [
        '{"depth":1,"width1":16}',
        '{"depth":1,"width1":8}',
        '{"depth":2,"width1":8,"width2":8}',
    ]


def test_whatever_goes_wrong_is_recorded_and_the_search_goes_on(study: Study) -> None:
    answers: list[Mapping[str, float] | BaseException] = [
        RuntimeError("CUDA out of memory"),
        {"error": float("nan")},
        {},
        MemoryError("too large"),
        {"error": 0.5, "loss": float("inf"), "epochs": 3},
    ]

    def flaky(sample: Sample) -> Mapping[str, float]:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    trials = run_search(study, RandomSearch(problem()), flaky, trials=5)
    assert [trial.error for trial in trials[:4]] == [
        "RuntimeError: CUDA out of memory",
        "error is nan",
        "the evaluation reported no 'error'",
        "MemoryError: too large",
    ]
    assert trials[4].state == "done" and set(trials[4].values or {}) == {"error", "latency", "epochs"}
    assert study.trials() == trials


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("stop_after", [0, 3, 21, 26])
def test_an_interrupted_search_resumes_to_the_same_trials(tmp_path: Path, batch: int, stop_after: int) -> None:
    def noisy(sample: Sample) -> dict[str, float]:
        return {"error": evaluate(sample)["error"] + np.random.random() / 100}

    with Study.create(tmp_path / "whole.db", {}) as whole:
        expected = run_search(whole, NSGA2(problem(), seed=5), noisy, trials=40, seed=5, batch=batch)

    def interrupted(sample: Sample) -> dict[str, float]:
        if len(parts) == stop_after:
            raise KeyboardInterrupt
        return noisy(sample)

    with Study.create(tmp_path / "parts.db", {}) as parts, pytest.raises(KeyboardInterrupt):
        run_search(parts, NSGA2(problem(), seed=5), interrupted, trials=40, seed=5, batch=batch)
    with Study.open(tmp_path / "parts.db") as study:
        assert len(study) == stop_after
        new: list[int] = []
        resumed = run_search(
            study,
            NSGA2(problem(), seed=5),
            noisy,
            trials=40,
            seed=5,
            batch=batch,
            on_trial=lambda t: new.append(t.number),
        )
        assert resumed == expected == study.trials()
        assert new == list(range(stop_after, 40))


def test_more_trials_continue_a_finished_search(tmp_path: Path) -> None:
    with Study.create(tmp_path / "whole.db", {}) as whole:
        expected = run_search(whole, NSGA2(problem()), evaluate, trials=50, batch=4)
    with Study.create(tmp_path / "parts.db", {}) as parts:
        run_search(parts, NSGA2(problem()), evaluate, trials=30, batch=4)
        assert run_search(parts, NSGA2(problem()), evaluate, trials=50, batch=4) == expected
