"""Bundles verified on an agent, which here runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgetune.agent.app import Settings
from edgetune.agent.runtimes import RUNTIMES, installed_runtimes
from edgetune.errors import AgentError, ExportError, MeasurementError
from edgetune.export.agent_target import agent_target
from edgetune.export.agreement import torch_logits_of
from edgetune.export.bundle import Bundle, read_bundle, write_bundle
from edgetune.export.card import Artefact, Card
from edgetune.export.formats import Format
from edgetune.export.int8 import quantize_onnx
from edgetune.export.tvm_library import compile_tvm, host_target
from edgetune.export.verify import verify_bundle
from edgetune.nets.network import Network
from tests.agent.conftest import Running, running
from tests.export.conftest import Digits


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("agent"), Settings(native=True)) as one:
        yield one


@pytest.fixture
def bundle(card: Card, hswish_network: Network, hswish_onnx: Path, digits: Digits, tmp_path: Path) -> Bundle:
    quantize_onnx(hswish_onnx, tmp_path / "model.int8.onnx", calibration=digits.train[:64])
    compile_tvm(hswish_onnx, tmp_path / "model.tvm.so", tvm_target=host_target())
    files = {"model.onnx": hswish_onnx, **{name: tmp_path / name for name in ("model.int8.onnx", "model.tvm.so")}}
    formats: tuple[Format, ...] = ("onnx", "int8", "tvm")
    artefacts = tuple(Artefact(format=kind, file=name) for kind, name in zip(formats, files, strict=True))
    reference = digits.test[:8], torch_logits_of(hswish_network, digits.test[:8])
    return write_bundle(
        tmp_path / "bundle", card.model_copy(update={"artefacts": artefacts}), files, reference=reference
    )


def test_every_artefact_answers_on_the_board_and_is_signed_off(agent: Running, bundle: Bundle) -> None:
    verified = verify_bundle(bundle.folder, agent_target(agent.agent))
    assert read_bundle(bundle.folder) == verified
    (record,) = verified.card.signed_off
    assert set(record.files) == {"model.onnx", "model.int8.onnx", "model.tvm.so"}
    assert record.left_out == {}
    assert record.where.startswith("agent here (")
    for name, version in installed_runtimes().items():
        assert f"{name} {version}" in record.where
    plain, rounded, library = (artefact.checks[0].agreement for artefact in verified.card.artefacts)
    assert plain.pictures == library.pictures == 8
    assert 0 < plain.relative_difference < 1e-5
    assert 0 < library.relative_difference < 1e-5
    assert rounded.relative_difference > 1e-4


def test_a_board_without_a_runtime_or_permission_leaves_out_what_needs_it(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "strict") as strict:
        (record,) = verify_bundle(bundle.folder, agent_target(strict.agent)).card.signed_off
        assert set(record.files) == {"model.onnx", "model.int8.onnx"}
        assert "--allow-native" in record.left_out["model.tvm.so"]
    monkeypatch.setattr(RUNTIMES["onnxruntime"], "package", "no-such-package-here")
    monkeypatch.setattr(RUNTIMES["tvm"], "package", "no-such-package-here")
    with running(tmp_path / "empty") as empty, pytest.raises(ExportError, match="not installed there"):
        verify_bundle(bundle.folder, agent_target(empty.agent))


def test_other_answers_are_refused_and_the_card_stays(
    agent: Running, card: Card, bundle: Bundle, tmp_path: Path
) -> None:
    pictures, logits = bundle.reference()
    files = {"model.onnx": bundle.path("onnx")}
    wrong = write_bundle(tmp_path / "wrong", card, files, reference=(pictures, logits + 0.1))
    with pytest.raises(ExportError, match=r"model\.onnx"):
        verify_bundle(wrong.folder, agent_target(agent.agent))
    assert read_bundle(wrong.folder) == wrong


def test_a_model_that_the_board_cannot_run_is_named(agent: Running, card: Card, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    reference = np.zeros((1, 1, 28, 28)), np.ones((1, 10))
    bundle = write_bundle(tmp_path / "bundle", card, {"model.onnx": tmp_path / "model.onnx"}, reference=reference)
    with pytest.raises(MeasurementError, match=r"model\.onnx"):
        verify_bundle(bundle.folder, agent_target(agent.agent))
    assert read_bundle(bundle.folder) == bundle


def test_an_agent_that_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetune.export.agent_target.PATIENCE", 0.5)
    with running(tmp_path / "agent") as one:
        pass
    with pytest.raises(AgentError, match="cannot be reached"):
        agent_target(one.agent)
