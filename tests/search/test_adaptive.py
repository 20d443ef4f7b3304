"""Nothing that matters is lost, what does not is frozen, and a resumed search repeats it all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetune.search.adaptive import EVERY, FIRST, AdaptiveSpace
from edgetune.search.narrowing import Change, moved_into, narrowed, replay
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.random import RandomSearch
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Condition, Sample, Space

IDLE = tuple(Choice(f"idle{i}", tuple(range(5))) for i in range(8))
SPACE = Space("toy", (Choice("m0", tuple(range(12))), Choice("m1", tuple(range(5))), *IDLE))
PROBLEM = Problem(SPACE, (Objective("error"), Objective("cost")))
CONDITIONAL = Space("tree", (Choice("depth", (1, 2, 3)), Choice("width", (8, 16, 32), (Condition("depth", (2, 3)),))))


def evaluate(sample: Sample) -> dict[str, float]:
    """The cost wants m0 small and the error large; m1 at 3 is best for both."""
    m0, m1 = float(sample["m0"]), float(sample["m1"])
    return {"error": 11 - m0 + (m1 - 3) ** 2, "cost": m0 + (m1 - 3) ** 2}


def searched(path: Path, trials: int, **settings: object) -> AdaptiveSpace:
    strategy = AdaptiveSpace(NSGA2(PROBLEM, seed=1), **settings)  # type: ignore[arg-type]
    study = Study.open(path) if path.exists() else Study.create(path, {})
    with study:
        run_search(study, strategy, evaluate, trials=trials, seed=1)
    return strategy


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> AdaptiveSpace:
    return searched(tmp_path_factory.mktemp("adapted") / "study.db", 120)


def test_what_does_nothing_is_frozen_and_what_trades_off_is_not(adapted: AdaptiveSpace) -> None:
    space = narrowed(SPACE, adapted.allowed)
    frozen = {parameter.label for parameter in space.parameters if parameter.count == 1}
    assert len(frozen & {f"idle{i}" for i in range(8)}) >= 6
    assert space.by_label["m0"] == SPACE.by_label["m0"]
    assert 3 in space.by_label["m1"].options  # type: ignore[union-attr]


def test_options_that_cannot_win_are_dropped_with_a_reason(adapted: AdaptiveSpace) -> None:
    assert len(adapted.allowed["m1"]) < 5
    for change in adapted.changes:
        assert change.reason and change.trials >= FIRST and change.trials % EVERY == 0


def test_the_threshold_decides_what_is_frozen(tmp_path: Path, adapted: AdaptiveSpace) -> None:
    """The space is the one of above, of whose choices most are frozen for their small share."""
    cautious = searched(tmp_path / "study.db", 80, freeze_below=0.0)
    assert any("its share" in change.reason for change in adapted.changes if change.trials <= 80)
    assert not any("its share" in change.reason for change in cautious.changes)


def test_the_log_replays_to_the_same_space(adapted: AdaptiveSpace) -> None:
    assert replay(adapted.changes) == adapted.allowed


def test_the_door_stays_open(adapted: AdaptiveSpace) -> None:
    """Some of the trials asked for within a narrowed space lie outside of it, and most do not."""
    inside = []
    for start in (60, 80):  # later nothing new is left in the narrowed space
        space = narrowed(SPACE, replay(change for change in adapted.changes if change.trials <= start))
        trials = adapted.trials[start : start + EVERY]
        inside += [all(space.by_label[k].holds(v) for k, v in trial.sample.values.items()) for trial in trials]
    assert 0 < inside.count(False) < 15


def test_proposals_keep_to_their_stretch_as_far_as_the_surrogate_has_earned(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    strategy = searched(tmp_path / "study.db", 120, on_focus=lambda trials, share: told.append((trials, share)))
    assert told[0][0] == FIRST + EVERY and all(0 < share <= 0.8 for _, share in told)
    assert strategy.expected is not None and strategy.focus == told[-1][1]
    strategy.focus = strategy.explore = 1.0
    proposed = NSGA2(PROBLEM).ask(1)[0]
    rng = np.random.default_rng(0)
    assert strategy._allowed_for(proposed, rng) == []  # exploring comes first
    strategy.explore = 0.0
    stretch = strategy.expected.around(proposed)
    allowed, then = strategy._allowed_for(proposed, rng)
    assert allowed.keys() == strategy.allowed.keys() | stretch.keys() and all(allowed.values())
    for label, options in allowed.items():
        assert set(options) <= set(strategy.allowed.get(label, options))  # within what is left of the space
        assert set(options) <= set(stretch[label]) or options == strategy.allowed[label]
    assert then == strategy.allowed != allowed
    strategy.focus = 0.0
    assert strategy._allowed_for(proposed, rng) == [strategy.allowed]


@pytest.mark.parametrize("label", ["m0", "m1", "idle0"])
def test_what_was_dropped_of_any_label_is_explored(label: str) -> None:
    """A tenth of the proposals of a random strategy are as they were; what they are may not hang on that choice."""
    strategy = AdaptiveSpace(RandomSearch(PROBLEM, seed=1))
    strategy.allowed = {label: (0,)}
    outside = sum(sample[label] != 0 for sample in strategy.ask(400))
    share = 1 - 1 / SPACE.by_label[label].count
    assert outside == pytest.approx(0.1 * 400 * share, abs=3 * (400 * 0.1 * 0.9) ** 0.5)


def test_wrappers_around_each_other_draw_numbers_of_their_own() -> None:
    inner = RandomSearch(PROBLEM)
    around = AdaptiveSpace(inner)
    drawn = [strategy._stream().random() for strategy in (inner, around, AdaptiveSpace(around))]
    assert len(set(drawn)) == 3
    assert drawn == [strategy._stream().random() for strategy in (inner, around, AdaptiveSpace(around))]


@pytest.mark.parametrize("stop_after", [30, 75])
def test_a_resumed_search_repeats_every_change_and_every_trial(
    tmp_path: Path, adapted: AdaptiveSpace, stop_after: int
) -> None:
    searched(tmp_path / "study.db", stop_after)
    resumed = searched(tmp_path / "study.db", 120)
    assert [trial.sample for trial in resumed.trials] == [trial.sample for trial in adapted.trials]
    assert resumed.changes == adapted.changes


def test_a_pool_is_widened_to_where_the_front_goes_but_not_beyond_the_space(tmp_path: Path) -> None:
    pools = {"m0": (2, 3), "m1": (0, 1)}
    strategy = searched(tmp_path / "study.db", 140, pools=pools)
    widened = [change for change in strategy.changes if change.action == "widen"]
    assert {change.label for change in widened} == {"m0", "m1"}
    assert 3 in strategy.pools["m1"]
    for label, pool in strategy.pools.items():
        assert set(pools[label]) <= set(pool) <= set(SPACE.by_label[label].options)  # type: ignore[union-attr]


def test_with_the_changes_used_up_a_proposal_stays_in_the_pools_until_they_are_too() -> None:
    """What is left within the changes is one sample, within the pools sixteen, in the space eighty."""
    space = Space("toy", (Choice("a", tuple(range(4))), Choice("b", tuple(range(4))), Choice("c", tuple(range(5)))))
    pools = {"c": (2,)}
    strategy = AdaptiveSpace(RandomSearch(Problem(space, (Objective("error"),)), seed=1), pools=pools)
    strategy.allowed |= {"a": (0,), "b": (0,)}
    samples = strategy.ask(80)
    assert len({sample.hash for sample in samples}) == 80
    assert [sample["c"] for sample in samples[:16]] == [2] * 16
    assert 2 not in [sample["c"] for sample in samples[16:]]


def test_an_option_is_thawed_when_the_front_has_it() -> None:
    strategy = AdaptiveSpace(NSGA2(PROBLEM))
    strategy.allowed = {"m1": (0, 1)}
    rng = np.random.default_rng(0)
    samples = [SPACE.draw(rng) for _ in range(FIRST)]
    strategy.tell([Trial(i, sample, evaluate(sample), "done", seed=0) for i, sample in enumerate(samples)])
    thawed = [change for change in strategy.changes if change.label == "m1"]
    assert thawed and 3 in thawed[0].options and thawed[0].action == "thaw"


def test_what_is_frozen_because_its_other_options_are_hopeless_stays_frozen() -> None:
    """Its share is the highest of all, which is no reason to try them again: they were tried."""
    space = Space("toy", (Choice("act", ("relu", "hswish")), *(Choice(f"x{i}", tuple(range(4))) for i in range(4))))
    problem = Problem(space, (Objective("error"),))
    strategy = AdaptiveSpace(NSGA2(problem), freeze_below=0.0)
    for number in range(FIRST + 3 * EVERY):
        (sample,) = strategy.ask()
        error = 5.0 * (sample["act"] == "relu") + float(sample["x0"]) / 10
        strategy.tell([Trial(number, sample, {"error": error}, "done", seed=0)])
    assert [(change.action, change.options) for change in strategy.changes if change.label == "act"] == [
        ("freeze", ("hswish",))
    ]


def test_what_was_frozen_for_its_share_is_thawed_when_it_comes_back_and_changes_once_a_look() -> None:
    strategy = AdaptiveSpace(NSGA2(PROBLEM, seed=1))
    rng = np.random.default_rng(0)
    samples = list({s.hash: s for s in (SPACE.draw(rng) for _ in range(400))}.values())[: FIRST + 13 * EVERY]
    for number, sample in enumerate(samples):
        matters = 8.0 * (number >= 100) * float(sample["idle0"])
        figures = evaluate(sample)
        strategy.tell([Trial(number, sample, {**figures, "error": figures["error"] + matters}, "done", seed=0)])
    assert [change.action for change in strategy.changes if change.label == "idle0"][:2] == ["freeze", "thaw"]
    looks = [(change.trials, change.label) for change in strategy.changes]
    assert len(looks) == len(set(looks))


def test_samples_move_to_the_nearest_option() -> None:
    space = narrowed(CONDITIONAL, {"depth": (1, 2), "width": (8, 32)})
    rng = np.random.default_rng(0)
    assert moved_into(space, Sample({"depth": 3, "width": 16}), rng) == Sample({"depth": 2, "width": 8})
    assert moved_into(space, Sample({"depth": 1}), rng) == Sample({"depth": 1})


def test_later_changes_of_a_label_take_the_place_of_earlier_ones() -> None:
    drop, thaw = Change(40, "drop", "m1", (2, 3), ""), Change(60, "thaw", "m1", (2, 3, 4), "")
    assert replay([drop, thaw]) == {"m1": (2, 3, 4)}


def test_choices_that_the_front_does_not_have_keep_their_options() -> None:
    """The front is shallow: nothing is known of how wide a second layer should be."""
    space = Space(
        "tree",
        (
            Choice("depth", (1, 2)),
            Choice("width", (8, 16, 32), (Condition("depth", (2,)),)),
            *(Choice(f"x{i}", tuple(range(4))) for i in range(3)),
            Choice("only", ("one",)),
        ),
    )
    problem = Problem(space, (Objective("error"), Objective("cost")))
    strategy = AdaptiveSpace(NSGA2(problem))
    rng = np.random.default_rng(0)
    samples = [space.draw(rng) for _ in range(FIRST + EVERY)]
    figures = [{"error": 10.0 * float(s["depth"]) - float(s["x0"]), "cost": float(s["x0"])} for s in samples]
    strategy.tell([Trial(i, s, f, "done", seed=0) for i, (s, f) in enumerate(zip(samples, figures, strict=True))])
    changed = {change.label: change.action for change in strategy.changes}
    assert not {"width", "only"} & set(changed)
    assert {"x1", "x2"} <= set(changed)
