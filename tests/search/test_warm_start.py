from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.memory import Past, is_related, moved, why_silent
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.pareto import hypervolume_history
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.search.warm_start import FEWEST, WarmStart
from edgetune.space.parameters import Choice, Range, Sample, Space

SPACE = Space("toy", tuple(Choice(f"x{i}", tuple(range(6))) for i in range(6)))
PROBLEM = Problem(SPACE, (Objective("gain", "maximize"), Objective("ms")))
WEIGHTS = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.2])
REFERENCE = (0.0, 80.0)


def evaluate(sample: Sample, slower: float = 1.0) -> dict[str, float]:
    x = np.array([float(sample[f"x{i}"]) for i in range(6)])
    return {"gain": float(WEIGHTS @ np.sqrt(x)), "ms": float(slower * (WEIGHTS[::-1] @ x + x.prod() / 100))}


def past_of(change: Callable[[list[dict[str, float]]], list[dict[str, float]]] = list, count: int = 150) -> Past:
    rng = np.random.default_rng(7)
    samples = [SPACE.draw(rng) for _ in range(count)]
    figures = change([evaluate(sample, slower=3.0) for sample in samples])
    directions = {"gain": "maximize", "ms": "minimize"}
    return Past("earlier", tuple(sample.values for sample in samples), tuple(figures), directions)


def shuffled(figures: list[dict[str, float]]) -> list[dict[str, float]]:
    order = np.random.default_rng(0).permutation(len(figures))
    return [{**known, "gain": figures[i]["gain"]} for known, i in zip(figures, order, strict=True)]


def backwards(figures: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{**known, "gain": -known["gain"]} for known in figures]


def searched(strategy: Strategy, path: Path, trials: int, batch: int = 1) -> list[Trial]:
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        return run_search(study, strategy, evaluate, trials=trials, batch=batch)


def volume(trials: list[Trial]) -> float:
    return hypervolume_history(PROBLEM, trials, REFERENCE)[-1]


def test_a_related_past_saves_trials(tmp_path: Path) -> None:
    """The mean over a few seeds; the past's latencies are three times as long."""
    cold = [volume(searched(NSGA2(PROBLEM, seed=s), tmp_path / f"c{s}.db", 20)) for s in range(3)]
    warm = [
        volume(searched(WarmStart(NSGA2(PROBLEM, seed=s), [past_of()]), tmp_path / f"w{s}.db", 20)) for s in range(3)
    ]
    assert np.mean(warm) > np.mean(cold)
    assert min(warm) > min(cold)


def test_trust_follows_how_rightly_the_past_ranks(tmp_path: Path) -> None:
    strategy = WarmStart(NSGA2(PROBLEM), [past_of(), past_of(backwards)])
    searched(strategy, tmp_path / "study.db", 30)
    assert strategy.trust(0) > 0.8
    assert strategy.trust(1) == 0


def test_a_past_that_does_not_know_itself_is_left_out() -> None:
    strategy = WarmStart(NSGA2(PROBLEM), [past_of(shuffled), past_of(), past_of(lambda figures: [figures[0]] * 150)])
    assert [memory.past for memory in strategy.memories] == [past_of()]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(tmp_path: Path, batch: int) -> None:
    def fresh() -> WarmStart:
        return WarmStart(NSGA2(PROBLEM, seed=3), [past_of(), past_of(shuffled)])

    whole = searched(fresh(), tmp_path / "whole.db", 24, batch=batch)
    searched(fresh(), tmp_path / "parts.db", 13, batch=batch)
    assert searched(fresh(), tmp_path / "parts.db", 24, batch=batch) == whole


def test_a_resumed_search_in_an_adapting_space_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    """The innermost strategy forgets what it proposed where another sample was tried in its place."""

    def fresh() -> AdaptiveSpace:
        strategy = AdaptiveSpace(WarmStart(NSGA2(PROBLEM, seed=3), [past_of(count=40)]))
        strategy.allowed = {"x0": (1, 2), "x3": (4, 5)}
        return strategy

    whole = searched(fresh(), tmp_path / "whole.db", 24)
    searched(fresh(), tmp_path / "parts.db", 13)
    assert searched(fresh(), tmp_path / "parts.db", 24) == whole


def test_it_says_once_that_an_earlier_study_has_proved_itself_resumed_or_not(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def fresh() -> WarmStart:
        def tell(past: Past, trials: int, trust: float) -> None:
            assert 0 < trust <= 1
            told.append((past.source, trials))

        return WarmStart(NSGA2(PROBLEM, seed=3), [past_of(), past_of(backwards)], on_trust=tell)

    searched(fresh(), tmp_path / "study.db", 20)
    ((source, trials),) = told
    assert source == "earlier" and FEWEST <= trials < 20
    searched(fresh(), tmp_path / "study.db", 24)
    assert told == [("earlier", trials)] * 2


@pytest.mark.parametrize("change", [shuffled, backwards])
def test_a_misleading_past_leaves_the_search_as_it_was(
    tmp_path: Path, change: Callable[[list[dict[str, float]]], list[dict[str, float]]]
) -> None:
    for seed in range(3):
        cold = searched(NSGA2(PROBLEM, seed=seed), tmp_path / f"c{seed}.db", 60)
        warm = WarmStart(NSGA2(PROBLEM, seed=seed), [past_of(change)])
        assert searched(warm, tmp_path / f"w{seed}.db", 60) == cold


def test_a_past_is_silent_until_it_has_proved_itself(tmp_path: Path) -> None:
    cold = searched(NSGA2(PROBLEM), tmp_path / "c.db", 24)
    warm = searched(WarmStart(NSGA2(PROBLEM), [past_of()]), tmp_path / "w.db", 24)
    assert warm[:FEWEST] == cold[:FEWEST]
    known = {Sample(values) for values in past_of().samples}
    assert sum(trial.sample in known for trial in warm) > 5


def test_without_a_related_past_it_is_the_inner_strategy(tmp_path: Path) -> None:
    stranger = Past("other", ({"y": 1},) * 20, ({"gain": 1.0, "ms": 1.0},) * 20)
    cold = searched(NSGA2(PROBLEM, seed=5), tmp_path / "c.db", 25)
    assert searched(WarmStart(NSGA2(PROBLEM, seed=5), [stranger]), tmp_path / "w.db", 25) == cold


def test_relation_wants_labels_objectives_and_directions() -> None:
    past = past_of()
    assert is_related(past, PROBLEM)
    assert not is_related(Past("p", past.samples[:3], past.figures[:3]), PROBLEM)
    assert not is_related(Past("p", past.samples, past.figures, {"gain": "minimize"}), PROBLEM)
    assert not is_related(Past("p", past.samples, tuple({"gain": f["gain"]} for f in past.figures)), PROBLEM)
    cheap_ms = Problem(SPACE, (Objective("gain", "maximize"), Objective("ms", cheap=True)), lambda s: {"ms": 1.0})
    assert is_related(Past("p", past.samples, tuple({"gain": f["gain"]} for f in past.figures)), cheap_ms)


def test_a_study_that_is_not_listened_to_says_why() -> None:
    past = past_of()
    assert why_silent(past, PROBLEM) is None
    assert "3 trials" in str(why_silent(Past("p", past.samples[:3], past.figures[:3]), PROBLEM))
    assert "0 of this space's 6" in str(why_silent(Past("p", ({"y": 1},) * 20, past.figures[:20]), PROBLEM))
    assert "gain the other way" in str(why_silent(Past("p", past.samples, past.figures, {"gain": "minimize"}), PROBLEM))
    assert "know gain" in str(why_silent(Past("p", past.samples, ({"ms": 1.0},) * 150), PROBLEM))
    assert "the other half" in str(why_silent(past_of(shuffled), PROBLEM))


def test_an_overlapping_space_takes_what_it_knows() -> None:
    space = Space("new", (Choice("x0", (0, 1, 2)), Choice("new", (8, 16, 32)), Range("rate", 0.01, 1.0, log=True)))
    assert moved(space, {"x0": 5, "rate": 3.0}) == Sample({"x0": 1, "new": 16, "rate": 1.0})
    assert moved(space, {"x0": 2}).values["rate"] == pytest.approx(0.1)
