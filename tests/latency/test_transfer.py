"""A new board, from few networks and what is known of others."""

from __future__ import annotations

import numpy as np

from edgetune.latency.cost_model import CostModel, Prior
from edgetune.latency.features import FEATURES
from edgetune.latency.setting import Setting
from edgetune.latency.transfer import Known, transfer

COUNT = len(FEATURES)


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
