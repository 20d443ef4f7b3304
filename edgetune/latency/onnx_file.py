"""An ONNX file from outside, checked before anything is made of it: its size, opset, external data and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgetune.errors import ModelFileError
from edgetune.latency.graph import Precision
from edgetune.latency.onnx_folding import fold_shapes
from edgetune.latency.onnx_wire import without_weights

if TYPE_CHECKING:
    import onnx

LARGEST_BYTES = 2**31  # the limit of protobuf
OLDEST_OPSET = 11
SMALL_ELEMENTS = 1024  # constants up to here may be shapes, axes and limits, which inference has to read

READ_ELEMENTS = 16  # limits and axes, which kernels are told by

Dims = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One operator; `attributes` are plain Python values."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class OnnxNetwork:
    """What the kernels are made from: nodes in order, the shape of every value, small constants' values."""

    input: str
    nodes: tuple[Node, ...]
    dims: Mapping[str, Dims]
    constants: frozenset[str]
    values: Mapping[str, Any]
    outputs: frozenset[str]
    notes: tuple[str, ...]
    precision: Precision


def load_onnx(path: Path) -> OnnxNetwork:
    """Reads and checks a file; weights are not looked at.

    Raises
    ------
    ModelFileError
        Not an ONNX file, too large, too old an opset, weights outside its folder, a batch other than 1, a size left
        open.
    """
    model = _parse(path)
    _check_external_data(model, path)
    for initializer in model.graph.initializer:
        _drop_data(initializer)
    _bind_inputs(model, path)
    model, dims, notes = _infer_shapes(model, path)
    return _network(model, dims, notes)


def _parse(path: Path) -> onnx.ModelProto:
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if not path.is_file():
        raise ModelFileError("there is no such file", where=path)
    if path.stat().st_size > LARGEST_BYTES:
        raise ModelFileError("larger than 2 GiB", where=path, mend="keep the weights in an external file beside it")
    try:
        model = onnx.load_model_from_string(without_weights(path))
    except (DecodeError, ValueError) as error:
        raise ModelFileError("not an ONNX file, or cut off", where=path, mend="export it again") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if not model.graph.node or "" not in opsets | {"": opsets.get("ai.onnx")} or not opsets:
        raise ModelFileError("not an ONNX file, or an empty one", where=path, mend="export it again")
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    if opset < OLDEST_OPSET:
        raise ModelFileError(
            f"opset {opset} is too old", where=path, mend=f"export it with opset {OLDEST_OPSET} or later"
        )
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _check_external_data(model: onnx.ModelProto, path: Path) -> None:
    from onnx import TensorProto

    folder = path.resolve().parent
    for tensor in _tensors(model.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        location = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        target = (folder / location).resolve()
        if not location or not target.is_relative_to(folder):
            raise ModelFileError(
                f"its weights lie outside its folder: {location!r}", where=path, mend="keep them beside the file"
            )
        if not target.is_file():
            raise ModelFileError(f"its weights are missing: {location!r}", where=path, mend="copy that file too")


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Weights, and constants in nodes, those of branches too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def external_files(path: Path) -> list[str]:
    """The files beside an ONNX file, as it names them, that hold weights of it."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    entries = (entry for tensor in _tensors(model.graph) for entry in tensor.external_data)
    return sorted({entry.value for entry in entries if entry.key == "location"})


def _drop_data(tensor: onnx.TensorProto) -> None:
    if prod(tensor.dims) > SMALL_ELEMENTS:
        for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
            tensor.ClearField(field)


def _bind_inputs(model: onnx.ModelProto, path: Path) -> None:
    """Binds an open batch to 1 and forgets every other shape that the file states."""
    initializers = {initializer.name for initializer in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    if not inputs:
        raise ModelFileError("a network without an input", where=path)
    for value in inputs:
        if not value.type.tensor_type.HasField("shape"):
            raise ModelFileError(
                f"input {value.name!r} has no shape", where=path, mend="export it with fixed picture sizes"
            )
        dims = value.type.tensor_type.shape.dim
        for i, dim in enumerate(dims):
            if i == 0 and dim.dim_value <= 0:
                dim.dim_value = 1
            elif i == 0 and dim.dim_value != 1:
                raise ModelFileError(
                    f"a batch of {dim.dim_value} in input {value.name!r}",
                    where=path,
                    mend="export it with a batch of 1",
                )
            elif dim.dim_value <= 0:
                raise ModelFileError(
                    f"dimension {i} of input {value.name!r} has no size",
                    where=path,
                    mend="export it with fixed picture sizes",
                )
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def _infer_shapes(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, dict[str, Dims], list[str]]:
    """The model and its values' shapes; an operator that ONNX does not know is taken to keep its first input's."""
    import onnx

    unknown: list[str] = []
    for _ in range(2 * len(model.graph.node) + 1):
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except (onnx.shape_inference.InferenceError, RuntimeError) as error:
            raise ModelFileError(
                f"its shapes don't fit together: {error}", where=path, mend="export it again"
            ) from error
        known = _dims(inferred)
        if any(node.op_type == "Shape" for node in model.graph.node) and fold_shapes(model, known):
            continue
        gap = next(
            (n for n in model.graph.node if n.output and n.output[0] not in known and n.input and n.input[0] in known),
            None,
        )
        if gap is None:
            break
        shape = known[gap.input[0]]
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(gap.output[0], onnx.TensorProto.FLOAT, shape))
        unknown.append(gap.op_type)
    notes = [
        f"the shape after operator {op} is not known{f' ({times} times)' if times > 1 else ''}: taken as that before it"
        for op, times in Counter(unknown).items()
    ]
    return inferred, known, notes


def _dims(model: onnx.ModelProto) -> dict[str, Dims]:
    """Shapes of all values that are fully known."""
    found: dict[str, Dims] = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            found[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return found


def _network(model: onnx.ModelProto, dims: dict[str, Dims], notes: list[str]) -> OnnxNetwork:
    import onnx

    values: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        if tensor.raw_data or not tensor.dims or 0 not in tensor.dims:
            array = _small_array(tensor)
            if array is not None:
                values[tensor.name] = array
    nodes = []
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and isinstance(attributes.get("value"), onnx.TensorProto):
            values[node.output[0]] = _small_array(attributes["value"])
        if node.op_type == "DequantizeLinear" and all(values.get(name) is not None for name in node.input):
            rounded, step, *zero = (values[name] for name in node.input)
            if step.size == 1:
                values[node.output[0]] = (rounded.astype(float) - (zero[0] if zero else 0)) * step
        inputs = (*node.input, *_read_by_branches(node))
        if node.op_type in ("Constant", "Shape", "Size") or (inputs and all(i in constants for i in inputs if i)):
            constants |= set(node.output)
            continue
        nodes.append(Node(node.op_type, node.name or node.output[0], inputs, tuple(node.output), attributes))
    names = [value.name for value in model.graph.input if value.name not in constants]
    outputs = frozenset(value.name for value in model.graph.output)
    precision = _precision(model)
    return OnnxNetwork(names[0], tuple(nodes), dims, frozenset(constants), values, outputs, tuple(notes), precision)


def _precision(model: onnx.ModelProto) -> Precision:
    if any(word in node.op_type for node in model.graph.node for word in ("Quantize", "QLinear", "Integer")):
        return "int8"
    halves = any(tensor.data_type == tensor.FLOAT16 for tensor in model.graph.initializer)
    return "fp16" if halves else "fp32"


def _read_by_branches(node: onnx.NodeProto) -> list[str]:
    """What the graphs inside of an `If`, a `Loop` or a `Scan` read from outside."""
    read: list[str] = []
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            own = {value.name for value in (*graph.input, *graph.initializer)}
            own |= {name for inner in graph.node for name in inner.output}
            wanted = [name for inner in graph.node for name in (*inner.input, *_read_by_branches(inner))]
            read += [name for name in (*wanted, *(value.name for value in graph.output)) if name not in own]
    return list(dict.fromkeys(filter(None, read)))


def _small_array(tensor: onnx.TensorProto) -> Any:
    import onnx

    inside = tensor.data_location != onnx.TensorProto.EXTERNAL
    return onnx.numpy_helper.to_array(tensor) if inside and prod(tensor.dims) <= READ_ELEMENTS else None
