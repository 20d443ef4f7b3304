"""Writes a :class:`Graph` layer by layer; a layer is known by the position of its kernel."""

from __future__ import annotations

from math import ceil, prod

from edgetune.latency.graph import Graph, Kernel, Kind, Shape

INPUT = -1
IMAGENET_CLASSES = 1000


class GraphBuilder:
    """Each method adds one kernel that reads the layers it is given, and returns the new layer's position.

    >>> builder = GraphBuilder("tiny", (3, 32, 32))
    >>> x = builder.conv(INPUT, 16, kernel=3, stride=2, activation="relu")
    >>> x = builder.linear(builder.global_pool(x), 10)
    >>> builder.graph().macs == 16 * 16 * 16 * 27 + 160
    True
    """

    def __init__(self, name: str, input_shape: Shape) -> None:
        self.name, self.input, self.prefix = name, input_shape, ""
        self.kernels: list[Kernel] = []

    def graph(self) -> Graph:
        return Graph(self.name, self.input, tuple(self.kernels))

    def shape(self, layer: int) -> Shape:
        return self.input if layer == INPUT else self.kernels[layer].output

    def conv(
        self,
        x: int,
        width: int,
        *,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = None,
        padding: int | None = None,
        name: str = "conv",
    ) -> int:
        """Convolution with bias or BatchNorm; without `padding` the output is the input over the stride, rounded up."""
        channels, height, breadth = self.shape(x)
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        output = (width, out_size(height, kh, stride, padding), out_size(breadth, kw, stride, padding))
        fan_in = channels // groups * kh * kw
        return self.add_kernel(
            conv_kind(channels, width, groups, (kh, kw)),
            (x,),
            output,
            weights=width * (fan_in + 1),
            macs=prod(output) * fan_in,
            kernel=(kh, kw),
            stride=(stride, stride),
            groups=groups,
            activation=activation,
            name=name,
        )

    def depthwise(
        self,
        x: int,
        kernel: int,
        *,
        stride: int = 1,
        activation: str | None = None,
        name: str = "depthwise",
    ) -> int:
        width = self.shape(x)[0]
        return self.conv(x, width, kernel=kernel, stride=stride, groups=width, activation=activation, name=name)

    def linear(self, x: int, width: int, *, activation: str | None = None, name: str = "linear") -> int:
        """A fully connected layer on all the elements of `x`."""
        features = prod(self.shape(x))
        return self.add_kernel(
            "linear", (x,), (width, 1, 1), weights=width * (features + 1), macs=width * features,
            activation=activation, name=name, input_shape=(features, 1, 1),
        )  # fmt: skip

    def pool(self, x: int, kernel: int, *, stride: int, padding: int | None = None, name: str = "pool") -> int:
        channels, height, width = self.shape(x)
        output = (channels, out_size(height, kernel, stride, padding), out_size(width, kernel, stride, padding))
        return self.add_kernel("pool", (x,), output, kernel=(kernel, kernel), stride=(stride, stride), name=name)

    def global_pool(self, x: int, *, name: str = "global-pool") -> int:
        return self.add_kernel("global-pool", (x,), (self.shape(x)[0], 1, 1), name=name)

    def add(self, x: int, y: int, *, activation: str | None = None, name: str = "add") -> int:
        return self.add_kernel("add", (x, y), self.shape(x), activation=activation, name=name)

    def multiply(self, x: int, y: int, *, name: str = "multiply") -> int:
        return self.add_kernel("multiply", (x, y), self.shape(x), name=name)

    def with_constant(self, kind: Kind, x: int, *, name: str) -> int:
        """An elementwise kernel whose other operand is a constant."""
        return self.add_kernel(kind, (x,), self.shape(x), name=name)

    def rectify(self, x: int, *, name: str) -> int:
        """A ReLU of its own, before a convolution."""
        return self.add_kernel("activation", (x,), self.shape(x), activation="relu", name=name)

    def concat(self, layers: tuple[int, ...]) -> int:
        _, height, width = self.shape(layers[0])
        return self.add_kernel("copy", layers, (sum(self.shape(x)[0] for x in layers), height, width), name="concat")

    def copy(self, x: int, output: Shape, *, name: str) -> int:
        """Data moved and not computed upon: slice, shuffle, transpose, padding."""
        return self.add_kernel("copy", (x,), output, name=name)

    def add_kernel(
        self,
        kind: Kind,
        inputs: tuple[int, ...],
        output: Shape,
        *,
        weights: int = 0,
        macs: int = 0,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: str | None = None,
        name: str,
        input_shape: Shape | None = None,
    ) -> int:
        shapes = [self.shape(x) for x in inputs]
        self.kernels.append(
            Kernel(
                self.prefix + name,
                kind,
                inputs,
                input_shape or shapes[0],
                output,
                sum(prod(shape) for shape in shapes),
                prod(output),
                weights,
                macs,
                kernel,
                stride,
                groups,
                activation,
            )
        )
        return len(self.kernels) - 1


def out_size(size: int, kernel: int, stride: int, padding: int | None) -> int:
    """Output pixels a side; `padding` pixels on both sides, `None` for "same"."""
    return ceil(size / stride) if padding is None else (size + 2 * padding - kernel) // stride + 1


def conv_kind(channels: int, width: int, groups: int, kernel: tuple[int, int]) -> Kind:
    if groups == channels and groups > 1 and width % channels == 0:
        return "depthwise"
    return "pointwise" if kernel == (1, 1) and groups == 1 else "conv"
