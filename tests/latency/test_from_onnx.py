"""ONNX files: the same kernels as from the architecture, fusion patterns, and files that are refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgetune.errors import ModelFileError
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.graph import Graph
from edgetune.latency.predictor import Predictor
from edgetune.space.architecture import Architecture, Block
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace


def export(architecture: Architecture, path: Path) -> Path:
    import torch

    from edgetune.nets.network import build_network

    pixels = torch.zeros(1, architecture.channels, architecture.resolution, architecture.resolution)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(build_network(architecture).eval(), (pixels,), str(path), dynamo=False, opset_version=17)
    return path


@pytest.mark.parametrize(
    ("space", "resolution", "channels"), [(MOBILE_SMALL, 28, 1), (MOBILE_SMALL, 32, 3), (MOBILE_LARGE, 100, 3)]
)
@pytest.mark.parametrize("seed", range(2))
def test_a_sample_and_its_export_have_equal_graphs(
    space: MobileSpace, resolution: int, channels: int, seed: int, tmp_path: Path
) -> None:
    sample = space.space.draw(np.random.default_rng(seed))
    architecture = space.architecture(sample, channels=channels, resolution=resolution, classes=10)
    assert_same(read_onnx(export(architecture, tmp_path / "net.onnx")), graph_of(architecture))


def test_expansion_one_and_odd_sizes_too(tmp_path: Path) -> None:
    block = Block("block", "mbconv", 8, 8, stride=1, kernel=5, expansion=1, activation="hswish", squeeze_excite=True)
    architecture = Architecture(
        3,
        37,
        5,
        stem_width=8,
        stem_stride=2,
        blocks=(block, replace(block, name="second")),
        head_width=16,
        activation="hswish",
    )
    assert_same(read_onnx(export(architecture, tmp_path / "net.onnx")), graph_of(architecture))


def assert_same(ours: Graph, other: Graph) -> None:
    assert ours.notes == ()
    for mine, theirs in zip(ours.kernels, other.kernels, strict=False):
        assert mine == theirs, mine.name
    assert ours == other


def tiny(
    nodes: list[onnx.NodeProto],
    *,
    weights: dict[str, np.ndarray] | None = None,
    batch: int | str = 1,
    size: int | str = 8,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(array.dtype), name) for name, array in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def write(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "tiny.onnx")
    return folder / "tiny.onnx"


KERNEL = {"w": np.zeros((6, 4, 3, 3), np.float32)}
CONV = helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])


def test_an_open_batch_is_bound_to_one(tmp_path: Path) -> None:
    graph = read_onnx(write(tiny([CONV, helper.make_node("Relu", ["c"], ["y"])], weights=KERNEL, batch="N"), tmp_path))
    assert graph.input == (4, 8, 8) and graph.macs == 64 * 36 * 6
    assert graph.kernels[0].activation == "relu"


def test_bias_and_batchnorm_become_part_of_the_convolution(tmp_path: Path) -> None:
    weights = KERNEL | {name: np.ones(6, np.float32) for name in ("g", "b", "m", "v")}
    model = tiny(
        [
            CONV,
            helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
            helper.make_node("Clip", ["n", "", "six"], ["y"]),
        ],
        weights=weights | {"six": np.array(6, np.float32)},
    )
    (kernel,) = read_onnx(write(model, tmp_path)).kernels
    assert kernel.activation == "relu6" and kernel.weights == 6 * 36 + 6


@pytest.mark.parametrize("order", ["gate last", "scale last"])
def test_a_hard_swish_in_pieces_is_one_activation(order: str, tmp_path: Path) -> None:
    weights = KERNEL | {name: np.array(value, np.float32) for name, value in (("three", 3), ("zero", 0), ("six", 6))}
    nodes = [
        CONV,
        helper.make_node("Add", ["c", "three"], ["s"]),
        helper.make_node("Clip", ["s", "zero", "six"], ["r"]),
    ]
    if order == "gate last":
        nodes += [helper.make_node("Div", ["r", "six"], ["h"]), helper.make_node("Mul", ["c", "h"], ["y"])]
    else:
        nodes += [helper.make_node("Mul", ["c", "r"], ["h"]), helper.make_node("Div", ["h", "six"], ["y"])]
    (kernel,) = read_onnx(write(tiny(nodes, weights=weights, opset=11), tmp_path)).kernels
    assert kernel.activation == "hswish" and kernel.weights == 6 * 36


def test_a_matrix_product_with_its_bias_is_one_linear_layer(tmp_path: Path) -> None:
    weights = {"m": np.zeros((4, 3), np.float32), "b": np.zeros(3, np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["l"]),
        helper.make_node("Add", ["l", "b"], ["y"]),
    ]
    graph = read_onnx(write(tiny(nodes, weights=weights), tmp_path))
    assert [kernel.kind for kernel in graph.kernels] == ["global-pool", "linear"]
    assert graph.macs == 12 and graph.parameters == 15


def test_an_unknown_operator_is_memory_bound_and_named(tmp_path: Path) -> None:
    model = tiny(
        [helper.make_node("Frobnicate", ["x"], ["f"], domain="org.example"), helper.make_node("Relu", ["f"], ["y"])]
    )
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    graph = read_onnx(write(model, tmp_path))
    assert graph.kernels[0].kind == "unknown" and graph.kernels[0].read == graph.kernels[0].written == 256
    assert any("Frobnicate" in note for note in graph.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"batch": 8}, "a batch of 8"), ({"size": "W"}, "has no size"), ({"opset": 10}, "opset 10 is too old")],
)
def test_what_cannot_be_predicted_is_refused(change: dict[str, int | str], message: str, tmp_path: Path) -> None:
    model = tiny([CONV, helper.make_node("Relu", ["c"], ["y"])], weights=KERNEL, **change)  # type: ignore[arg-type]
    path = write(model, tmp_path)
    with pytest.raises(ModelFileError, match=message):
        read_onnx(path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" * 50, np.random.default_rng(0).bytes(4096)])
def test_files_that_are_no_networks(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_onnx(path)


def test_a_file_cut_off(tmp_path: Path) -> None:
    path = write(tiny([CONV, helper.make_node("Relu", ["c"], ["y"])], weights=KERNEL), tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelFileError):
        read_onnx(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", ""])
def test_weights_outside_the_folder(location: str, tmp_path: Path) -> None:
    model = tiny([CONV, helper.make_node("Relu", ["c"], ["y"])], weights=KERNEL)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = tmp_path / "tiny.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="outside its folder"):
        read_onnx(path)


@pytest.mark.parametrize("constant", [True, False])
def test_what_only_a_branch_reads_is_counted_and_the_branch_is_named(constant: bool, tmp_path: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, [1, 8, 16, 16])
        return helper.make_graph([helper.make_node("Relu", ["seen"], [f"{name}_out"])], name, [], [output])

    weight = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "weight")
    condition = numpy_helper.from_array(np.array(True), "condition")
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 16, 16])]
    if not constant:
        inputs.append(helper.make_tensor_value_info("condition", onnx.TensorProto.BOOL, []))
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["seen"], pads=[1] * 4, name="conv"),
        helper.make_node("If", ["condition"], ["y"], then_branch=branch("then"), else_branch=branch("other")),
    ]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 8, 16, 16])
    graph = helper.make_graph(nodes, "g", inputs, [output], [weight, condition] if constant else [weight])
    path = tmp_path / "if.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    read = read_onnx(path)
    assert [kernel.kind for kernel in read.kernels] == ["conv", "unknown"]
    assert any("If chooses as it runs" in note for note in read.notes)


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """As a quantiser writes it: each value between two operators goes through whole numbers."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.graph.node[:]
    last = {value.name for value in model.graph.output}
    for name, value in (("scale", np.array(0.1, np.float32)), ("zero", np.array(0, np.int8))):
        found.graph.initializer.append(numpy_helper.from_array(value, name))
    for node in model.graph.node:
        (out,) = node.output
        found.graph.node.append(node)
        if out not in last:
            found.graph.node[-1].output[0] = f"{out}.exact"
            found.graph.node.append(
                helper.make_node("QuantizeLinear", [f"{out}.exact", "scale", "zero"], [f"{out}.whole"])
            )
            found.graph.node.append(helper.make_node("DequantizeLinear", [f"{out}.whole", "scale", "zero"], [out]))
    return found


def test_a_quantised_file_has_the_kernels_of_its_floating_point_network(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Sigmoid", ["c"], ["g"]),
        helper.make_node("Mul", ["c", "g"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    model = tiny(nodes, weights=KERNEL)
    exact = read_onnx(write(model, tmp_path))
    found = read_onnx(write(rounded(model), tmp_path))
    assert found == exact and (exact.precision, found.precision) == ("fp32", "int8")
    warnings_of = Predictor.load("rpi4").predict(found).warnings
    assert any("the file is int8, predicted in fp32" in warning for warning in warnings_of)


def test_a_gelu_in_pieces_is_one_activation(tmp_path: Path) -> None:
    constants = [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("r", 2**0.5), ("o", 1), ("h", 0.5))]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Div", ["c", "r"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "o"], ["a"]),
        helper.make_node("Mul", ["c", "a"], ["m"]),
        helper.make_node("Mul", ["m", "h"], ["y"]),
    ]
    model = tiny(nodes, weights=KERNEL)
    model.graph.initializer.extend(constants)
    kernels = read_onnx(write(model, tmp_path)).kernels
    assert [(k.kind, k.activation) for k in kernels][-1][1] == "gelu"
    assert len(kernels) <= 2


def test_an_input_of_unknown_rank_and_constants_outside_the_folder(tmp_path: Path) -> None:
    shapeless = tiny([helper.make_node("Relu", ["x"], ["y"])])
    shapeless.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelFileError, match="input 'x' has no shape"):
        read_onnx(write(shapeless, tmp_path))
    value = numpy_helper.from_array(np.zeros(4, np.float32), "v")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../../etc/passwd")
    outside = tiny([helper.make_node("Constant", [], ["v"], value=value), helper.make_node("Add", ["x", "v"], ["y"])])
    with pytest.raises(ModelFileError, match="outside its folder"):
        read_onnx(write(outside, tmp_path))


def test_convolutions_along_a_line_have_their_channels_first(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.zeros((8, 1, 5), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[5], pads=[2, 2], group=8)
    graph = helper.make_graph(
        [node],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 100])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (kernel,) = read_onnx(write(model, tmp_path)).kernels
    assert (kernel.kind, kernel.input, kernel.macs) == ("depthwise", (8, 100, 1), 8 * 100 * 5)


def test_a_convolution_of_other_channels_than_it_is_given(tmp_path: Path) -> None:
    model = tiny([CONV, helper.make_node("Relu", ["c"], ["y"])], weights={"w": np.zeros((6, 3, 3, 3), np.float32)})
    with pytest.raises(ModelFileError, match="takes 3 channels and is given 4"):
        read_onnx(write(model, tmp_path))
