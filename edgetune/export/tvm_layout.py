"""The graph as the schedules want it: channels last, activations in operators that fuse."""

from __future__ import annotations

from typing import Any

import numpy as np


def channels_last(module: Any) -> Any:
    """Convolutions in NHWC with weights in HWIO; what follows a convolution stays in the same layout."""
    import tvm
    from tvm import relax

    return tvm.ir.transform.Sequential(
        [
            rewriting(_plain_activations),
            relax.transform.CanonicalizeBindings(),
            relax.transform.ConvertLayout({"relax.nn.conv2d": ["NHWC", "HWIO"]}),
            rewriting(_rearranged_constant),
            relax.transform.CanonicalizeBindings(),
        ]
    )(module)


def _plain_activations(call: Any, arguments: list[Any]) -> Any:
    """Clipping as `minimum(maximum(…))`, which may stand in any layout; division by a constant as a product."""
    from tvm import relax

    name = _name(call)
    if name == "relax.clip":
        x, low, high = arguments
        return relax.op.minimum(relax.op.maximum(x, _scalar(low.value)), _scalar(high.value))
    if name in ("maximum", "minimum", "relax.divide") and len(arguments) == 2 and _is_scalar(arguments[1]):
        x, number = arguments[0], arguments[1].value.numpy().item()
        if name == "relax.divide":
            return relax.op.multiply(x, _scalar(1 / number))
        return (relax.op.maximum if name == "maximum" else relax.op.minimum)(x, _scalar(number))
    return _known_limit(name, arguments)


def _known_limit(name: str, arguments: list[Any]) -> Any:
    """A limit of ONNX's Clip, that TVM's importer guards against NaN, as the number it is."""
    from tvm import relax

    if name == "relax.isnan" and _is_scalar(arguments[0]):
        return relax.const(bool(np.isnan(arguments[0].value.numpy())), "bool")
    if name == "relax.where" and _is_scalar(arguments[0]):
        condition, if_true, if_false = arguments
        return if_true if condition.value.numpy() else if_false
    return None


def _name(call: Any) -> str:
    """Of the operator, or of the function that TVM's importer wrote in its place."""
    return call.args[0].name_hint.rstrip("0123456789") if call.op.name == "relax.call_tir" else call.op.name


def _rearranged_constant(call: Any, arguments: list[Any]) -> Any:
    """Weights are rearranged here and now; Relax would compile a program for each shape of them."""
    import tvm
    from tvm import relax

    if not arguments or not isinstance(arguments[0], tvm.ir.GenericConst):
        return None
    values = arguments[0].value.numpy()
    if call.op.name == "relax.permute_dims":
        return relax.const(values.transpose([int(axis) for axis in call.attrs.axes]).copy())
    if call.op.name == "relax.reshape":
        return relax.const(values.reshape([int(extent) for extent in call.args[1].values]))
    return None


def _is_scalar(argument: Any) -> bool:
    import tvm

    return isinstance(argument, tvm.ir.GenericConst) and not argument.value.shape


def _scalar(value: Any) -> Any:
    from tvm import relax

    return relax.const(float(value), "float32")


def rewriting(rule: Any) -> Any:
    """A pass that asks `rule(call, arguments)` for each operator and compiled function; None leaves it as it is."""
    import tvm
    from tvm import relax
    from tvm.relax.expr_functor import PyExprMutator, mutator

    @mutator
    class Rewrite(PyExprMutator):  # type: ignore[misc]
        def visit_call_(self, call: Any) -> Any:
            call = self.visit_expr_post_order(call)
            if not isinstance(call.op, tvm.ir.Op):
                return call
            given = call.args[1].fields if call.op.name == "relax.call_tir" else call.args
            arguments = [self._value(argument) for argument in given]
            result = rule(call, arguments)
            return call if result is None else self.builder_.normalize(result)

        def _value(self, argument: Any) -> Any:
            """A constant that was bound to a variable, or the argument itself."""
            bound = self.lookup_binding(argument) if isinstance(argument, relax.Var) else None
            return bound if isinstance(bound, tvm.ir.GenericConst) else argument

    @tvm.transform.module_pass(opt_level=0)  # type: ignore[untyped-decorator]
    def rewrite(module: Any, _: Any) -> Any:
        rewriter = Rewrite(module)
        for name, function in module.functions_items():
            if isinstance(function, relax.Function):
                rewriter.builder_.update_func(name, rewriter.visit_expr(function))
        return rewriter.builder_.get()

    return rewrite
