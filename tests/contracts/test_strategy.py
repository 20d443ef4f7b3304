"""What every strategy must do, whatever it is good at."""

import math
from typing import Any

import numpy as np
import pytest

from edgetune.errors import ConfigError, InfeasibleError
from edgetune.search.catalogue import STRATEGIES, make_strategy
from edgetune.search.objective import Objective
from edgetune.search.optimizer import Optimizer
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.space.describe import log_uniform, space_of, uniform, when
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space, Value

CONDITIONAL = MOBILE_SMALL.space
MIXED = Space(
    "mixed",
    (
        Choice("optimizer", ("sgd", "adam")),
        Range("lr", 1e-4, 1e-1, log=True),
        Range("momentum", 0.0, 0.99, conditions=(Condition("optimizer", ("sgd",)),)),
        Choice("depth", (1, 2, 3)),
    ),
)
SMALL = Space(
    "small", (Choice("a", (1, 2, 3)), Choice("b", ("x", "y")), Choice("c", (1, 2), (Condition("b", ("x",)),)))
)
ALL = sorted(STRATEGIES)


def cost(sample: Sample) -> dict[str, float]:
    return {"cost": float(sum(v for v in sample.values.values() if isinstance(v, int | float)))}


def problem(space: Space, limit: float | None = None) -> Problem:
    return Problem(space, (Objective("score", "maximize"), Objective("cost", limit=limit, cheap=True)), cost)


def told(strategy: Strategy, samples: list[Sample], start: int) -> list[Trial]:
    """Tells trials of which every seventh failed."""
    trials = []
    for number, sample in enumerate(samples, start):
        values = {"score": np.log1p(cost(sample)["cost"]) + (number * 37 % 11) / 100, **cost(sample)}
        failed = number % 7 == 3
        trials.append(
            Trial(
                number,
                sample,
                None if failed else values,
                "failed" if failed else "done",
                0,
                error="x" if failed else None,
            )
        )
    strategy.tell(trials)
    return trials


def drive(strategy: Strategy, rounds: int, batch: int) -> list[Sample]:
    samples: list[Sample] = []
    for _ in range(rounds):
        asked = strategy.ask(batch)
        told(strategy, asked, len(samples))
        samples += asked
    return samples


@pytest.mark.parametrize("space", [CONDITIONAL, MIXED], ids=lambda space: space.name)
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", ALL)
def test_proposals_are_valid_new_and_repeatable(name: str, batch: int, space: Space) -> None:
    rounds = 24 // batch
    samples = drive(make_strategy(name, problem(space), seed=1), rounds, batch)
    assert len(samples) == 24
    assert all(space.sample(sample.values) == sample for sample in samples)
    assert len({sample.hash for sample in samples}) == 24
    assert samples == drive(make_strategy(name, problem(space), seed=1), rounds, batch)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"grid"}))
def test_another_seed_gives_other_proposals(name: str) -> None:
    assert drive(make_strategy(name, problem(CONDITIONAL), seed=1), 5, 1) != drive(
        make_strategy(name, problem(CONDITIONAL), seed=2), 5, 1
    )


@pytest.mark.parametrize("name", ALL)
def test_cheap_limits_hold_for_every_proposal(name: str) -> None:
    for sample in drive(make_strategy(name, problem(CONDITIONAL, limit=300)), 6, 4):
        assert cost(sample)["cost"] <= 300


@pytest.mark.parametrize("name", ALL)
def test_infeasible_cheap_limits_end_in_an_error(name: str) -> None:
    with pytest.raises(InfeasibleError, match="cost"):
        make_strategy(name, problem(SMALL, limit=0.5)).ask()


@pytest.mark.parametrize("name", ALL)
def test_a_small_space_is_searched_to_its_end(name: str) -> None:
    strategy = make_strategy(name, problem(SMALL))
    assert len(drive(strategy, 30, 1)) == 9
    assert strategy.ask(3) == []


@pytest.mark.parametrize("name", ALL)
def test_told_samples_are_not_proposed(name: str) -> None:
    strategy = make_strategy(name, problem(SMALL))
    first = [SMALL.sample({"a": a, "b": "y"}) for a in (1, 2, 3)]
    told(strategy, first, 0)
    rest = drive(strategy, 10, 1)
    assert len(rest) == 6 and not set(rest) & set(first)


@pytest.mark.parametrize("name", ALL)
def test_a_search_whose_trials_all_fail_still_proposes(name: str) -> None:
    strategy = make_strategy(name, problem(MIXED))
    for number in range(24):
        (sample,) = strategy.ask()
        strategy.tell([Trial(number, sample, None, "failed", 0, error="x")])


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean nsga2"):
        make_strategy("nsga", problem(SMALL))


@pytest.mark.parametrize("name", ALL)
def test_a_seed_or_a_setting_without_meaning_is_refused(name: str) -> None:
    for seed in (-1, 0.5, None):
        with pytest.raises(ConfigError, match=r"^seed: "):
            make_strategy(name, problem(SMALL), seed=seed)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"^{name}: unknown setting 'populaton'"):
        make_strategy(name, problem(SMALL), populaton=7)


@pytest.mark.parametrize(
    ("decider", "named"), [([0.5, 1.0, 2.0], 1), ([1, 2], 1.0), ([False, True], 1), ([1, 2], np.int64(2))]
)
@pytest.mark.parametrize("name", ALL)
def test_a_condition_may_be_spelled_as_another_kind_of_number(name: str, decider: list[Value], named: Any) -> None:
    space = space_of({"m": decider, "x": when({"m": named}, list(range(7)))})
    samples = drive(make_strategy(name, problem(space)), 30, 1)
    assert all(("x" in sample.values) == (sample["m"] == named) for sample in samples)
    assert len(samples) == len(decider) - 1 + 7, "the whole space, and nothing twice"


@pytest.mark.parametrize("name", ALL)
def test_everything_may_be_known_without_a_trial(name: str) -> None:
    space = space_of({"a": list(range(8)), "c": uniform(0, 1)})
    cheap = Problem(space, (Objective("cost", cheap=True), Objective("gain", "maximize", cheap=True)), both)
    strategy = make_strategy(name, cheap)
    for number in range(16):
        (sample,) = strategy.ask()
        strategy.tell([Trial(number, sample, both(sample), "done", 0)])


def both(sample: Sample) -> dict[str, float]:
    a, c = float(sample["a"]), float(sample["c"])
    return {"cost": a + c, "gain": c - a}


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("limit", [None, 100.0])
@pytest.mark.parametrize("name", ALL)
def test_what_has_no_finite_cheap_objective_is_not_tried(name: str, limit: float | None, figure: float) -> None:
    """A trial of it could only fail; other figures that are not finite, which `guided` learns from, do no harm."""

    def partly(sample: Sample) -> dict[str, float]:
        broken = int(sample["a"]) % 2
        return {"cost": figure if broken else 1.0 + int(sample["b"]), "other": figure if int(sample["b"]) == 3 else 2.0}

    space = space_of({"a": list(range(6)), "b": list(range(8))})
    objectives = Objective("score"), Objective("cost", limit=limit, cheap=True)
    strategy = make_strategy(name, Problem(space, objectives, partly))
    count = 0
    while samples := strategy.ask(4):
        assert all(int(sample["a"]) % 2 == 0 for sample in samples)
        strategy.tell([Trial(count, s, {"score": float(s["a"]), **partly(s)}, "done", 0) for s in samples])
        count += len(samples)
    assert count == 24, "all others"


@pytest.mark.parametrize("name", ALL)
def test_a_sample_that_was_told_is_no_longer_out(name: str) -> None:
    """Though its numbers were numpy's, and bounds are written as integers."""
    opt = Optimizer({"x": log_uniform(1, 10), "y": uniform(0, 1), "n": [1, 2, 3]}, {"e": "minimize"}, strategy=name)
    for _ in range(12):
        samples = opt.ask(2)
        numpys: Any = [{label: np.asarray(value)[()] for label, value in s.items()} for s in samples]
        opt.tell(numpys, [{"e": 1.0}] * 2)
    opt.tell([{"x": bound, "y": bound - 1, "n": 1} for bound in (1, 2)], [{"e": 0.0}] * 2)
    assert not opt.strategy.pending
