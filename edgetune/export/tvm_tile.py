"""Tiles: what a schedule may hold in registers, and which of them is taken where nothing was timed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil

from edgetune.export.tvm_kernel import Kernel

MOST_PIXELS = 32
"""Pixels in a tile; more would only make the code longer."""

PADDED_BYTES = 128 * 1024
"""Of padded input that stay in the second-level cache, beside the weights and the output."""


@dataclass(frozen=True)
class Registers:
    """A processor's vector registers: how many there are and how many float32 lanes each has."""

    lanes: int
    count: int


@dataclass(frozen=True)
class Tile:
    """What is held in registers: `rows` × `columns` pixels × `vectors` × `lanes` channels.

    `weights_stay`: channels are the outermost loop, so that a panel of weights stays in the cache over all pixels.
    `band`: rows of the output whose input is padded together, so that the padding stays in the cache; 0 pads it whole.
    """

    rows: int = 1
    columns: int = 1
    vectors: int = 1
    lanes: int = 1
    weights_stay: bool = False
    band: int = 0


def tiles(kernel: Kernel, registers: Registers) -> Iterator[Tile]:
    """All tiles that divide the kernel's output and fit the registers."""
    height, width, channels = kernel.shape
    for lanes in _vector_lengths(channels, registers.lanes):
        for vectors, columns in product(divisors(channels // lanes), divisors(width)):
            for rows in divisors(height) if columns == width else (1,):
                if rows * columns <= MOST_PIXELS and _held(rows * columns, vectors) <= registers.count:
                    for band in _bands(kernel, rows):
                        yield Tile(rows, columns, vectors, lanes, band=band)
                    if kernel.reduction[:-1] == (1, 1) and vectors * lanes < channels:
                        yield Tile(rows, columns, vectors, lanes, weights_stay=True)


def chosen_tile(kernel: Kernel, registers: Registers, tuned: Mapping[str, Tile]) -> Tile:
    """The one that was tuned, by :attr:`Kernel.key`, where it is a tile of this kernel; or else the default."""
    known = tuned.get(kernel.key)
    if known is not None and known in tiles(kernel, registers):
        return known
    return default_tile(kernel, registers)


def default_tile(kernel: Kernel, registers: Registers) -> Tile:
    """The tile that needs the fewest loads for its multiply-accumulates, among those that hide their latency."""
    return max(tiles(kernel, registers), key=lambda tile: _merit(kernel, tile, registers))


def _merit(kernel: Kernel, tile: Tile, registers: Registers) -> tuple[float, bool, int, int]:
    pixels = tile.rows * tile.columns
    full = tile.lanes / (ceil(tile.lanes / registers.lanes) * registers.lanes)
    busy = min(1.0, pixels * tile.vectors / 8)  # eight independent sums hide the latency of a multiply-accumulate
    loads = (tile.vectors + pixels) / (tile.vectors * pixels)
    weights_larger = kernel.packable and kernel.shape[-1] > kernel.shape[0] * kernel.shape[1]
    speed = full * busy / max(1.0, 2 * loads)
    return speed, tile.weights_stay == weights_larger, _band_merit(kernel, tile.band), -tile.vectors


def _band_merit(kernel: Kernel, band: int) -> int:
    """The highest band that fits the cache, or else the lowest."""
    if kernel.padding is None:
        return 0
    rows = band or kernel.shape[0]
    return rows if kernel.padded_bytes(rows) <= PADDED_BYTES else -rows


def _bands(kernel: Kernel, rows: int) -> list[int]:
    if kernel.padding is None:
        return [0]
    return [0, *(band for band in divisors(kernel.shape[0])[:-1] if band % rows == 0)]


def _held(pixels: int, vectors: int) -> int:
    """Registers in use: the sums, the weights, one pixel."""
    return pixels * vectors + vectors + 1


def _vector_lengths(channels: int, lanes: int) -> list[int]:
    """The register's full length, or a half or quarter where that divides the channels and the full one does not."""
    for length in (lanes, lanes // 2, lanes // 4):
        if length >= 4 and channels % length == 0:
            return [length]
    return [max(d for d in divisors(channels) if d <= lanes)]


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
