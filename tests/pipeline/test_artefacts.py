"""One untrained network on the digits, bundled twice; what is kept of INT8 and what is not."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgetune.export.card import Omission, Teacher
from edgetune.export.int8 import Quantised
from edgetune.export.onnx_file import OnnxForm
from edgetune.nets.network import build_network
from edgetune.pipeline.artefacts import Distilled, _keep_rounded
from edgetune.pipeline.bundling import bundle_network
from edgetune.pipeline.task import Task, pixels_of
from edgetune.reporter import Reporter
from edgetune.search.trial import Trial


@pytest.fixture(scope="module")
def distilled(task: Task) -> Distilled:
    sample = task.space.space.draw(np.random.default_rng(0))
    torch.manual_seed(0)
    network = build_network(task.architecture(sample), mean=task.dataset.mean, std=task.dataset.std).eval()
    trial = Trial(number=3, sample=sample, values={}, state="done", seed=0)
    return Distilled("trial-003", trial, network, validation_top1=0.1, test_top1=0.1)


def bundled(task: Task, distilled: Distilled, folder: Path, quantised: dict[str, Quantised]) -> dict[str, bytes]:
    teacher = Teacher(name="none", licence="none", test_top1=1.0)
    bundle_network(
        task, distilled, teacher, folder, {}, formats=("onnx", "int8"), quantised=quantised, reporter=Reporter()
    )
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_was_clocked_once_makes_the_same_bundle_byte_for_byte(
    task: Task, distilled: Distilled, tmp_path: Path
) -> None:
    clocked: dict[str, Quantised] = {}
    first = bundled(task, distilled, tmp_path / "first", clocked)
    assert set(clocked) == {"int8"}
    assert bundled(task, distilled, tmp_path / "again", dict(clocked)) == first


def test_other_forms_of_onnx_on_demand(task: Task, distilled: Distilled, tmp_path: Path) -> None:
    teacher = Teacher(name="none", licence="none", test_top1=1.0)
    form = OnnxForm(opset=14, dynamic_batch=True)
    known = {"int8": Quantised("minmax", True, 0.93, 0.93, 1.5, "clocked elsewhere")}
    bundle = bundle_network(
        task,
        distilled,
        teacher,
        tmp_path / "bundle",
        {},
        formats=("onnx", "int8", "tvm"),
        form=form,
        quantised=known,
        reporter=Reporter(),
    )
    made = {artefact.format: artefact for artefact in bundle.card.artefacts}
    assert made["onnx"].note == "opset 14, any number of pictures at once"
    assert {artefact.file for artefact in bundle.card.artefacts} == {"model.onnx", "model.int8.onnx", "model.tvm.so"}
    pictures = pixels_of(task.dataset.test, 3)
    for format in ("onnx", "int8"):
        model = onnx.load(bundle.path(format))
        assert {entry.domain: entry.version for entry in model.opset_import}[""] == 14
        session = onnxruntime.InferenceSession(bundle.path(format), providers=["CPUExecutionProvider"])
        assert session.run(None, {"pixels": pictures})[0].shape == (3, len(task.dataset.classes))


def test_what_was_clocked_decides_where_this_machine_is_like_the_board(
    task: Task, distilled: Distilled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    def known(speedup: float) -> dict[str, Quantised]:
        return {"int8": Quantised("percentile", True, 0.93, 0.93, speedup, "clocked elsewhere")}

    assert "model.int8.onnx" in bundled(task, distilled, tmp_path / "faster", known(1.5))
    slower = bundled(task, distilled, tmp_path / "slower", known(0.9))
    assert "model.int8.onnx" not in slower
    assert b"0.90 times the speed of float32 (clocked elsewhere)" in slower["README.md"]


def test_elsewhere_the_prediction_for_the_board_decides(task: Task, distilled: Distilled, tmp_path: Path) -> None:
    slow_here = {"int8": Quantised("percentile", True, 0.93, 0.93, 0.6, "clocked here")}
    made = bundled(task, distilled, tmp_path / "bundle", slow_here)
    assert "model.int8.onnx" in made
    assert b"times the speed of float32 (rpi4, onnxruntime, 4 threads, uncalibrated); 0.60 times" in made["README.md"]


def test_a_quantisation_that_loses_too_much_is_left_out_and_says_so() -> None:
    lossy = Quantised("minmax", float_ends=False, top1=0.90, float_top1=0.93, speedup=1.5, clocked="here")
    made = _keep_rounded(cast(Any, None), "int8", Path("model.int8.onnx"), lossy)
    assert isinstance(made, Omission)
    assert made.reason == "loses 3.0 points of validation top-1, more than 0.5"
