"""Every sample in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from edgetune.search.enumeration import ENUMERABLE, enumerate_space
from edgetune.search.genetic import from_unit
from edgetune.search.problem import Problem
from edgetune.search.settings import check_count
from edgetune.search.strategy import Strategy
from edgetune.space.parameters import Choice, Parameter, Range, Sample, Space


class GridSearch(Strategy):
    """All samples in the space's order, the last label changing fastest; the seed plays no part.

    Parameters
    ----------
    points
        Values of each range in the first grid; the next grid has 2·points - 1, the first ones among them, and so on.

    Raises
    ------
    ConfigError
        Fewer than 2 points, of which no finer grid could be made.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, points: int = 3) -> None:
        check_count("points", points, least=2)
        super().__init__(problem, seed=seed)
        self.points = points
        self._samples = self._grids()

    def _propose(self, rng: np.random.Generator) -> Sample | None:
        return next((sample for sample in islice(self._samples, ENUMERABLE) if self._wanted(sample)), None)

    def _wanted(self, sample: Sample) -> bool:
        return sample.hash not in self.known and self.problem.cheap_violation(sample) == 0

    def _grids(self) -> Iterator[Sample]:
        space, points = self.problem.space, self.points
        yield from enumerate_space(_gridded(space, points))
        while any(isinstance(parameter, Range) for parameter in space.parameters):
            points = 2 * points - 1
            yield from enumerate_space(_gridded(space, points))


def _gridded(space: Space, points: int) -> Space:
    return replace(space, parameters=tuple(_choice(parameter, points) for parameter in space.parameters))


def _choice(parameter: Parameter, points: int) -> Choice:
    if isinstance(parameter, Choice):
        return parameter
    places = np.linspace(0, 1, points)
    return Choice(parameter.label, tuple(from_unit(parameter, float(x)) for x in places), parameter.conditions)
