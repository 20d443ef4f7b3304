"""Few measurements of a new setting, and what is known of other settings.

Each known setting proposes a prior: its own factors, with room for another board's speed (all factors shift together),
balance (overheads, arithmetic and memory shift apart) and details (each factor by itself), and its residual. So does
the distribution over the settings of the same runtime: what its boards have in common, and how they differ. The new
setting is fitted under each proposal; the fits are weighted by their evidence, so a board resembles those that explain
its few measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgetune.latency.cost_model import Array, CostModel, Prior, Residual, fit_beneath
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.features import FEATURES
from edgetune.latency.population import shrunk
from edgetune.latency.setting import Setting

SPEED, BALANCE, DETAIL = 0.4, 0.3, 0.25
"""Spreads of the logarithms of the factors between two settings."""
POWER = 0.25
"""Of the evidence (the safe Bayesian; Grünwald 2012): no proposal is the truth, and networks err about twice as far
from the best as the noise of a measurement says, so that each counts for a quarter of one."""
SAME = 0.75
"""Logarithm of the odds in favour of the same runtime, and again of the same precision."""
SOME = 4
"""Settings of the same runtime that make those of others superfluous."""
MOST = 8
"""Members kept."""


@dataclass(frozen=True)
class Known:
    """A fitted setting of another board, or of another runtime of the same board."""

    device: str
    setting: Setting
    model: CostModel
    measured: frozenset[float] = frozenset()
    """The latencies that it was fitted to."""

    @classmethod
    def from_measurements(
        cls, device: str, setting: Setting, model: CostModel, features: Array, latency: Array
    ) -> Known:
        """With the residual of its measurements."""
        plain = CostModel(model.log_factors, model.covariance)
        error = np.log(latency) - plain.predict(features)[0]
        whole = CostModel(model.log_factors, model.covariance, Residual.fit(features, error))
        return cls(device, setting, whole, frozenset(np.round(latency, 6).tolist()))

    @property
    def label(self) -> str:
        return f"{self.device} {self.setting.label}"


def transfer(
    features: Array, latency_ms: Array, setting: Setting, known: Sequence[Known], everything: Prior
) -> Ensemble:
    """The ensemble for `setting` from measurements of shape (networks, features) and (networks,).

    `everything` is the distribution over all settings: the last proposal, for boards that resemble none.
    """
    precision = np.linalg.inv(deviation()).astype(np.float64)
    fits: list[tuple[float, CostModel, str]] = []

    def propose(label: str, prior: Prior, residual: Residual | None = None, kinship: float = 0.0) -> None:
        evidence, fit = fit_beneath(residual, features, latency_ms, prior, iterations=25)
        fits.append((POWER * evidence + SAME * kinship, fit, label))

    for source in kindred(setting, known):
        kinship = (source.setting.runtime == setting.runtime) + (source.setting.precision == setting.precision)
        propose(source.label, Prior(source.model.log_factors, precision), source.model.residual, kinship)
    same = [source.model for source in known if source.setting.runtime == setting.runtime]
    if len(same) >= SOME:
        propose(f"boards with {setting.runtime}", shrunk(same, everything), kinship=2)
    propose("all boards", everything)
    return Ensemble.weighted(sorted(fits, key=lambda fit: -fit[0])[:MOST])


def kindred(setting: Setting, known: Sequence[Known]) -> Sequence[Known]:
    """The settings of the same runtime, if there are some; else all."""
    same = [source for source in known if source.setting.runtime == setting.runtime]
    return same if len(same) >= SOME else known


def deviation() -> Array:
    """Covariance of the difference between two settings' log-factors, shape (features, features)."""
    groups = np.array([_group(name) for name in FEATURES])
    together = (groups[:, None] == groups[None]).astype(float)
    covariance: Array = SPEED**2 + BALANCE**2 * together + DETAIL**2 * np.eye(len(FEATURES))
    return covariance


def _group(feature: str) -> str:
    if feature == "network" or feature.endswith(".call"):
        return "overhead"
    return "arithmetic" if feature.endswith(".macs") else "memory"
