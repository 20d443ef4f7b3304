"""The search loop: ask, evaluate, write down, tell."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from edgetune.search.early_stop import EarlyStop
from edgetune.search.engines.base import Engine, Evaluate, Job, Outcome, trial_seed
from edgetune.search.engines.in_process import InProcess
from edgetune.search.feasibility import infeasible_error
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_problem
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial


def run_search(
    study: Study,
    strategy: Strategy,
    evaluate: Evaluate | Engine,
    *,
    trials: int,
    seed: int = 0,
    batch: int = 1,
    early_stop: EarlyStop | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Trial]:
    """Searches until the study holds `trials` trials, or the space holds nothing new.

    Trials that the study holds already are told, not run: a stopped search goes on with the same call
    and a new strategy of the same seed, and ends as if it had never stopped.

    Parameters
    ----------
    evaluate
        The figures of a sample by objective name, in this process, or an engine that evaluates elsewhere; cheap figures
        are added here. An exception, a missing or a non-finite figure makes a failed trial, and the search goes on.
        Python's, numpy's and torch's global generators are seeded before each evaluation.
    seed
        The trials' seeds come from this and their numbers.
    batch
        How many samples are asked for at a time. It decides what is asked next, so that the same batch gives the same
        trials on every engine; an engine of many workers wants one of at least that size.
    early_stop
        Ends hopeless trials of evaluations that report their learning curves.
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
    EngineError
        Nothing can be evaluated.
    StudyError, StorageError
        A trial could not be written.
    """
    engine = evaluate if isinstance(evaluate, Engine) else InProcess(evaluate)
    problem = strategy.problem
    note_problem(study, problem)
    stored = {trial.number: trial for trial in study.trials()}
    finished = _tell_whole_batches(strategy, stored, trials, batch)
    stopped = False
    while len(finished) < trials and not stopped:
        # A whole batch even when fewer are left, so that adding trials later gives the same ones.
        samples = strategy.ask(batch)[: trials - len(finished)]
        if not samples:
            break
        numbers = range(len(finished), len(finished) + len(samples))
        jobs = [
            Job(
                number,
                sample,
                trial_seed(seed, number),
                early_stop.bars(problem, sample, finished) if early_stop else None,
            )
            for number, sample in zip(numbers, samples, strict=True)
            if number not in stored
        ]
        for job, outcome in _evaluated(engine, jobs, stop):
            trial = stored[job.number] = trial_of(problem, job, outcome)
            study.add(trial)
            if on_trial is not None:
                on_trial(trial)
        told = [stored[number] for number in numbers if number in stored]
        stopped = len(told) < len(samples)
        strategy.tell(told)
        finished += told
    _require_feasible(problem, finished)
    return finished


def _tell_whole_batches(strategy: Strategy, stored: Mapping[int, Trial], trials: int, batch: int) -> list[Trial]:
    """Brings the strategy to where a stopped search was before its last batch."""
    told: list[Trial] = []
    while all(number in stored for number in range(len(told), len(told) + batch)) and len(told) + batch <= trials:
        whole = [stored[number] for number in range(len(told), len(told) + batch)]
        strategy.tell(whole)
        told += whole
    return told


def _evaluated(engine: Engine, jobs: Sequence[Job], stop: Callable[[], bool] | None) -> Iterator[tuple[Job, Outcome]]:
    """The jobs as they are finished, begun in their order, as many at once as the engine has workers."""
    waiting, running = deque(jobs), 0
    while waiting or running:
        while waiting and running < engine.workers:
            if stop is not None and stop():
                waiting.clear()
            else:
                engine.submit(waiting.popleft())
                running += 1
        if running:
            yield engine.next()
            running -= 1


def trial_of(problem: Problem, job: Job, outcome: Outcome) -> Trial:
    """A job's outcome beside what was known of it for free."""
    values, error = None, outcome.error
    if outcome.values is not None:
        values, error = judged(problem, {**problem.cheap_values(job.sample), **outcome.values})
    return Trial(
        number=job.number,
        sample=job.sample,
        values=values,
        state="stopped" if outcome.stopped else problem.state(values),
        seed=job.seed,
        seconds=outcome.seconds,
        error=error,
        curve=outcome.curve,
        finished_at=time.time(),
    )


def judged(problem: Problem, values: Mapping[str, float]) -> tuple[dict[str, float] | None, str | None]:
    """The finite figures, or None and what is wrong: an objective that is missing, no number, or not finite."""
    numbers = {name: number for name, value in values.items() if (number := _number(value)) is not None}
    for objective in problem.objectives:
        name = objective.name
        if name not in values:
            return None, f"the evaluation reported no {name!r}"
        if name not in numbers:
            return None, f"{name} is {values[name]!r}, which is no number"
        if not math.isfinite(numbers[name]):
            return None, f"{name} is {numbers[name]}"
    return {name: number for name, number in numbers.items() if math.isfinite(number)}, None


def _number(value: Any) -> float | None:
    """Of whatever is a number, such as numpy's or a tensor of one; a text is none, though it may spell one."""
    if isinstance(value, str | bytes):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _require_feasible(problem: Problem, trials: list[Trial]) -> None:
    tried = [trial for trial in trials if trial.values is not None]
    if tried and all(trial.state == "infeasible" for trial in tried):
        best = min(tried, key=problem.violation)
        raise infeasible_error(problem, problem.objectives, best.values or {})
