"""The roofline: what is counted by hand, ceilings as the closed form gives them."""

from __future__ import annotations

import pytest

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.latency.roofline import roofline


def test_one_convolution_by_hand() -> None:
    builder = GraphBuilder("one", (16, 8, 8))
    builder.conv(INPUT, 32)
    found = roofline(builder.graph(), Predictor.load("rpi4"))
    (point,) = found.points
    assert point.macs == 16 * 32 * 64
    assert point.bytes == 4 * (16 * 64 + 32 * 17 + 32 * 64)
    assert point.intensity == pytest.approx(32768 / 14464)
    assert point.gmacs_per_s == pytest.approx(point.macs / 1e6 / point.latency_ms)


def test_ceilings_are_the_data_sheets() -> None:
    """Four cores of the Cortex-A72, four multiply-accumulates a cycle each, at 1.8 GHz; 4 GB/s."""
    found = roofline(reference_graph("mobilenet-v2-1.0-224"), Predictor.load("rpi4"))
    assert found.peak_gmacs_per_s == pytest.approx(4 * 4 * 1.8) and found.ridge == pytest.approx(28.8 / 4)
    assert found.ceiling(1e6) == found.peak_gmacs_per_s and found.ceiling(0.5) == pytest.approx(2.0)
    assert len(found.points) == 53 and 0.5 < sum(point.share for point in found.points) < 1
