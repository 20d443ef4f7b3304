"""Predictions for the Pi 4: plausible, honest about their reach, repeatable from the stored model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edgetune.device.profile import load_profile
from edgetune.errors import ConfigError, DeviceError
from edgetune.latency.features import FEATURES
from edgetune.latency.fit import fit_setting, gather
from edgetune.latency.fitted import read_fitted
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.measurements import board_measurements, by_setting, read_measurements
from edgetune.latency.networks import predict_networks
from edgetune.latency.part_names import PART_NAMES
from edgetune.latency.population import population
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.space.mobile import MOBILE_SMALL


def test_the_default_is_the_newest_tflite_at_the_clock_of_the_profile() -> None:
    prediction = Predictor.load("rpi4").predict(reference_graph("mobilenet-v2-1.0-224"))
    assert (prediction.runtime, prediction.precision, prediction.threads, prediction.cpu_mhz) == (
        "tflite",
        "fp32",
        4,
        1800,
    )
    assert prediction.kind == "calibrated" and "calibrated" in str(prediction) and not prediction.warnings
    low, high = prediction.interval_ms
    assert 30 < low < prediction.latency_ms < high < 120


def test_the_kernels_add_up() -> None:
    prediction = Predictor.load("rpi4").predict(reference_graph("mobilenet-v3-small_224_1.0"))
    assert math.fsum(kernel.latency_ms for kernel in prediction.kernels) == pytest.approx(prediction.latency_ms)
    assert math.fsum(kernel.share for kernel in prediction.kernels) == pytest.approx(1)
    assert prediction.costliest(3)[0].latency_ms >= prediction.costliest(3)[2].latency_ms


def test_many_at_once_are_the_same_as_one_at_a_time() -> None:
    predictor, rng = Predictor.load("rpi4"), np.random.default_rng(0)
    graphs = [
        graph_of(MOBILE_SMALL.architecture(MOBILE_SMALL.space.draw(rng), channels=1, resolution=28, classes=10))
        for _ in range(5)
    ]
    for graph, prediction in zip(graphs, predictor.predict_many(graphs), strict=True):
        alone, together = predictor.predict(graph).to_json() | {"kernels": ()}, prediction.to_json()
        assert alone.pop("interval_ms") == pytest.approx(together.pop("interval_ms"), rel=1e-9)  # sums in another order
        assert alone.pop("latency_ms") == pytest.approx(together.pop("latency_ms"), rel=1e-9)
        assert alone == together


def test_what_was_not_measured_is_said_and_widens_the_interval() -> None:
    graph = reference_graph("mobilenet-v2-1.0-192")
    usual = Predictor.load("rpi4").predict(graph)
    one_thread = Predictor.load("rpi4", threads=1).predict(graph)
    tvm = Predictor.load("rpi4", runtime="tvm").predict(graph)
    assert any("threads" in warning for warning in one_thread.warnings) and one_thread.latency_ms > usual.latency_ms
    assert tvm.kind == "uncalibrated" and any("data sheet" in warning for warning in tvm.warnings)
    width = [math.log(p.interval_ms[1] / p.interval_ms[0]) for p in (usual, one_thread, tvm)]
    assert width[0] < width[1] and width[0] < width[2]


def test_a_part_that_was_never_measured_is_told_in_words() -> None:
    known = Predictor.load("rpi4")
    assert known.fitted is not None
    seen = tuple(name for name in known.fitted.measured.features if name != "pointwise.macs")
    measured = known.fitted.measured.model_copy(update={"features": seen})
    predictor = replace(known, fitted=known.fitted.model_copy(update={"measured": measured}))
    (warning,) = predictor.predict(reference_graph("mobilenet-v2-1.0-224")).warnings
    where, what = "never measured with tflite in fp32 on rpi4", "arithmetic of 1×1 convolutions"
    assert warning == f"{where}, taken from other boards: {what}"


def test_every_part_has_a_name_for_people() -> None:
    assert tuple(PART_NAMES) == FEATURES
    assert len(set(PART_NAMES.values())) == len(FEATURES)


@pytest.mark.parametrize(("wrong", "error", "message"), [
    ({"device": "rpi44"}, DeviceError, "did you mean rpi4"),
    ({"device": "rpi4", "runtime": "tflight"}, ConfigError, "did you mean tflite"),
    ({"device": "rpi4", "runtime": "tflite-2.7.2"}, DeviceError, "did you mean tflite-2.7.1"),
    ({"device": "rpi4", "precision": "int9"}, ConfigError, "did you mean int8"),
])  # fmt: skip
def test_wrong_names_offer_the_nearest(wrong: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Predictor.load(**wrong)  # type: ignore[arg-type]


def test_the_stored_model_is_what_the_measurements_give() -> None:
    """But for the boards' common distribution, which here holds the board itself too."""
    profile = load_profile("rpi4")
    stored = next(
        m for m in read_fitted(profile.folder / "model.json") if (m.version, m.precision) == ("2.5.0", "fp32")
    )
    measurements = by_setting(read_measurements(profile.folder / "measurements.csv"))[stored.setting]
    data = gather(profile, stored.setting, measurements)
    fresh = fit_setting(data, population())
    ours, theirs = (model.ensemble.predict(data.features)[0] for model in (fresh, stored))
    assert ours == pytest.approx(theirs, rel=0.03)
    assert fresh.errors["width"].mape_pct < 2.5 and fresh.errors["family"].spearman > 0.99


@pytest.mark.parametrize(
    "asked", [{"threads": 0}, {"threads": -1}, {"cpu_mhz": 0}, {"cpu_mhz": -5}, {"cpu_mhz": 10**6}]
)
def test_threads_and_clocks_that_no_board_has(asked: dict[str, int]) -> None:
    (name,) = asked
    with pytest.raises(ConfigError, match=f"{name}: {asked[name]}"):
        Predictor.load("rpi4", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["mobilenet-v2-1.2.3-224", "mobilenet-v1-0.001-224", "mobilenet-v1-0-224", "mobilenet-v2-1.0-0"]
)
def test_names_that_mean_no_network(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        reference_graph(name)


def test_a_prediction_bears_the_name_that_was_asked_for() -> None:
    names = ["resnet", "probe-3"]
    assert [prediction.network for prediction in predict_networks(names, "rpi4")] == names


def test_a_core_without_half_precision_takes_as_long_as_in_fp32() -> None:
    graph = reference_graph("mobilenet-v2-1.0-224")
    single, half = (Predictor.load("rpi4", precision=precision).predict(graph) for precision in ("fp32", "fp16"))
    assert half.latency_ms == pytest.approx(single.latency_ms) and half.precision == "fp16"
    assert half.interval_ms[1] > single.interval_ms[1]
    assert "no fp16 arithmetic" in " ".join(half.warnings)


def test_four_threads_are_not_slower_than_one_on_small_pictures() -> None:
    """Cells of NAS-Bench-201 are measured on one thread at 1.5 GHz; on four at 1.8 nothing like them is."""
    cells = [reference_graph(m.network) for m in board_measurements(load_profile("rpi4").folder) if m.network[0] == "|"]
    one = Predictor.load("rpi4", runtime="tflite", threads=1).predict_many(cells[:100])
    four = Predictor.load("rpi4").predict_many(cells[:100])
    speed_up = np.median([a.latency_ms / b.latency_ms for a, b in zip(one, four, strict=True)])
    assert 1 < speed_up < 4 * 1.8 / 1.5
