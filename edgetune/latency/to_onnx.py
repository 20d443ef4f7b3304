"""From kernels to an ONNX file with random weights: what is clocked where only a network's shape matters."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from edgetune.errors import ModelFileError
from edgetune.latency.graph import Graph, Kernel

if TYPE_CHECKING:
    import onnx

OPSET = 17
ACTIVATIONS = {
    "relu": "Relu", "hswish": "HardSwish", "hsigmoid": "HardSigmoid", "sigmoid": "Sigmoid", "tanh": "Tanh",
}  # fmt: skip


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """A model that :func:`edgetune.latency.from_onnx.read_onnx` reads as `graph` again.

    Weights are He's (2015), so that activations stay of order one: denormal or infinite ones would be clocked slower
    or faster than a trained network's. Which pool and which move of data is meant, a graph does not say: pools take
    maxima, a copy is a concatenation, a slice of channels or a channel shuffle.

    Raises
    ------
    ModelFileError
        A kernel that cannot be written from its shape alone.
    """
    from onnx import TensorProto, helper

    writer = _Writer(np.random.default_rng(0))
    for index, kernel in enumerate(graph.kernels):
        writer.add(index, kernel)
    last = len(graph.kernels) - 1
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *graph.input])]
    outputs = [helper.make_tensor_value_info(writer.values[last], TensorProto.FLOAT, None)]
    network = helper.make_graph(writer.nodes, graph.name, inputs, outputs, writer.constants)
    return helper.make_model(network, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


class _Writer:
    """Nodes and constants; `values` names what each kernel puts out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.values: dict[int, str] = {-1: "x"}

    def add(self, index: int, kernel: Kernel) -> None:
        name = f"k{index}"
        inputs = [self.values[i] for i in kernel.inputs]
        if kernel.kind in ("conv", "depthwise", "pointwise"):
            value = self._convolution(name, inputs[0], kernel)
        elif kernel.kind == "linear":
            value = self._linear(name, inputs[0], kernel)
        elif kernel.kind == "pool":
            value = self._node("MaxPool", name, inputs, kernel_shape=kernel.kernel, **_window(kernel))
        elif kernel.kind == "global-pool":
            value = self._node("GlobalAveragePool", name, inputs)
        elif kernel.kind in ("add", "multiply"):
            if len(inputs) == 1:
                inputs = [*inputs, self._weights(f"{name}.constant", (kernel.output[0], 1, 1), 1.0)]
            value = self._node("Add" if kernel.kind == "add" else "Mul", name, inputs)
        elif kernel.kind == "activation":
            value = self._activation(name, inputs[0], kernel.activation or "relu")
        elif kernel.kind == "softmax":
            attributes: dict[str, Any] = {"size": 5} if prod(kernel.output[1:]) > 1 else {}
            value = self._node("LRN" if attributes else "Softmax", name, inputs, **attributes)
        elif kernel.kind == "copy":
            value = self._copy(name, inputs, kernel)
        else:
            raise ModelFileError(f"a kernel of kind {kernel.kind} cannot be written", where=kernel.name)
        if kernel.kind != "activation" and kernel.activation is not None:
            value = self._activation(name, value, kernel.activation)
        self.values[index] = value

    def _node(self, op: str, name: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        value = f"{name}.{op}"
        self.nodes.append(helper.make_node(op, inputs, [value], name=value, **attributes))
        return value

    def _weights(self, name: str, shape: tuple[int, ...], deviation: float) -> str:
        from onnx import numpy_helper

        values = deviation * self.rng.standard_normal(shape, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _integers(self, name: str, values: tuple[int, ...]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _convolution(self, name: str, x: str, k: Kernel) -> str:
        fan_in = k.input[0] // k.groups * prod(k.kernel)
        weight = self._weights(f"{name}.weight", (k.output[0], k.input[0] // k.groups, *k.kernel), (2 / fan_in) ** 0.5)
        inputs = [x, weight]
        if k.weights > k.output[0] * fan_in:
            inputs.append(self._weights(f"{name}.bias", (k.output[0],), 0.1))
        return self._node("Conv", name, inputs, kernel_shape=k.kernel, group=k.groups, **_window(k))

    def _linear(self, name: str, x: str, k: Kernel) -> str:
        features, width = k.input[0], k.output[0]
        weight = self._weights(f"{name}.weight", (width, features), (2 / features) ** 0.5)
        bias = self._weights(f"{name}.bias", (width,), 0.1)
        return self._node("Gemm", name, [self._node("Flatten", name, [x]), weight, bias], transB=1)

    def _activation(self, name: str, x: str, activation: str) -> str:
        if activation == "relu6":
            limits = [self._scalar(f"{name}.low", 0.0), self._scalar(f"{name}.high", 6.0)]
            return self._node("Clip", name, [x, *limits])
        if activation == "swish":
            return self._node("Mul", name, [x, self._node("Sigmoid", name, [x])])
        if activation not in ACTIVATIONS:
            raise ModelFileError(f"activation {activation} cannot be written", where=name)
        gate = {"alpha": 1 / 6, "beta": 0.5} if activation == "hsigmoid" else {}
        return self._node(ACTIVATIONS[activation], name, [x], **gate)

    def _scalar(self, name: str, value: float) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def _copy(self, name: str, inputs: list[str], k: Kernel) -> str:
        if len(inputs) > 1:
            return self._node("Concat", name, inputs, axis=1)
        if k.written < k.read:
            ends = [
                self._integers(f"{name}.{what}", (v,)) for what, v in (("from", 0), ("to", k.output[0]), ("axis", 1))
            ]
            return self._node("Slice", name, [*inputs, *ends])
        channels, height, width = k.output
        groups = 2 if channels % 2 == 0 else 3
        split = self._integers(f"{name}.split", (1, groups, channels // groups, height, width))
        split_value = self._node("Reshape", f"{name}.split", [*inputs, split])
        shuffled = self._node("Transpose", name, [split_value], perm=(0, 2, 1, 3, 4))
        return self._node("Reshape", name, [shuffled, self._integers(f"{name}.join", (1, channels, height, width))])


def _window(k: Kernel) -> dict[str, tuple[int, ...]]:
    """Strides and the padding that leads from the input's pixels to the output's: symmetric where it can be."""
    before, after = [], []
    for size, out, kernel, stride in zip(k.input[1:], k.output[1:], k.kernel, k.stride, strict=True):
        half = (kernel - 1) // 2
        symmetric = next((p for p in (half, 0) if (size + 2 * p - kernel) // stride + 1 == out), None)
        missing = max(0, (out - 1) * stride + kernel - size)
        before.append(missing // 2 if symmetric is None else symmetric)
        after.append(missing - missing // 2 if symmetric is None else symmetric)
    return {"strides": k.stride, "pads": (*before, *after)}
