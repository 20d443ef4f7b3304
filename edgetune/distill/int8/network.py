"""A network that computes what its INT8 file will, in a form that can be trained.

The file itself says where what is rounded: its QDQ graph is walked with the network's own weights in the place of the
int8 ones, so that what is trained is what is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgetune.distill.int8.grids import ACTIVATION_LEVELS, Activation, round_bias, round_weight, weight_scales
from edgetune.distill.int8.operators import LAYERS, OPERATORS, Operator
from edgetune.errors import ModelFileError

if TYPE_CHECKING:
    import onnx

SCALE, QUANTISED = "_scale", "_quantized"
"""What onnxruntime's quantiser appends to the names of tensors."""


@dataclass(frozen=True)
class _Step:
    """One tensor of the graph. `operator` gets the activations that round, then the inputs."""

    output: str
    inputs: tuple[str, ...]
    operator: Operator


class RoundedNetwork(nn.Module):
    """A network with the rounding of its INT8 file, in float32 whatever the precision around it.

    Parameters
    ----------
    network
        Without BatchNorm (see :func:`edgetune.nets.folding.fold_batch_norm`). Training this module trains its weights.
    file
        The INT8 file of the network, QDQ, whose weights have their names in the network.

    Raises
    ------
    ModelFileError
        The file holds an operator or a constant that is unknown here.
    """

    def __init__(self, network: nn.Module, file: Path) -> None:
        import onnx

        super().__init__()
        self.network = network
        self.activations = nn.ModuleList()
        self._names: list[str] = []  # of the tensors that they round
        graph = onnx.load(file).graph
        self._input, self._output = graph.input[0].name, graph.output[0].name
        try:
            self._steps = list(self._read(graph))
        except (NotImplementedError, KeyError) as error:
            raise ModelFileError(f"cannot be trained with its rounding: {error}", where=file) from error

    def forward(self, pixels: Tensor) -> Tensor:
        """Raw pixels (N, C, H, W) to logits (N, classes)."""
        with torch.autocast(pixels.device.type, enabled=False):
            values = {**_tensors(self.network), self._input: pixels}
            for step in self._steps:
                values[step.output] = step.operator(self.activations, *(values[name] for name in step.inputs))
        return values[self._output]

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The learnt ends of each activation, by the name that its tensor had before the file was quantised."""
        with torch.no_grad():
            ends = [activation.ends() for activation in self.activations]  # type: ignore[operator]
        return {name: (float(low), float(high)) for name, (low, high) in zip(self._names, ends, strict=True)}

    def _read(self, graph: onnx.GraphProto) -> Iterator[_Step]:
        from onnx.numpy_helper import to_array

        constants = {tensor.name: to_array(tensor) for tensor in graph.initializer}
        numbers = {name: float(array) for name, array in constants.items() if array.ndim == 0}
        made_by = {node.output[0]: node for node in graph.node}
        rescaled = dict(_rescaled(graph, made_by, numbers))
        known = {self._input, *_tensors(self.network)}
        for node in graph.node:
            if node.op_type == "DequantizeLinear" and node.input[0] in numbers:
                scale, zero = (numbers[name] for name in node.input[1:])
                numbers[node.output[0]] = (numbers[node.input[0]] - zero) * scale
                continue
            if node.output[0] in known or (node.op_type == "DequantizeLinear" and node.input[0] in constants):
                continue  # a weight, which is rounded where it is used
            if node.op_type == "QuantizeLinear":
                scale, zero = (numbers[name] for name in node.input[1:])
                step = self._rounding(node, scale, zero, learnt=node.output[0] not in rescaled)
            elif node.op_type == "DequantizeLinear":  # rounded already
                operator = _alone(_scaled_by(rescaled.get(node.input[0])))
                step = _Step(node.output[0], (node.input[0],), operator)
            elif node.op_type in LAYERS:
                step = self._layer(node, made_by)
            else:
                step = _Step(
                    node.output[0],
                    tuple(name for name in node.input if name not in numbers),
                    _alone(_operator(node), *(numbers[name] for name in node.input if name in numbers)),
                )
            if missing := [name for name in step.inputs if name not in known]:
                raise NotImplementedError(f"{node.name} takes {missing[0]}, which is no weight of the network")
            known.add(step.output)
            yield step

    def _rounding(self, node: onnx.NodeProto, scale: float, zero: float, *, learnt: bool) -> _Step:
        """Tensors on the same grid share it."""
        name = node.input[1].removesuffix(SCALE)
        if name not in self._names:
            self._names.append(name)
            self.activations.append(Activation(-zero * scale, (ACTIVATION_LEVELS - zero) * scale))
            self.activations[-1].requires_grad_(learnt)
        index = self._names.index(name)
        return _Step(node.output[0], (node.input[0],), lambda activations, x: activations[index](x))

    def _layer(self, node: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto]) -> _Step:
        """Its weight is rounded where the file holds it so, and so is its bias, to the grid of the sums."""
        operator = _operator(node)
        x, weight, *bias = node.input
        rounded = made_by.get(weight)
        if rounded is None:
            return _Step(node.output[0], tuple(node.input), _alone(operator))
        weight = rounded.input[0].removesuffix(QUANTISED)
        source = self._names.index(made_by[x].input[1].removesuffix(SCALE)) if bias and bias[0] in made_by else None
        return _Step(node.output[0], (x, weight, *bias), _rounded(operator, source))


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _operator(node: onnx.NodeProto) -> Operator:
    from onnx.helper import get_attribute_value

    if node.op_type not in OPERATORS:
        raise NotImplementedError(f"the operator {node.op_type}")
    return OPERATORS[node.op_type]({attribute.name: get_attribute_value(attribute) for attribute in node.attribute})


def _alone(operator: Operator, *numbers: float) -> Operator:
    """Without activations that round; `numbers` are the inputs that come last."""
    return lambda activations, *inputs: operator(*inputs, *numbers)


def _rescaled(
    graph: onnx.GraphProto, made_by: Mapping[str, onnx.NodeProto], numbers: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    """Bytes that are read with another step than they were written with, as a gate's are, and the factor between."""
    for node in graph.node:
        written = made_by.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if written is not None and written.input[1] != node.input[1]:
            yield node.input[0], numbers[node.input[1]] / numbers[written.input[1]]


def _scaled_by(factor: float | None) -> Operator:
    return lambda x: x if factor is None else factor * x


def _rounded(operator: Operator, source: int | None) -> Operator:
    """A layer with its weight on its grid and, where the file has it so, its bias, which takes the step of the input's
    activation, number `source`."""

    def apply(activations: nn.ModuleList, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        scales = weight_scales(weight)
        if bias is not None and source is not None:
            bias = round_bias(bias, activations[source].grid()[0], scales)  # type: ignore[operator]
        return operator(x, round_weight(weight, scales), bias)

    return apply
