"""Schedules for the kernels of convolutional networks on CPUs, in place of TVM's stock ones.

One scheme serves full, depthwise and pointwise convolutions, fully connected layers and poolings, as long as channels
come last in memory: a tile of outputs, `rows` × `columns` pixels × `vectors` vectors of channels, stays in registers
while the reduction runs; each step loads `vectors` vectors of weights and multiplies them with one number a pixel
(Goto and van de Geijn 2008; Georganas 2018 for convolutions). Bias, activation and residual are applied to the tile
before it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from operator import mul
from types import MappingProxyType
from typing import Any

from edgetune.export.tvm_kernel import Kernel, read_kernel
from edgetune.export.tvm_tile import Registers, Tile, chosen_tile, divisors
from edgetune.export.tvm_weights import WEIGHTS, rearrange_weights, with_constant_weights

PARALLEL_FROM = 1_000_000
"""Multiply-accumulates of a kernel from which threads pay: below, waking them takes longer than the work."""
ITERATIONS = 16
"""Of a parallel loop: four for each of four threads."""


def schedule_kernel(kernel: Kernel, tile: Tile) -> Any:
    """The kernel's `PrimFunc` with its loops tiled, unrolled and vectorised."""
    from tvm import s_tir

    sch = s_tir.Schedule(kernel.function)
    for name in kernel.inlined:
        sch.compute_inline(sch.get_sblock(name))
    for name in kernel.apart:
        _vectorize(sch, name, tile.lanes)
    core = sch.get_sblock(kernel.core)
    if packs(kernel, tile):
        _pack_weights(sch, core, kernel, tile.vectors * tile.lanes)
    output = sch.get_sblock(kernel.output) if kernel.output else sch.cache_write(core, 0, "global")

    *batch, c = sch.get_loops(output)
    x = batch.pop() if batch else sch.add_unit_loop(c)
    y = batch.pop() if batch else sch.add_unit_loop(x)
    y, rows = sch.split(y, [None, tile.rows])
    x, columns = sch.split(x, [None, tile.columns])
    c, vectors, lanes = sch.split(c, [None, tile.vectors, tile.lanes])
    ys = sch.split(y, [None, tile.band // tile.rows]) if tile.band else [y]
    outer = [c, *batch, *ys, x] if tile.weights_stay else [*batch, *ys, x, c]
    sch.reorder(*outer, rows, columns, vectors, lanes)

    sch.compute_at(core, outer[-1], preserve_unit_loops=True)
    sch.set_scope(core, 0, "local")
    if kernel.padding:
        if tile.band:
            sch.compute_at(sch.get_sblock(kernel.padding), ys[0])
        _vectorize(sch, kernel.padding, tile.lanes)
    inner = sch.get_loops(core)[len(outer) :]
    *pixels, channels = inner[: len(inner) - len(kernel.reduction)]
    reduction = inner[len(inner) - len(kernel.reduction) :]
    vector, lane = sch.split(channels, [tile.vectors, tile.lanes])
    sch.reorder(*reduction, *pixels, vector, lane)
    _hold_in_registers(sch, [*pixels, vector, lane])
    if kernel.macs >= PARALLEL_FROM:
        sch.parallel(sch.fuse(*_enough_for_all(sch, [*batch, ys[0]] if tile.band else outer)))
    outside = len(sch.get_loops(core)) - len(inner) - 1  # the channels were split in two
    start = sch.decompose_reduction(core, reduction[0])
    _hold_in_registers(sch, sch.get_loops(start)[outside:])
    _hold_in_registers(sch, [rows, columns, vectors, lanes])
    return sch.mod["main"]


def schedule_elementwise(function: Any, lanes: int) -> Any:
    """A `PrimFunc` without reduction as one vectorised loop nest."""
    from tvm import s_tir

    sch = s_tir.Schedule(function)
    *inlined, output = [sch.get(block).name_hint for block in sch.get_child_blocks(sch.get_sblock("root"))]
    for name in inlined:
        sch.compute_inline(sch.get_sblock(name))
    _vectorize(sch, output, lanes)
    return sch.mod["main"]


def schedule_module(module: Any, registers: Registers, tuned: Mapping[str, Tile] = MappingProxyType({})) -> Any:
    """An `IRModule` with every kernel scheduled: by its tile in `tuned`, or by the default one.

    What the scheme does not cover keeps TVM's stock schedule. `tuned` goes by :attr:`Kernel.key`.
    """
    from tvm.s_tir.schedule import ScheduleError

    scheduled: dict[Any, Any] = {}
    packed: dict[Any, Any] = {}
    for name, (function, kernel) in kernels_of(module).items():
        try:
            if kernel is None:
                scheduled[name] = schedule_elementwise(function, registers.lanes)
                continue
            tile = chosen_tile(kernel, registers, tuned)
            (packed if packs(kernel, tile) else scheduled)[name] = schedule_kernel(kernel, tile)
        except ScheduleError:
            continue
    module = module.clone()
    for name, function in scheduled.items():
        module.update_func(name, _finished(function, name.name_hint))
    return rearrange_weights(
        module, {name.name_hint: _finished(f, f"{name.name_hint}_packed") for name, f in packed.items()}
    )


def kernels_of(module: Any) -> dict[Any, tuple[Any, Kernel | None]]:
    """Each `PrimFunc` of a module under the name that schedules expect, by its variable, and the kernel it is."""
    import tvm

    constant = with_constant_weights(module)
    found = {}
    for name, function in module.functions_items():
        if isinstance(function, tvm.tirx.PrimFunc):
            plain = function.with_attr("global_symbol", "main")
            found[name] = plain, read_kernel(plain, constant_weights=name.name_hint in constant)
    return found


def _finished(function: Any, name: str) -> Any:
    return function.with_attr("global_symbol", name).with_attr("tirx.is_scheduled", True)


def packs(kernel: Kernel, tile: Tile) -> bool:
    """Whether the schedule reads the weights in panels of the tile's channels."""
    return kernel.packable and tile.vectors * tile.lanes < kernel.shape[-1]


def _pack_weights(sch: Any, core: Any, kernel: Kernel, panel: int) -> None:
    reads = [region.source.same_as(kernel.function.params[WEIGHTS]) for region in sch.get(core).reads]

    def in_panels(*axes: Any) -> list[Any]:
        *others, channel = axes
        return [channel // panel, *others, channel % panel]

    sch.transform_layout(core, ("read", reads.index(True)), in_panels)


def _enough_for_all(sch: Any, loops: list[Any]) -> list[Any]:
    """As many of the outer loops as give every thread some iterations."""
    iterations = list(accumulate((int(sch.get(loop).extent) for loop in loops), mul))
    return loops[: 1 + sum(count < ITERATIONS for count in iterations[:-1])]


def _hold_in_registers(sch: Any, loops: list[Any]) -> None:
    for loop in loops[:-1]:
        sch.unroll(loop)
    sch.vectorize(loops[-1])


def _vectorize(sch: Any, block: str, lanes: int) -> None:
    """Vectorises the innermost loop, or the one around it if that is shorter than any vector."""
    loops = sch.get_loops(sch.get_sblock(block))
    if len(loops) > 1 and int(sch.get(loops[-1]).extent) < 4:
        sch.reorder(loops[-1], loops[-2])
        loops[-1] = loops[-2]
    last = loops[-1]
    length = max(d for d in divisors(int(sch.get(last).extent)) if d <= lanes)
    _, lane = sch.split(last, [None, length])
    sch.vectorize(lane)
