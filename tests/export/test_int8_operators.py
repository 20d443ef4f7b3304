from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from edgetune.export.int8 import quantize_onnx
from edgetune.export.int8_operators import gates_in_bytes, pool_by_name
from edgetune.latency.from_onnx import read_onnx
from tests.export.conftest import Digits


def rounding(source: str, name: str, scale: float) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """A value that is quantised, zero point 128, and read again as `name`."""
    nodes = [
        make_node("QuantizeLinear", [source, f"{name}_scale", "middle"], [f"{name}_bytes"]),
        make_node("DequantizeLinear", [f"{name}_bytes", f"{name}_scale", "middle"], [name]),
    ]
    return nodes, [from_array(np.array(scale, np.float32), f"{name}_scale")]


def between_bytes(*inner: onnx.NodeProto, size: int = 256) -> onnx.ModelProto:
    """`inner`, from "in" to "out", on bytes from −6 to 6."""
    before, first = rounding("x", "in", 12 / 255)
    after, last = rounding("out", "y", 12 / 255)
    ends = [make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name in ("x", "y")]
    constants = [*first, *last, from_array(np.array(128, np.uint8), "middle")]
    graph = make_graph([*before, *inner, *after], "one", ends[:1], ends[1:], constants)
    return make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """As the operators stand, nothing fused."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]


def operators_of(session_file: Path, folder: Path) -> Counter[str]:
    """What onnxruntime runs in the end."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(session_file, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


GATED = {
    "hard-swish": [make_node("HardSwish", ["in"], ["out"])],
    "hard sigmoid and product": [
        make_node("HardSigmoid", ["in"], ["h"], alpha=1 / 6, beta=0.5),
        *rounding("h", "gate_in", 1 / 128)[0],
        make_node("Mul", ["in", "gate_in"], ["out"]),
    ],
}


@pytest.mark.parametrize("kind", GATED)
def test_gates_of_bytes_are_those_of_floats_within_their_steps(kind: str) -> None:
    model = between_bytes(*GATED[kind])
    model.graph.initializer.append(from_array(np.array(1 / 128, np.float32), "gate_in_scale"))
    gates_in_bytes(model)
    onnx.checker.check_model(model, full_check=True)
    assert not {"HardSwish", "HardSigmoid"} & {node.op_type for node in model.graph.node}
    x = np.linspace(-6, 6, 256, dtype=np.float32)[None]
    expected = x * np.clip(x + 3, 0, 6) / 6
    # Half a step of the input, whose slope is at most 1.5, of the gate, times at most 6, and of the output.
    step = 12 / 255
    assert np.abs(run(model, x) - expected).max() <= 1.5 * step / 2 + 6 * (1 / 255) / 2 + step / 2


@pytest.mark.parametrize(
    "inner",
    [
        [make_node("HardSigmoid", ["in"], ["out"], alpha=0.2, beta=0.5)],
        [make_node("HardSigmoid", ["in"], ["out"], alpha=1 / 6, beta=0.5)],
        [make_node("HardSwish", ["in"], ["h"]), make_node("Abs", ["h"], ["out"])],
    ],
    ids=["another slope", "read by more than a product", "a neighbour in float"],
)
def test_other_gates_stay_as_they_are(inner: list[onnx.NodeProto]) -> None:
    model = between_bytes(*inner)
    before = model.SerializeToString()
    gates_in_bytes(model)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("keepdims", [0, 1])
def test_means_over_pixels_are_pooled_by_name_and_others_are_not(keepdims: int) -> None:
    shapes = {"x": [1, 3, 4, 5], "y": [1, 3, 1, 1] if keepdims else [1, 3], "z": [1, 1, 4, 5]}
    ends = [make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    means = [
        make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=keepdims),
        make_node("ReduceMean", ["x"], ["z"], axes=[1]),
    ]
    graph = make_graph(means, "means", ends[:1], ends[1:])
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)
    x = np.random.default_rng(0).normal(size=shapes["x"]).astype(np.float32)
    pool_by_name(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node].count("GlobalAveragePool") == 1
    pooled, across = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(pooled, x.mean((2, 3), keepdims=bool(keepdims)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(across, x.mean(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_nothing_of_a_quantised_network_goes_to_float_and_back(
    hswish_onnx: Path, digits: Digits, tmp_path: Path
) -> None:
    file = tmp_path / "model.int8.onnx"
    quantize_onnx(hswish_onnx, file, calibration=digits.train[:64])
    found = operators_of(file, tmp_path)
    assert not {"HardSwish", "HardSigmoid", "ReduceMean", "GlobalAveragePool", "Clip"} & found.keys()
    assert found["QuantizeLinear"] == found["DequantizeLinear"] == 1  # where the picture comes in and the logits go out


def test_what_predicts_its_latency_sees_the_same_layers(hswish_onnx: Path, digits: Digits, tmp_path: Path) -> None:
    file = tmp_path / "model.int8.onnx"
    quantize_onnx(hswish_onnx, file, calibration=digits.train[:64])
    exact, rounded = read_onnx(hswish_onnx), read_onnx(file)
    assert [kernel.kind for kernel in rounded.kernels] == [kernel.kind for kernel in exact.kernels]
    # A ReLU is where a range begins, so that the file need not hold it.
    gates = [Counter(kernel.activation for kernel in graph.kernels) for graph in (exact, rounded)]
    assert gates[0]["hswish"] > 0
    assert [gates[1][act] for act in ("hswish", "hsigmoid")] == [gates[0][act] for act in ("hswish", "hsigmoid")]
