from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgetune.errors import ExportError
from edgetune.export.onnx_file import export_onnx


def test_logits_equal_those_of_torch(hswish_network, hswish_onnx: Path, test_pictures: np.ndarray) -> None:
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


def test_the_same_module_gives_the_same_bytes(hswish_network, hswish_onnx: Path, tmp_path: Path) -> None:
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
