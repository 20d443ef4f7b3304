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
    key
        The core and the shapes it reads and writes: equal for kernels that the same tile suits, whatever is fused.
    core
        The block that reduces.
    output
        The last block that has the core's shape: where a tile is stored. None if the core writes the result itself.
    inlined
        Blocks that are computed where their result is used.
    apart
        Blocks with loops of their own: a product with a larger tensor after.
    padding
        The block that pads the core's input with zeros. None if nothing is padded.
    shape
        Height, width and channels of the core's output.
    reduction
        What is summed over: kernel height and width and input channels, or fewer.
    padded
        Height, width and channels of the padded input; zeros where nothing is padded.
    packable
        The second parameter is constant weights, output channels last, so that their order is for the schedule to say.
    """

    function: Any
    key: str
    core: str
    output: str | None
    inlined: tuple[str, ...]
    apart: tuple[str, ...]
    padding: str | None
    shape: tuple[int, int, int]
    reduction: tuple[int, ...]
    padded: tuple[int, ...] = (0, 0, 0)
    packable: bool = False

    def padded_bytes(self, rows: int) -> int:
        """Of the padded input that so many rows of the output are computed from, float32."""
        (height, width, channels), outputs = self.padded, self.shape[0]
        kernel_height = self.reduction[0]
        stride = (height - kernel_height) // max(1, outputs - 1)
        return 4 * ((rows - 1) * stride + kernel_height) * width * channels

    @property
    def macs(self) -> int:
        return prod(self.shape) * prod(self.reduction)


def read_kernel(function: Any, *, constant_weights: bool = False) -> Kernel | None:
    """None if the function has no reduction, or several.

    `constant_weights`: the second argument is a constant wherever the function is called.
    """
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
    padding = padded[-1] if len(padded) == 1 and len(padded[0].iter_vars) == 4 else None
    apart = [block for block in padded if padding is None] + larger[-1:]
    inlined = [block for block in before if block not in padded] + same[:-1] + larger[:-1]
    return Kernel(
        function=function,
        key=f"{core.name_hint} {_shapes(core.reads)} -> {_shapes(core.writes)}",
        core=core.name_hint,
        output=same[-1].name_hint if same else None,
        inlined=tuple(block.name_hint for block in inlined),
        apart=tuple(block.name_hint for block in apart),
        padding=padding.name_hint if padding is not None else None,
        shape=(prod(extents[:-2]), prod(extents[-2:-1]), extents[-1]),
        reduction=_extents(core, REDUCTION),
        padded=_extents(padding, SPATIAL)[1:] if padding is not None else (0, 0, 0),
        packable=constant_weights and _has_weights(function.params[1], core),
    )


def _extents(block: Any, kind: int) -> tuple[int, ...]:
    return tuple(int(axis.dom.extent) for axis in block.iter_vars if int(axis.iter_type) == kind)


def _has_weights(parameter: Any, core: Any) -> bool:
    """Whether the core reads it, output channels last."""
    channels = _extents(core, SPATIAL)[-1]
    return int(parameter.shape[-1]) == channels and any(region.source.same_as(parameter) for region in core.reads)


def _shapes(regions: Any) -> str:
    """Such as "1x16x16x480, 3x3x480x1"."""
    return ", ".join("x".join(str(int(extent)) for extent in region.source.shape) for region in regions)
