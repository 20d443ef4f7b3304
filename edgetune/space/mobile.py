"""The mobile spaces: MobileNet-like networks for small (28 to 32 px) and for usual (224 px) pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

from edgetune.space.architecture import Activation, Architecture, Block, BlockKind
from edgetune.space.parameters import Choice, Condition, Parameter, Sample, Space, Value


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first has the stage's stride. Pools are in ascending order."""

    stride: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kinds: tuple[BlockKind, ...] = ("mbconv", "fused")
    kernels: tuple[int, ...] = (3, 5, 7)
    expansions: tuple[int, ...] = (2, 3, 4)


@dataclass(frozen=True)
class MobileSpace:
    """A space of inverted-residual networks and the way from its samples to architectures."""

    name: str
    resolutions: tuple[int, int]
    stem_widths: tuple[int, ...]
    stem_stride: int
    stages: tuple[Stage, ...]
    head_widths: tuple[int, ...]
    activations: tuple[Activation, ...] = ("relu", "hswish")
    squeeze_excites: tuple[bool, ...] = (False, True)

    @cached_property
    def space(self) -> Space:
        """Labels: `stem.width`, `stage1.width`, `stage1.depth`, `stage1.block1.kernel`, …, `head.width`."""
        parameters: list[Parameter] = [Choice("stem.width", self.stem_widths)]
        for s, stage in enumerate(self.stages, 1):
            parameters += [Choice(f"stage{s}.width", stage.widths), Choice(f"stage{s}.depth", stage.depths)]
            for b in range(1, stage.depths[-1] + 1):
                parameters += self._block_parameters(s, b, stage)
        parameters += [Choice("head.width", self.head_widths), Choice("head.activation", self.activations)]
        return Space(self.name, tuple(parameters))

    def _block_parameters(self, s: int, b: int, stage: Stage) -> list[Parameter]:
        deep_enough = tuple(depth for depth in stage.depths if depth >= b)
        exists = () if deep_enough == stage.depths else (Condition(f"stage{s}.depth", deep_enough),)
        name = f"stage{s}.block{b}"
        separable = (*exists, Condition(f"{name}.kind", ("mbconv",)))  # a fused block is a 3×3 convolution
        kernel = [Choice(f"{name}.kernel", stage.kernels, separable)] if "mbconv" in stage.kinds else []
        return [
            Choice(f"{name}.kind", stage.kinds, exists),
            *kernel,
            Choice(f"{name}.expansion", stage.expansions, exists),
            Choice(f"{name}.activation", self.activations, exists),
            Choice(f"{name}.squeeze_excite", self.squeeze_excites, exists),
        ]

    def architecture(self, sample: Sample, *, channels: int, resolution: int, classes: int) -> Architecture:
        """The network that `sample` describes, for pictures of this shape."""
        blocks: list[Block] = []
        width = cast(int, sample["stem.width"])
        for s, stage in enumerate(self.stages, 1):
            out_width = cast(int, sample[f"stage{s}.width"])
            for b in range(1, cast(int, sample[f"stage{s}.depth"]) + 1):
                blocks.append(_block(sample, f"stage{s}.block{b}", width, out_width, stage.stride if b == 1 else 1))
                width = out_width
        return Architecture(
            channels=channels,
            resolution=resolution,
            classes=classes,
            stem_width=cast(int, sample["stem.width"]),
            stem_stride=self.stem_stride,
            blocks=tuple(blocks),
            head_width=cast(int, sample["head.width"]),
            activation=cast(Activation, sample["head.activation"]),
        )

    def largest(self) -> list[Sample]:
        """Every pool at its upper end, once with each block kind; together they hold every weight of the space."""
        return [self.space.sample(self.ends(-1, kind)) for kind in self.kinds]

    def smallest(self) -> Sample:
        return self.space.sample(self.ends(0, "mbconv"))

    @property
    def kinds(self) -> list[BlockKind]:
        """The block kinds of any stage."""
        return list(dict.fromkeys(kind for stage in self.stages for kind in stage.kinds))

    def ends(self, end: Literal[0, -1], kind: BlockKind) -> dict[str, Value]:
        """The lower or the upper end of every pool, by its label, active or not; `kind` where a stage has it."""
        choices = [parameter for parameter in self.space.parameters if isinstance(parameter, Choice)]
        return {choice.label: kind if kind in choice.options else choice.options[end] for choice in choices}


def _block(sample: Sample, name: str, in_width: int, out_width: int, stride: int) -> Block:
    kind = cast(BlockKind, sample[f"{name}.kind"])
    return Block(
        name=name.replace(".", "_"),
        kind=kind,
        in_width=in_width,
        out_width=out_width,
        stride=stride,
        kernel=cast(int, sample[f"{name}.kernel"]) if kind == "mbconv" else 3,
        expansion=cast(int, sample[f"{name}.expansion"]),
        activation=cast(Activation, sample[f"{name}.activation"]),
        squeeze_excite=cast(bool, sample[f"{name}.squeeze_excite"]),
    )


MOBILE_SMALL = MobileSpace(
    name="mobile-small",
    resolutions=(8, 64),
    stem_widths=(8, 12, 16),
    stem_stride=1,
    stages=(
        # At full resolution one dense convolution costs less than an expansion and a depthwise one (Tan and Le 2021).
        Stage(stride=2, widths=(12, 16, 24), depths=(1, 2), kinds=("fused",), expansions=(1, 2)),
        Stage(stride=2, widths=(24, 32, 40), depths=(1, 2, 3), expansions=(2, 3)),
        Stage(stride=2, widths=(48, 64, 80), depths=(1, 2)),
    ),
    head_widths=(96, 128, 192),
)

MOBILE_LARGE = MobileSpace(
    name="mobile-large",
    resolutions=(65, 512),
    stem_widths=(16, 24, 32),
    stem_stride=2,
    stages=(
        Stage(stride=2, widths=(16, 24, 32), depths=(1, 2, 3)),
        Stage(stride=2, widths=(24, 32, 40), depths=(1, 2, 3)),
        Stage(stride=2, widths=(48, 64, 80), depths=(1, 2, 3, 4)),
        Stage(stride=1, widths=(72, 96, 112), depths=(1, 2, 3)),
        Stage(stride=2, widths=(96, 128, 160), depths=(1, 2, 3)),
    ),
    head_widths=(320, 480, 640),
)

MOBILE_SPACES: dict[str, MobileSpace] = {space.name: space for space in (MOBILE_SMALL, MOBILE_LARGE)}


def space_for(resolution: int) -> MobileSpace:
    """The mobile space made for pictures of this many pixels a side."""
    return MOBILE_SMALL if resolution <= MOBILE_SMALL.resolutions[1] else MOBILE_LARGE
