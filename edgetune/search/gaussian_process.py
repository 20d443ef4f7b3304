"""Gaussian-process regression on few points with many columns (Rasmussen and Williams 2006).

The kernel is a sum of squared exponentials, one for each part of the columns, and of a linear kernel over all of them.
Within a part each group of columns has a weight of its own (automatic relevance determination). Hyper-parameters
maximise the posterior under log-normal priors, which hold dozens of weights in check where points are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Parts: TypeAlias = Sequence[np.ndarray]  # for each part of the kernel, float (n, columns)

FIT_POINTS = 128  # hyper-parameters are fitted to the last so many points
ITERATIONS = 40
PRIOR_DISTANCE = 1.5  # squared distance of two random points, all weights at their prior
JITTER = 1e-6


class GaussianProcess:
    """For standardised targets. The columns are scaled so that two random values lie at a squared distance of about 1.

    Parameters
    ----------
    groups
        For each part of the kernel, the group that each column belongs to, int (columns), from 0.
    """

    def __init__(self, groups: Sequence[np.ndarray]) -> None:
        self.groups = groups
        self.sizes = [int(group.max()) + 1 if len(group) else 0 for group in groups]
        weights = [np.full(size, np.log(PRIOR_DISTANCE / max(size, 1))) for size in self.sizes]
        self.prior = np.concatenate([*weights, np.log([0.5] * len(groups) + [0.5, 0.05])])
        self.theta_ = self.prior

    def tune(self, parts: Parts, targets: np.ndarray) -> float:
        """Fits weights, scales and noise to targets, float (n,); gives the negative log posterior reached."""
        from scipy.optimize import minimize

        arguments = self.fit_arguments(parts, targets)
        options = {"maxiter": ITERATIONS}
        fit = minimize(self._loss, self.prior, arguments, "L-BFGS-B", jac=True, options=options)
        self.theta_ = fit.x
        return float(fit.fun)

    def fit_arguments(self, parts: Parts, targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """What the loss needs and no hyper-parameter changes: group distances, inner products, targets."""
        parts = [part[-FIT_POINTS:] for part in parts]
        distances = [
            np.array([_distances(part[:, group == g], part[:, group == g]) for g in range(size)])
            for part, group, size in zip(parts, self.groups, self.sizes, strict=True)
        ]
        flat = [d.reshape(size, len(parts[0]) ** 2) for d, size in zip(distances, self.sizes, strict=True)]
        return flat, _linear(parts, parts), targets[-FIT_POINTS:]

    def condition(self, parts: Parts, targets: np.ndarray) -> None:
        """Takes the points to predict from; the hyper-parameters stay."""
        from scipy.linalg import cho_factor, cho_solve

        self.parts_ = parts
        covariance = self._kernel(parts, parts)
        covariance[np.diag_indices_from(covariance)] += np.exp(self.theta_[-1]) + JITTER
        self.factor_ = cho_factor(covariance, lower=True)
        self.alpha_ = cho_solve(self.factor_, targets)

    def predict(self, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noiseless function at each point, float (n,) each."""
        from scipy.linalg import solve_triangular

        cross = self._kernel(self.parts_, parts)
        explained = solve_triangular(self.factor_[0], cross, lower=True, check_finite=False)
        _, scales, linear_scale, _ = self._unpacked(self.theta_)
        prior = scales.sum() + linear_scale * _linear_diagonal(parts)
        return cross.T @ self.alpha_, np.sqrt(np.maximum(prior - (explained**2).sum(axis=0), 1e-12))

    def _kernel(self, a: Parts, b: Parts) -> np.ndarray:
        weights, scales, linear_scale, _ = self._unpacked(self.theta_)
        kernel = linear_scale * _linear(a, b)
        for x, y, group, weight, scale in zip(a, b, self.groups, weights, scales, strict=True):
            stretch = np.sqrt(weight[group])
            kernel += scale * np.exp(-_distances(x * stretch, y * stretch))
        return kernel

    def _unpacked(self, theta: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, float, float]:
        values = np.exp(theta)
        ends = np.cumsum(self.sizes)
        weights = np.split(values[: ends[-1]], ends[:-1])
        return weights, values[ends[-1] : -2], float(values[-2]), float(values[-1])

    def _loss(
        self, theta: np.ndarray, distances: list[np.ndarray], linear: np.ndarray, targets: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Negative log posterior and its gradient."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        weights, scales, linear_scale, noise = self._unpacked(theta)
        n = len(targets)
        parts = [
            scale * np.exp(-(weight @ distance)).reshape(n, n)
            for distance, weight, scale in zip(distances, weights, scales, strict=True)
        ]
        covariance = sum(parts) + linear_scale * linear + (noise + JITTER) * np.eye(n)
        try:
            factor = cho_factor(covariance, lower=True, check_finite=False)
        except LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = cho_solve(factor, np.eye(n))
        alpha = inverse @ targets
        residual = theta - self.prior
        loss = 0.5 * targets @ alpha + np.log(np.diag(factor[0])).sum() + 0.5 * residual @ residual
        slope = 0.5 * (inverse - np.outer(alpha, alpha))
        pulls = [slope * part for part in parts]
        by_weight = [-w * (d @ pull.ravel()) for d, w, pull in zip(distances, weights, pulls, strict=True)]
        by_scale = [*(pull.sum() for pull in pulls), linear_scale * (slope * linear).sum(), noise * np.trace(slope)]
        return float(loss), np.concatenate([*by_weight, by_scale]) + residual


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, float (len(a), len(b))."""
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(square, 0.0)


def _linear(a: Parts, b: Parts) -> np.ndarray:
    """Mean over the parts of the inner product, each scaled to about 1."""
    return sum(x @ y.T / max(x.shape[1], 1) for x, y in zip(a, b, strict=True)) / len(a)


def _linear_diagonal(parts: Parts) -> np.ndarray:
    return sum((part**2).sum(axis=1) / max(part.shape[1], 1) for part in parts) / len(parts)
