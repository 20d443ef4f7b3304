"""What exporters write as several operators, put together again: activations, channel shuffles, rounded values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgetune.latency.onnx_file import Node, OnnxNetwork


def rewrite(network: OnnxNetwork) -> tuple[Node, ...]:
    """The nodes with Swish for `x · sigmoid(x)`, HardSigmoid for `clip(x + 3, 0, 6) / 6`, HardSwish for x times it,
    Gelu for `x · (1 + erf(x / √2)) / 2`, ChannelShuffle for channels that are split into groups, transposed and joined.

    Values that are only rounded to whole numbers and back are what they were.
    """
    exact = _without_rounding(network)
    uses = Counter(name for node in exact for name in node.inputs)
    nodes: dict[str, Node] = {}  # by first output, in order
    for node in exact:
        node = _hard_swish(node, nodes, network) or _hard_sigmoid(node, nodes, network) or node
        node = _gelu(node, nodes, network) or node
        node = _channel_shuffle(node, nodes, network) or node
        nodes[node.outputs[0]] = _swish(node, nodes, uses) or node
    needed, kept = set(network.outputs), []
    for node in reversed(nodes.values()):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _without_rounding(network: OnnxNetwork) -> list[Node]:
    """Without the pairs that quantise and dequantise what flows between operators.

    What is read with another step than it was written with is scaled by a constant.
    """
    same: dict[str, str] = {}
    step: dict[str, str] = {}
    kept = []
    for node in network.nodes:
        if node.op == "QuantizeLinear":
            step[node.outputs[0]] = node.inputs[1]
        written = step.get(node.inputs[0]) if node.inputs else None
        rescaled = node.op == "DequantizeLinear" and written is not None and written != node.inputs[1]
        node = replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
        if rescaled:
            kept.append(replace(node, op="Mul", inputs=node.inputs[:2]))
        elif node.op in ("QuantizeLinear", "DequantizeLinear") and node.outputs[0] not in network.outputs:
            same[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    return kept


def _scaled(node: Node, network: OnnxNetwork) -> str | None:
    """The value that a `Mul` or `Div` scales by a constant."""
    moving = [name for name in node.inputs if name not in network.constants]
    return moving[0] if node.op in ("Mul", "Div") and len(moving) == 1 else None


def _hard_swish(node: Node, nodes: dict[str, Node], network: OnnxNetwork) -> Node | None:
    """`x · clip(x + 3, 0, 6)`, scaled by a constant afterwards."""
    product = nodes.get(_scaled(node, network) or "")
    if product is None or product.op != "Mul" or len(product.inputs) != 2:
        return None
    for x, gate in (product.inputs, product.inputs[::-1]):
        if _shifted_clip(nodes.get(gate), nodes, network) == x:
            return replace(node, op="HardSwish", inputs=(x,), attributes={})
    return None


def _hard_sigmoid(node: Node, nodes: dict[str, Node], network: OnnxNetwork) -> Node | None:
    inner = _shifted_clip(nodes.get(_scaled(node, network) or ""), nodes, network)
    return None if inner is None else replace(node, op="HardSigmoid", inputs=(inner,), attributes={})


def _shifted_clip(clip: Node | None, nodes: dict[str, Node], network: OnnxNetwork) -> str | None:
    """The x of `Clip(Add(x, 3), 0, 6)`."""
    if clip is None or clip.op != "Clip":
        return None
    shift = nodes.get(clip.inputs[0])
    if shift is None or shift.op != "Add":
        return None
    moving = [name for name in shift.inputs if name not in network.constants]
    constant = [network.values.get(name) for name in shift.inputs if name in network.constants]
    is_three = (
        len(constant) == 1 and constant[0] is not None and constant[0].size == 1 and float(constant[0].flat[0]) == 3
    )
    return moving[0] if len(moving) == 1 and is_three else None


def _gelu(node: Node, nodes: dict[str, Node], network: OnnxNetwork) -> Node | None:
    """Hendrycks 2016, as torch's exporter spells it below opset 20."""
    product = nodes.get(_scaled(node, network) or "")
    if product is None or product.op != "Mul" or len(product.inputs) != 2:
        return None
    for x, gate in (product.inputs, product.inputs[::-1]):
        shift = nodes.get(gate)
        moving = [name for name in shift.inputs if name not in network.constants] if shift is not None else []
        erf = nodes.get(moving[0]) if len(moving) == 1 else None
        inner = nodes.get(erf.inputs[0]) if erf is not None and erf.op == "Erf" else None
        if inner is not None and _scaled(inner, network) == x:
            return replace(node, op="Gelu", inputs=(x,), attributes={})
    return None


def _swish(node: Node, nodes: dict[str, Node], uses: Counter[str]) -> Node | None:
    """`Mul(x, gate(x))` in either order, where nobody else reads the gate."""
    if node.op != "Mul" or len(node.inputs) != 2:
        return None
    for x, gate in (node.inputs, node.inputs[::-1]):
        maker = nodes.get(gate)
        if maker is not None and maker.op in ("Sigmoid", "HardSigmoid") and maker.inputs[0] == x and uses[gate] == 1:
            return replace(node, op="Swish" if maker.op == "Sigmoid" else "HardSwish", inputs=(x,), attributes={})
    return None


def _channel_shuffle(node: Node, nodes: dict[str, Node], network: OnnxNetwork) -> Node | None:
    """`Reshape(Transpose(Reshape(x)))` of the shape of x."""
    swap = nodes.get(node.inputs[0]) if node.op == "Reshape" else None
    split = nodes.get(swap.inputs[0]) if swap is not None and swap.op == "Transpose" else None
    if split is None or split.op != "Reshape":
        return None
    x, dims = split.inputs[0], network.dims
    if dims.get(x) != dims.get(node.outputs[0]) or len(dims[x]) != 4:
        return None
    return replace(node, op="ChannelShuffle", inputs=(x,), attributes={})
