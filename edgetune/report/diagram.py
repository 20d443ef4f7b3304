"""The drawing of an architecture: boxes in the order of execution, grouped by the size of what they write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

from edgetune.latency.prediction import KernelCost
from edgetune.space.architecture import Architecture, Block

ACTIVATIONS = {"relu": "ReLU", "hswish": "hard-swish"}
WIDTH, HEIGHT = 72, 44  # of a box's silhouette, in SVG units


@dataclass(frozen=True)
class Box:
    """One block. `name` begins its kernels' names; `widths` are the channels along the way: in, hidden, out."""

    name: str
    kind: str
    title: str
    widths: tuple[int, ...]
    resolution: int
    tags: tuple[str, ...]
    share: float | None
    silhouette: str


@dataclass(frozen=True)
class Group:
    """Boxes whose outputs are `resolution` pixels a side."""

    resolution: int
    boxes: tuple[Box, ...]


def draw(architecture: Architecture, kernels: Iterable[KernelCost]) -> list[Group]:
    """The boxes of a network; each with its part of the latency when kernels are named as the graph names them."""
    a, act, costs = architecture, ACTIVATIONS[architecture.activation], list(kernels)
    widest = max([a.stem_width, a.head_width, *(block.hidden_width for block in a.blocks)])

    def box(name: str, kind: str, title: str, widths: tuple[int, ...], resolution: int, tags: tuple[str, ...]) -> Box:
        return Box(name, kind, title, widths, resolution, tags, share_of(name, costs), silhouette(widths, widest))

    resolution = shrunk(a.resolution, a.stem_stride)
    tags = tags_of(act, stride=a.stem_stride)
    boxes = [box("stem", "stem", "Conv 3×3", (a.channels, a.stem_width), resolution, tags)]
    for block in a.blocks:
        resolution = shrunk(resolution, block.stride)
        widths = (block.in_width, block.hidden_width, block.out_width)
        boxes.append(box(block.name, block.kind, title_of(block), widths, resolution, block_tags(block)))
    boxes.append(box("head", "head", "Conv 1×1", (a.last_width, a.head_width), resolution, (act,)))
    boxes.append(box("pool", "head", "Average", (a.head_width, a.head_width), 1, ()))
    boxes.append(box("classifier", "head", "Linear", (a.head_width, a.classes), 1, ()))
    return [Group(resolution, tuple(group)) for resolution, group in groupby(boxes, key=lambda box: box.resolution)]


def share_of(name: str, kernels: Iterable[KernelCost]) -> float | None:
    """The part of the latency that the kernels of one box take; None where no kernel bears its name."""
    shares = [kernel.share for kernel in kernels if f"{kernel.name}.".startswith(f"{name}.")]
    return sum(shares) if shares else None


def title_of(block: Block) -> str:
    name = "MBConv" if block.kind == "mbconv" else "Fused"
    return f"{name} {block.kernel}×{block.kernel}"


def block_tags(block: Block) -> tuple[str, ...]:
    activation = ACTIVATIONS[block.activation]
    return tags_of(activation, stride=block.stride, attention=block.squeeze_excite, skip=block.residual)


def tags_of(activation: str, *, stride: int = 1, attention: bool = False, skip: bool = False) -> tuple[str, ...]:
    optional = ((f"stride\u00a0{stride}", stride > 1), ("SE", attention), ("skip", skip))
    return (activation, *(text for text, present in optional if present))


def shrunk(resolution: int, stride: int) -> int:
    """With padding of half the kernel a convolution writes a pixel for every started stride."""
    return -(-resolution // stride)


def silhouette(widths: tuple[int, ...], widest: int) -> str:
    """The points of an SVG polygon as high as the square root of the channels along the way."""
    halves = [max(2.0, HEIGHT / 2 * min(1.0, sqrt(width / widest))) for width in widths]
    step = WIDTH / (len(widths) - 1)
    top = [(i * step, HEIGHT / 2 - half) for i, half in enumerate(halves)]
    bottom = [(i * step, HEIGHT / 2 + half) for i, half in enumerate(halves)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*top, *reversed(bottom)])
