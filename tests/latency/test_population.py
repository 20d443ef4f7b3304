"""What boards have in common."""

from __future__ import annotations

import numpy as np
import pytest

from edgetune.latency.cost_model import CostModel, Prior
from edgetune.latency.features import FEATURES
from edgetune.latency.population import shrunk

COUNT = len(FEATURES)


def test_the_law_that_many_boards_follow_is_found() -> None:
    rng = np.random.default_rng(0)
    truth_mean, root = rng.normal(size=COUNT), rng.normal(size=(COUNT, COUNT)) / 10
    models = [CostModel(truth_mean + root @ rng.normal(size=COUNT), np.zeros((COUNT, COUNT))) for _ in range(4000)]
    found = shrunk(models, Prior.from_data_sheet())
    np.testing.assert_allclose(found.mean, truth_mean, atol=0.05)
    np.testing.assert_allclose(found.covariance, root @ root.T, atol=0.05)


def test_few_boards_stay_near_what_is_known_of_all() -> None:
    everything, away = Prior(np.zeros(COUNT), np.eye(COUNT)), np.full(COUNT, 3.0)
    (mean,) = {float(value) for value in shrunk([CostModel(away, np.eye(COUNT))], everything).mean}
    assert mean == pytest.approx(1.0)  # one board beside the two that all settings count as
