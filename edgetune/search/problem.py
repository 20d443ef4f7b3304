"""What is searched for: a space, objectives with limits, and the figures that cost nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgetune.errors import ConfigError
from edgetune.search.cheap import Cheap, Figures, Remembered
from edgetune.search.objective import Objective
from edgetune.search.trial import Trial, TrialState
from edgetune.space.parameters import Sample, Space


@dataclass(frozen=True)
class Problem:
    """A search problem.

    Parameters
    ----------
    space
        What can be built.
    objectives
        At least one of them optimised.
    cheap
        Computes the objectives flagged cheap, without training: a pure function of the sample. Where it has a method
        `many` as well (:class:`edgetune.search.cheap.Batched`), candidates are asked for together.

    Raises
    ------
    ConfigError
        No optimised objective, a name that occurs twice, cheap objectives without a function.
    """

    space: Space
    objectives: tuple[Objective, ...]
    cheap: Cheap | None = None

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.objectives]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"the objective {twice[0]!r} occurs twice", mend="rename one")
        if not self.targets:
            raise ConfigError("no objective is optimised", mend="give at least one to minimise or maximise")
        if self.cheap_objectives and self.cheap is None:
            raise ConfigError(
                f"{self.cheap_objectives[0].name} is flagged cheap, but nothing computes it", mend="give the function"
            )

    @cached_property
    def targets(self) -> tuple[Objective, ...]:
        """The optimised objectives: the axes of the front."""
        return tuple(objective for objective in self.objectives if objective.optimize)

    @cached_property
    def cheap_objectives(self) -> tuple[Objective, ...]:
        return tuple(objective for objective in self.objectives if objective.cheap)

    @cached_property
    def cheap_values(self) -> Cheap:
        """:attr:`cheap`, remembering its last answers."""
        return self._remembered or (lambda sample: {})

    def cheap_figures(self, samples: Sequence[Sample]) -> list[Figures]:
        """:attr:`cheap_values` of each sample, asked for in one call."""
        return self._remembered.many(samples) if self._remembered else [{} for _ in samples]

    @cached_property
    def _remembered(self) -> Remembered | None:
        return Remembered(self.cheap) if self.cheap else None

    def cheap_violation(self, sample: Sample) -> float:
        """By how much the sample breaks limits that are known without a trial; 0 when it holds them.

        Infinite where a cheap objective is no finite number: a trial of it would be spent to fail.
        """
        if not self.cheap_objectives:
            return 0.0
        return violation(self.cheap_objectives, self.cheap_values(sample))

    def state(self, values: Mapping[str, float] | None) -> TrialState:
        """What a trial with these figures is; None means that there are none."""
        if values is None:
            return "failed"
        return "infeasible" if violation(self.objectives, values) else "done"

    def violation(self, trial: Trial) -> float:
        """By how much a trial breaks the limits; 0 when it holds them."""
        assert trial.values is not None
        return violation(self.objectives, trial.values)

    def points(self, trials: Sequence[Trial]) -> np.ndarray:
        """The trials' optimised objectives, float (trials, objectives), smaller is better."""
        rows = [
            [target.minimized(trial.values[target.name]) for target in self.targets] for trial in trials if trial.values
        ]
        return np.array(rows, dtype=float).reshape(len(trials), len(self.targets))


def violation(objectives: Sequence[Objective], values: Mapping[str, float]) -> float:
    """Sum over the limits of the fraction by which each is broken."""
    return sum(objective.violation(values[objective.name]) for objective in objectives)
