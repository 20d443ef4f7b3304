"""What an exported network computes, in operators that onnxruntime has in 8 bits.

As exported, a mean over all pixels, a hard sigmoid and a hard-swish are computed in float32, between a dequantisation
and a quantisation. The first has a twin in 8 bits under another name. The gate of the others, clip(x + 3, 0, 6) / 6, is
a sum that saturates: quantised with the step 6 / 255 it cannot leave 0…6, and read with the step 1 / 255 it is divided
by 6. So a hard sigmoid is one sum of bytes, and a hard-swish that and one product.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

PIXELS = ([2, 3], [-2, -1])
SUM, GATE = "gate_times_six", "gate"
"""Names of the two grids of bytes."""
CONSTANTS: Mapping[str, np.ndarray] = {
    "gate_three": np.array(3, np.uint8),
    "gate_one": np.array(1, np.float32),
    "gate_zero_point": np.array(0, np.uint8),
    "gate_lowest": np.array(0, np.float32),
    "gate_highest": np.array(6, np.float32),
    f"{SUM}_scale": np.array(6 / 255, np.float32),
    f"{GATE}_scale": np.array(1 / 255, np.float32),
}


def pool_by_name(model: onnx.ModelProto) -> None:
    """Before quantising: means over all pixels become `GlobalAveragePool`, of the same name."""
    _replace_nodes(model, [new for node in model.graph.node for new in _pooled(node)])


def _pooled(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    from onnx.helper import get_attribute_value, make_node

    attributes = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type != "ReduceMean" or attributes.get("axes") not in PIXELS:
        yield node
    elif attributes.get("keepdims", 1):
        yield make_node("GlobalAveragePool", node.input, node.output, node.name)
    else:
        pooled = f"{node.output[0]}_pooled"
        yield make_node("GlobalAveragePool", node.input, [pooled], node.name)
        yield make_node("Flatten", [pooled], node.output, f"{node.name}/Flatten", axis=1)


def gates_in_bytes(model: onnx.ModelProto) -> None:
    """After quantising, of a QDQ graph: hard sigmoids and hard-swishes between bytes become sums and products of bytes.

    Those with a neighbour in float stay as they are, and so does a sigmoid that not only products read.
    """
    from onnx.numpy_helper import from_array

    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    read_by: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            read_by[name].append(node)
    nodes: list[onnx.NodeProto] = []
    replaced: set[str] = set()
    for node in graph.node:
        source, readers = made_by.get(node.input[0]) if node.input else None, read_by[node.output[0]]
        between_bytes = (
            source is not None
            and source.op_type == "DequantizeLinear"
            and [reader.op_type for reader in readers] == ["QuantizeLinear"]
        )
        if node.output[0] in replaced:
            continue
        if between_bytes and node.op_type == "HardSwish":
            nodes += _hard_swish(node)
        elif between_bytes and _is_hard_sigmoid(node) and _only_multiplied(rounded := readers[0].output[0], read_by):
            nodes += _gate(node, rounded)
            replaced.add(rounded)
            for reader in read_by[rounded]:
                reader.input[1:] = [f"{GATE}_scale", "gate_zero_point"]
        else:
            nodes.append(node)
    _replace_nodes(model, nodes)
    graph.initializer.extend(from_array(value, name) for name, value in CONSTANTS.items())
    _drop_unread(graph)


def _is_hard_sigmoid(node: onnx.NodeProto) -> bool:
    """torch's, of slope 1/6, whatever ONNX's own default."""
    slopes = {attribute.name: attribute.f for attribute in node.attribute}
    return (
        node.op_type == "HardSigmoid"
        and math.isclose(slopes.get("alpha", 0.2), 1 / 6, rel_tol=1e-4)
        and slopes.get("beta", 0.5) == 0.5
    )


def _only_multiplied(rounded: str, read_by: Mapping[str, Sequence[onnx.NodeProto]]) -> bool:
    """A layer would not do: its bias lies on the grid of its input, which changes."""
    return all(
        reader.op_type == "DequantizeLinear" and {last.op_type for last in read_by[reader.output[0]]} == {"Mul"}
        for reader in read_by[rounded]
    )


def _hard_swish(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    from onnx.helper import make_node

    (x,), (product,), name = node.input, node.output, node.name
    rounded, gate = f"{product}_gate_quantized", f"{product}_gate"
    yield from _gate(node, rounded)
    yield make_node("DequantizeLinear", [rounded, f"{GATE}_scale", "gate_zero_point"], [gate], f"{name}/Dequantize")
    yield make_node("Mul", [x, gate], [product], f"{name}/Mul")


def _gate(node: onnx.NodeProto, rounded: str) -> Iterator[onnx.NodeProto]:
    """Six times the hard sigmoid of the node's input, in bytes named `rounded`."""
    from onnx.helper import make_node

    (x,), name = node.input, node.name
    three, shifted, clipped = (f"{node.output[0]}_{part}" for part in ("three", "plus_three", "clipped"))
    yield make_node("DequantizeLinear", ["gate_three", "gate_one", "gate_zero_point"], [three], f"{name}/Three")
    yield make_node("Add", [x, three], [shifted], f"{name}/Add")
    yield make_node("Clip", [shifted, "gate_lowest", "gate_highest"], [clipped], f"{name}/Clip")
    yield make_node("QuantizeLinear", [clipped, f"{SUM}_scale", "gate_zero_point"], [rounded], f"{name}/Quantize")


def _replace_nodes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> None:
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]  # deleting them empties them
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _drop_unread(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.initializer[:]
    graph.initializer.extend(kept)
