"""Which networks to measure: those that leave the least uncertainty about the networks one cares for.

Under a linear model with Gaussian weights, what a measurement teaches is known before it is taken. Networks are chosen
one after another, each the one that lowers the mean variance over the targets most (Cohn 1996, "active learning with
statistical models"; Krause 2008 for such choices among Gaussian processes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.latency.cost_model import NOISE, Array, CostModel, Prior

GAIN_LOST = 1e-12


def choose(
    candidates: Sequence[Array], targets: Array, covariance: Array, count: int, *, noise: float = NOISE
) -> list[int]:
    """Positions of the candidates to measure, the most telling first.

    Parameters
    ----------
    candidates
        For each what a measurement of it observes: rows of shape (observations, weights), one row for a network's
        latency, several where its kernels are clocked too.
    targets
        Shape (networks, weights): what is to be predicted.
    covariance
        Of the weights, as known now; shape (weights, weights).
    noise
        Spread of an observation.
    """
    known, chosen = covariance.copy(), list[int]()
    bounds = [np.inf] * len(candidates)
    while len(chosen) < min(count, len(candidates)):
        aim = known @ targets.T
        fresh = [False] * len(candidates)
        while True:  # a gain only shrinks with what is known, so one that is still the largest anew is the largest
            best = max((i for i in range(len(candidates)) if i not in chosen), key=bounds.__getitem__)
            if fresh[best]:
                break
            bounds[best], fresh[best] = _gain(candidates[best], aim, known, noise), True
        chosen.append(best)
        known = observe(known, candidates[best], noise)
    return chosen


def _gain(rows: Array, aim: Array, known: Array, noise: float) -> float:
    """How much the summed variance of the targets falls."""
    factor = np.linalg.cholesky(rows @ known @ rows.T + noise**2 * np.eye(len(rows)))
    return float((np.linalg.solve(factor, rows @ aim) ** 2).sum()) + GAIN_LOST


def observe(known: Array, rows: Array, noise: float) -> Array:
    """The covariance after a measurement."""
    product = known @ rows.T
    after: Array = known - product @ np.linalg.solve(rows @ product + noise**2 * np.eye(len(rows)), product.T)
    return after


def sensitivities(features: Array, model: CostModel) -> Array:
    """How the logarithm of each latency follows the logarithms of the factors, shape (networks, features)."""
    parts = features * np.exp(model.log_factors)
    shares: Array = parts / parts.sum(axis=1, keepdims=True)
    return shares


def informative_networks(features: Array, prior: Prior, count: int) -> list[int]:
    """The networks, of features (networks, features), that tell most about all of them on a board not yet measured."""
    rows = sensitivities(features, CostModel.from_prior(prior))
    return choose([row[None] for row in rows], rows, prior.covariance, count)
