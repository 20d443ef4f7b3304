"""What a teacher is: something that knows the classes and gives logits for raw pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from edgetune.distill.precision import place
from edgetune.errors import TeacherError
from edgetune.nets.layers import Normalize


class Teacher(ABC):
    """Gives logits in the order of `classes`.

    Attributes
    ----------
    name
        For people.
    classes
        Labels in the order of the logits.
    content_hash
        Of everything that decides the logits; what is cached of a teacher is keyed by it.
    licence
        Under which its weights may be used.
    other_classes
        What to do about a data set of other classes.
    """

    other_classes = "give a teacher of the same classes, or pick some of its own under [classes] of a teacher.toml"

    name: str
    classes: tuple[str, ...]
    content_hash: str
    licence: str

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """Itself, computing on `device` from now on."""

    @abstractmethod
    def logits(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) float32 raw pixels, 0…255, to (N, classes) float32."""

    @property
    @abstractmethod
    def macs(self) -> int:
        """Multiply-accumulates for one picture, convolutions and linear layers."""

    @property
    @abstractmethod
    def parameters(self) -> int: ...

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raises :class:`TeacherError` when the data set has other classes, or the same in another order."""
        if len(self.classes) != len(classes):
            raise TeacherError(
                f"the teacher knows {len(self.classes)} classes, the data set has {len(classes)}",
                where=self.name,
                mend=self.other_classes,
            )
        for index, (mine, theirs) in enumerate(zip(self.classes, classes, strict=True)):
            if mine != theirs:
                raise TeacherError(
                    f"class {index} is {mine!r} to the teacher and {theirs!r} in the data set",
                    where=self.name,
                    mend="name them under [classes] of a teacher.toml, in the data set's order",
                )


class TorchTeacher(Teacher):
    """A module that takes raw pixels, at a resolution of its own."""

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        classes: Sequence[str],
        channels: int,
        resolution: int,
        content_hash: str,
        licence: str,
    ) -> None:
        self.module = module.eval()
        self.name, self.classes = name, tuple(classes)
        self.channels, self.resolution = channels, resolution
        self.content_hash, self.licence = content_hash, licence

    def to(self, device: torch.device) -> Self:
        """Moves the module, channels last in memory."""
        place(self.module, device)
        return self

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        return self.module(fit_pixels(pixels, self.channels, self.resolution))

    @property
    def macs(self) -> int:
        weight = next(chain(self.module.parameters(), self.module.buffers()), None)
        device = weight.device if weight is not None else torch.device("cpu")
        return count_macs(self.module, torch.zeros(1, self.channels, self.resolution, self.resolution, device=device))

    @property
    def parameters(self) -> int:
        return sum(weight.numel() for weight in self.module.parameters())


def fit_pixels(pixels: Tensor, channels: int, resolution: int) -> Tensor:
    """Resizes to what a network takes; grey pictures are repeated for a network that takes colours.

    Raises
    ------
    TeacherError
        Colour pictures for a network that takes grey ones.
    """
    if pixels.shape[1] == 1 and channels == 3:
        pixels = pixels.expand(-1, 3, -1, -1)
    if pixels.shape[1] != channels:
        raise TeacherError(
            f"the teacher takes pictures of {channels} channel(s), those of the data set have {pixels.shape[1]}",
            mend="give a teacher for such pictures",
        )
    if pixels.shape[2] != resolution:
        shrunk = resolution < pixels.shape[2]  # to enlarge, the filter is the same and slower by a factor of 2.6
        pixels = functional.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=shrunk)
    return pixels


def check_normalize(normalize: Normalize | None, channels: int, where: str | Path) -> None:
    """Raises :class:`TeacherError` unless there is a mean and a deviation a channel, or none at all."""
    if normalize and (given := normalize.mean.numel()) != channels:
        reason = f"{given} value(s) of mean and std for pictures of {channels} channel(s)"
        raise TeacherError(reason, where=where, mend="give one a channel of each")


def count_macs(module: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of convolutions and matrix products, half of torch's own count of operations."""
    products = sdpa_kernel(SDPBackend.MATH)  # those of a CPU's fused attention are not counted
    with FlopCounterMode(display=False) as counter, torch.no_grad(), products:
        module(example)
    return counter.get_total_flops() // 2 // len(example)
