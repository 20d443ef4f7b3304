"""Files read without their weights: what onnx's own parser keeps of them, and what it refuses."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgetune.errors import ModelFileError
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.onnx_wire import LARGE_BYTES, without_weights
from edgetune.latency.reference import reference_graph
from edgetune.latency.to_onnx import to_onnx

BULK = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")
TYPES = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT8, TensorProto.DOUBLE, TensorProto.UINT64)


def parsed_and_emptied(content: bytes) -> onnx.ModelProto:
    """By onnx itself: the whole file, then the data of large tensors cleared."""
    model = onnx.load_model_from_string(content)
    for tensor in model.graph.initializer:
        if tensor.ByteSize() > LARGE_BYTES:
            for field in BULK:
                tensor.ClearField(field)
    return model


@pytest.mark.parametrize("name", ["mobilenet-v2-0.35-96", "efficientnet_b0", "mobile-small-28-random-0"])
def test_networks_lose_their_weights_and_nothing_else(name: str, tmp_path: Path) -> None:
    path, content = tmp_path / "net.onnx", to_onnx(reference_graph(name)).SerializeToString()
    path.write_bytes(content)
    found = without_weights(path)
    assert onnx.load_model_from_string(found) == parsed_and_emptied(content)
    assert len(found) < len(content) / 3 or name.startswith("mobile-small")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 6000), st.booleans()), max_size=6),
    st.text(max_size=20000),
)
def test_any_tensors(tmp_path_factory: pytest.TempPathFactory, tensors: list[tuple[int, int, bool]], doc: str) -> None:
    """Raw or as repeated fields, packed; with text beside them."""
    initializers = []
    for i, (kind, count, raw) in enumerate(tensors):
        values = np.arange(count).astype(helper.tensor_dtype_to_np_dtype(kind))
        data = values.tobytes() if raw else values.tolist()
        initializers.append(helper.make_tensor(f"t{i}", kind, [count], data, raw=raw))
    model = helper.make_model(helper.make_graph([], "g", [], [], initializers, doc_string=doc))
    path = tmp_path_factory.mktemp("wire") / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert onnx.load_model_from_string(without_weights(path)) == parsed_and_emptied(path.read_bytes())


@pytest.fixture(scope="module")
def network() -> bytes:
    return to_onnx(reference_graph("mobile-small-28-random-1")).SerializeToString()


@settings(max_examples=60)
@given(st.data())
def test_cut_off_anywhere(tmp_path_factory: pytest.TempPathFactory, network: bytes, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "net.onnx"
    path.write_bytes(network[: data.draw(st.integers(0, len(network) - 40))])
    with pytest.raises(ModelFileError):
        read_onnx(path)


@settings(max_examples=60)
@given(st.data())
def test_a_byte_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, network: bytes, data: st.DataObject
) -> None:
    content = bytearray(network)
    content[data.draw(st.integers(0, len(network) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("changed") / "net.onnx"
    path.write_bytes(bytes(content))
    with contextlib.suppress(ModelFileError):
        read_onnx(path)


@pytest.mark.parametrize("content", [b"\x3a\x05\x0b", b"\x0b", b"\x3a" + b"\xff" * 11, b"\x3a\x7f", b"\x3c"])
def test_what_is_no_protobuf(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"cut off|wire type"):
        without_weights(tmp_path / "net.onnx")
