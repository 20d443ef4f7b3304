"""From an ONNX file to its kernels, fused as runtimes fuse them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from pathlib import Path

from edgetune.errors import ModelFileError
from edgetune.latency.builder import conv_kind
from edgetune.latency.graph import Graph, Kernel, Kind, Shape
from edgetune.latency.onnx_file import Dims, Node, OnnxNetwork, load_onnx
from edgetune.latency.onnx_patterns import rewrite

FREE = frozenset(
    "Identity Dropout Flatten Reshape Squeeze Unsqueeze Cast CastLike QuantizeLinear DequantizeLinear"
    " DynamicQuantizeLinear".split()
)
ACTIVATIONS = {
    "Relu": "relu", "HardSwish": "hswish", "HardSigmoid": "hsigmoid", "Sigmoid": "sigmoid", "Swish": "swish",
    "Tanh": "tanh", "LeakyRelu": "leaky-relu", "PRelu": "prelu", "Elu": "elu", "Selu": "selu", "Celu": "celu",
    "Gelu": "gelu", "Mish": "mish", "Softplus": "softplus", "Softsign": "softsign", "Erf": "erf",
}  # fmt: skip
ELEMENTWISE: dict[str, Kind] = {
    **dict.fromkeys(("Add", "Sub", "Sum", "Max", "Min", "Mean", "Abs", "Neg", "Floor", "Ceil", "Round"), "add"),
    **dict.fromkeys(
        ("Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Exp", "Log", "Where", "BatchNormalization"), "multiply"
    ),
    **dict.fromkeys(
        ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization", "LRN"), "softmax"
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax"), "softmax"),
}
COPIES = frozenset((
    "Concat", "ChannelShuffle", "Transpose", "Slice", "Split", "Gather", "Pad", "Resize", "Upsample", "DepthToSpace",
    "SpaceToDepth", "Tile", "Expand",
))  # fmt: skip
POOLS = frozenset("MaxPool AveragePool LpPool ReduceMean ReduceMax ReduceSum".split())
GLOBAL_POOLS = frozenset(("GlobalAveragePool", "GlobalMaxPool"))
CONTROL = frozenset(("If", "Loop", "Scan"))
FUSIBLE = frozenset(("conv", "depthwise", "pointwise", "linear", "add"))


def read_onnx(path: str | Path) -> Graph:
    """The kernels of an ONNX file (opset 11 or later) for one picture.

    BatchNorm, bias and activation become part of the convolution before them. An operator that is not known is taken as
    memory-bound and named in the graph's notes. Quantised files (QDQ) give the graph of their floating-point network.

    Raises
    ------
    ModelFileError
        See :func:`edgetune.latency.onnx_file.load_onnx`.
    """
    path = Path(path)
    try:
        network = load_onnx(path)
        reader = _Reader(replace(network, nodes=rewrite(network)))
        for node in reader.network.nodes:
            reader.add(node)
        notes = tuple(dict.fromkeys((*network.notes, *reader.notes)))
        shape = shape_of(network.dims[network.input])
        return Graph(path.stem, shape, tuple(reader.kernels), notes, network.precision)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"an operator is not as ONNX has it: {error}", where=path, mend="export it again"
        ) from error


def shape_of(dims: Dims) -> Shape:
    """Channels, height, width of a value's dimensions; the leading batch goes.

    >>> shape_of((1, 8, 14, 14)), shape_of((1, 10)), shape_of((1, 49, 64))
    ((8, 14, 14), (10, 1, 1), (64, 49, 1))
    """
    rest = dims[1:]
    if len(rest) == 2:
        return rest[1], rest[0], 1
    return (rest[0], *rest[1:2], prod(rest[2:])) if len(rest) >= 2 else (prod(rest), 1, 1)  # type: ignore[return-value]


class _Reader:
    """Adds kernels node by node; `layers` says which kernel made a value, −1 is the network's input."""

    def __init__(self, network: OnnxNetwork) -> None:
        self.network = network
        self.kernels: list[Kernel] = []
        self.layers: dict[str, int] = {}
        self.uses = Counter(name for node in network.nodes for name in node.inputs)
        self.uses.update(network.outputs)
        self.bias_open: set[int] = set()
        self.notes: list[str] = []

    def add(self, node: Node) -> None:
        op = node.op
        if op in FREE:
            self._pass_on(node)
        elif op in ("Conv", "ConvTranspose", "QLinearConv", "ConvInteger"):
            self._convolution(node)
        elif op in ("Gemm", "MatMul", "MatMulInteger"):
            self._product(node)
        elif self._takes_bias(node):
            self._fold_bias(node)
        elif op in ACTIVATIONS or op == "Clip":
            self._activation(node, self._clip(node) if op == "Clip" else ACTIVATIONS[op])
        elif op in GLOBAL_POOLS or (op in ("ReduceMean", "ReduceMax") and self._reduces_pixels(node)):
            self._kernel(node, "global-pool")
        elif op in POOLS:
            kernel = tuple(node.attributes.get("kernel_shape", (1, 1)))
            stride = tuple(node.attributes.get("strides", (1, 1)))
            self._kernel(node, "pool", kernel=_pair(kernel), stride=_pair(stride))
        elif op in ELEMENTWISE:
            self._kernel(node, ELEMENTWISE[op])
        elif op in COPIES:
            self._kernel(node, "copy")
        else:
            what = "chooses as it runs: what is inside is not counted" if op in CONTROL else "is not known"
            self.notes.append(f"operator {op} {what}: taken as memory-bound")
            self._kernel(node, "unknown")

    def _activations(self, node: Node) -> list[str]:
        return [name for name in node.inputs if name and name not in self.network.constants]

    def _dims(self, name: str) -> Dims:
        return self.network.dims[name]

    def _pass_on(self, node: Node) -> None:
        producer = self._producer(self._activations(node)[0])
        for output in node.outputs:
            self.layers[output] = producer

    def _producer(self, name: str) -> int:
        return self.layers.get(name, -1)

    def _kernel(self, node: Node, kind: Kind, **more: object) -> None:
        inputs = self._activations(node)
        outputs = [name for name in node.outputs if name and name in self.network.dims]
        for output in node.outputs:
            self.layers[output] = len(self.kernels)
        written = sum(prod(self._dims(name)) for name in outputs)
        kernel = Kernel(
            name=node.name.strip("/"),
            kind=kind,
            inputs=tuple(self._producer(name) for name in inputs),
            input=shape_of(self._dims(inputs[0])),
            output=shape_of(self._dims(outputs[0])),
            read=sum(prod(self._dims(name)) for name in inputs),
            written=written,
        )
        self.kernels.append(replace(kernel, **more))  # type: ignore[arg-type]

    def _convolution(self, node: Node) -> None:
        weight = self._dims(node.inputs[3 if node.op == "QLinearConv" else 1])
        has_bias = len(node.inputs) > (8 if node.op == "QLinearConv" else 2) and node.op != "ConvInteger"
        groups = node.attributes.get("group", 1)
        source, target = (self._dims(name) for name in (node.inputs[0], node.outputs[0]))
        if len(weight) == 3:  # along a line: channels come first there too
            source, target = (*source, 1), (*target, 1)
        channels, *_ = shape_of(source)
        width, *pixels = shape_of(target)
        if node.op == "Conv" and channels != weight[1] * groups:
            raise ValueError(f"{node.name} takes {weight[1] * groups} channels and is given {channels}")
        if node.op == "ConvTranspose":  # every input pixel is spread over a kernel
            _, *pixels = shape_of(source)
            width = weight[0]
        if not has_bias:
            self.bias_open.add(len(self.kernels))
        kernel = _pair(weight[2:])
        self._kernel(
            node,
            conv_kind(channels, width, groups, kernel) if node.op != "ConvTranspose" else "conv",
            input=shape_of(source),
            output=shape_of(target),
            weights=prod(weight) + (width if has_bias else 0),
            macs=prod(pixels) * width * prod(weight[1:]),
            kernel=kernel,
            stride=_pair(tuple(node.attributes.get("strides", (1, 1)))),
            groups=groups,
        )

    def _product(self, node: Node) -> None:
        left, right = self._dims(node.inputs[0]), self._dims(node.inputs[1])
        inner = left[0 if node.attributes.get("transA") else -1]
        written = prod(self._dims(node.outputs[0]))
        if node.inputs[1] not in self.network.constants:
            self._kernel(node, "matmul", macs=written * inner)
            return
        has_bias = node.op == "Gemm" and len(node.inputs) > 2 and bool(node.inputs[2])
        if not has_bias:
            self.bias_open.add(len(self.kernels))
        width = prod(right) // inner
        self._kernel(
            node,
            "linear" if prod(left) == inner else "pointwise",
            weights=prod(right) + (width if has_bias else 0),
            macs=written * inner,
        )

    def _takes_bias(self, node: Node) -> bool:
        """Whether a BatchNorm or an added constant folds into the kernel before, which nobody else reads."""
        if node.op not in ("BatchNormalization", "Add", "Sub") or len(self._activations(node)) != 1:
            return False
        source = self._activations(node)[0]
        producer = self._producer(source)
        if producer < 0 or self.uses[source] != 1 or self.kernels[producer].activation is not None:
            return False
        weighted = self.kernels[producer].weights > 0
        return weighted and (node.op == "BatchNormalization" or producer in self.bias_open)

    def _fold_bias(self, node: Node) -> None:
        producer = self._producer(self._activations(node)[0])
        kernel = self.kernels[producer]
        if producer in self.bias_open:
            self.bias_open.discard(producer)
            self.kernels[producer] = replace(kernel, weights=kernel.weights + kernel.output[0])
        self._pass_on(node)

    def _activation(self, node: Node, activation: str) -> None:
        source = self._activations(node)[0]
        producer = self._producer(source)
        if producer >= 0 and self.uses[source] == 1:
            kernel = self.kernels[producer]
            if kernel.kind in FUSIBLE and kernel.activation is None:
                self.kernels[producer] = replace(kernel, activation=activation)
                self._pass_on(node)
                return
        self._kernel(node, "activation", activation=activation)

    def _clip(self, node: Node) -> str:
        highest = node.inputs[2] if len(node.inputs) > 2 else ""
        value = self.network.values.get(highest)
        return "relu6" if value is not None and value.size == 1 and float(value.flat[0]) == 6 else "clip"

    def _reduces_pixels(self, node: Node) -> bool:
        dims = self._dims(node.inputs[0])
        axes = node.attributes.get("axes")
        if axes is None and len(node.inputs) > 1:
            axes = self.network.values.get(node.inputs[1])
        return len(dims) == 4 and axes is not None and sorted(int(axis) % 4 for axis in axes) == [2, 3]


def _pair(values: Dims) -> tuple[int, int]:
    padded = (*(int(value) for value in values), 1, 1)
    return padded[0], padded[1]
