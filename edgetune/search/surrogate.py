"""What the trials told so far let one expect of a candidate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgetune.search.encoding import Encoding
from edgetune.search.gaussian_process import GaussianProcess
from edgetune.search.warp import Warp

TUNE_GROWTH = 1.15  # hyper-parameters are fitted again whenever there are so many times more trials
PRIOR_DISTANCE = 0.5  # weighted squared distance of two random samples, for parameters and for what is known of them

Expected = dict[str, tuple[np.ndarray, np.ndarray]]


class Surrogate:
    """A Gaussian process for each figure, over parameters, what a sample is made of, and what is free to know.

    The figures form a chain, the best explained first: what is expected of one is a feature of the next
    (as in the autoregressive model of Kennedy and O'Hagan 2000), so a latency that is learnt quickly helps with an
    accuracy that is not.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._tuned: dict[int, dict[str, np.ndarray]] = {}

    def fit(self, rows: np.ndarray, figures: Mapping[str, np.ndarray], free: np.ndarray | None = None) -> None:
        """Learns from trials.

        Parameters
        ----------
        rows
            Encoded samples, float (n, parameters).
        figures
            Name to figures, float (n), smaller is better; NaN where the trial failed, which counts as hopeless. None at
            all where everything is known without a trial.
        free
            Figures known without a trial, float (n, any number), if there are any.
        """
        free = _none(rows) if free is None else free
        self.rows_, self.free_ = rows, free
        self.thetas_ = self.hyperparameters(figures)
        self.warps_, self._targets = _warped(figures)
        self.models_: dict[str, GaussianProcess] = {}
        for place, (name, theta) in enumerate(self.thetas_.items()):
            self.models_[name] = self._model(place)
            self.models_[name].theta_ = theta
        self._scale_ = Scale(*self._raw(rows, free))
        self._condition(rows, free, self._targets)

    def believe(self, rows: np.ndarray, free: np.ndarray | None = None) -> None:
        """Takes the expected figures of these samples, still under evaluation, for true."""
        free = _none(rows) if free is None else free
        expected = self.predict(rows, free)
        targets = {name: np.append(self._targets[name], mean) for name, (mean, _) in expected.items()}
        self._condition(np.vstack([self.rows_, rows]), np.vstack([self.free_, free]), targets)

    def predict(self, rows: np.ndarray, free: np.ndarray | None = None) -> Expected:
        """Mean and standard deviation of each warped figure, float (n,) each."""
        columns = self._scale_(*self._raw(rows, _none(rows) if free is None else free))
        expected: Expected = {}
        for name, model in self.models_.items():
            expected[name] = model.predict(columns)
            columns = _chained(columns, expected[name][0])
        return expected

    def hyperparameters(self, figures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The likeliest ones for the first so many trials, in the chain's order; how many depends on their number."""
        n = scheduled(len(self.rows_))
        if n not in self._tuned:
            raw = self._raw(self.rows_[:n], self.free_[:n])
            columns = Scale(*raw)(*raw)
            _, targets = _warped({name: column[:n] for name, column in figures.items()})
            self._tuned[n] = self._chain(columns, targets)
        return self._tuned[n]

    def _chain(self, columns: np.ndarray, targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not targets:
            return {}
        fits = []
        for name, target in targets.items():
            model = self._model(0)
            fits.append((model.tune(columns, target), name, model.theta_))
        _, first, theta = min(fits, key=lambda fit: fit[0])
        rest = sorted((fit for fit in fits if fit[1] != first), key=lambda fit: fit[0])
        chain, known = {first: theta}, first
        for place, (_, name, _) in enumerate(rest, 1):
            columns = _chained(columns, targets[known])
            model = self._model(place)
            model.tune(columns, targets[name])
            chain[name], known = model.theta_, name
        return chain

    def _model(self, place: int) -> GaussianProcess:
        """For the figure at this place of the chain."""
        known = self._raw(self.rows_[:1], self.free_[:1])[1]
        groups, features = int(self._owners.max()) + 1, known.shape[1] + place
        weights = np.repeat([PRIOR_DISTANCE / groups, PRIOR_DISTANCE / max(features, 1)], [groups, features])
        options = np.append(self.encoding.option_columns(), np.full(features, -1))
        return GaussianProcess(np.append(self._owners, groups + np.arange(features)), options, weights)

    def _condition(self, rows: np.ndarray, free: np.ndarray, targets: Mapping[str, np.ndarray]) -> None:
        columns = self._scale_(*self._raw(rows, free))
        for name, model in self.models_.items():
            model.condition(columns, targets[name])
            columns = _chained(columns, targets[name])

    def _raw(self, rows: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parameters, self._owners = self.encoding.parameter_features(rows)
        return parameters, np.hstack([self.encoding.aggregate_features(rows), free])


class Scale:
    """Joins the columns; those of the second kind are brought to a squared distance of 1 on average."""

    def __init__(self, parameters: np.ndarray, known: np.ndarray) -> None:
        self.small = np.array([_small(np.abs(column)) for column in known.T])
        bent = self._bent(known)
        self.centre = bent.mean(axis=0)
        self.spread = np.where(bent.std(axis=0) > 1e-9, bent.std(axis=0), np.inf) * np.sqrt(2)

    def __call__(self, parameters: np.ndarray, known: np.ndarray) -> np.ndarray:
        return np.hstack([parameters, (self._bent(known) - self.centre) / self.spread])

    def _bent(self, columns: np.ndarray) -> np.ndarray:
        """Nearly linear up to the small values, logarithmic beyond: MACs and sizes span decades."""
        return np.arcsinh(columns / self.small)


def _none(rows: np.ndarray) -> np.ndarray:
    """No figures known without a trial, float (n, 0)."""
    return np.zeros((len(rows), 0))


def _small(sizes: np.ndarray) -> float:
    """The tenth percentile of those above 0."""
    above = sizes[sizes > 0]
    return float(np.quantile(above, 0.1)) if len(above) else 1.0


def _chained(columns: np.ndarray, warped: np.ndarray) -> np.ndarray:
    """One feature more: a standardised figure, at a squared distance of 1 on average."""
    return np.hstack([columns, warped[:, None] / np.sqrt(2)])


def _warped(figures: Mapping[str, np.ndarray]) -> tuple[dict[str, Warp], dict[str, np.ndarray]]:
    """The map of each figure, and the targets it gives; a trial that failed counts as hopeless."""
    warps = {name: Warp(column[np.isfinite(column)]) for name, column in figures.items()}
    return warps, {name: warps[name].forward(np.nan_to_num(column, nan=np.inf)) for name, column in figures.items()}


def scheduled(n: int) -> int:
    """The largest count up to `n` at which hyper-parameters are fitted.

    >>> [scheduled(n) for n in (4, 5, 23, 24, 100)]
    [4, 5, 23, 23, 94]
    """
    count = min(n, 4)
    while (following := max(count + 1, int(count * TUNE_GROWTH))) <= n:
        count = following
    return count
