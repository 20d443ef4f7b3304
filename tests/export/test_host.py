from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgetune.errors import ModelFileError
from edgetune.export.host import compare_speed, logits_of, top1_of
from edgetune.export.int8 import quantize_onnx
from tests.export.conftest import Digits


def test_top1_is_the_share_of_right_answers(hswish_onnx: Path, test_pictures: np.ndarray) -> None:
    answers = logits_of(hswish_onnx, test_pictures).argmax(1)
    labels = answers.copy()
    labels[:8] = (labels[:8] + 1) % 10
    assert top1_of(hswish_onnx, test_pictures, labels) == 0.75


def test_a_file_is_about_as_fast_as_itself_and_slower_than_a_smaller_one(
    hswish_onnx: Path, dense_onnx: Path, test_pictures: np.ndarray
) -> None:
    same = compare_speed(hswish_onnx, hswish_onnx, test_pictures[:1])
    assert 0.7 < same.speedup < 1.4
    assert same.kind == "measured on this host"
    assert compare_speed(hswish_onnx, dense_onnx, test_pictures[:1]).speedup > 1.5


def test_int8_answers_are_those_of_a_board_whatever_processor_this_host_has(
    relu_onnx: Path, digits: Digits, tmp_path: Path
) -> None:
    """onnxruntime's sums of 16 bits overflow on x86 without VNNI; each operator by itself, in float, knows none."""
    target = tmp_path / "model.int8.onnx"
    quantize_onnx(relu_onnx, target, calibration=digits.train[:64])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    exact = np.concatenate([session.run(None, {"pixels": picture[None]})[0] for picture in digits.test])
    levels = np.unique(exact)
    found = logits_of(target, digits.test)
    assert np.mean(found == exact) > 0.95
    assert np.abs(found - exact).max() < 1.5 * np.diff(levels).min()


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        logits_of(broken, np.zeros((1, 1, 28, 28), np.float32))
    with pytest.raises(ModelFileError):
        logits_of(tmp_path / "absent.onnx", np.zeros((1, 1, 28, 28), np.float32))
