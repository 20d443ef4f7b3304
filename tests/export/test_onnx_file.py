from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgetune.errors import ConfigError, ExportError
from edgetune.export.int8 import quantize_onnx
from edgetune.export.onnx_file import OnnxForm, export_onnx, opset_for
from edgetune.nets.network import Network


def test_logits_equal_those_of_torch(hswish_network: Network, hswish_onnx: Path, test_pictures: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(hswish_onnx, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = hswish_network(torch.from_numpy(test_pictures)).numpy()
    logits = np.concatenate([session.run(["logits"], {"pixels": picture[None]})[0] for picture in test_pictures])
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())


def test_one_file_with_static_shape_folded_batchnorm_and_metadata(hswish_onnx: Path) -> None:
    model = onnx.load(hswish_onnx, load_external_data=False)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"BatchNormalization", "Constant", "Identity"})
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [1, 1, 28, 28]
    assert all(weights.data_location == onnx.TensorProto.DEFAULT for weights in model.graph.initializer)
    meta = onnxruntime.InferenceSession(hswish_onnx, providers=["CPUExecutionProvider"]).get_modelmeta()
    assert meta.custom_metadata_map == {"labels": '["a", "b"]'}


def test_the_same_module_gives_the_same_bytes(hswish_network: Network, hswish_onnx: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    export_onnx(hswish_network, again, channels=1, resolution=28, metadata={"labels": '["a", "b"]'})
    assert again.read_bytes() == hswish_onnx.read_bytes()


def test_a_module_in_training_stays_in_training(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Dropout(), torch.nn.Flatten()).train()
    export_onnx(module, tmp_path / "model.onnx", channels=1, resolution=8, metadata={})
    assert module.training
    assert "Dropout" not in {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}


def test_an_operator_that_onnx_lacks_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    class Unwritable(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    with pytest.raises(ExportError, match="bessel_j0"):
        export_onnx(Unwritable(), tmp_path / "model.onnx", channels=1, resolution=8, metadata={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [OnnxForm(13), OnnxForm(14), OnnxForm(dynamic_batch=True)], ids=str)
def test_other_forms_compute_the_same(
    hswish_network: Network, form: OnnxForm, test_pictures: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(hswish_network, path, channels=1, resolution=28, metadata={}, form=form)
    model = onnx.load(path)
    assert (model.opset_import[0].version, model.ir_version) == (form.opset, 8 if form.opset == 17 else 7)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = hswish_network(torch.from_numpy(test_pictures)).numpy()
    batch = len(test_pictures) if form.dynamic_batch else 1
    parts = np.split(test_pictures, len(test_pictures) // batch)
    logits = np.concatenate([session.run(["logits"], {"pixels": part})[0] for part in parts])
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())


def test_a_static_file_takes_one_picture_and_a_dynamic_one_any_number(
    relu_network: Network, relu_onnx: Path, test_pictures: np.ndarray, tmp_path: Path
) -> None:
    dynamic, rounded = tmp_path / "dynamic.onnx", tmp_path / "dynamic.int8.onnx"
    form = OnnxForm(dynamic_batch=True)
    export_onnx(relu_network, dynamic, channels=1, resolution=28, metadata={}, form=form)
    quantize_onnx(dynamic, rounded, calibration=test_pictures[:8])
    for path, size in ((dynamic, "batch"), (rounded, "batch"), (relu_onnx, 1)):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert session.get_inputs()[0].shape == [size, 1, 28, 28]
        assert session.get_outputs()[0].shape == [size, 10]
        if size == 1:
            with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
                session.run(None, {"pixels": test_pictures[:3]})
        else:
            assert session.run(None, {"pixels": test_pictures[:3]})[0].shape == (3, 10)


def test_the_opset_is_one_that_the_boards_runtime_reads() -> None:
    assert [opset_for(v, where="here") for v in ("2.0.0", "1.12", "1.11.1", "1.8.0", "1.7", "1.6")] == [
        *(17, 17, 14, 14, 13, 13)
    ]
    for wrong in ("1.5", "new", "1", "1.x", ""):
        with pytest.raises(ConfigError, match="here"):
            opset_for(wrong, where="here")
