"""What is exported here, run as the board's own machine code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgetune.errors import ExportError
from edgetune.export.agreement import compare_logits
from edgetune.export.host import logits_of
from edgetune.export.int8 import quantize_onnx
from edgetune.export.tvm_library import compile_tvm, host_target
from edgetune.export.verify import logits_on
from tools.pi_userland import PiUserland

CORTEX_A72 = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}


@pytest.fixture(scope="module")
def pi() -> PiUserland:
    return PiUserland.ready()


@pytest.mark.parametrize("network", ["hswish", "relu"])
def test_onnx_gives_the_logits_of_this_machine(
    pi: PiUserland, network: str, request, test_pictures: np.ndarray
) -> None:
    model = request.getfixturevalue(f"{network}_onnx")
    compare_logits(logits_of(model, test_pictures), logits_on(pi, model, test_pictures)).require(model)


def test_int8_gives_the_answers_of_this_machine(pi: PiUserland, relu_onnx: Path, digits, tmp_path: Path) -> None:
    model = tmp_path / "model.int8.onnx"
    quantize_onnx(relu_onnx, model, calibration=digits.train[:64])
    agreement = compare_logits(logits_of(model, digits.test), logits_on(pi, model, digits.test))
    assert agreement.same_top1 >= 0.995


def test_tvm_gives_the_logits_of_onnxruntime(pi: PiUserland, hswish_onnx: Path, test_pictures, tmp_path: Path) -> None:
    library = tmp_path / "model.tvm.so"
    compile_tvm(hswish_onnx, library, tvm_target=CORTEX_A72)
    compare_logits(logits_of(hswish_onnx, test_pictures), logits_on(pi, library, test_pictures)).require(library)


def test_a_library_for_another_processor_fails(pi: PiUserland, relu_onnx: Path, test_pictures, tmp_path: Path) -> None:
    compile_tvm(relu_onnx, tmp_path / "x86.so", tvm_target=host_target())
    with pytest.raises(ExportError, match="emulated"):
        logits_on(pi, tmp_path / "x86.so", test_pictures)
