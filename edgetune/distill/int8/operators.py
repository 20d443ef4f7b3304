"""The operators of an exported file as torch computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Operator: TypeAlias = Callable[..., Tensor]
Attributes: TypeAlias = Mapping[str, Any]
LAYERS = frozenset({"Conv", "Gemm"})
"""Those with weights: called with an input, a weight and a bias or None."""


def _conv(attributes: Attributes) -> Operator:
    top, left, bottom, right = attributes["pads"]
    if (top, left) != (bottom, right):
        raise NotImplementedError("a padding that is not the same on both sides")
    return partial(
        functional.conv2d,
        stride=attributes["strides"],
        padding=(top, left),
        dilation=attributes["dilations"],
        groups=attributes["group"],
    )


def _gemm(attributes: Attributes) -> Operator:
    if attributes.get("transB") != 1 or attributes.get("transA", 0):
        raise NotImplementedError("a matrix that is laid out in another way")
    return functional.linear


def _mean(attributes: Attributes) -> Operator:
    axes, keep = tuple(attributes["axes"]), bool(attributes.get("keepdims", 1))
    return lambda x: x.mean(axes, keepdim=keep)


OPERATORS: Mapping[str, Callable[[Attributes], Operator]] = {
    "Add": lambda attributes: lambda x, y: x + y,
    "Clip": lambda attributes: torch.clamp,
    "Conv": _conv,
    "Flatten": lambda attributes: partial(torch.flatten, start_dim=attributes.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda attributes: lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda attributes: functional.hardsigmoid,  # torch's exporter writes its slope, 1/6
    "HardSwish": lambda attributes: functional.hardswish,
    "Identity": lambda attributes: lambda x: x,
    "Mul": lambda attributes: lambda x, y: x * y,
    "ReduceMean": _mean,
    "Relu": lambda attributes: functional.relu,
    "Sub": lambda attributes: lambda x, y: x - y,
}
"""Made of a node's attributes; those that the networks of the spaces are exported with."""
