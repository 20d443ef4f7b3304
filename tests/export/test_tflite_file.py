"""TensorFlow Lite files by the real converter. Where its environment is not made yet, the first test makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.errors import ExportError
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.host import logits_of
from edgetune.export.litert_environment import LiteRT
from edgetune.export.tflite_file import export_tflite, quantize_tflite
from edgetune.export.verify import logits_on, python_here
from edgetune.nets.network import Network
from tests.export.conftest import Digits
from tools.pi_userland import PiUserland


@pytest.fixture(scope="module")
def litert() -> LiteRT:
    return LiteRT.here().make()


@pytest.fixture(scope="module")
def hswish_tflite(litert: LiteRT, hswish_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    export_tflite(hswish_network, path, channels=1, resolution=28, litert=litert)
    return path


def test_logits_are_those_of_torch(hswish_network: Network, hswish_tflite: Path, test_pictures: np.ndarray) -> None:
    given = logits_of(hswish_tflite, test_pictures)
    compare_logits(torch_logits_of(hswish_network, test_pictures), given).require("tflite", tolerance=1e-5)


def test_the_script_of_a_bundle_gives_the_same(hswish_tflite: Path, test_pictures: np.ndarray) -> None:
    np.testing.assert_array_equal(
        logits_on(python_here, hswish_tflite, test_pictures), logits_of(hswish_tflite, test_pictures)
    )


def test_the_emulated_board_gives_the_same(hswish_tflite: Path, test_pictures: np.ndarray) -> None:
    given = logits_on(PiUserland.ready(), hswish_tflite, test_pictures)
    compare_logits(logits_of(hswish_tflite, test_pictures), given).require("tflite", tolerance=1e-5)


def test_int8_takes_floats_is_smaller_and_answers_alike(
    litert: LiteRT, hswish_tflite: Path, digits: Digits, tmp_path: Path
) -> None:
    rounded = tmp_path / "model.int8.tflite"
    quantize_tflite(hswish_tflite, rounded, calibration=digits.train[:32], litert=litert)
    agreement = compare_logits(logits_of(hswish_tflite, digits.test), logits_of(rounded, digits.test))
    assert agreement.same_top1 >= 0.97
    assert agreement.relative_difference > 1e-3, "it was not quantised"
    assert rounded.stat().st_size < 0.6 * hswish_tflite.stat().st_size


def test_an_operator_that_litert_lacks_is_refused_and_nothing_is_written(litert: LiteRT, tmp_path: Path) -> None:
    class Unwritable(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    with pytest.raises(ExportError, match="bessel_j0"):
        export_tflite(Unwritable(), tmp_path / "model.tflite", channels=1, resolution=8, litert=litert)
    assert list(tmp_path.iterdir()) == []
