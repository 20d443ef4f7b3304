"""Schedules for the kernels of convolutional networks on CPUs, in place of TVM's stock ones.

One scheme serves full, depthwise and pointwise convolutions, fully connected layers and poolings, as long as channels
come last in memory: a tile of outputs, `rows` × `columns` pixels × `vectors` vectors of channels, stays in registers
while the reduction runs; each step loads `vectors` vectors of weights and multiplies them with one number a pixel
(Goto and van de Geijn 2008; Georganas 2018 for convolutions). Bias, activation and residual are applied to the tile
before it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, product
from math import ceil
from operator import mul
from types import MappingProxyType
from typing import Any

from edgetune.export.tvm_kernel import Kernel, read_kernel

MOST_PIXELS = 32
"""Pixels in a tile; more would only make the code longer."""
PARALLEL_FROM = 1_000_000
"""Multiply-accumulates of a kernel from which threads pay: below, waking them takes longer than the work."""


@dataclass(frozen=True)
class Registers:
    """A processor's vector registers: how many there are and how many float32 lanes each has."""

    lanes: int
    count: int


@dataclass(frozen=True)
class Tile:
    """What is held in registers: `rows` × `columns` pixels × `vectors` × `lanes` channels.

    `weights_stay`: channels are the outermost loop, so that a panel of weights stays in the cache over all pixels.
    """

    rows: int = 1
    columns: int = 1
    vectors: int = 1
    lanes: int = 1
    weights_stay: bool = False


ITERATIONS = 16
"""Of a parallel loop: four for each of four threads."""


def tiles(kernel: Kernel, registers: Registers) -> Iterator[Tile]:
    """All tiles that divide the kernel's output and fit the registers."""
    height, width, channels = kernel.shape
    for lanes in _vector_lengths(channels, registers.lanes):
        for vectors, columns in product(_divisors(channels // lanes), _divisors(width)):
            for rows in _divisors(height) if columns == width else (1,):
                if rows * columns <= MOST_PIXELS and _held(rows * columns, vectors) <= registers.count:
                    yield Tile(rows, columns, vectors, lanes)
                    if kernel.reduction[:-1] == (1, 1) and vectors * lanes < channels:
                        yield Tile(rows, columns, vectors, lanes, weights_stay=True)


def default_tile(kernel: Kernel, registers: Registers) -> Tile:
    """The tile that needs the fewest loads for its multiply-accumulates, among those that hide their latency."""
    return max(tiles(kernel, registers), key=lambda tile: _merit(tile, registers))


def _merit(tile: Tile, registers: Registers) -> tuple[float, int]:
    pixels = tile.rows * tile.columns
    full = tile.lanes / (ceil(tile.lanes / registers.lanes) * registers.lanes)
    busy = min(1.0, pixels * tile.vectors / 8)  # eight independent sums hide the latency of a multiply-accumulate
    loads = (tile.vectors + pixels) / (tile.vectors * pixels)
    return full * busy / max(1.0, 2 * loads), -tile.vectors


def _held(pixels: int, vectors: int) -> int:
    """Registers in use: the sums, the weights, one pixel."""
    return pixels * vectors + vectors + 1


def _vector_lengths(channels: int, lanes: int) -> list[int]:
    """The register's full length, or a half or quarter where that divides the channels and the full one does not."""
    for length in (lanes, lanes // 2, lanes // 4):
        if length >= 4 and channels % length == 0:
            return [length]
    return [max(d for d in _divisors(channels) if d <= lanes)]


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def schedule_kernel(kernel: Kernel, tile: Tile) -> Any:
    """The kernel's `PrimFunc` with its loops tiled, unrolled and vectorised."""
    from tvm import s_tir

    sch = s_tir.Schedule(kernel.function)
    for name in kernel.inlined:
        sch.compute_inline(sch.get_sblock(name))
    for name in kernel.apart:
        _vectorize(sch, name, tile.lanes)
    core = sch.get_sblock(kernel.core)
    output = sch.get_sblock(kernel.output) if kernel.output else sch.cache_write(core, 0, "global")

    *batch, c = sch.get_loops(output)
    x = batch.pop() if batch else sch.add_unit_loop(c)
    y = batch.pop() if batch else sch.add_unit_loop(x)
    y, rows = sch.split(y, [None, tile.rows])
    x, columns = sch.split(x, [None, tile.columns])
    c, vectors, lanes = sch.split(c, [None, tile.vectors, tile.lanes])
    outer = [c, *batch, y, x] if tile.weights_stay else [*batch, y, x, c]
    sch.reorder(*outer, rows, columns, vectors, lanes)

    sch.compute_at(core, outer[-1], preserve_unit_loops=True)
    sch.set_scope(core, 0, "local")
    inner = sch.get_loops(core)[len(outer) :]
    *pixels, channels = inner[: len(inner) - len(kernel.reduction)]
    reduction = inner[len(inner) - len(kernel.reduction) :]
    vector, lane = sch.split(channels, [tile.vectors, tile.lanes])
    sch.reorder(*reduction, *pixels, vector, lane)
    _hold_in_registers(sch, [*pixels, vector, lane])
    if kernel.macs >= PARALLEL_FROM:
        sch.parallel(sch.fuse(*_enough_for_all(sch, outer)))
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

    What the scheme does not cover keeps TVM's stock schedule.
    """
    import tvm
    from tvm.s_tir.schedule import ScheduleError

    scheduled = {}
    for name, function in module.functions_items():
        if not isinstance(function, tvm.tirx.PrimFunc):
            continue
        plain = function.with_attr("global_symbol", "main")
        kernel = read_kernel(plain)
        try:
            if kernel is None:
                result = schedule_elementwise(plain, registers.lanes)
            else:
                result = schedule_kernel(kernel, tuned.get(kernel.key) or default_tile(kernel, registers))
        except ScheduleError:
            continue
        scheduled[name] = result.with_attr("global_symbol", name.name_hint).with_attr("tirx.is_scheduled", True)
    module = module.clone()
    for name, function in scheduled.items():
        module.update_func(name, function)
    return module


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
    length = max(d for d in _divisors(int(sch.get(last).extent)) if d <= lanes)
    _, lane = sch.split(last, [None, length])
    sch.vectorize(lane)
