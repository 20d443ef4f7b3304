from __future__ import annotations

import hashlib
import platform
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgetune.errors import ExportError, StorageError
from edgetune.export.agreement import torch_logits_of
from edgetune.export.bundle import Bundle, read_bundle, write_bundle
from edgetune.export.card import Artefact, Card, FileRecord
from edgetune.export.int8 import quantize_onnx
from edgetune.export.verify import Target, logits_on, python_here, this_host, verify_bundle
from edgetune.nets.network import Network
from tests.export.conftest import Digits


@pytest.fixture
def bundle(card: Card, hswish_network: Network, hswish_onnx: Path, digits: Digits, tmp_path: Path) -> Bundle:
    quantize_onnx(hswish_onnx, tmp_path / "model.int8.onnx", calibration=digits.train[:64])
    artefacts = (Artefact(format="onnx", file="model.onnx"), Artefact(format="int8", file="model.int8.onnx"))
    files = {"model.onnx": hswish_onnx, "model.int8.onnx": tmp_path / "model.int8.onnx"}
    reference = digits.test[:64], torch_logits_of(hswish_network, digits.test[:64])
    return write_bundle(
        tmp_path / "bundle", card.model_copy(update={"artefacts": artefacts}), files, reference=reference
    )


def test_checks_go_into_the_card_once_a_place(bundle: Bundle) -> None:
    verify_bundle(bundle.folder, this_host())
    verified = verify_bundle(bundle.folder, this_host())
    assert read_bundle(bundle.folder) == verified
    plain, rounded = verified.card.artefacts
    assert [check.where for check in plain.checks] == [check.where for check in rounded.checks] == ["this host"]
    assert plain.checks[0].agreement.relative_difference < 1e-5
    assert rounded.checks[0].agreement.relative_difference > 1e-4
    assert rounded.checks[0].agreement.pictures == 64
    (record,) = verified.card.signed_off
    assert (record.where, record.machine) == ("this host", platform.machine())
    assert record.files == {
        name: hashlib.sha256((bundle.folder / name).read_bytes()).hexdigest()
        for name in ("model.onnx", "model.int8.onnx")
    }
    assert record.left_out == {}


def test_what_is_made_for_another_processor_is_left_out_of_the_record(
    card: Card, bundle: Bundle, hswish_onnx: Path, tmp_path: Path
) -> None:
    library = tmp_path / "model.tvm.so"
    library.write_bytes(b"\x7fELF" + bytes(14) + (183).to_bytes(2, "little"))  # the head of an aarch64 library
    artefacts = (Artefact(format="onnx", file="model.onnx"), Artefact(format="tvm", file="model.tvm.so"))
    files = {"model.onnx": hswish_onnx, "model.tvm.so": library}
    card = card.model_copy(update={"artefacts": artefacts})
    write_bundle(tmp_path / "mixed", card, files, reference=bundle.reference())
    (record,) = verify_bundle(
        tmp_path / "mixed", Target("x", "x86_64", partial(logits_on, python_here))
    ).card.signed_off
    assert set(record.files) == {"model.onnx"}
    assert "another processor" in record.left_out["model.tvm.so"]


def test_a_file_changed_after_signing_off_is_refused_and_named(bundle: Bundle) -> None:
    verify_bundle(bundle.folder, this_host())
    model = bundle.path("onnx")
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(ExportError, match=r"model\.onnx.*not the one"):
        verify_bundle(bundle.folder, this_host())
    with pytest.raises(ExportError, match=r"model\.onnx.*not the one"):
        read_bundle(bundle.folder)


def test_a_file_changed_with_its_card_after_signing_off_is_refused_and_named(bundle: Bundle) -> None:
    card = verify_bundle(bundle.folder, this_host()).card
    model = bundle.path("onnx")
    model.write_bytes(model.read_bytes() + b" ")
    forged = hashlib.sha256(model.read_bytes()).hexdigest()
    record = FileRecord(size_bytes=model.stat().st_size, sha256=forged)
    card = card.model_copy(update={"files": {**card.files, "model.onnx": record}})
    (bundle.folder / "card.json").write_text(card.to_json())
    with pytest.raises(ExportError, match=r"model\.onnx.*not the one that ran on this host"):
        read_bundle(bundle.folder)


def test_a_card_changed_after_signing_off_is_refused(bundle: Bundle) -> None:
    card = verify_bundle(bundle.folder, this_host()).card
    (bundle.folder / "card.json").write_text(card.model_copy(update={"test_top1": 0.99}).to_json())
    with pytest.raises(ExportError, match=r"card\.json.*changed after it was signed off on this host"):
        verify_bundle(bundle.folder, this_host())


def test_a_record_of_an_older_schema_says_nothing_of_the_card(bundle: Bundle) -> None:
    card = verify_bundle(bundle.folder, this_host()).card
    old = card.signed_off[0].model_copy(update={"card": None})
    changed = card.model_copy(update={"test_top1": 0.99, "signed_off": (old,)})
    (bundle.folder / "card.json").write_text(changed.to_json())
    assert read_bundle(bundle.folder).card == changed


def test_without_room_for_the_pictures_there_is_one_error(
    test_pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("2560 requested and 0 written")  # as numpy says it

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageError, match="no room"):
        logits_on(python_here, tmp_path / "model.onnx", test_pictures)


def test_an_artefact_that_computes_something_else_is_named_and_not_signed_off(
    card: Card, bundle: Bundle, tmp_path: Path
) -> None:
    model = onnx.load(bundle.path("onnx"))
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "classifier.bias")
    values = onnx.numpy_helper.to_array(bias) + np.float32(0.1)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, tmp_path / "other.onnx")
    wrong = write_bundle(
        tmp_path / "wrong", card, {"model.onnx": tmp_path / "other.onnx"}, reference=bundle.reference()
    )
    with pytest.raises(ExportError, match=r"model\.onnx"):
        verify_bundle(wrong.folder, this_host())
    assert read_bundle(wrong.folder) == wrong


def test_a_changed_file_is_refused_before_anything_runs(bundle: Bundle) -> None:
    bundle.path("int8").write_bytes(b"other")
    with pytest.raises(ExportError, match=r"model\.int8\.onnx"):
        verify_bundle(bundle.folder, this_host())


def test_a_bundle_without_reference_pictures_says_so(card: Card, hswish_onnx: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "plain", card, {"model.onnx": hswish_onnx})
    with pytest.raises(ExportError, match="reference pictures"):
        verify_bundle(tmp_path / "plain", this_host())


def test_what_no_runtime_runs_is_refused(test_pictures: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no runtime"):
        logits_on(python_here, tmp_path / "model.pkl", test_pictures)
    shutil.copy(__file__, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="exit code"):
        logits_on(python_here, tmp_path / "model.onnx", test_pictures)
