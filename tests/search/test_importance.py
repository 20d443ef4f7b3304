"""Against functions whose true effects are known, and Optuna's own evaluator."""

from __future__ import annotations

import numpy as np
import pytest

from edgetune.search.importance import FEWEST, Model, importance, ped_anova
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space

SPACE = Space(
    "toy",
    (
        Choice("a", tuple(range(5))),
        Choice("b", tuple(range(5))),
        Choice("c", ("x", "y", "z")),
        Choice("kind", ("plain", "deep")),
        Choice("depth", (1, 2, 3), (Condition("kind", ("deep",)),)),
        Range("rate", 0.0, 1.0),
    ),
)
PROBLEM = Problem(SPACE, (Objective("gain", "maximize"), Objective("cost")))


def trials_of(count: int, seed: int = 0) -> list[Trial]:
    """gain = 3a + b, cost = depth where there is one; c and the rate do nothing."""
    rng = np.random.default_rng(seed)
    samples = [SPACE.draw(rng) for _ in range(count)]
    return [Trial(i, sample, figures(sample), "done", seed=0) for i, sample in enumerate(samples)]


def figures(sample: Sample) -> dict[str, float]:
    return {"gain": 3.0 * float(sample["a"]) + float(sample["b"]), "cost": float(sample.values.get("depth", 0))}


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return trials_of(80)


@pytest.fixture(scope="module")
def model(trials: list[Trial]) -> Model:
    return Model(PROBLEM, trials)


def test_total_effects_are_those_of_the_closed_form(model: Model) -> None:
    """Var(3a) : Var(b) is 9 : 1, and nothing else counts."""
    shares = model.variance()["gain"]
    assert shares["a"] == pytest.approx(0.9, abs=0.05)
    assert shares["b"] == pytest.approx(0.1, abs=0.05)
    assert max(shares[label] for label in ("c", "kind", "depth", "rate")) < 0.02
    assert sum(shares.values()) == pytest.approx(1)


def test_a_conditional_parameter_counts_as_often_as_it_exists(model: Model) -> None:
    """cost = kind · depth: halving the chance that the depth exists halves its effect; the kind's is larger."""
    shares = model.variance()["cost"]
    kind = 2.0**2 / 4 + (2 / 3) / 4  # E Var over the kind given the depth: d²/4, averaged over d = 1, 2, 3
    depth = (2 / 3) / 2  # Var of the depth where the kind is deep, half of the time
    assert shares["kind"] == pytest.approx(kind / (kind + depth), abs=0.12)
    assert shares["depth"] == pytest.approx(depth / (kind + depth), abs=0.12)


def test_local_differences_are_in_the_figures_own_unit(model: Model, trials: list[Trial]) -> None:
    """From the middle of a, the other four options lie 3, 3, 6, 6 away."""
    (member,) = (next(trial for trial in trials if trial.sample["a"] == 2),)
    assert model.local([member])["gain"]["a"] == pytest.approx(4.5, rel=0.15)


def test_flips_change_one_choice_and_what_depends_on_it(model: Model) -> None:
    (row,) = model.encoding.rows([SPACE.sample({"a": 0, "b": 0, "c": "x", "kind": "plain", "rate": 0.5})])
    rows, columns = model.flips(row)
    assert len(rows) == 4 + 4 + 2 + 1 + 2
    labels = [parameter.label for parameter in SPACE.parameters]
    for changed, column in zip(rows, columns, strict=True):
        differs = {labels[i] for i in np.flatnonzero(changed != row)}
        assert differs == ({"kind", "depth"} if labels[column] == "kind" else {labels[column]})


@pytest.mark.parametrize("given", ["the samples", "the surrogate"])
def test_ped_anova_names_what_the_best_have_in_common(trials: list[Trial], model: Model, given: str) -> None:
    samples = [trial.sample for trial in trials]
    shares = ped_anova(PROBLEM, samples, PROBLEM.points(trials)) if given == "the samples" else model.ped_anova()
    assert max(shares["gain"], key=lambda label: shares["gain"][label]) == "a"
    assert max(shares["cost"], key=lambda label: shares["cost"][label]) == "kind"
    for found in shares.values():
        assert sum(found.values()) == pytest.approx(1)
        assert set(found) == set(SPACE.by_label)


def test_ped_anova_is_not_misled_by_what_a_strategy_bred(model: Model) -> None:
    """Among trials that were chosen so that c goes with a, c seems to matter; the surrogate draws its own."""
    bred = [trial for trial in trials_of(600) if "xyz".index(str(trial.sample["c"])) == int(trial.sample["a"]) // 2]
    assert ped_anova(PROBLEM, [trial.sample for trial in bred], PROBLEM.points(bred))["gain"]["c"] > 0.15
    assert Model(PROBLEM, bred).ped_anova()["gain"]["c"] < 0.05


def test_too_few_trials_say_nothing(trials: list[Trial]) -> None:
    failed = [Trial(i, trial.sample, None, "failed", seed=0) for i, trial in enumerate(trials)]
    assert importance(PROBLEM, [*trials[: FEWEST - 1], *failed]) is None
    found = importance(PROBLEM, trials[:FEWEST])
    assert found is not None and found.trials == FEWEST
    assert set(found.to_json()) == {"trials", "ped_anova", "variance", "local"}
