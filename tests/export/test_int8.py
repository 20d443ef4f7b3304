from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgetune.errors import ExportError
from edgetune.export.host import logits_of, top1_of
from edgetune.export.int8 import METHODS, CalibrationMethod, quantize_best, quantize_onnx
from tests.export.conftest import Digits


@pytest.fixture(scope="module")
def calibration(digits: Digits) -> np.ndarray:
    return digits.train[:64]


@pytest.mark.parametrize("network", ["relu", "hswish"])
@pytest.mark.parametrize("method", METHODS)
def test_answers_stay_those_of_float(
    network: str,
    method: CalibrationMethod,
    request: pytest.FixtureRequest,
    digits: Digits,
    calibration: np.ndarray,
    tmp_path: Path,
) -> None:
    source, target = request.getfixturevalue(f"{network}_onnx"), tmp_path / "model.int8.onnx"
    quantize_onnx(source, target, calibration=calibration, method=method)
    exact, rounded = logits_of(source, digits.test), logits_of(target, digits.test)
    assert np.mean(exact.argmax(1) == digits.test_labels) > 0.85
    assert np.mean(exact.argmax(1) == rounded.argmax(1)) >= 0.98
    assert not np.array_equal(exact, rounded)


def test_the_most_accurate_method_is_kept(
    hswish_onnx: Path, digits: Digits, calibration: np.ndarray, tmp_path: Path
) -> None:
    # One picture far out of range stretches the extremes, but not the percentiles.
    stretched, target = calibration.copy(), tmp_path / "best.onnx"
    stretched[0, 0, 0, :2] = 10_000
    pictures, labels = digits.test[:200], digits.test_labels[:200]
    kept = quantize_best(hswish_onnx, target, calibration=stretched, pictures=pictures, labels=labels, may_lose=0.005)
    assert kept.method == "percentile"
    assert kept.float_top1 == top1_of(hswish_onnx, pictures, labels)
    assert kept.top1 == top1_of(target, pictures, labels)


def test_where_nothing_holds_the_limit_the_most_accurate_is_kept(
    relu_onnx: Path, digits: Digits, calibration: np.ndarray, tmp_path: Path
) -> None:
    pictures, labels = digits.test[:200], digits.test_labels[:200]
    kept = quantize_best(
        relu_onnx, tmp_path / "best.onnx", calibration=calibration, pictures=pictures, labels=labels, may_lose=-1.0
    )
    others = []
    for method in METHODS:
        quantize_onnx(relu_onnx, tmp_path / "other.onnx", calibration=calibration, method=method)
        others.append(top1_of(tmp_path / "other.onnx", pictures, labels))
    assert kept.top1 >= max(others)


def test_first_and_last_layer_can_stay_in_float(relu_onnx: Path, calibration: np.ndarray, tmp_path: Path) -> None:
    def weights_in_bytes(path: Path) -> list[bool]:
        model = onnx.load(path)
        made_by = {output: node.op_type for node in model.graph.node for output in node.output}
        layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
        return [made_by.get(layer.input[1]) == "DequantizeLinear" for layer in layers]

    for ends in (False, True):
        quantize_onnx(relu_onnx, tmp_path / "model.onnx", calibration=calibration, float_ends=ends)
        first, *inner, last = weights_in_bytes(tmp_path / "model.onnx")
        assert all(inner)
        assert [first, last] == [not ends, not ends]


def test_kept_ranges_spare_the_calibration(relu_onnx: Path, calibration: np.ndarray, tmp_path: Path) -> None:
    ranges = tmp_path / "ranges.json"
    quantize_onnx(relu_onnx, tmp_path / "one", calibration=calibration, ranges=ranges)
    # Other pictures would give other ranges, if they were looked at.
    quantize_onnx(relu_onnx, tmp_path / "two", calibration=0 * calibration, ranges=ranges)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_weights_are_int8_per_channel_and_the_normalisation_stays_float(
    relu_onnx: Path, calibration: np.ndarray, tmp_path: Path
) -> None:
    quantize_onnx(relu_onnx, tmp_path / "model.onnx", calibration=calibration)
    model = onnx.load(tmp_path / "model.onnx")
    made_by = {output: node for node in model.graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for convolution in (node for node in model.graph.node if node.op_type == "Conv"):
        dequantize = made_by[convolution.input[1]]
        weights, scales = (onnx.numpy_helper.to_array(stored[name]) for name in dequantize.input[:2])
        assert weights.dtype == np.int8
        assert scales.shape == (len(weights),)
    normalisation = {
        node.op_type: node for node in model.graph.node if node.name in ("/normalize/Sub", "/normalize/Mul")
    }
    assert normalisation["Sub"].input[0] == "pixels"
    assert normalisation["Mul"].input[0] == normalisation["Sub"].output[0]


def test_metadata_and_names_survive(relu_onnx: Path, calibration: np.ndarray, tmp_path: Path) -> None:
    quantize_onnx(relu_onnx, tmp_path / "model.onnx", calibration=calibration)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {"labels": '["a", "b"]'}.items() <= {p.key: p.value for p in model.metadata_props}.items()
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["pixels", "logits"]


def test_the_same_calibration_gives_the_same_bytes(relu_onnx: Path, calibration: np.ndarray, tmp_path: Path) -> None:
    for name in ("one", "two"):
        quantize_onnx(relu_onnx, tmp_path / name, calibration=calibration)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 28, 28, 1), np.float32), np.zeros((4, 1, 28, 28), np.uint8), np.zeros((0, 1, 28, 28), np.float32)],
    ids=["channels last", "bytes", "empty"],
)
def test_a_calibration_set_that_does_not_fit_is_refused(relu_onnx: Path, wrong: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="calibration set"):
        quantize_onnx(relu_onnx, tmp_path / "model.onnx", calibration=wrong)
    assert list(tmp_path.iterdir()) == []
