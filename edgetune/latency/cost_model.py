"""An additive cost model: latency = features · factors, with factors > 0 fitted as a maximum a posteriori estimate.

The logarithms of the factors have a Gaussian prior; the errors of the measurements are relative (Gaussian in the
logarithm of the latency). Gauss–Newton with Levenberg's damping finds the mode, Laplace's approximation the spread
around it, so that a network made of parts that were never measured gets a wide interval by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetune.latency.features import PRIOR_MEAN, PRIOR_SPREAD

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Gaussian over the logarithms of the factors: mean (features,), precision matrix (features, features)."""

    mean: Array
    precision: Array


def data_sheet_prior() -> Prior:
    return Prior(PRIOR_MEAN, np.diag(PRIOR_SPREAD**-2.0))


@dataclass(frozen=True)
class CostModel:
    """Log-factors, their covariance, and the relative spread of a measurement around the model."""

    log_factors: Array
    covariance: Array
    noise: float

    @classmethod
    def from_data_sheet(cls) -> CostModel:
        """The prior itself, for boards and runtimes without measurements."""
        return cls(PRIOR_MEAN, np.diag(PRIOR_SPREAD**2), 0.1)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Latencies in milliseconds and the spread of their logarithms; `features` has shape (networks, features)."""
        parts = features * np.exp(self.log_factors)
        latency = parts.sum(axis=1)
        shares = parts / latency[:, None]
        variance = np.einsum("nf,fg,ng->n", shares, self.covariance, shares)
        return latency, np.sqrt(variance + self.noise**2)


def fit_cost_model(features: Array, latency_ms: Array, prior: Prior, noise: float, iterations: int = 100) -> CostModel:
    """The most probable factors.

    Parameters
    ----------
    features
        Shape (networks, features), data-sheet milliseconds.
    latency_ms
        Shape (networks,), measured.
    noise
        Relative spread of a measurement around the model.
    """
    target, u, damping = np.log(latency_ms), prior.mean.copy(), 1e-2

    def residuals(u: Array) -> tuple[Array, Array, float]:
        parts = features * np.exp(u)
        latency = parts.sum(axis=1)
        error = (np.log(latency) - target) / noise
        return (
            error,
            parts / latency[:, None] / noise,
            float(error @ error + (u - prior.mean) @ prior.precision @ (u - prior.mean)),
        )

    error, jacobian, loss = residuals(u)
    for _ in range(iterations):
        hessian = jacobian.T @ jacobian + prior.precision
        gradient = jacobian.T @ error + prior.precision @ (u - prior.mean)
        step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
        trial = residuals(u + step)
        if trial[2] > loss:
            damping *= 5
            if damping > 1e10:
                break
            continue
        gain, u, damping = loss - trial[2], u + step, max(damping / 5, 1e-9)
        error, jacobian, loss = trial
        if gain < 1e-8 * loss:
            break
    covariance = np.linalg.inv(jacobian.T @ jacobian + prior.precision)
    return CostModel(u, covariance.astype(np.float64), noise)
