"""`edgetune export` on a finished run: the same bundle again byte for byte, other formats on demand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgetune.export.bundle import read_bundle
from edgetune.export.verify import this_host, verify_bundle

from .conftest import edgetune


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that may be changed."""
    return shutil.copytree(finished_run, tmp_path_factory.mktemp("copy") / "run")


@pytest.fixture(scope="module")
def finalist(run: Path) -> int:
    """The fastest finalist's trial."""
    return json.loads((run / "front.json").read_text())["front"][0]["trial"]


def contents(bundle: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in bundle.iterdir()}


def test_a_bundle_is_made_again_byte_for_byte(run: Path, finalist: int) -> None:
    bundle = run / "bundles" / f"trial-{finalist:03d}"
    first = contents(bundle)
    verify_bundle(bundle, this_host())
    signed = contents(bundle)
    assert signed != first, "signing off leaves a trace"
    edgetune("export", run, "--trial", str(finalist))
    assert contents(bundle) == signed, "which stays with the same bundle"
    shutil.rmtree(bundle)
    edgetune("export", run, "--trial", str(finalist))
    assert contents(bundle) == first


def test_other_formats_can_be_asked_for(run: Path, finalist: int) -> None:
    card = json.loads(
        edgetune("export", run, "--trial", str(finalist), "--formats", "onnx,int8,tflite", "--json").stdout
    )
    made = {artefact["format"]: artefact for artefact in card["artefacts"]}
    left_out = {omission["format"]: omission["reason"] for omission in card["omitted"]}
    assert {"onnx", "tflite"} <= set(made)
    assert {"int8", "tflite-int8"} <= set(made) | set(left_out)
    assert not {"tvm"} & (set(made) | set(left_out))
    assert made["tflite"]["checks"][0]["agreement"]["relative_difference"] < 1e-4
    folder = run / "bundles" / card["name"]
    assert (folder / "run_tflite.py").is_file()
    assert "ai-edge-litert==" in (folder / "README.md").read_text()
    verified = verify_bundle(folder, this_host()).card
    assert set(verified.signed_off[0].files) == {artefact["file"] for artefact in card["artefacts"]}
    assert read_bundle(folder).card == verified
