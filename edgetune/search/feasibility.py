"""Samples within the cheap limits, bred on the violation alone: that costs no trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edgetune.errors import InfeasibleError
from edgetune.search.enumeration import ENUMERABLE, enumerate_space, size_bound
from edgetune.search.genetic import offspring
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.space.parameters import Sample

POPULATION = 32
GENERATIONS = 60


class Nearest:
    """The samples looked at that come closest to the cheap limits."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.pool: dict[str, tuple[float, Sample]] = {}

    def look(self, sample: Sample) -> bool:
        """Whether the sample holds the cheap limits; it is remembered either way."""
        violation = self.problem.cheap_violation(sample)
        self.pool[sample.hash] = (violation, sample)
        return violation == 0

    def shrink(self) -> list[Sample]:
        """Forgets all but the best, and gives them, best first."""
        self.pool = dict(sorted(self.pool.items(), key=lambda item: item[1][0])[:POPULATION])
        return [sample for _, sample in self.pool.values()]


def find_feasible(nearest: Nearest, known: set[str], rng: np.random.Generator) -> Sample | None:
    """A sample within the cheap limits that is not among `known`, bred from the nearest; None if there is none."""
    for candidate in _candidates(nearest, rng):
        if nearest.look(candidate) and candidate.hash not in known:
            return candidate
    return None


def _candidates(nearest: Nearest, rng: np.random.Generator) -> Iterator[Sample]:
    """Descendants of the nearest samples, then, in a small space, every sample there is."""
    space = nearest.problem.space
    size = size_bound(space)
    yield from (space.draw(rng) for _ in range(POPULATION - len(nearest.pool)))
    for _ in range(GENERATIONS if size > GENERATIONS * POPULATION else 0):
        parents = nearest.shrink()
        for _ in range(POPULATION):
            mother, father = (parents[i] for i in rng.integers(len(parents), size=2))
            yield offspring(space, mother, father, rng)
    if size <= ENUMERABLE:
        samples = list(enumerate_space(space))
        yield from (samples[i] for i in rng.permutation(len(samples)))


def infeasible_error(problem: Problem, objectives: Sequence[Objective], values: Mapping[str, float]) -> InfeasibleError:
    """Says which limits were not held, what came nearest (its `values`), and which limits would hold it."""
    if unknown := [objective for objective in objectives if not math.isfinite(values[objective.name])]:
        what = f"{unknown[0].name} is {values[unknown[0].name]} even for the nearest sample"
        return InfeasibleError(what, where=problem.space.name, mend="see that its function returns finite numbers")
    limited = [objective for objective in objectives if objective.limit is not None]
    broken = [objective for objective in limited if objective.violation(values[objective.name]) > 0]
    found = ", ".join(f"{objective.name} {objective.format(values[objective.name])}" for objective in limited)
    excess = ", ".join(
        f"{objective.name} by {objective.format(abs(values[objective.name] - (objective.limit or 0.0)))}"
        for objective in broken
    )
    return InfeasibleError(
        f"found nothing with {' and '.join(objective.format_limit() for objective in limited)}; "
        f"the nearest has {found} and misses {excess}",
        where=problem.space.name,
        mend="feasible: " + ", ".join(_loosened(objective, values[objective.name]) for objective in broken),
    )


def _loosened(objective: Objective, value: float) -> str:
    """The limit, rounded outwards to three digits, that `value` holds."""
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2) if value else 1.0
    outwards = math.ceil(value / step) if objective.direction == "minimize" else math.floor(value / step)
    side = "most" if objective.direction == "minimize" else "least"
    return f"{objective.name} at {side} {objective.format(outwards * step)}"
