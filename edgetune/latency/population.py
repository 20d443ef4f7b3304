"""What boards and runtimes have in common: the distribution of their factors, learned from all measured settings.

A Gaussian over the log-factors, by expectation-maximisation: each setting is fitted under the present distribution
(Laplace's approximation), then the distribution is taken anew from the fits and their uncertainties (empirical Bayes;
Efron 2010). The data sheet's prior counts as a few settings, so that features measured nowhere keep it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from edgetune.device.profile import profile_folder
from edgetune.files import atomic_write
from edgetune.latency.cost_model import Array, CostModel, Prior, fit_cost_model
from edgetune.latency.features import FEATURES, PRIOR_MEAN, PRIOR_SPREAD

ROUNDS = 6
SHEET_MEAN, SHEET_SPREAD = 2.0, 6.0
"""How many settings the data sheet counts as, for the mean and for the covariance."""
SHEET_VARIANCE = 0.3
"""Share of the data sheet's variance that it adds then: boards differ less than the sheet is uncertain."""


def learn_population(settings: Sequence[tuple[Array, Array]]) -> Prior:
    """The distribution over `settings`, each features (networks, features) and latency (networks,) in milliseconds."""
    prior = Prior.from_data_sheet()
    sheet = Prior.of(PRIOR_MEAN, SHEET_VARIANCE * np.diag(PRIOR_SPREAD**2))
    for _ in range(ROUNDS):
        prior = shrunk([fit_cost_model(features, latency, prior) for features, latency in settings], sheet)
    return prior


def shrunk(models: Sequence[CostModel], towards: Prior) -> Prior:
    """The Gaussian over the log-factors of `models`, which counts `towards` as a few more of them."""
    factors = np.array([model.log_factors for model in models])
    mean = (factors.sum(axis=0) + SHEET_MEAN * towards.mean) / (len(models) + SHEET_MEAN)
    away = factors - mean
    spread = away.T @ away + np.sum([model.covariance for model in models], axis=0)
    return Prior.of(mean, (spread + SHEET_SPREAD * towards.covariance) / (len(models) + SHEET_SPREAD))


def population_file() -> Path:
    return profile_folder() / "population.json"


def write_population(prior: Prior) -> None:
    covariance = prior.covariance
    content = {
        "features": FEATURES,
        "log_mean": [round(float(value), 5) for value in prior.mean],
        "log_covariance": [[float(f"{value:.5g}") for value in row[: i + 1]] for i, row in enumerate(covariance)],
    }
    with atomic_write(population_file()) as aside:
        aside.write_text(json.dumps(content, indent=1) + "\n")


@lru_cache(maxsize=1)
def population() -> Prior:
    """The stored distribution; the data sheet's prior where none was learned with the present features."""
    path = population_file()
    content = json.loads(path.read_text()) if path.exists() else {"features": ()}
    if tuple(content["features"]) != FEATURES:
        return Prior.from_data_sheet()
    covariance = np.zeros((len(FEATURES),) * 2)
    for i, row in enumerate(content["log_covariance"]):
        covariance[i, : i + 1] = covariance[: i + 1, i] = row
    return Prior.of(np.array(content["log_mean"]), covariance)
