"""From a board's measurements to its fitted models, with cross-validated errors and calibrated intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil

import numpy as np

from edgetune.device.profile import Profile
from edgetune.errors import DataError
from edgetune.latency.cost_model import Array, Prior, fit_cost_model
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.features import FEATURES, features_of, machine_of
from edgetune.latency.fitted import Errors, Fitted, FittedMember, Measured
from edgetune.latency.graph import Graph
from edgetune.latency.measurements import Measurement, by_setting
from edgetune.latency.reference import family_of, reference_graph
from edgetune.latency.setting import Setting
from edgetune.latency.stored_graphs import fingerprint
from edgetune.latency.transfer import Known, transfer

COVERAGE = 0.9
FEW_SCALE, FEW_WEIGHT = 1.1, 4
"""Of settings with few networks: the scale of the standardised errors over the known boards, each new with six networks
(tools/bench/latency.py), and how many networks of the setting's own that is worth."""
ENOUGH = 25
"""Networks from which on a setting is fitted by itself; with fewer it leans on the settings already known."""
FOLDS = 6
MOST = 1000
"""Networks used of a setting; more tell nothing new to so few factors."""

Fitter = Callable[[Array, Array], Ensemble]


@dataclass(frozen=True)
class Data:
    """A setting's measurements: features (networks, features), latency (networks,) in milliseconds."""

    setting: Setting
    names: tuple[str, ...]
    graphs: tuple[Graph, ...]
    features: Array
    latency: Array


def gather(
    profile: Profile,
    setting: Setting,
    measurements: Sequence[Measurement],
    read: Callable[[str], Graph] = reference_graph,
) -> Data:
    """
    Raises
    ------
    DataError
        A name that no longer means the network that was measured.
    EdgetuneError
        A network that cannot be read.
    """
    machine = machine_of(profile, setting)
    names = tuple(measurement.network for measurement in measurements)
    graphs = tuple(_same(measurement, read(measurement.network)) for measurement in measurements)
    features = features_of(graphs, machine)
    return Data(setting, names, graphs, features, np.array([measurement.latency_ms for measurement in measurements]))


def _same(measurement: Measurement, graph: Graph) -> Graph:
    if measurement.graph and measurement.graph != fingerprint(graph):
        raise DataError(
            "this is not the network that was measured under its name",
            where=measurement.network,
            mend="give the ONNX file that was measured, or measure again",
        )
    return graph


def fit_profile(
    profile: Profile, measurements: list[Measurement], prior: Prior, known: Sequence[Known] = ()
) -> list[Fitted]:
    """One model for each setting that has at least three networks; `prior` and `known` speak of other boards."""
    groups = [
        gather(profile, setting, group[:MOST]) for setting, group in by_setting(measurements).items() if len(group) >= 3
    ]
    own = [as_known(profile.name, data, prior) for data in groups if len(data.names) >= ENOUGH]
    return [fit_setting(data, prior, [*known, *own]) for data in groups]


def fit_setting(data: Data, prior: Prior, known: Sequence[Known] = ()) -> Fitted:
    """The model of one setting: its own where it has enough networks, else leaning on the `known` ones."""

    def fitter(features: Array, latency: Array) -> Ensemble:
        if known and len(data.names) < ENOUGH:
            return transfer(features, latency, data.setting, known, prior)
        return Ensemble.of(fit_cost_model(features, latency, prior), "all boards")

    held_out = {
        name: cross_predict(data.features, data.latency, groups, fitter)
        for name, groups in splits(data).items()
        if len(set(groups)) >= 3
    }
    found = np.concatenate([scores(data.latency, *prediction) for prediction in held_out.values()])
    quantile = conformal_quantile(found) if len(data.names) >= ENOUGH else few_quantile(found)
    ensemble = fitter(data.features, data.latency)
    return Fitted(
        **asdict(data.setting),
        members=[FittedMember.of(member) for member in ensemble.members],
        quantile=round(quantile, 4),
        measured=extent(data),
        errors={name: errors(data.latency, *prediction, quantile) for name, prediction in held_out.items()},
    )


def as_known(device: str, data: Data, prior: Prior) -> Known:
    model = fit_cost_model(data.features, data.latency, prior)
    return Known.from_measurements(device, data.setting, model, data.features, data.latency)


def splits(data: Data) -> dict[str, list[str]]:
    """What is held out together: networks of one width (all resolutions), of one family; or a sixth of the networks."""
    families = [family_of(name) for name in data.names]
    if len(data.names) < ENOUGH or len(set(families)) < 3:
        return {"networks": [str(i % FOLDS) for i in np.random.default_rng(0).permutation(len(data.names))]}
    return {"width": [str(graph.parameters) for graph in data.graphs], "family": families}


def cross_predict(features: Array, latency: Array, groups: Sequence[str], fitter: Fitter) -> tuple[Array, Array]:
    """Each group's latencies and spreads as predicted by a model that never saw the group."""
    predicted, spread = np.empty_like(latency), np.empty_like(latency)
    labels = np.array(groups)
    for group in dict.fromkeys(groups):
        held = labels == group
        predicted[held], spread[held] = fitter(features[~held], latency[~held]).predict(features[held])
    return predicted, spread


def scores(latency: Array, predicted: Array, spread: Array) -> Array:
    """How many spreads each prediction is off, shape (networks,)."""
    off: Array = np.abs(np.log(predicted / latency)) / spread
    return off


def conformal_quantile(scores: Array) -> float:
    """The split-conformal quantile, with its correction for a finite sample (Vovk 2005; Lei 2018)."""
    rank = min(len(scores), ceil((len(scores) + 1) * COVERAGE))
    return float(np.sort(scores)[rank - 1])


def few_quantile(scores: Array) -> float:
    """Student's t at the scale that the known boards and the few held-out errors say together.

    The posterior predictive of a normal with unknown variance under a scaled inverse χ² prior (Gelman 2013, 3.2).
    """
    from scipy.stats import t

    degrees = FEW_WEIGHT + len(scores)
    scale = np.sqrt((FEW_WEIGHT * FEW_SCALE**2 + (scores**2).sum()) / degrees)
    return float(scale * t.ppf((1 + COVERAGE) / 2, degrees))


def errors(latency: Array, predicted: Array, spread: Array, quantile: float) -> Errors:
    from scipy.stats import spearmanr

    relative = np.abs(predicted / latency - 1)
    covered = scores(latency, predicted, spread) <= quantile
    order = spearmanr(latency, predicted).statistic if np.ptp(latency) > 0 else 0.0  # equal ones have none
    return Errors(
        mape_pct=round(100 * float(relative.mean()), 2),
        within_10_pct=round(100 * float((relative <= 0.1).mean()), 1),
        spearman=round(float(order), 4),
        coverage_pct=round(100 * float(covered.mean()), 1),
        networks=len(latency),
    )


def extent(data: Data) -> Measured:
    sides = [graph.input[1] for graph in data.graphs]
    mmacs = [graph.macs / 1e6 for graph in data.graphs]
    return Measured(
        networks=len(data.graphs),
        resolution=(min(sides), max(sides)),
        mmacs=(round(min(mmacs), 2), round(max(mmacs), 2)),
        latency_ms=(float(data.latency.min()), float(data.latency.max())),
        features=tuple(name for name, column in zip(FEATURES, data.features.T, strict=True) if column.any()),
    )
