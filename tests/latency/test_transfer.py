"""What settings of one runtime have in common, and a new board of that runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edgetune.latency.cost_model import CostModel, Prior
from edgetune.latency.features import FEATURES
from edgetune.latency.setting import Setting
from edgetune.latency.transfer import Known, distribution, transfer

COUNT = len(FEATURES)


def test_the_law_that_many_boards_follow_is_found() -> None:
    rng = np.random.default_rng(0)
    truth_mean, root = rng.normal(size=COUNT), rng.normal(size=(COUNT, COUNT)) / 10
    models = [CostModel(truth_mean + root @ rng.normal(size=COUNT), np.zeros((COUNT, COUNT))) for _ in range(4000)]
    found = distribution(models, Prior.from_data_sheet())
    np.testing.assert_allclose(found.mean, truth_mean, atol=0.05)
    np.testing.assert_allclose(np.linalg.inv(found.precision), root @ root.T, atol=0.05)


def test_few_boards_stay_near_what_is_known_of_all() -> None:
    everything, away = Prior(np.zeros(COUNT), np.eye(COUNT)), np.full(COUNT, 3.0)
    (mean,) = {float(value) for value in distribution([CostModel(away, np.eye(COUNT))], everything).mean}
    assert mean == pytest.approx(1.0)  # one board beside the two that all settings count as


def test_a_runtime_of_its_own_kind_is_told_from_three_networks() -> None:
    """Its boards agree on factors far from all others', but for speed; a fourth board differs in speed alone."""
    rng = np.random.default_rng(1)
    factors, everything = rng.normal(0, 1.5, COUNT), Prior(np.zeros(COUNT), np.eye(COUNT))
    known = [
        Known(f"board{i}", Setting("ncnn", "", "fp32", 4, 1000), CostModel(factors + shift, 0.01 * np.eye(COUNT)))
        for i, shift in enumerate(rng.normal(0, 0.4, 8))
    ]
    features = rng.random((40, COUNT)) ** 4
    latency = features @ np.exp(factors + 0.3)
    setting = Setting("ncnn", "", "fp32", 4, 2000)
    predicted, _ = transfer(features[:3], latency[:3], setting, known, everything).predict(features[3:])
    assert np.abs(predicted / latency[3:] - 1).mean() < 0.1
