"""The front that a surrogate expects, where the true one is known by enumeration."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from edgetune.search.expected_front import STRETCH, ExpectedFront
from edgetune.search.importance import Model
from edgetune.search.objective import Objective
from edgetune.search.pareto import front, non_dominated
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space

SPACE = Space("toy", (Choice("size", tuple(range(12))), *(Choice(f"x{i}", tuple(range(4))) for i in range(5))))
PROBLEM = Problem(SPACE, (Objective("error"), Objective("cost")))


def figures(sample: Sample) -> dict[str, float]:
    """Size trades error for cost; small networks want x0 at 0 and large ones at 3; x1 wants 2 anywhere."""
    size = float(sample["size"])
    wrong = (float(sample["x0"]) - 3 * size / 11) ** 2 + (float(sample["x1"]) - 2) ** 2
    return {"error": 11 - size + wrong, "cost": size + wrong}


def trials_of(samples: list[Sample], problem: Problem = PROBLEM) -> list[Trial]:
    told = [figures(sample) for sample in samples]
    return [Trial(i, s, f, problem.state(f), seed=0) for i, (s, f) in enumerate(zip(samples, told, strict=True))]


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    rng = np.random.default_rng(0)
    return trials_of([SPACE.draw(rng) for _ in range(120)])


@pytest.fixture(scope="module")
def expected(trials: list[Trial]) -> ExpectedFront:
    return ExpectedFront(Model(PROBLEM, trials), trials, seed=0)


def test_it_is_near_the_true_front_and_better_than_what_was_tried(trials: list[Trial], expected: ExpectedFront) -> None:
    every = [
        Sample(dict(zip(("size", "x0", "x1"), values, strict=True))) for values in product(range(12), *[range(4)] * 2)
    ]
    points = np.array([list(figures(sample).values()) for sample in every])
    best = points[non_dominated(points)].sum(axis=1).mean()
    found = np.mean([sum(figures(expected.encoding.sample(row)).values()) for row in expected.rows])
    tried = np.mean([sum((trial.values or {}).values()) for trial in front(PROBLEM, trials)])
    assert abs(found - best) < 0.3 * (tried - best)


def test_a_stretch_has_fewer_options_than_the_front_and_others_than_another(expected: ExpectedFront) -> None:
    small, large = (
        expected.around(SPACE.sample({"size": size, "x0": x0, "x1": 2, "x2": 0, "x3": 0, "x4": 0}))
        for size, x0 in ((1, 0), (10, 3))
    )
    assert 0 in small["x0"] and 3 in large["x0"] and set(small["x0"]) != set(large["x0"])
    assert 2 in small["x1"] and 2 in large["x1"]
    everywhere = set(expected.rows[:, 0])
    assert len(small["size"]) < len(everywhere) and len(expected.rows) > STRETCH


def test_what_few_trials_have_stays_an_option(trials: list[Trial]) -> None:
    few = [trial for trial in trials if trial.sample["x1"] != 0] + [t for t in trials if t.sample["x1"] == 0][:5]
    front_of_few = ExpectedFront(Model(PROBLEM, few), few, seed=0)
    assert 0 in front_of_few.around(few[0].sample)["x1"]


def test_it_keeps_within_cheap_limits(trials: list[Trial]) -> None:
    objectives = (Objective("error"), Objective("cost"), Objective("macs", cheap=True, limit=6.0, optimize=False))
    limited = Problem(SPACE, objectives, lambda sample: {"macs": float(sample["size"])})
    found = ExpectedFront(Model(limited, trials), trials, seed=0)
    assert found.rows[:, 0].max() <= 6
    beyond = replace(limited, objectives=(*objectives[:2], replace(objectives[2], limit=-1.0)))
    assert len(ExpectedFront(Model(beyond, trials), trials, seed=0).rows)  # where none fits, all that there is


def test_it_is_believed_as_far_as_it_ranks_what_it_did_not_know(trials: list[Trial], expected: ExpectedFront) -> None:
    rng = np.random.default_rng(1)
    new = trials_of([SPACE.draw(rng) for _ in range(30)])
    turned = [replace(t, values={name: -value for name, value in (t.values or {}).items()}) for t in new]
    alike = [replace(t, values={"error": 1.0, "cost": 1.0}) for t in new]
    assert expected.ranks(new) > 0.5
    assert expected.ranks(turned) == expected.ranks(alike) == expected.ranks(new[:1]) == expected.ranks([]) == 0.0


def test_ranges_and_what_is_not_there_are_left_as_they_are() -> None:
    wide = Choice("width", (8, 16), (Condition("depth", (2,)),))
    space = Space("tree", (Choice("depth", (1, 2)), wide, Range("rate", 0, 1), *SPACE.parameters[1:4]))
    problem = Problem(space, PROBLEM.objectives)
    rng = np.random.default_rng(0)
    samples = [space.draw(rng) for _ in range(60)]
    told = [{"error": 10.0 * float(s["depth"]) - float(s["x0"]), "cost": float(s["x0"])} for s in samples]
    trials = [Trial(i, s, f, "done", seed=0) for i, (s, f) in enumerate(zip(samples, told, strict=True))]
    options = ExpectedFront(Model(problem, trials), trials, seed=0).around(samples[0])
    assert "rate" not in options and set(options) >= {"depth", "x0"}
