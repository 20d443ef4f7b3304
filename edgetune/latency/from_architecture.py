"""From an architecture to its kernels, without torch."""

from __future__ import annotations

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.graph import Graph
from edgetune.space.architecture import Architecture, Block


def graph_of(architecture: Architecture) -> Graph:
    """The kernels of the exported network: normalisation of raw pixels, stem, blocks, head, classifier."""
    a = architecture
    builder = GraphBuilder("network", (a.channels, a.resolution, a.resolution))
    x = add_stem(builder, a)
    for block in a.blocks:
        builder.prefix = f"{block.name}."
        x = add_block(builder, x, block)
    builder.prefix = ""
    add_head(builder, x, a)
    return builder.graph()


def add_stem(builder: GraphBuilder, architecture: Architecture) -> int:
    a = architecture
    x = builder.with_constant("add", INPUT, name="subtract-mean")
    x = builder.with_constant("multiply", x, name="scale")
    return builder.conv(x, a.stem_width, kernel=3, stride=a.stem_stride, activation=a.activation, name="stem")


def add_block(builder: GraphBuilder, x: int, block: Block) -> int:
    """See :class:`edgetune.space.architecture.Block`."""
    return add_inverted_residual(
        builder,
        x,
        hidden=block.hidden_width,
        width=block.out_width,
        kernel=block.kernel,
        stride=block.stride,
        activation=block.activation,
        squeeze_width=block.squeeze_width if block.squeeze_excite else None,
        fused=block.kind == "fused",
    )


def add_inverted_residual(
    builder: GraphBuilder,
    x: int,
    *,
    hidden: int,
    width: int,
    kernel: int,
    stride: int,
    activation: str,
    squeeze_width: int | None = None,
    gate: str = "hsigmoid",
    fused: bool = False,
) -> int:
    """An inverted residual block (Sandler 2018) or its fused form, whose first convolution is k×k and full.

    Where it widens nothing there is no expansion, where it changes no shape it is added to its input.
    """
    shortcut, in_width = x, builder.shape(x)[0]
    if fused:
        x = builder.conv(x, hidden, kernel=kernel, stride=stride, activation=activation, name="fused")
    else:
        if hidden != in_width:
            x = builder.conv(x, hidden, activation=activation, name="expand")
        x = builder.depthwise(x, kernel, stride=stride, activation=activation)
    if squeeze_width is not None:
        x = add_squeeze_excite(builder, x, squeeze_width, gate)
    x = builder.conv(x, width, name="project")
    return builder.add(shortcut, x) if stride == 1 and width == in_width else x


def add_squeeze_excite(builder: GraphBuilder, x: int, squeeze_width: int, gate: str = "hsigmoid") -> int:
    """Channel attention (Hu 2018): pool, two 1×1 convolutions on one pixel, a gate on each channel."""
    width = builder.shape(x)[0]
    y = builder.global_pool(x, name="squeeze.pool")
    y = builder.conv(y, squeeze_width, activation="relu", name="squeeze.reduce")
    y = builder.conv(y, width, activation=gate, name="squeeze.expand")
    return builder.multiply(x, y, name="squeeze.multiply")


def add_head(builder: GraphBuilder, x: int, architecture: Architecture) -> int:
    a = architecture
    x = builder.conv(x, a.head_width, activation=a.activation, name="head")
    return builder.linear(builder.global_pool(x, name="pool"), a.classes, name="classifier")
