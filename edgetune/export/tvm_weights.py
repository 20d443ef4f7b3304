"""Weights in the order in which a schedule reads them: panels of channels, one after the other, through the cache once.

The graph's weights are constants, so they are rearranged while compiling (Georganas 2018).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgetune.export.tvm_layout import rewriting

WEIGHTS = 1
"""The position of a kernel's weights among its arguments."""


def calls_of(module: Any) -> Counter[str]:
    """How often each function is called."""
    return Counter(call.args[0].name_hint for call in _calls(module))


def with_constant_weights(module: Any) -> frozenset[str]:
    """The functions whose second argument is a constant wherever they are called."""
    variable = {call.args[0].name_hint for call in _calls(module) if not _is_constant(call.args[1].fields)}
    return frozenset(calls_of(module)) - variable


def _is_constant(arguments: Any) -> bool:
    import tvm

    return len(arguments) > WEIGHTS and isinstance(arguments[WEIGHTS], tvm.ir.GenericConst)


def _calls(module: Any) -> list[Any]:
    from tvm import relax

    calls: list[Any] = []

    def look(expression: Any) -> None:
        if isinstance(expression, relax.Call) and expression.op.name == "relax.call_tir":
            calls.append(expression)

    relax.analysis.post_order_visit(module["main"], look)
    return calls


def in_panels(weights: np.ndarray, channels: int) -> np.ndarray:
    """(…, all channels) as (panels, …, channels)."""
    return np.ascontiguousarray(np.moveaxis(weights.reshape(*weights.shape[:-1], -1, channels), -2, 0))


def rearrange_weights(module: Any, packed: Mapping[str, Any]) -> Any:
    """The module with `packed`, by name, in the place of functions, and their constant weights in the panels they read.

    `packed`: functions that :func:`edgetune.export.tvm_schedule.schedule_kernel` made.
    """
    from tvm import relax

    builder = relax.BlockBuilder(module)
    functions = {name: builder.add_func(function, f"{name}_packed") for name, function in sorted(packed.items())}

    def rearranged(call: Any, arguments: list[Any]) -> Any:
        if call.op.name != "relax.call_tir" or call.args[0].name_hint not in packed:
            return None
        name, given = call.args[0].name_hint, list(call.args[1].fields)
        panel = int(packed[name].params[WEIGHTS].shape[-1])
        given[WEIGHTS] = relax.const(in_panels(given[WEIGHTS].value.numpy(), panel))
        return relax.call_tir(functions[name], relax.Tuple(given), list(call.ty_args))

    return relax.transform.DeadCodeElimination()(rewriting(rearranged)(builder.get()))
