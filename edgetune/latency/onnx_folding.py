"""Shapes that a network computes as it runs, as exporters write `x.chunk(2)` or `x.view(x.size(0), -1)`: computed once.

ONNX's own inference follows such chains a few steps only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

MOST_ELEMENTS = 1024
"""Of what is folded: shapes, axes, positions."""
FOLDABLE = frozenset((
    "Add", "And", "Cast", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Floor", "Gather", "Greater",
    "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Range", "ReduceProd", "Reshape", "Slice",
    "Squeeze", "Sub", "Tile", "Unsqueeze", "Where",
))  # fmt: skip


def fold_shapes(model: onnx.ModelProto, dims: Mapping[str, tuple[int, ...]]) -> bool:
    """Replaces what follows from the known `dims` and small constants alone by its value; whether there was any."""
    from onnx import numpy_helper

    opsets = {entry.domain: entry.version for entry in model.opset_import}
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if _is_small(t)}
    left: list[onnx.NodeProto] = []
    for node in model.graph.node:
        found = _value(node, values, dims, opsets)
        if found is None or found.size > MOST_ELEMENTS:
            left.append(node)
        else:
            values[node.output[0]] = found
            model.graph.initializer.append(numpy_helper.from_array(found, node.output[0]))
    folded = len(left) < len(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(left)
    return folded


def _is_small(tensor: onnx.TensorProto) -> bool:
    elements = int(np.prod(tensor.dims))
    told = tensor.raw_data or tensor.int64_data or tensor.int32_data or tensor.float_data
    return elements <= MOST_ELEMENTS and tensor.data_location == tensor.DEFAULT and (bool(told) or not elements)


def _value(
    node: onnx.NodeProto,
    values: Mapping[str, np.ndarray],
    dims: Mapping[str, tuple[int, ...]],
    opsets: Mapping[str, int],
) -> Any:
    """What a node gives, None where that is not known."""
    import onnx

    if node.op_type == "Constant":
        (attribute,) = node.attribute
        found = onnx.helper.get_attribute_value(attribute)
        if isinstance(found, onnx.TensorProto):
            return onnx.numpy_helper.to_array(found) if _is_small(found) else None
        return np.asarray(found) if attribute.name.startswith(("value_int", "value_float")) else None
    if node.op_type in ("Shape", "Size") and node.input[0] in dims:
        shape = np.array(dims[node.input[0]], np.int64)
        bounds = {a.name: a.i for a in node.attribute}
        return shape.prod() if node.op_type == "Size" else shape[slice(bounds.get("start"), bounds.get("end"))]
    known = all(name in values for name in node.input if name)
    if node.domain not in ("", "ai.onnx") or node.op_type not in FOLDABLE or len(node.output) != 1 or not known:
        return None
    given = {name: values[name] for name in node.input if name}
    try:
        return np.asarray(_evaluated(node, given, opsets))
    except (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError):
        return None


def _evaluated(node: onnx.NodeProto, given: Mapping[str, np.ndarray], opsets: Mapping[str, int]) -> Any:
    """By ONNX's reference implementation of the model's own opset."""
    from onnx import TypeProto, helper
    from onnx.reference import ReferenceEvaluator

    inputs = [helper.make_value_info(name, TypeProto()) for name in given]
    graph = helper.make_graph([node], "one", inputs, [helper.make_value_info(node.output[0], TypeProto())])
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    (found,) = ReferenceEvaluator(helper.make_model(graph, opset_imports=imports)).run(None, dict(given))
    return found
