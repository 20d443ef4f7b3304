"""Which trials are stopped: those that Optuna's pruners stop, and nobody for being slow to compute with."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.errors import ConfigError
from edgetune.search.early_stop import EarlyStop, MedianStop, SuccessiveHalving
from edgetune.search.engines.base import Job, run_job
from edgetune.search.learning_curve import Bars, Hopeless, recording, report_step
from edgetune.search.objective import Direction, Objective
from edgetune.search.problem import Problem
from edgetune.search.random import RandomSearch
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Range, Sample, Space

SPACE = Space("curves", (Choice("width", (1, 2, 3, 4)), Range("lr", 0.0, 1.0)))
ALONE = Problem(SPACE, (Objective("top1", "maximize"),))
STEPS = 9


def curve_of(sample: Sample) -> list[float]:
    """Saturating, with a wobble; the learning rate decides how high."""
    lr = float(sample["lr"])
    return [math.sin(lr * 3) * (1 - 0.7**step) + 0.05 * math.sin(40 * lr + step) for step in range(1, STEPS + 1)]


def train(sample: Sample) -> dict[str, float]:
    for figure in curve_of(sample):
        report_step(figure)
    return {"top1": curve_of(sample)[-1]}


def stopped_by(rule: EarlyStop, path: Path, count: int) -> dict[float, int]:
    """For each learning rate, the steps that its trial took."""
    with Study.create(path, {}) as study:
        trials = run_search(study, RandomSearch(ALONE), train, trials=count, early_stop=rule)
        assert study.trials() == trials
    assert all((trial.state == "stopped") == (len(trial.curve) < STEPS) for trial in trials)  # never at the last step
    return {float(trial.sample["lr"]): len(trial.curve) for trial in trials}


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        (MedianStop(), "MedianPruner(n_startup_trials=5)"),
        (SuccessiveHalving(), "SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)"),
        (SuccessiveHalving(2, 2), "SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)"),
    ],
    ids=["median", "halving-thirds", "halving-halves"],
)
def test_the_same_trials_are_stopped_as_by_optuna(rule: EarlyStop, peer: str, tmp_path: Path) -> None:
    import optuna

    ours = stopped_by(rule, tmp_path / "study.db", 40)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=getattr(optuna.pruners, peer.split("(")[0])(**_told(peer)))
    theirs: dict[float, int] = {}
    for lr in ours:
        trial = study.ask()
        theirs[lr], state = STEPS, optuna.trial.TrialState.COMPLETE
        curve = np.array(curve_of(Sample({"lr": lr})))
        best_so_far = np.maximum.accumulate(curve)  # which Optuna's median looks at itself
        for step, figure in enumerate(best_so_far if "Halving" in peer else curve, 1):
            trial.report(figure, step)
            if step < STEPS and trial.should_prune():
                theirs[lr], state = step, optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, figure if state == optuna.trial.TrialState.COMPLETE else None, state=state)
    assert ours == theirs
    assert len(set(ours.values())) > 1, "somebody was stopped"


def _told(peer: str) -> dict[str, int]:
    """`Name(a=1, b=2)` to a dict."""
    pairs = (pair.split("=") for pair in peer.split("(")[1].rstrip(")").split(", "))
    return {name: int(value) for name, value in pairs}


def test_a_fast_network_is_not_held_against_slow_ones() -> None:
    problem = Problem(
        SPACE,
        (Objective("top1", "maximize"), Objective("latency", cheap=True)),
        lambda sample: {"latency": float(sample["width"])},
    )
    slow = [Trial(n, Sample({"width": 4, "lr": n / 10}), None, "done", 0, curve=(0.8, 0.9)) for n in range(8)]
    fast = [Trial(n, Sample({"width": 1, "lr": n / 10}), None, "done", 0, curve=(0.3, 0.4)) for n in range(8)]
    bars = [MedianStop().bars(problem, Sample({"width": width, "lr": 0.95}), slow + fast) for width in (1, 3, 4)]
    assert bars[0].at == bars[1].at == {1: 0.3}
    assert bars[2].at == {1: pytest.approx(0.55)}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("rule", [MedianStop(), SuccessiveHalving()])
@pytest.mark.parametrize("diverged", [math.nan, math.inf, -math.inf])
def test_trials_that_diverge_are_worse_than_all_others(
    rule: EarlyStop, direction: Direction, diverged: float, tmp_path: Path
) -> None:
    """The bars are those of trials that did very badly; where most diverge there is none."""
    problem = Problem(SPACE, (Objective("top1", direction),))
    worst = -1e9 if direction == "maximize" else 1e9

    def told(lost: int, figure: float) -> list[Trial]:
        curves = [(figure, figure, figure) if n < lost else (0.1 * n, 0.2 * n, 0.3 * n) for n in range(9)]
        curves[8] = (0.8, math.nan, 2.4) if math.isnan(figure) else (0.8, worst, 2.4)  # for a step only
        return [Trial(n, Sample({"width": 1, "lr": n / 10}), None, "done", 0, curve=c) for n, c in enumerate(curves)]

    bars = rule.bars(problem, Sample({"width": 1, "lr": 0.95}), told(2, diverged))
    badly = rule.bars(problem, Sample({"width": 1, "lr": 0.95}), told(2, worst))
    assert bars.at == badly.at and len(bars.at) >= 1
    assert rule.bars(problem, Sample({"width": 1, "lr": 0.95}), told(8, diverged)).at == {}


def test_a_step_that_is_no_number_is_overlooked_where_another_was_good() -> None:
    for curve in ([math.nan, 0.9], [0.9, math.nan], [math.inf, 0.9]):
        Bars("maximize", {2: 0.5}).check(curve)
    for curve in ([math.nan, math.nan], [math.inf, math.nan], [math.nan, 0.4]):
        with pytest.raises(Hopeless):
            Bars("maximize", {2: 0.5}).check(curve)


def test_two_costly_objectives_have_no_curve_in_common() -> None:
    both = Problem(SPACE, (Objective("top1", "maximize"), Objective("energy")))
    with pytest.raises(ConfigError, match="top1, energy"):
        MedianStop().bars(both, Sample({"width": 1, "lr": 0.5}), [])


@given(curve=st.lists(st.floats(0, 1), min_size=1, max_size=9), bar=st.floats(0, 1), step=st.integers(1, 9))
def test_a_trial_ends_exactly_where_its_best_so_far_is_below_the_bar(curve: list[float], bar: float, step: int) -> None:
    for sign, direction in ((1, "maximize"), (-1, "minimize")):
        bars = Bars.from_json(Bars(direction, {step: sign * bar}).to_json())  # type: ignore[arg-type]
        with recording(bars) as seen:
            try:
                for figure in curve:
                    report_step(sign * figure)
            except Hopeless:
                assert len(seen) == step and max(curve[:step]) < bar
            else:
                assert len(curve) < step or max(curve[:step]) >= bar


def test_outside_of_a_search_reports_are_for_nobody() -> None:
    report_step(0.5)
    bars = Bars("maximize", {1: 1.0})
    outcome = run_job(train, Job(0, Sample({"width": 1, "lr": 0.5}), 0, bars))
    assert outcome.stopped and outcome.values is None and len(outcome.curve) == 1
    assert outcome.error == f"stopped after step 1: at best {outcome.curve[0]:.4g}, the bar is 1"


def test_an_interrupted_search_stops_the_same_trials(tmp_path: Path) -> None:
    with Study.create(tmp_path / "whole.db", {}) as study:
        whole = run_search(study, RandomSearch(ALONE), train, trials=30, early_stop=MedianStop(), batch=3)
    for count in (7, 19, 30):
        with Study.open(tmp_path / "parts.db") if count > 7 else Study.create(tmp_path / "parts.db", {}) as study:
            parts = run_search(study, RandomSearch(ALONE), train, trials=count, early_stop=MedianStop(), batch=3)
    assert parts == whole
    assert np.mean([trial.state == "stopped" for trial in whole]) > 0.2
