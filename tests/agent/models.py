"""Small models, good and bad, and requests that take a moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgetune.agent.measure import Limits, Request
from edgetune.agent.timing import Protocol

QUICK = Protocol(min_runs=10, min_seconds=0.02, max_seconds=0.2, warmup_seconds=0.2)
QUICK_REQUEST = Request(protocol=QUICK, limits=Limits(seconds=60), attempts=1)


def convolution(width: int = 4, layers: int = 2, pixels: int = 16) -> onnx.ModelProto:
    """A plain network with an open batch."""
    random = np.random.default_rng(0)
    nodes, weights, value, channels = [], [], "x", 3
    for i in range(layers):
        kernel = random.normal(size=(width, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{i}"))
        nodes.append(helper.make_node("Conv", [value, f"w{i}"], [f"y{i}"], pads=[1] * 4))
        value, channels = f"y{i}", width
    return make_model(nodes, ["N", 3, pixels, pixels], value, weights)


def make_model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    output: str,
    weights: Sequence[TensorProto] = (),
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def endless() -> onnx.ModelProto:
    """A loop whose condition never ends it."""
    inner = [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Mul", ["v", "v"], ["w"])]
    body = helper.make_graph(
        inner,
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(2**62, np.int64), "times"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    loop = helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)
    return make_model([loop], [1, 3, 8, 8], "y", constants)


def greedy(gigabytes: int = 64) -> onnx.ModelProto:
    """A few bytes that ask for so much memory."""
    shape = numpy_helper.from_array(np.array([gigabytes, 2**28], np.int64), "shape")
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("ReduceSum", ["big"], ["sum"])]
    nodes.append(helper.make_node("Add", ["x", "sum"], ["y"]))
    return make_model(nodes, [1, 3, 8, 8], "y", [shape])
