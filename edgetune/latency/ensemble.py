"""Several cost models that agree with the measurements, each weighted by how probable it makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgetune.latency.cost_model import Array, CostModel


@dataclass(frozen=True)
class Member:
    """A cost model, its weight, and where its prior came from."""

    model: CostModel
    weight: float
    origin: str


@dataclass(frozen=True)
class Ensemble:
    members: tuple[Member, ...]

    @classmethod
    def of(cls, model: CostModel, origin: str) -> Ensemble:
        return cls((Member(model, 1.0, origin),))

    @classmethod
    def weighted(cls, fits: Sequence[tuple[float, CostModel, str]]) -> Ensemble:
        """By the logarithm of how probable each makes the measurements, up to a constant; with its origin."""
        scores = np.array([score for score, _, _ in fits])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        return cls(tuple(Member(m, float(w), origin) for (_, m, origin), w in zip(fits, weights, strict=True)))

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Latencies (networks,) in milliseconds, and the spreads of their logarithms with the members' disagreement."""
        weights = np.array([member.weight for member in self.members])[:, None]
        predictions = [member.model.predict(features) for member in self.members]
        logarithms, spreads = np.array([p[0] for p in predictions]), np.array([p[1] for p in predictions])
        mean = (weights * logarithms).sum(axis=0)
        variance = (weights * (spreads**2 + (logarithms - mean) ** 2)).sum(axis=0)
        return np.exp(mean), np.sqrt(variance)

    def kernel_costs(self, features: Array) -> Array:
        """Each kernel's milliseconds, the mean over the members, from (…, features) to (…)."""
        costs: Array = self.feature_costs(features).sum(axis=-1)
        return costs

    def feature_costs(self, features: Array) -> Array:
        """Each feature's milliseconds, the mean over the members, shape (…, features)."""
        factors = np.sum([member.weight * np.exp(member.model.log_factors) for member in self.members], axis=0)
        costs: Array = features * factors
        return costs
