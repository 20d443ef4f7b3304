"""What the trials told so far let one expect of a candidate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgetune.search.encoding import Encoding
from edgetune.search.gaussian_process import FIT_POINTS, GaussianProcess, Parts

TUNE_GROWTH = 1.15  # hyper-parameters are fitted again whenever there are so many times more trials
WORST = 4.0  # a figure further above the typical one than so many times typical - best counts as that
EARLY = 20  # trials, from before a search narrows down, whose median is the typical one
SHIFTS = (0.3, 30.0)  # nearly logarithmic, nearly linear


class Warp:
    """A monotone map of one figure (smaller is better) to a nearly normal, standardised one, and back.

    The logarithm of the distance to a point `shift` spans below the best value; a far one makes the map linear.
    Hopeless values, such as those of networks that do not train, are cut off first: how bad they are says nothing about
    the front.
    """

    def __init__(self, figures: np.ndarray, shift: float) -> None:
        best, self.typical = float(figures.min()), float(np.median(figures[:EARLY]))
        self.span = (self.typical - best) or float(np.ptp(figures)) or abs(best) or 1.0
        self.cap = self.typical + WORST * self.span
        self.origin = best - shift * self.span
        logs = np.log(np.minimum(figures, self.cap) - self.origin)
        self.mean, self.scale = float(logs.mean()), float(logs.std()) or 1.0
        self.log_slope = float(
            -np.log(self.scale) - logs.mean()
        )  # mean log-derivative of `forward`: the likelihood's Jacobian

    def forward(self, figures: np.ndarray) -> np.ndarray:
        return (np.log(np.minimum(figures, self.cap) - self.origin) - self.mean) / self.scale

    def backward(self, warped: np.ndarray) -> np.ndarray:
        return np.exp(warped * self.scale + self.mean) + self.origin


class Surrogate:
    """A Gaussian process for each figure, over parameters, what a sample is made of, and what is free to know."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._tuned: dict[tuple[str, int], tuple[float, np.ndarray]] = {}

    def fit(self, rows: np.ndarray, free: np.ndarray, figures: Mapping[str, np.ndarray]) -> None:
        """Learns from trials.

        Parameters
        ----------
        rows
            Encoded samples, float (n, parameters).
        free
            Figures known without a trial, float (n, any number).
        figures
            Name to figures, float (n), smaller is better; NaN where the trial failed, which counts as hopeless.
        """
        self.rows_, self.free_ = rows, free
        self.warps_: dict[str, Warp] = {}
        self.models_: dict[str, GaussianProcess] = {}
        self._targets: dict[str, np.ndarray] = {}
        for name, column in figures.items():
            shift, theta = self._hyperparameters(name, column)
            self.warps_[name] = Warp(column[np.isfinite(column)], shift)
            self._targets[name] = self.warps_[name].forward(np.nan_to_num(column, nan=np.inf))
            self.models_[name] = self._model(theta)
        self._scale_ = Scale(self._raw_parts(rows, free))
        self._condition(rows, free, self._targets)

    def believe(self, rows: np.ndarray, free: np.ndarray) -> None:
        """Takes the expected figures of these samples, still under evaluation, for true."""
        expected = self.predict(rows, free)
        targets = {name: np.append(self._targets[name], mean) for name, (mean, _) in expected.items()}
        self._condition(np.vstack([self.rows_, rows]), np.vstack([self.free_, free]), targets)

    def predict(self, rows: np.ndarray, free: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and standard deviation of each warped figure, float (n,) each."""
        parts = self._scale_(self._raw_parts(rows, free))
        return {name: model.predict(parts) for name, model in self.models_.items()}

    def _hyperparameters(self, name: str, column: np.ndarray) -> tuple[float, np.ndarray]:
        """The likeliest warp and kernel for the first so many trials; how many depends on their number alone."""
        n = scheduled(len(column))
        if (name, n) not in self._tuned:
            head = column[:n]
            parts = self._raw_parts(self.rows_[:n], self.free_[:n])
            scaled = Scale(parts)(parts)
            fits = []
            for shift in SHIFTS:
                warp = Warp(head[np.isfinite(head)], shift)
                model = self._model()
                loss = model.tune(scaled, warp.forward(np.nan_to_num(head, nan=np.inf)))
                fits.append((loss - min(n, FIT_POINTS) * warp.log_slope, shift, model.theta_))
            _, shift, theta = min(fits, key=lambda fit: fit[0])
            self._tuned[name, n] = shift, theta
        return self._tuned[name, n]

    def _model(self, theta: np.ndarray | None = None) -> GaussianProcess:
        aggregates = self._raw_parts(self.rows_[:1], self.free_[:1])[1].shape[1]
        model = GaussianProcess([self._groups, np.arange(aggregates)])
        model.theta_ = model.prior if theta is None else theta
        return model

    def _condition(self, rows: np.ndarray, free: np.ndarray, targets: Mapping[str, np.ndarray]) -> None:
        parts = self._scale_(self._raw_parts(rows, free))
        for name, model in self.models_.items():
            model.condition(parts, targets[name])

    def _raw_parts(self, rows: np.ndarray, free: np.ndarray) -> Parts:
        parameters, self._groups = self.encoding.parameter_features(rows)
        return [parameters, np.hstack([self.encoding.aggregate_features(rows), free])]


class Scale:
    """Centres both parts, and brings the columns of the second to a squared distance of 1 on average."""

    def __init__(self, parts: Parts) -> None:
        self.centres = [part.mean(axis=0) for part in parts]
        self.small = np.array([_small(np.abs(column)) for column in parts[1].T])
        bent = self._bent(parts[1])
        self.centres[1] = bent.mean(axis=0)
        self.spread = np.where(bent.std(axis=0) > 1e-9, bent.std(axis=0), np.inf) * np.sqrt(2)

    def __call__(self, parts: Parts) -> Parts:
        return [parts[0] - self.centres[0], (self._bent(parts[1]) - self.centres[1]) / self.spread]

    def _bent(self, columns: np.ndarray) -> np.ndarray:
        """Nearly linear up to the small values, logarithmic beyond: MACs and sizes span decades."""
        return np.arcsinh(columns / self.small)


def _small(sizes: np.ndarray) -> float:
    """The tenth percentile of those above 0."""
    above = sizes[sizes > 0]
    return float(np.quantile(above, 0.1)) if len(above) else 1.0


def scheduled(n: int) -> int:
    """The largest count up to `n` at which hyper-parameters are fitted.

    >>> [scheduled(n) for n in (4, 5, 23, 24, 100)]
    [4, 5, 23, 23, 94]
    """
    count = min(n, 4)
    while (following := max(count + 1, int(count * TUNE_GROWTH))) <= n:
        count = following
    return count
