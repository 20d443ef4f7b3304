"""Shapes that are computed in the graph, as exporters write `x.chunk(2, 1)[0]` and `x.view(x.size(0), -1)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgetune.latency.onnx_file import load_onnx

CHANNELS = 12


def halved_and_flat(opset: int, batch: int | str) -> onnx.ModelProto:
    """The first half of the channels, however many there are, then everything in one row a picture."""
    values = {"one": 1, "zero": 0, "two": 2, "axis": [1], "from": [0]}
    constants = {name: np.array(value) for name, value in values.items()}
    axes: dict[str, Any] = {"axes": [0]} if opset < 13 else {}
    more = [] if opset < 13 else ["from"]
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["channels"]),
        helper.make_node("Div", ["channels", "two"], ["half"]),
        helper.make_node("Unsqueeze", ["half", *more], ["end"], **axes),
        helper.make_node("Slice", ["x", "from", "end", "axis"], ["first"]),
        helper.make_node("Shape", ["first"], ["halved"]),
        helper.make_node("Gather", ["halved", "zero"], ["pictures"]),
        helper.make_node("Unsqueeze", ["pictures", *more], ["rows"], **axes),
        helper.make_node("Constant", [], ["rest"], value=numpy_helper.from_array(np.array([-1]))),
        helper.make_node("Concat", ["rows", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["first", "wanted"], ["flat"]),
        helper.make_node("Relu", ["flat"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "halved and flat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, CHANNELS, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize("batch", [1, "N"])
def test_what_follows_from_a_shape_is_known(opset: int, batch: int | str, tmp_path: Path) -> None:
    model = halved_and_flat(opset, batch)
    onnx.save(model, tmp_path / "net.onnx")
    network = load_onnx(tmp_path / "net.onnx")
    assert not network.notes
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": np.zeros((1, CHANNELS, 4, 4), np.float32)})
    assert network.dims["y"] == answer.shape == (1, CHANNELS // 2 * 16)
    assert network.dims["first"] == (1, CHANNELS // 2, 4, 4)
