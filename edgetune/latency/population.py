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
from edgetune.latency.cost_model import Array, Prior, fit_cost_model
from edgetune.latency.features import FEATURES, PRIOR_MEAN, PRIOR_SPREAD

ROUNDS = 6
SHEET_MEAN, SHEET_SPREAD = 2.0, 6.0
"""How many settings the data sheet counts as, for the mean and for the covariance."""
SHEET_VARIANCE = 0.3
"""Share of the data sheet's variance that it adds then: boards differ less than the sheet is uncertain."""


def learn_population(settings: Sequence[tuple[Array, Array]]) -> Prior:
    """The distribution over `settings`, each features (networks, features) and latency (networks,) in milliseconds."""
    mean, covariance = PRIOR_MEAN.copy(), np.diag(PRIOR_SPREAD**2)
    sheet = SHEET_SPREAD * SHEET_VARIANCE * np.diag(PRIOR_SPREAD**2)
    for _ in range(ROUNDS):
        prior = Prior(mean, np.linalg.inv(covariance).astype(np.float64))
        fits = [fit_cost_model(features, latency, prior) for features, latency in settings]
        factors = np.array([fit.log_factors for fit in fits])
        mean = (factors.sum(axis=0) + SHEET_MEAN * PRIOR_MEAN) / (len(fits) + SHEET_MEAN)
        away = factors - mean
        spread = away.T @ away + np.sum([fit.covariance for fit in fits], axis=0)
        covariance = (spread + sheet) / (len(fits) + SHEET_SPREAD)
    return Prior(mean, np.linalg.inv(covariance).astype(np.float64))


def population_file() -> Path:
    return profile_folder() / "population.json"


def write_population(prior: Prior) -> None:
    covariance = np.linalg.inv(prior.precision)
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
    return Prior(np.array(content["log_mean"]), np.linalg.inv(covariance).astype(np.float64))
