"""The front that a surrogate of the trials expects, and which options each stretch of it has.

Along a long front nearly every option is right somewhere, so that nothing of the space as a whole is settled; near one
network of it much is: what a fast network needs, an accurate one does without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edgetune.search.encoding import INACTIVE
from edgetune.search.importance import Model
from edgetune.search.pareto import non_dominated, pareto_rank
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Sample, Value

OPTIMISM = 1.0  # standard deviations by which figures may be better than expected
GENERATIONS, CHILDREN = 30, 100
FEWEST_PARENTS = 4
STRETCH = 20  # members of the front that are most like a sample
TRIED = 6  # trials of an option before a stretch can do without it


class ExpectedFront:
    """Bred from the trials by what the surrogate expects of children, with some optimism.

    Parameters
    ----------
    model
        Of these trials.
    seed
        Of the breeding.

    Attributes
    ----------
    rows
        Encoded samples, float (n, parameters), within the cheap limits where any of them are.
    """

    def __init__(self, model: Model, trials: Sequence[Trial], seed: int) -> None:
        self.model, self.encoding = model, model.encoding
        self.tried = Counter((label, value) for trial in trials for label, value in trial.sample.values.items())
        rng = np.random.default_rng(seed)
        rows = np.unique(self.encoding.rows([trial.sample for trial in trials]), axis=0)
        points = self._hoped_for(rows)
        for _ in range(GENERATIONS):
            best = non_dominated(points)
            if best.sum() < FEWEST_PARENTS:
                best = pareto_rank(points) < FEWEST_PARENTS
            kept = rng.permutation(np.flatnonzero(best))[:CHILDREN]
            children = self.encoding.children(rows[kept], CHILDREN, rng)
            rows, points = np.vstack([rows[kept], children]), np.vstack([points[kept], self._hoped_for(children)])
        found = rows[non_dominated(points)]
        fits = np.array([model.problem.cheap_violation(self.encoding.sample(row)) == 0 for row in found])
        self.rows = found[fits] if fits.any() else found

    def _hoped_for(self, rows: np.ndarray) -> np.ndarray:
        expected = self.model.surrogate.predict(rows)
        columns = [expected[target.name] for target in self.model.problem.targets]
        return np.column_stack([mean - OPTIMISM * deviation for mean, deviation in columns])

    def around(self, sample: Sample) -> dict[str, tuple[Value, ...]]:
        """The options by label of the stretch that is most like a sample; ranges are left as they are.

        What few trials have is among them: no surrogate knows it. So is all of what no member of the stretch has.
        """
        row = self.encoding.rows([sample])[0]
        differ = ((self.rows != row) & (row != INACTIVE)).sum(axis=1)
        stretch = self.rows[np.argsort(differ, kind="stable")[:STRETCH]]
        options: dict[str, tuple[Value, ...]] = {}
        for column, parameter in zip(stretch.T, self.encoding.parameters, strict=True):
            if isinstance(parameter, Choice) and (used := set(column[column != INACTIVE])):
                options[parameter.label] = tuple(
                    option
                    for place, option in enumerate(parameter.options)
                    if place in used or self.tried[parameter.label, option] < TRIED
                )
        return options

    def ranks(self, trials: Sequence[Trial]) -> float:
        """How rightly it ranks trials that it did not know: the least Kendall's τ of all targets, from 0 to 1."""
        from scipy.stats import kendalltau

        if len(trials) < 2:
            return 0.0
        expected = self.model.surrogate.predict(self.encoding.rows([trial.sample for trial in trials]))
        found = self.model.problem.points(trials).T
        names = [target.name for target in self.model.problem.targets]
        taus = [kendalltau(expected[name][0], points).statistic for name, points in zip(names, found, strict=True)]
        return max(0.0, float(np.nan_to_num(min(taus))))  # nan where all are alike
