"""A predictor learns from a few measurements: against a board whose true factors are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgetune.latency.features import graph_features
from edgetune.latency.graph import Graph
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.pipeline.recalibration import most_telling, recalibrated

GRAPHS = [reference_graph(f"mobile-small-28-random-{i}") for i in range(24)]
CLOCKED, HELD = GRAPHS[:8], GRAPHS[8:]


@pytest.fixture(scope="module")
def known() -> Predictor:
    return Predictor.load("rpi4")


def error(predictor: Predictor, graphs: list[Graph], truth: np.ndarray) -> float:
    found = np.array([prediction.latency_ms for prediction in predictor.predict_many(graphs)])
    return float(np.abs(found / truth - 1).mean())


def test_a_unit_that_is_slower_than_its_kind_is_learnt(known: Predictor) -> None:
    def unit(graphs: list[Graph]) -> np.ndarray:
        return np.array([1.15 * prediction.latency_ms for prediction in known.predict_many(graphs)])

    learnt = recalibrated(known, CLOCKED, list(unit(CLOCKED)), "2.7.1")
    assert error(known, HELD, unit(HELD)) == pytest.approx(0.13, abs=0.01)
    assert error(learnt, HELD, unit(HELD)) < 0.03
    assert learnt.setting == known.setting


def test_what_agrees_with_the_predictor_changes_little(known: Predictor) -> None:
    latencies = [prediction.latency_ms for prediction in known.predict_many(CLOCKED)]
    learnt = recalibrated(known, CLOCKED, latencies, "2.7.1")
    assert error(learnt, HELD, np.array([p.latency_ms for p in known.predict_many(HELD)])) < 0.03


def test_a_runtime_without_measurements_gets_its_first_model() -> None:
    before = Predictor.load("rpi4", runtime="onnxruntime")
    assert before.kind == "uncalibrated"
    rng = np.random.default_rng(0)
    factors = np.exp(before.model.members[0].model.log_factors + rng.normal(0.5, 0.2))

    def board(graphs: list[Graph]) -> np.ndarray:
        return np.array([graph_features(graph, before.machine) for graph in graphs]) @ factors

    assert recalibrated(before, CLOCKED[:2], list(board(CLOCKED[:2])), "1.32.0") is before
    learnt = recalibrated(before, CLOCKED, list(board(CLOCKED)), "1.32.0")
    assert (learnt.kind, learnt.setting.version) == ("calibrated", "1.32.0")
    assert error(learnt, HELD, board(HELD)) < 0.1 < error(before, HELD, board(HELD))
    (one,) = learnt.predict_many(HELD[:1])
    assert one.interval_ms[0] < one.latency_ms < one.interval_ms[1]


def test_the_most_telling_networks_differ_from_one_another(known: Predictor) -> None:
    """Twice the same network tells nothing new."""
    chosen = most_telling(known, [GRAPHS[0], replace(GRAPHS[0], name="again"), *GRAPHS[1:]], 4)
    assert len(set(chosen)) == 4
    assert not {0, 1} <= set(chosen)
