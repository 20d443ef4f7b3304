"""An ONNX file from outside, checked before a runtime sees it.

Refused are files that a runtime would follow to other files (external data, cached contexts), operators that need a
library of their own, and what is no ONNX at all. Runs in a measurement's own process: what a crafted file does to the
parser, it does there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import ModelFileError

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto

OPSETS = range(7, 27)
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
"""Of operators that are built into onnxruntime."""
READS_FILES = {"EPContext"}
DEEPEST = 20  # graphs within graphs
EXPORT_AGAIN = "export it again"


def check_onnx(path: Path) -> str:
    """Checks a file and returns its precision: fp32, fp16 or int8.

    Raises
    ------
    ModelFileError
        Not an ONNX file, an opset that runtimes don't know, data in other files, operators of a library of its own.
    """
    from onnx import GraphProto

    model = _parse(path)
    _check_opsets(model)
    _check_inputs(model)
    if model.training_info:
        raise ModelFileError("it holds a training graph", mend=EXPORT_AGAIN)
    domains = DOMAINS | {function.domain for function in model.functions}
    quantised = half = False
    for body in _bodies(model):
        for node in body.node:
            _check_node(node, domains)
            quantised |= "Quantize" in node.op_type or node.op_type.startswith("QLinear")
        if isinstance(body, GraphProto):
            sparse = (part for tensor in body.sparse_initializer for part in (tensor.values, tensor.indices))
            for tensor in (*body.initializer, *sparse):
                _check_inside(tensor)
                half |= tensor.data_type == tensor.FLOAT16
    return "int8" if quantised else "fp16" if half else "fp32"


def _parse(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]

    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise ModelFileError("not an ONNX file, or cut off", mend=EXPORT_AGAIN) from error
    if not model.graph.node:
        raise ModelFileError("not an ONNX file, or an empty one", mend=EXPORT_AGAIN)
    return model


def _check_opsets(model: ModelProto) -> None:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version not in OPSETS:
            known = f"{OPSETS.start} to {OPSETS.stop - 1}"
            raise ModelFileError(f"opset {entry.version}", mend=f"{EXPORT_AGAIN} with one of {known}")
    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        raise ModelFileError("it names no opset", mend=EXPORT_AGAIN)


def _check_inputs(model: ModelProto) -> None:
    for value in model.graph.input:
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape"):
            raise ModelFileError(f"input {value.name!r} has no shape", mend=f"{EXPORT_AGAIN} with fixed picture sizes")


def _check_node(node: NodeProto, domains: set[str]) -> None:
    if node.domain not in domains:
        raise ModelFileError(
            f"operator {node.op_type!r} of {node.domain!r} needs a library of its own", mend="use standard operators"
        )
    if node.op_type in READS_FILES:
        raise ModelFileError(f"operator {node.op_type!r} reads other files", mend=EXPORT_AGAIN)
    for attribute in node.attribute:
        for tensor in _tensors(attribute):
            _check_inside(tensor)


def _check_inside(tensor: TensorProto) -> None:
    if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
        where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        raise ModelFileError(
            f"data of {tensor.name!r} lie in another file, {where!r}", mend="save it with all weights in one file"
        )


def _tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    sparse = [attribute.sparse_tensor, *attribute.sparse_tensors]
    yield from (attribute.t, *attribute.tensors)
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def _bodies(model: ModelProto) -> Iterator[GraphProto | FunctionProto]:
    """The main graph, the model's functions, and all graphs within them, as bodies of loops and branches."""
    waiting: list[tuple[GraphProto | FunctionProto, int]] = [(body, 0) for body in (model.graph, *model.functions)]
    while waiting:
        body, depth = waiting.pop()
        if depth > DEEPEST:
            raise ModelFileError("graphs nested too deeply", mend=EXPORT_AGAIN)
        yield body
        for attribute in (attribute for node in body.node for attribute in node.attribute):
            inner = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            waiting += [(graph, depth + 1) for graph in inner]
