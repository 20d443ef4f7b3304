"""A predictor, once a board has clocked a few networks of the search at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgetune.latency.cost_model import Array, Prior, fit_beneath
from edgetune.latency.design import choose, sensitivities
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.features import features_of
from edgetune.latency.fit import Data, fit_setting
from edgetune.latency.fitted import FittedMember
from edgetune.latency.graph import Graph
from edgetune.latency.known import known_settings
from edgetune.latency.population import population
from edgetune.latency.predictor import Predictor

FEWEST = 3
"""Networks without which a runtime that was never measured on the board is not fitted."""
UNIT = 0.1
"""By how much, as a logarithm, one board may be faster as a whole than another of its kind."""
ROUNDED = 0.03
"""Of each logarithm: profiles keep covariances to three digits, of which some could not be inverted."""


def most_telling(predictor: Predictor, graphs: Sequence[Graph], count: int) -> list[int]:
    """Positions of the networks whose measurement makes the predictor surest of all of them."""
    features = _features(predictor, graphs)
    model = max(predictor.model.members, key=lambda member: member.weight).model
    rows = sensitivities(features, model)
    return choose([row[None] for row in rows], rows, model.covariance, count)


def recalibrated(predictor: Predictor, graphs: Sequence[Graph], latencies: Sequence[float], version: str) -> Predictor:
    """The predictor that has learnt from measurements in its own runtime and with its own threads.

    What it knew is the prior, widened by what boards of one kind differ in; a runtime that was never measured on this
    board leans on those of other boards, as in :func:`edgetune.latency.calibrate.calibrate`.

    Parameters
    ----------
    latencies
        Milliseconds, one a graph.
    version
        Of the runtime that was clocked.
    """
    latency = np.array(latencies)
    if predictor.fitted is not None:
        ensemble = _updated(predictor.model, _features(predictor, graphs), latency)
        members = [FittedMember.of(member) for member in ensemble.members]
        return replace(predictor, fitted=predictor.fitted.model_copy(update={"members": members}))
    if len(graphs) < FEWEST:
        return predictor
    setting = replace(predictor.setting, version=version)
    names = tuple(graph.name for graph in graphs)
    data = Data(setting, names, tuple(graphs), _features(predictor, graphs), latency)
    return replace(predictor, setting=setting, fitted=fit_setting(data, population(), known_settings()))


def _updated(ensemble: Ensemble, features: Array, latency: Array) -> Ensemble:
    """Each member's posterior, weighted anew by how probable it makes the measurements."""
    fits = []
    for member in ensemble.members:
        model = member.model
        prior = Prior.of(model.log_factors, model.covariance + UNIT**2 + ROUNDED**2 * np.eye(len(model.log_factors)))
        score, fit = fit_beneath(model.residual, features, latency, prior)
        fits.append((np.log(max(member.weight, 1e-9)) + score, fit, member.origin))
    return Ensemble.weighted(fits)


def _features(predictor: Predictor, graphs: Sequence[Graph]) -> Array:
    return features_of(graphs, predictor.machine)
