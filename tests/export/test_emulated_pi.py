"""What is exported here, run as the board's own machine code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgetune.errors import ExportError
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.bundle import write_bundle
from edgetune.export.card import Artefact, Card
from edgetune.export.host import logits_of
from edgetune.export.int8 import quantize_onnx
from edgetune.export.tuning.database import Record, add_records, target_name
from edgetune.export.tuning.tasks import tasks_of
from edgetune.export.tvm_library import compile_tvm, host_target, registers_of
from edgetune.export.verify import logits_on, this_host, verify_bundle
from edgetune.nets.network import Network
from tests.export.conftest import Digits
from tools.pi_userland import PiUserland

CORTEX_A72 = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}


@pytest.fixture(scope="module")
def pi() -> PiUserland:
    return PiUserland.ready()


@pytest.mark.parametrize("network", ["hswish", "relu"])
def test_onnx_gives_the_logits_of_this_machine(
    pi: PiUserland, network: str, request: pytest.FixtureRequest, test_pictures: np.ndarray
) -> None:
    model = request.getfixturevalue(f"{network}_onnx")
    compare_logits(logits_of(model, test_pictures), logits_on(pi, model, test_pictures)).require(model)


def test_int8_gives_the_answers_of_this_machine(
    pi: PiUserland, relu_onnx: Path, digits: Digits, tmp_path: Path
) -> None:
    model = tmp_path / "model.int8.onnx"
    quantize_onnx(relu_onnx, model, calibration=digits.train[:64])
    agreement = compare_logits(logits_of(model, digits.test), logits_on(pi, model, digits.test))
    assert agreement.same_top1 >= 0.995


def test_a_bundle_is_verified_where_its_artefacts_are_made_for(
    pi: PiUserland, card: Card, hswish_network: Network, hswish_onnx: Path, test_pictures: np.ndarray, tmp_path: Path
) -> None:
    compile_tvm(hswish_onnx, tmp_path / "model.tvm.so", tvm_target=CORTEX_A72)
    artefacts = (Artefact(format="onnx", file="model.onnx"), Artefact(format="tvm", file="model.tvm.so"))
    files = {"model.onnx": hswish_onnx, "model.tvm.so": tmp_path / "model.tvm.so"}
    reference = test_pictures, torch_logits_of(hswish_network, test_pictures)
    card = card.model_copy(update={"artefacts": artefacts})
    write_bundle(tmp_path / "bundle", card, files, reference=reference)
    verify_bundle(tmp_path / "bundle", this_host())
    plain, library = verify_bundle(tmp_path / "bundle", pi.target).card.artefacts
    assert [check.where for check in plain.checks] == ["this host", "emulated rpi4"]
    assert [check.where for check in library.checks] == ["emulated rpi4"]
    assert library.checks[0].agreement.relative_difference < 1e-5


def test_tiles_that_tuning_may_choose_run_on_the_board(
    pi: PiUserland, hswish_network: Network, hswish_onnx: Path, test_pictures: np.ndarray, tmp_path: Path
) -> None:
    rng, database = np.random.default_rng(0), tmp_path / "tuned.jsonl"
    drawn = {
        task.kernel.key: sorted(task.tiles, key=str)[rng.integers(len(task.tiles))]
        for task in tasks_of(hswish_onnx, registers_of(CORTEX_A72))
    }
    target = target_name(CORTEX_A72)
    records = [Record(target=target, kernel=k, tile=t, ms=1.0, by_rule_ms=1.0, timed=2) for k, t in drawn.items()]
    add_records(database, records)
    note = compile_tvm(hswish_onnx, tmp_path / "tuned.so", tvm_target=CORTEX_A72, database=database)
    assert re.match(r"loops of (\d+) of \1 kernels tuned", note)
    expected = torch_logits_of(hswish_network, test_pictures)
    compare_logits(expected, logits_on(pi, tmp_path / "tuned.so", test_pictures)).require("tuned.so", tolerance=1e-5)


def test_a_library_for_another_processor_fails(
    pi: PiUserland, relu_onnx: Path, test_pictures: np.ndarray, tmp_path: Path
) -> None:
    compile_tvm(relu_onnx, tmp_path / "x86.so", tvm_target=host_target())
    with pytest.raises(ExportError, match="emulated"):
        logits_on(pi, tmp_path / "x86.so", test_pictures)
