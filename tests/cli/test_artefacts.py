"""Bad input of the commands that make, run and examine artefacts; what doctor finds."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgetune import files
from edgetune.cli import app, main
from edgetune.errors import MissingDependencyError, StorageError
from edgetune.export import linker
from edgetune.export.bundle import write_bundle
from edgetune.export.card import SCHEMA, Card
from tests.export.plain_card import plain_card

from .conftest import Refuses


@pytest.fixture
def card() -> Card:
    return plain_card("net", "model.onnx")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"stands for a model")
    return path


@pytest.fixture
def bundle(card: Card, model: Path, tmp_path: Path) -> Path:
    reference = np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 2), np.float32)
    return write_bundle(tmp_path / "bundle", card, {"model.onnx": model}, reference=reference).folder


def test_a_bundle_whose_file_was_changed(refuses: Refuses, bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"another")
    error = refuses("verify", bundle)
    assert str(bundle / "model.onnx") in error
    assert "not the one that the card describes" in error


def test_a_card_of_a_newer_schema(refuses: Refuses, bundle: Path) -> None:
    text = (bundle / "card.json").read_text()
    (bundle / "card.json").write_text(text.replace(f'"schema_version": {SCHEMA}', f'"schema_version": {SCHEMA + 1}'))
    assert "update edgetune" in refuses("verify", bundle)


def test_a_model_that_does_not_run(refuses: Refuses, bundle: Path) -> None:
    before = (bundle / "card.json").read_bytes()
    assert "model.onnx" in refuses("verify", bundle)
    assert (bundle / "card.json").read_bytes() == before


def test_no_bundle(refuses: Refuses, tmp_path: Path) -> None:
    assert "not a bundle" in refuses("verify", tmp_path)


def test_an_unknown_place(refuses: Refuses, bundle: Path) -> None:
    assert "did you mean emulated-rpi4?" in refuses("verify", bundle, "--on", "emulated-rpi")


def test_an_unknown_format(refuses: Refuses, tmp_path: Path) -> None:
    assert "did you mean tflite?" in refuses("export", tmp_path, "--trial", "1", "--formats", "onnx,tflit")
    assert "did you mean onnx?" in refuses("search", "--data", "digits", "--formats", "onx")
    assert "no format" in refuses("search", "--data", "digits", "--formats", ",")


@pytest.mark.parametrize("epochs", ["inf", "nan", "-1", "0"])
def test_a_fine_tuning_that_cannot_be(refuses: Refuses, tmp_path: Path, epochs: str) -> None:
    error = refuses("export", tmp_path, "--trial", "1", "--int8-epochs", epochs)
    assert f"--int8-epochs: no training takes {epochs} epochs (give a positive number" in error


def test_epochs_that_are_no_number() -> None:
    found = CliRunner().invoke(app, ["export", "run", "--trial", "1", "--int8-epochs", "abc"])
    assert found.exit_code == 2 and found.stdout == ""
    assert "'--int8-epochs'" in found.stderr and "Traceback" not in found.stderr


def test_only_files_can_be_simulated_and_only_on_the_rpi4(refuses: Refuses, model: Path) -> None:
    assert "rpi4" in refuses("predict", model, "--simulate", "--device", "rpi5")
    assert "model.onnx" in refuses("predict", model, "--simulate")
    assert "absent.onnx" in refuses("predict", "absent.onnx", "--simulate")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threads", "4"), ("--precision", "fp32"), ("--runtime", "tvm"), ("--cpu-mhz", "600"), ("--space", "small")],
)
def test_what_a_simulation_would_ignore_is_refused(refuses: Refuses, model: Path, option: str, value: str) -> None:
    assert f"{option}: has no say with --simulate" in refuses("predict", model, "--simulate", option, value)


def test_no_room_for_a_bundle(card: Card, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "flush", full)
    with pytest.raises(StorageError, match="no room"):
        write_bundle(tmp_path / "bundle", card, {"model.onnx": model})
    assert list(tmp_path.iterdir()) == [model]


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="ziglang"):
        linker.link_command("aarch64-linux-gnu")


def test_doctor_changes_nothing_and_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["edgetune", "doctor", "--json"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    found = {finding["part"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["onnxruntime"]["state"] == "ready"
    assert found["LiteRT's converter"]["state"] == "made on first use"
    assert found["qemu-aarch64-static"]["state"] == "not there"
    assert "apt install" in found["qemu-aarch64-static"]["detail"]
    assert "rpi4" in found["boards"]["detail"]
    assert list(tmp_path.iterdir()) == []
