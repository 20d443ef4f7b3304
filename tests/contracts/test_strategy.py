"""What every strategy must do, whatever it is good at."""

import numpy as np
import pytest

from edgetune.errors import ConfigError, InfeasibleError
from edgetune.search.catalogue import STRATEGIES, make_strategy
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space

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
