"""An additive cost model: latency = features · factors, with factors > 0 fitted as a maximum a posteriori estimate.

The logarithms of the factors have a Gaussian prior. The errors of the measurements are relative and have heavy tails
(Student's t on the logarithm of the latency): published tables hold runs that something disturbed. Reweighted
Gauss-Newton steps with Levenberg's damping find the mode, Laplace's approximation the spread around it, so that a
network made of parts that were never measured gets a wide interval by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgetune.latency.farthest import farthest
from edgetune.latency.features import PRIOR_MEAN, PRIOR_SPREAD

Array = NDArray[np.float64]

NOISE = 0.03
"""Relative spread of a measurement around the model."""
DEGREES = 4.0
"""Of Student's t; Lange 1989 finds 4 to serve where they cannot be estimated."""


@dataclass(frozen=True)
class Prior:
    """Gaussian over the logarithms of the factors: mean (features,), precision matrix (features, features)."""

    mean: Array
    precision: Array

    @classmethod
    def from_data_sheet(cls) -> Prior:
        return cls(PRIOR_MEAN, np.diag(PRIOR_SPREAD**-2.0))

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Prior:
        return cls(mean, np.linalg.inv(covariance).astype(np.float64))

    @property
    def covariance(self) -> Array:
        return np.linalg.inv(self.precision).astype(np.float64)

    def times(self, other: Prior) -> Prior:
        """The product of both densities: what two independent sources say together."""
        precision = self.precision + other.precision
        mean = np.linalg.solve(precision, self.precision @ self.mean + other.precision @ other.mean)
        return Prior(mean.astype(np.float64), precision)


@dataclass(frozen=True)
class Residual:
    """What the factors leave over: a Gaussian process on the shares of the features.

    Of many networks a few serve as inducing points (the subset of regressors; Quiñonero-Candela 2005): `anchors` has
    shape (anchors, features), `coefficients` (anchors,).
    """

    anchors: Array
    coefficients: Array

    LENGTH = 0.15
    SPREAD = 0.1
    ANCHORS = 32
    ERROR = NOISE

    @classmethod
    def fit(cls, features: Array, error: Array) -> Self:
        """`error` is the logarithm of measured over modelled latency, shape (networks,)."""
        points = cls.points(features)
        anchors = points[farthest(points, cls.ANCHORS)]
        stiffness = np.linalg.cholesky(cls._kernel(anchors, anchors) + 1e-9 * np.eye(len(anchors)))
        system = np.vstack([cls._kernel(points, anchors), cls.ERROR * stiffness.T])
        targets = np.append(error, np.zeros(len(anchors)))
        return cls(anchors, np.linalg.lstsq(system, targets)[0].astype(np.float64))

    def __call__(self, features: Array) -> Array:
        """The correction of the logarithm, shape (networks,)."""
        correction: Array = self._kernel(self.points(features), self.anchors) @ self.coefficients
        return correction

    @staticmethod
    def points(features: Array) -> Array:
        """Where the networks lie: networks alike in what they are made of err alike."""
        return shares(features)

    @classmethod
    def _kernel(cls, a: Array, b: Array) -> Array:
        distance = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        return cls.SPREAD**2 * np.exp(-np.maximum(distance, 0) / (2 * cls.LENGTH**2))


class SizedResidual(Residual):
    """By how long networks take, too: a long one finds the caches full of its own last layers, and is seldom left alone
    by the machine's other users from its first kernel to its last.
    """

    SIZE, SHARE = 0.15, 0.5
    """Distances that count an e-fold of the latency, and one of :func:`shares`."""
    ANCHORS = 100
    ERROR = 0.05

    @staticmethod
    def points(features: Array) -> Array:
        size = np.log(features @ np.exp(PRIOR_MEAN))
        return np.column_stack([SizedResidual.SIZE * size, SizedResidual.SHARE * shares(features)])


def shares(features: Array) -> Array:
    """Square roots of each feature's share under the data sheet."""
    times = features * np.exp(PRIOR_MEAN)
    root: Array = np.sqrt(times / times.sum(axis=1, keepdims=True))
    return root


@dataclass(frozen=True)
class CostModel:
    """Log-factors, their covariance, and a learned residual where there is one."""

    log_factors: Array
    covariance: Array
    residual: Residual | None = None

    @classmethod
    def from_prior(cls, prior: Prior) -> CostModel:
        """The prior itself, for boards and runtimes without measurements."""
        return cls(prior.mean, prior.covariance)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Logarithms of the latencies in milliseconds and their spreads; `features` has shape (networks, features)."""
        parts = features * np.exp(self.log_factors)
        latency = parts.sum(axis=1)
        share = parts / latency[:, None]
        variance = ((share @ self.covariance) * share).sum(axis=1)
        logarithm = np.log(latency)
        if self.residual is not None:
            logarithm = logarithm + self.residual(features)
        return logarithm, np.sqrt(variance + NOISE**2)


def fit_cost_model(features: Array, latency_ms: Array, prior: Prior, iterations: int = 60) -> CostModel:
    """The most probable factors.

    Parameters
    ----------
    features
        Shape (networks, features), data-sheet milliseconds.
    latency_ms
        Shape (networks,), measured.
    """
    target, u, damping = np.log(latency_ms), prior.mean.copy(), 1e-2

    def residuals(u: Array) -> tuple[Array, Array, float]:
        parts = features * np.exp(u)
        latency = parts.sum(axis=1)
        error = (np.log(latency) - target) / NOISE
        tails = (DEGREES + 1) * np.log1p(error**2 / DEGREES).sum()
        return (
            error,
            parts / latency[:, None] / NOISE,
            float(tails + (u - prior.mean) @ prior.precision @ (u - prior.mean)),
        )

    def curvature(error: Array, jacobian: Array) -> tuple[Array, Array]:
        weighted = jacobian * ((DEGREES + 1) / (DEGREES + error**2))[:, None]
        return weighted, weighted.T @ jacobian + prior.precision

    error, jacobian, loss = residuals(u)
    for _ in range(iterations):
        weighted, hessian = curvature(error, jacobian)
        gradient = weighted.T @ error + prior.precision @ (u - prior.mean)
        step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
        trial = residuals(u + np.clip(step, -2, 2))
        if trial[2] > loss:
            damping *= 5
            if damping > 1e10:
                break
            continue
        gain, u, damping = loss - trial[2], u + np.clip(step, -2, 2), max(damping / 5, 1e-9)
        error, jacobian, loss = trial
        if gain < 1e-7 * loss:
            break
    covariance = np.linalg.inv(curvature(error, jacobian)[1])
    return CostModel(u, covariance.astype(np.float64))


def log_evidence(model: CostModel, features: Array, latency_ms: Array, prior: Prior) -> float:
    """Laplace's approximation of the logarithm of the measurements' probability under the prior."""
    error = (np.log(features @ np.exp(model.log_factors)) - np.log(latency_ms)) / NOISE
    likelihood = -0.5 * (DEGREES + 1) * np.log1p(error**2 / DEGREES).sum() - len(error) * np.log(NOISE)
    away = model.log_factors - prior.mean
    volume = np.linalg.slogdet(model.covariance)[1] + np.linalg.slogdet(prior.precision)[1]
    return float(likelihood - 0.5 * away @ prior.precision @ away + 0.5 * volume)


def fit_beneath(
    residual: Residual | None, features: Array, latency_ms: Array, prior: Prior, iterations: int = 60
) -> tuple[float, CostModel]:
    """The most probable factors with a known residual on top, and the logarithm of their evidence."""
    plain = latency_ms if residual is None else latency_ms * np.exp(-residual(features))
    fit = fit_cost_model(features, plain, prior, iterations=iterations)
    return log_evidence(fit, features, plain, prior), CostModel(fit.log_factors, fit.covariance, residual)
