"""Models and measurements that are refused: one clear error on standard error, exit code 2, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgetune.latency.reference import reference_graph
from edgetune.latency.to_onnx import to_onnx
from tests.cli.conftest import Refuses


@pytest.fixture
def model() -> onnx.ModelProto:
    return to_onnx(reference_graph("mobile-small-28-random-0"))


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_not_an_onnx_file(refuses: Refuses, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("import torch\n")
    assert "not an ONNX file" in refuses("predict", tmp_path / "model.onnx")
    assert "no such file" in refuses("predict", tmp_path / "nothing.onnx")


def test_truncated(refuses: Refuses, tmp_path: Path, model: onnx.ModelProto) -> None:
    path = saved(model, tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "cut off" in refuses("predict", path)


def test_external_data_outside_its_folder(refuses: Refuses, tmp_path: Path, model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    (tmp_path / "inside").mkdir()
    assert "outside its folder" in refuses("predict", saved(model, tmp_path / "inside"))


def test_a_size_left_open(refuses: Refuses, tmp_path: Path, model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert "dimension 2 of input 'x' has no size" in refuses("predict", saved(model, tmp_path))


def test_a_batch(refuses: Refuses, tmp_path: Path, model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    assert "a batch of 8" in refuses("predict", saved(model, tmp_path))


def test_an_open_batch_is_one(tmp_path: Path, model: onnx.ModelProto, capsys: pytest.CaptureFixture[str]) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    (found,) = predicted(saved(model, tmp_path), capsys)
    assert found["latency_ms"] > 0


def test_an_unknown_operator_is_predicted_with_a_warning_and_a_wider_interval(
    tmp_path: Path, model: onnx.ModelProto, capsys: pytest.CaptureFixture[str]
) -> None:
    (usual,) = predicted(saved(model, tmp_path), capsys)
    last = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Einmaleins", [last], ["strange"], domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.output[0].name = "strange"
    (found,) = predicted(saved(model, tmp_path), capsys)
    assert any("Einmaleins" in warning for warning in found["warnings"])
    assert width(found) > width(usual)


def test_the_first_that_cannot_be_read_ends_it(refuses: Refuses, tmp_path: Path, model: onnx.ModelProto) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"\0\1")
    assert "broken.onnx" in refuses("predict", saved(model, tmp_path), tmp_path / "broken.onnx")


HEAD = "network,runtime,threads,latency_ms\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("network,ms\nmobilenet,3\n", "no column latency_ms"),
        (HEAD + "mobilenet,ncnn,4,-3\n", "above zero"),
        (HEAD + "mobilenet,ncnn,4,fast\n", "row 2"),
        (HEAD + "mobilenet,ncnn,4,31\nsqueezenet,ncnn,4,25\n", "at least 3"),
        (HEAD + "mobilenet,ncnn,4,31000\nsqueezenet,ncnn,4,25000\nresnet18,ncnn,4,90000\n", "are they microseconds"),
        (HEAD + "mobilenet,ncnn,4,0.031\nsqueezenet,ncnn,4,0.025\nresnet18,ncnn,4,0.09\n", "are they seconds"),
        (HEAD + "mobilenet,ncnn,four,31\n", "row 2"),
        (HEAD + "mobilnet,ncnn,4,31\nsqueezenet,ncnn,4,25\nresnet18,ncnn,4,90\n", "did you mean mobilenet"),
        (HEAD, "no rows"),
    ],
)
def test_measurements(refuses: Refuses, tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "measured.csv").write_text(table)
    out = tmp_path / "out"
    assert message in refuses(
        "calibrate", "--device", "rpi4", "--measurements", tmp_path / "measured.csv", "--from", "rpi3", "--out", out
    )
    assert not out.exists()


def test_neither_measurements_nor_a_suggestion(refuses: Refuses) -> None:
    assert "--suggest 8" in refuses("calibrate", "--device", "mine")
    assert "ask for 3 to" in refuses("calibrate", "--device", "mine", "--suggest", "1")


def test_a_suggestion_is_a_table_that_only_lacks_the_times(
    refuses: Refuses, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgetune.cli import app

    app(["calibrate", "--device", "mine", "--suggest", "3", "--out", str(tmp_path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert sorted(path.stem for path in tmp_path.glob("*.onnx")) == sorted(told["networks"])
    assert "row 2" in refuses("calibrate", "--device", "mine", "--measurements", tmp_path / "measurements.csv")


def predicted(path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict]:  # type: ignore[type-arg]
    from edgetune.cli import app

    app(["predict", str(path), "--json"], standalone_mode=False)
    found: list[dict] = json.loads(capsys.readouterr().out)  # type: ignore[type-arg]
    return found


def width(prediction: dict) -> float:  # type: ignore[type-arg]
    low, high = prediction["interval_ms"]
    return float(high / low)
