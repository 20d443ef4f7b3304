"""What the predictor of every board and setting must hold to."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgetune.device.profile import list_profiles, load_profile, profile_folder
from edgetune.latency.fitted import read_fitted
from edgetune.latency.graph import Graph
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph

BOARDS = tuple(sorted(path.parent.name for path in profile_folder().glob("*/profile.toml")))
GRAPHS = tuple(
    reference_graph(name)
    for name in ("mobilenet-v1-0.25-128", "mobilenet-v2-1.0-224", "resnet18", "mobile-small-32-random-1", "squeezenet")
)


def predictors(board: str) -> list[Predictor]:
    """One for each setting that the board's profile has, and one for a runtime that was never measured anywhere."""
    folder = profile_folder() / board
    fitted = [
        Predictor(load_profile(str(folder)), model.setting, model) for model in read_fitted(folder / "model.json")
    ]
    return [*fitted, Predictor.load(str(folder), runtime="tvm")]


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest) -> list[Predictor]:
    return predictors(request.param)


def test_every_board_is_known() -> None:
    assert len(BOARDS) == 13 and set(BOARDS) <= set(list_profiles())


def test_figures_are_positive_within_their_interval_and_of_a_kind(board: list[Predictor]) -> None:
    for predictor in board:
        for prediction in predictor.predict_many(GRAPHS):
            low, high = prediction.interval_ms
            assert 0 < low < prediction.latency_ms < high < np.inf, prediction
            assert prediction.kind == ("calibrated" if predictor.fitted else "uncalibrated")
            assert json.loads(json.dumps(prediction.to_json()))["device"] == predictor.profile.name


def test_kernels_sum_up_to_the_network_and_many_are_as_one(board: list[Predictor]) -> None:
    for predictor in board:
        together = predictor.predict_many(GRAPHS)
        for graph, known in zip(GRAPHS, together, strict=True):
            one = predictor.predict(graph)
            assert one.latency_ms == pytest.approx(known.latency_ms)
            assert one.interval_ms == pytest.approx(known.interval_ms)
            assert sum(kernel.latency_ms for kernel in one.kernels) == pytest.approx(one.latency_ms)
            assert len(one.kernels) == len(graph.kernels) + 1


def test_more_of_the_same_takes_longer(board: list[Predictor]) -> None:
    small, large = (reference_graph(f"mobilenet-v1-{width}-{side}") for width, side in ((0.25, 128), (1.0, 224)))
    for predictor in board:
        a, b = predictor.predict_many([small, large])
        assert 3 * a.latency_ms < b.latency_ms, predictor.setting.label


def test_what_was_not_measured_is_said(board: list[Predictor]) -> None:
    tiny = reference_graph("mobile-small-28-random-0")
    for predictor in board:
        assert known_or_warned(predictor, tiny)


def known_or_warned(predictor: Predictor, graph: Graph) -> bool:
    (prediction,) = predictor.predict_many([graph])
    if predictor.fitted is None:
        return any("was not measured" in warning for warning in prediction.warnings)
    low, high = predictor.fitted.measured.mmacs
    return low <= graph.macs / 1e6 <= high or any("extrapolated" in warning for warning in prediction.warnings)
