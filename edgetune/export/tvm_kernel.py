"""What a fused TVM function is made of, as far as scheduling it is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

SPATIAL, REDUCTION = 0, 2  # tvm.tirx.IterVar's kinds


@dataclass(frozen=True, eq=False)
class Kernel:
    """A `PrimFunc` with one reduction: a convolution, a fully connected layer or a mean, with what TVM fused to it.

    Attributes
    ----------
    core
        The block that reduces.
    output
        The last block that has the core's shape: where a tile is stored. None if the core writes the result itself.
    inlined
        Blocks that are computed where their result is used.
    apart
        Blocks with loops of their own: zero padding before, a product with a larger tensor after.
    shape
        Height, width and channels of the core's output.
    reduction
        What is summed over: kernel height and width and input channels, or fewer.
    """

    function: Any
    core: str
    output: str | None
    inlined: tuple[str, ...]
    apart: tuple[str, ...]
    shape: tuple[int, int, int]
    reduction: tuple[int, ...]

    @property
    def key(self) -> str:
        """Equal for kernels that the same tile suits: TVM's hash of the function's structure."""
        import tvm_ffi

        return f"{tvm_ffi.structural_hash(self.function) % 2**64:016x}"

    @property
    def macs(self) -> int:
        return prod(self.shape) * prod(self.reduction)


def read_kernel(function: Any) -> Kernel | None:
    """None if the function has no reduction, or several."""
    from tvm import s_tir

    sch = s_tir.Schedule(function)
    blocks = [sch.get(block) for block in sch.get_child_blocks(sch.get_sblock("root"))]
    cores = [i for i, block in enumerate(blocks) if _extents(block, REDUCTION)]
    if len(cores) != 1:
        return None
    before, core, after = blocks[: cores[0]], blocks[cores[0]], blocks[cores[0] + 1 :]
    extents = _extents(core, SPATIAL)
    same = [block for block in after if _extents(block, SPATIAL) == extents]
    larger = [block for block in after if block not in same]
    padded = [block for block in before if "if_then_else" in str(block.body)]
    inlined = [block for block in before if block not in padded] + same[:-1] + larger[:-1]
    return Kernel(
        function=function,
        core=core.name_hint,
        output=same[-1].name_hint if same else None,
        inlined=tuple(block.name_hint for block in inlined),
        apart=tuple(block.name_hint for block in padded + larger[-1:]),
        shape=(prod(extents[:-2]), prod(extents[-2:-1]), extents[-1]),
        reduction=_extents(core, REDUCTION),
    )


def _extents(block: Any, kind: int) -> tuple[int, ...]:
    return tuple(int(axis.dom.extent) for axis in block.iter_vars if int(axis.iter_type) == kind)
