"""A teacher that is a torch module of the user's own, given by its import path."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from torch import nn

from edgetune.distill.teacher import TorchTeacher
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
    read off the module's attributes `classes`, `resolution` and `channels` (3 where it has none).

    Raises
    ------
    TeacherError
        Nothing there, not a torch module, or it does not say its classes or resolution.
    """
    module = _imported(path)
    classes = classes or getattr(module, "classes", None)
    resolution = resolution or getattr(module, "resolution", None)
    for what, value in (("classes", classes), ("resolution", resolution)):
        if not value:
            mend = f"give the module an attribute {what}, or say it in a teacher.toml"
            raise TeacherError(f"it does not say its {what}", where=path, mend=mend)
    assert classes and resolution
    depth: int = getattr(module, "channels", 3) if channels is None else channels
    digest = hashlib.sha256(f"{path} {module!r} {normalize and normalize.state_dict()}".encode())
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return TorchTeacher(
        nn.Sequential(normalize, module) if normalize else module,
        name=path,
        classes=classes,
        channels=depth,
        resolution=resolution,
        content_hash=digest.hexdigest()[:16],
        licence=licence,
    )


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
