"""The search loop: ask, evaluate, write down, tell."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np

from edgetune.search.feasibility import infeasible_error
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

Evaluate = Callable[[Sample], Mapping[str, float]]


def run_search(
    study: Study,
    strategy: Strategy,
    evaluate: Evaluate,
    *,
    trials: int,
    seed: int = 0,
    batch: int = 1,
    on_trial: Callable[[Trial], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Trial]:
    """Searches until the study holds `trials` trials, or the space holds nothing new.

    Trials that the study holds already are told, not run: a stopped search goes on with the same call
    and a new strategy of the same seed, and ends as if it had never stopped.

    Parameters
    ----------
    evaluate
        The figures of a sample by objective name; cheap ones are added here. An exception, a missing
        or a non-finite figure makes a failed trial, and the search goes on. Python's, numpy's and torch's
        global generators are seeded before each call.
    seed
        The trials' seeds come from this and their numbers.
    batch
        How many samples are asked for at a time.
    on_trial
        Called after each new trial is written.
    stop
        Asked before each new trial; True ends the search there.

    Returns
    -------
    All trials of the study, by number.

    Raises
    ------
    InfeasibleError
        Nothing holds the limits; it names the nearest.
    StudyError, StorageError
        A trial could not be written.
    """
    stored = {trial.number: trial for trial in study.trials()}
    finished = _tell_whole_batches(strategy, stored, trials, batch)
    stopped = False
    while len(finished) < trials and not stopped:
        # A whole batch even when fewer are left, so that adding trials later gives the same ones.
        samples = strategy.ask(batch)[: trials - len(finished)]
        if not samples:
            break
        told = []
        for number, sample in enumerate(samples, start=len(finished)):
            trial = stored.get(number)
            if trial is None:
                if stopped := stop is not None and stop():
                    break
                trial = run_trial(strategy.problem, evaluate, sample, number=number, seed=seed)
                study.add(trial)
                if on_trial is not None:
                    on_trial(trial)
            told.append(trial)
        strategy.tell(told)
        finished += told
    _require_feasible(strategy.problem, finished)
    return finished


def _tell_whole_batches(strategy: Strategy, stored: Mapping[int, Trial], trials: int, batch: int) -> list[Trial]:
    """Brings the strategy to where a stopped search was before its last batch."""
    told: list[Trial] = []
    while all(number in stored for number in range(len(told), len(told) + batch)) and len(told) + batch <= trials:
        whole = [stored[number] for number in range(len(told), len(told) + batch)]
        strategy.tell(whole)
        told += whole
    return told


def run_trial(problem: Problem, evaluate: Evaluate, sample: Sample, *, number: int, seed: int) -> Trial:
    """Evaluates one sample; whatever goes wrong is the trial's error."""
    trial_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    _seed_everything(trial_seed)
    started = time.perf_counter()
    try:
        values, error = judged(problem, {**problem.cheap_values(sample), **evaluate(sample)})
    except Exception as reason:
        values, error = None, f"{type(reason).__name__}: {reason}"
    return Trial(
        number=number,
        sample=sample,
        values=values,
        state=problem.state(values),
        seed=trial_seed,
        seconds=time.perf_counter() - started,
        error=error,
        finished_at=time.time(),
    )


def judged(problem: Problem, values: Mapping[str, float]) -> tuple[dict[str, float] | None, str | None]:
    """The finite figures, or None and what is wrong: an objective that is missing or not finite."""
    for objective in problem.objectives:
        if objective.name not in values:
            return None, f"the evaluation reported no {objective.name!r}"
        if not math.isfinite(values[objective.name]):
            return None, f"{objective.name} is {values[objective.name]}"
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}, None


def _require_feasible(problem: Problem, trials: list[Trial]) -> None:
    tried = [trial for trial in trials if trial.values is not None]
    if tried and all(trial.state == "infeasible" for trial in tried):
        best = min(tried, key=problem.violation)
        raise infeasible_error(problem, problem.objectives, best.values or {})


def _seed_everything(seed: int) -> None:
    """A trial's random numbers do not depend on the trials before it, so a resumed search repeats them."""
    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
