"""What a sample of an image space says: the blocks of one network, all sizes resolved. Plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["relu", "hswish"]
BlockKind = Literal["mbconv", "fused"]


def round_width(width: float) -> int:
    """The nearest multiple of 8 that loses at most 10 %, as in MobileNetV2's reference code."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


@dataclass(frozen=True)
class Block:
    """An inverted residual block (Sandler 2018) or its fused form (Gupta and Tan 2019).

    `mbconv`: 1×1 expansion (left out when the expansion is 1), k×k depthwise, squeeze-excite, 1×1 projection.
    `fused`:  k×k full convolution that expands, squeeze-excite, 1×1 projection.
    BatchNorm follows each convolution; the activation follows each but the projection.
    """

    name: str  # its position, "stage1_block2": what a supernet's weights are shared by
    kind: BlockKind
    in_width: int
    out_width: int
    stride: int
    kernel: int
    expansion: float
    activation: Activation
    squeeze_excite: bool

    @property
    def hidden_width(self) -> int:
        return self.in_width if self.expansion == 1 else round_width(self.in_width * self.expansion)

    @property
    def squeeze_width(self) -> int:
        """Width of the squeeze-excite bottleneck: a quarter of the hidden width (Howard 2019)."""
        return round_width(self.hidden_width / 4)

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.in_width == self.out_width


@dataclass(frozen=True)
class Architecture:
    """A whole classifier: 3×3 stem, blocks, 1×1 head convolution, global average pool, linear layer."""

    channels: int
    resolution: int
    classes: int
    stem_width: int
    stem_stride: int
    blocks: tuple[Block, ...]
    head_width: int
    activation: Activation

    @property
    def last_width(self) -> int:
        return self.blocks[-1].out_width if self.blocks else self.stem_width
