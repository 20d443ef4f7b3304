"""Which trials are not worth finishing, judged by their learning curves. For evaluations that train."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from edgetune.errors import ConfigError
from edgetune.search.learning_curve import Bars
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

STARTUP = 5  # curves to learn from before a trial is stopped


class EarlyStop(ABC):
    """Sets the bars that a trial must reach, from the curves of the trials told before it.

    A trial competes only with those that are no worse in what is known for free: a slow network's curve says nothing
    against a fast one.
    """

    def bars(self, problem: Problem, sample: Sample, finished: Sequence[Trial]) -> Bars:
        """What `sample` must reach.

        Raises
        ------
        ConfigError
            More than one costly objective: a curve does not say which.
        """
        costly = [target for target in problem.targets if not target.cheap]
        if len(costly) != 1:
            names = ", ".join(target.name for target in costly) or "none"
            raise ConfigError(f"one costly objective has a learning curve, here: {names}", mend="leave early stop out")
        (target,) = costly
        sign = 1 if target.direction == "minimize" else -1
        competitors = _no_worse(problem, sample, [trial for trial in finished if trial.curve])
        at = self.rule([(_hopeful(sign * np.array(trial.curve)), trial.state == "stopped") for trial in competitors])
        # Where most diverged there is no bar: none would be a finite number.
        return Bars(target.direction, {step: sign * bar for step, bar in at.items() if math.isfinite(bar)})

    @abstractmethod
    def rule(self, curves: Sequence[tuple[np.ndarray, bool]]) -> Mapping[int, float]:
        """The bar at each step that has one, from 1; smaller figures are better.

        Parameters
        ----------
        curves
            Figures after each step, float (steps), infinite where the trial had diverged; and whether it was stopped
            at the last one.
        """


class MedianStop(EarlyStop):
    """A trial's best figure so far must reach the median of the finished trials at each step (Golovin 2017)."""

    def rule(self, curves: Sequence[tuple[np.ndarray, bool]]) -> Mapping[int, float]:
        whole = [curve for curve, stopped in curves if not stopped]
        if len(whole) < STARTUP:
            return {}
        steps = range(1, max(len(curve) for curve in whole))  # nothing is saved at the last one
        return {step: float(np.median([curve[step - 1] for curve in whole if len(curve) >= step])) for step in steps}


class SuccessiveHalving(EarlyStop):
    """Only one in `reduction` trials passes each rung, at steps `first_step`, `first_step · reduction`, … (Li 2020).

    Asynchronous: a trial that comes to a rung competes with all that came before it, each by its best figure so far.
    """

    def __init__(self, first_step: int = 1, reduction: int = 3) -> None:
        self.first_step = first_step
        self.reduction = reduction

    def rule(self, curves: Sequence[tuple[np.ndarray, bool]]) -> Mapping[int, float]:
        longest = max((len(curve) for curve, _ in curves), default=0)
        at: dict[int, float] = {}
        rung = self.first_step
        while rung < longest:
            figures = sorted(curve[:rung].min() for curve, _ in curves if len(curve) >= rung)
            at[rung] = float(figures[max(0, (len(figures) + 1) // self.reduction - 1)])
            rung *= self.reduction
        return at


def _hopeful(curve: np.ndarray) -> np.ndarray:
    """What is no finite number is worse than any: a training that diverges must not decide on the others."""
    return np.where(np.isfinite(curve), curve, np.inf)


def _no_worse(problem: Problem, sample: Sample, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are at least as good as `sample` in every cheap objective."""
    cheap = [target for target in problem.targets if target.cheap]
    if not cheap:
        return list(trials)
    own = problem.cheap_values(sample)
    return [
        trial
        for trial in trials
        if all(
            target.minimized(problem.cheap_values(trial.sample)[target.name]) <= target.minimized(own[target.name])
            for target in cheap
        )
    ]
