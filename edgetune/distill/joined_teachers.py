"""Teachers made of teachers: an ensemble, and one whose classes are picked and named anew."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

from edgetune.distill.teacher import Teacher
from edgetune.errors import TeacherError, nearest


class Ensemble(Teacher):
    """Gives the logarithm of the mean of its members' probabilities (Hinton 2015, section 3).

    Raises
    ------
    TeacherError
        The members know other classes, or the same in another order.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        self.members = list(members)
        self.classes = members[0].classes
        for member in members[1:]:
            member.check_classes(self.classes)
        self.name = " + ".join(member.name for member in members)
        self.licence = "; ".join(dict.fromkeys(member.licence for member in members))
        self.content_hash = _digest("ensemble", *(member.content_hash for member in members))

    def to(self, device: torch.device) -> Self:
        self.members = [member.to(device) for member in self.members]
        return self

    def logits(self, pixels: Tensor) -> Tensor:
        log_p = torch.stack([member.logits(pixels).float().log_softmax(1) for member in self.members])
        return log_p.logsumexp(0) - math.log(len(self.members))

    @property
    def macs(self) -> int:
        return sum(member.macs for member in self.members)

    @property
    def parameters(self) -> int:
        return sum(member.parameters for member in self.members)


class Renamed(Teacher):
    """Some of a teacher's classes, in another order and under other names.

    Parameters
    ----------
    names
        The data set's name of each class, in the data set's order, to the teacher's.

    Raises
    ------
    TeacherError
        A class that the teacher does not know, or one that is meant twice.
    """

    def __init__(self, teacher: Teacher, names: Mapping[str, str]) -> None:
        for mine in names.values():
            if mine not in teacher.classes:
                mend = nearest(mine, teacher.classes)
                raise TeacherError(f"the teacher knows no class {mine!r}", where=teacher.name, mend=mend)
        if len(set(names.values())) < len(names):
            raise TeacherError(
                "two classes have the same one of the teacher's", where=teacher.name, mend="give each its own"
            )
        self.teacher, self.classes = teacher, tuple(names)
        self.columns = [teacher.classes.index(mine) for mine in names.values()]
        self.name, self.licence = teacher.name, teacher.licence
        self.content_hash = _digest("renamed", teacher.content_hash, *map(str, self.columns))

    def to(self, device: torch.device) -> Self:
        self.teacher = self.teacher.to(device)
        return self

    def logits(self, pixels: Tensor) -> Tensor:
        return self.teacher.logits(pixels)[:, self.columns]

    @property
    def macs(self) -> int:
        return self.teacher.macs

    @property
    def parameters(self) -> int:
        return self.teacher.parameters


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
