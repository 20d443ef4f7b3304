"""From a board's measurements to its fitted models, with cross-validated errors and calibrated intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgetune.device.profile import Profile
from edgetune.latency.cost_model import CostModel, Prior, data_sheet_prior, fit_cost_model
from edgetune.latency.features import FEATURES, graph_features, machine_of
from edgetune.latency.fitted import Errors, Fitted, Measured
from edgetune.latency.graph import Graph
from edgetune.latency.measurements import Measurement, by_setting
from edgetune.latency.reference import family_of, reference_graph
from edgetune.latency.setting import Setting

Array = NDArray[np.float64]

NOISE = 0.02  # repeated runs of one submitter differ by about 2 %
COVERAGE = 0.9
FEWEST = 8
"""Settings with fewer networks get no model of their own."""


def fit_profile(profile: Profile, measurements: list[Measurement]) -> list[Fitted]:
    """One model for each setting that has enough measurements."""
    groups = by_setting(measurements)
    return [fit_setting(profile, setting, group) for setting, group in groups.items() if len(group) >= FEWEST]


def fit_setting(profile: Profile, setting: Setting, measurements: Sequence[Measurement]) -> Fitted:
    graphs = [reference_graph(measurement.network) for measurement in measurements]
    machine = machine_of(profile, setting)
    features = np.array([graph_features(graph, machine) for graph in graphs])
    latency = np.array([measurement.latency_ms for measurement in measurements])
    prior = data_sheet_prior()
    splits = {
        "width": [str(graph.parameters) for graph in graphs],
        "family": [family_of(measurement.network) for measurement in measurements],
    }
    held_out = {name: cross_predict(features, latency, groups, prior) for name, groups in splits.items()}
    scores = np.concatenate([np.abs(np.log(p / latency)) / s for p, s in held_out.values()])
    quantile = conformal_quantile(scores)
    model = fit_cost_model(features, latency, prior, NOISE)
    return Fitted(
        runtime=setting.runtime,
        version=setting.version,
        precision=setting.precision,
        threads=setting.threads,
        cpu_mhz=setting.cpu_mhz,
        factors={
            name: round(float(factor), 5) for name, factor in zip(FEATURES, np.exp(model.log_factors), strict=True)
        },
        covariance=[[float(f"{value:.4g}") for value in row] for row in model.covariance],
        noise=NOISE,
        quantile=round(quantile, 4),
        measured=extent(graphs, features, latency),
        errors={name: errors(latency, *prediction, quantile) for name, prediction in held_out.items()},
    )


def cross_predict(features: Array, latency: Array, groups: Sequence[str], prior: Prior) -> tuple[Array, Array]:
    """Each group's latencies and spreads as predicted by a model that never saw the group."""
    predicted, spread = np.empty_like(latency), np.empty_like(latency)
    labels = np.array(groups)
    for group in dict.fromkeys(groups):
        held = labels == group
        model: CostModel = fit_cost_model(features[~held], latency[~held], prior, NOISE)
        predicted[held], spread[held] = model.predict(features[held])
    return predicted, spread


def conformal_quantile(scores: Array, coverage: float = COVERAGE) -> float:
    """The split-conformal quantile, with its correction for a finite sample (Vovk 2005; Lei 2018)."""
    level = min(1.0, np.ceil((len(scores) + 1) * coverage) / len(scores))
    return float(np.quantile(scores, level, method="higher"))


def errors(latency: Array, predicted: Array, spread: Array, quantile: float) -> Errors:
    from scipy.stats import spearmanr

    relative = np.abs(predicted / latency - 1)
    covered = np.abs(np.log(predicted / latency)) <= quantile * spread
    return Errors(
        mape_pct=round(100 * float(relative.mean()), 2),
        within_10_pct=round(100 * float((relative <= 0.1).mean()), 1),
        spearman=round(float(spearmanr(latency, predicted).statistic), 4),
        coverage_pct=round(100 * float(covered.mean()), 1),
        networks=len(latency),
    )


def extent(graphs: Sequence[Graph], features: Array, latency: Array) -> Measured:
    sides = [graph.input[1] for graph in graphs]
    mmacs = [graph.macs / 1e6 for graph in graphs]
    return Measured(
        networks=len(graphs),
        resolution=(min(sides), max(sides)),
        mmacs=(round(min(mmacs), 2), round(max(mmacs), 2)),
        latency_ms=(float(latency.min()), float(latency.max())),
        features=tuple(name for name, column in zip(FEATURES, features.T, strict=True) if column.any()),
    )
