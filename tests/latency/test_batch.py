"""The fast way gives the figures of the slow one."""

from __future__ import annotations

import numpy as np
import pytest

from edgetune.latency.batch import BatchPredictor
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.predictor import Predictor
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace


@pytest.mark.parametrize(("space", "resolution"), [(MOBILE_SMALL, 28), (MOBILE_SMALL, 33), (MOBILE_LARGE, 225)])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_batched_latencies_are_those_of_the_graphs(space: MobileSpace, resolution: int, precision: str) -> None:
    predictor, rng = Predictor.load("rpi4", precision=precision), np.random.default_rng(0)
    samples = [space.space.draw(rng) for _ in range(20)]
    shape = {"channels": 3, "resolution": resolution, "classes": 10}
    slow = [p.latency_ms for p in predictor.predict_many([graph_of(space.architecture(s, **shape)) for s in samples])]
    assert BatchPredictor(predictor, space, **shape).predict(samples) == pytest.approx(np.array(slow), rel=1e-9)
