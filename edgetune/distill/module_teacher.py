"""A teacher that is a torch module of the user's own, given by its import path."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from edgetune.distill.teacher import TorchTeacher, check_normalize
from edgetune.errors import TeacherError
from edgetune.nets.layers import Normalize

IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def import_teacher(
    path: str,
    *,
    classes: Sequence[str] | None = None,
    resolution: int | None = None,
    channels: int | None = None,
    normalize: Normalize | None = None,
    licence: str = "not stated",
) -> TorchTeacher:
    """`package.module:name`, where the name is a module, or a function or class that gives one without arguments.

    Modules are looked for in the current folder too. The code is run: it is the user's own. What is not given here is
    read off the module's attributes `classes`, `resolution` and `channels` (3 where it has none). Its weights are
    computed with as float32, whatever they were.

    Raises
    ------
    TeacherError
        Nothing there, not a torch module, it does not say its classes or resolution, or it gives something else than
        a logit a class.
    """
    module = _imported(path)
    classes = _labels(classes or getattr(module, "classes", None), path)
    resolution = _size("resolution", resolution or getattr(module, "resolution", None), path)
    channels = _size("channels", getattr(module, "channels", 3) if channels is None else channels, path)
    check_normalize(normalize, channels, path)
    if any(is_lazy(weight) for weight in module.parameters()):
        raise TeacherError("its weights are not made yet", where=path, mend="run it once and load its weights")
    module.float()
    teacher = TorchTeacher(
        nn.Sequential(normalize, module) if normalize else module,
        name=path,
        classes=classes,
        channels=channels,
        resolution=resolution,
        content_hash=_digest(path, module, normalize, resolution, channels),
        licence=licence,
    )
    _check_logits(teacher)
    return teacher


def _labels(classes: object, path: str) -> tuple[str, ...]:
    if classes is None:
        raise _unsaid("classes", path)
    given = () if isinstance(classes, str) or not hasattr(classes, "__iter__") else tuple(classes)
    if not given or not all(isinstance(name, str) for name in given):
        raise TeacherError("its classes are no list of names", where=path, mend="name each class by a string")
    return given


def _size(what: str, value: object, path: str) -> int:
    if value is None:
        raise _unsaid(what, path)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TeacherError(f"says {value!r} for its {what}", where=path, mend="give one whole number above 0")
    return value


def _unsaid(what: str, path: str) -> TeacherError:
    mend = f"give the module an attribute {what}, or say it in a teacher.toml"
    return TeacherError(f"it does not say its {what}", where=path, mend=mend)


def _check_logits(teacher: TorchTeacher) -> None:
    """Shows it one picture, so that what is wrong with it is not found in the middle of a search."""
    side = teacher.resolution
    mend = f"take float32 (N, {teacher.channels}, {side}, {side}) and give logits, (N, {len(teacher.classes)})"
    try:
        logits: object = teacher.logits(torch.zeros(1, teacher.channels, side, side))
    except Exception as error:  # the user's code may raise anything
        reason = f"cannot look at a picture: {type(error).__name__}: {error}"
        raise TeacherError(reason, where=teacher.name, mend=mend) from error
    if not isinstance(logits, Tensor):
        raise TeacherError(f"gives a {type(logits).__name__}", where=teacher.name, mend=mend)
    if logits.shape != (1, len(teacher.classes)) or not logits.is_floating_point():
        given = f"gives {logits.dtype} {tuple(logits.shape)} for {len(teacher.classes)} classes"
        raise TeacherError(given, where=teacher.name, mend=mend)


def _digest(path: str, module: nn.Module, normalize: Normalize | None, resolution: int, channels: int) -> str:
    """Of the weights, of what the pictures are made into, and of the code, as far as it is the user's."""
    digest = hashlib.sha256(f"{path} {module!r} {resolution} {channels} {normalize!r}".encode())
    for name, tensor in chain(_tensors(module), _tensors(normalize) if normalize else ()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for file in _sources(path, module):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Also the buffers that a state dictionary leaves out."""
    return chain(module.named_parameters(), module.named_buffers())


def _sources(path: str, module: nn.Module) -> list[Path]:
    """The files that the import path leads to and that its layers are written in; torch's own are torch's matter."""
    written = {kind.__module__ for layer in module.modules() for kind in type(layer).__mro__}
    names = {name for name in {path.split(":")[0], *written} if name.split(".")[0] != "torch"}
    files = (getattr(sys.modules.get(name), "__file__", None) for name in names)
    return sorted(file for name in files if name and (file := Path(name)).is_file())


def _imported(path: str) -> nn.Module:
    package, name = path.split(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(import_module(package), name)
        module = found if isinstance(found, nn.Module) else found()
    except Exception as error:  # the user's code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise TeacherError(f"cannot be imported: {reason}", where=path, mend="check the import path") from error
    finally:
        sys.path.remove(here)
    if not isinstance(module, nn.Module):
        mend = "name a torch module, or a function that gives one"
        raise TeacherError(f"gives a {type(module).__name__}", where=path, mend=mend)
    return module
