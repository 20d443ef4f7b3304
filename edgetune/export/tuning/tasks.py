"""What is to be tuned of a model: each kernel shape once, with how often it occurs and what may be chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgetune.export.tvm_kernel import Kernel
from edgetune.export.tvm_library import fused_kernels
from edgetune.export.tvm_schedule import kernels_of, schedule_kernel
from edgetune.export.tvm_tile import Registers, Tile, default_tile, tiles
from edgetune.export.tvm_weights import calls_of
from edgetune.space.parameters import Value


@dataclass(frozen=True, eq=False)
class TuningTask:
    """One kernel shape of a model and the tiles that it may have."""

    kernel: Kernel
    registers: Registers
    calls: int

    @cached_property
    def tiles(self) -> frozenset[Tile]:
        return frozenset(tiles(self.kernel, self.registers))

    @property
    def default(self) -> Tile:
        return default_tile(self.kernel, self.registers)

    @property
    def choices(self) -> dict[str, Sequence[Value]]:
        """The options of each parameter; not every combination of them is a tile."""
        pixels = {(tile.rows, tile.columns) for tile in self.tiles}
        return {
            "pixels": [f"{rows}x{columns}" for rows, columns in sorted(pixels, key=lambda p: (p[0] * p[1], p))],
            "vectors": sorted({tile.vectors for tile in self.tiles}),
            "weights_stay": sorted({tile.weights_stay for tile in self.tiles}),
            "band": sorted({tile.band for tile in self.tiles}),
        }

    def tile(self, sample: Mapping[str, Value]) -> Tile | None:
        """The tile of a sample of the choices; None where it does not fit the registers."""
        rows, columns = str(sample["pixels"]).split("x")
        vectors, stay, band = int(sample["vectors"]), bool(sample["weights_stay"]), int(sample["band"])
        tile = Tile(int(rows), int(columns), vectors, self.default.lanes, stay, band)
        return tile if tile in self.tiles else None

    @staticmethod
    def sample(tile: Tile) -> dict[str, Value]:
        """The inverse of :meth:`tile`."""
        return {
            "pixels": f"{tile.rows}x{tile.columns}",
            "vectors": tile.vectors,
            "weights_stay": tile.weights_stay,
            "band": tile.band,
        }

    def scheduled(self, tile: Tile) -> Any:
        return schedule_kernel(self.kernel, tile)


def tasks_of(model: Path, registers: Registers) -> list[TuningTask]:
    """The kernels of an ONNX file whose tile is a choice, and that work on float32 alone: others are not timed.

    Raises
    ------
    ModelFileError
        The file is no valid model, or leaves a size open.
    ExportError
        An operator that TVM lacks.
    """
    module = fused_kernels(model)
    calls = calls_of(module)
    kernels: dict[str, Kernel] = {}
    occurrences: Counter[str] = Counter()
    for name, (_, kernel) in kernels_of(module).items():
        if kernel is not None and all(parameter.dtype == "float32" for parameter in kernel.function.params):
            kernels.setdefault(kernel.key, kernel)
            occurrences[kernel.key] += calls[name.name_hint]
    tasks = [TuningTask(kernel, registers, occurrences[key]) for key, kernel in kernels.items()]
    return [task for task in tasks if len(task.tiles) > 1]
