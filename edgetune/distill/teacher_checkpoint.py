"""Teachers by name: a folder with `teacher.safetensors` and `teacher.json`, of `transformers`, or something else."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from torch import nn

from edgetune.distill.teacher import Teacher, TorchTeacher
from edgetune.errors import TeacherError, nearest
from edgetune.files import atomic_folder
from edgetune.nets.efficientnet_lite import EfficientNetLite
from edgetune.nets.folding import fold_batch_norm
from edgetune.nets.residual import ResidualNetwork
from edgetune.space.efficientnet_lite import VARIANTS

WEIGHTS, HEADER = "teacher.safetensors", "teacher.json"


class Header(BaseModel):
    """What `teacher.json` says. `mean` and `std` are per channel on the 0…1 scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    architecture: str
    width: PositiveInt | None = None
    channels: PositiveInt = 3
    resolution: PositiveInt
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    source: str = ""


def _residual(header: Header) -> nn.Module:
    return ResidualNetwork(
        channels=header.channels,
        resolution=header.resolution,
        classes=len(header.classes),
        width=header.width or 32,
        mean=header.mean,
        std=header.std,
    )


def _efficientnet_lite(header: Header) -> nn.Module:
    return EfficientNetLite(header.architecture, classes=len(header.classes), mean=header.mean, std=header.std)


ARCHITECTURES: dict[str, Callable[[Header], nn.Module]] = {
    "residual": _residual,
    **dict.fromkeys(VARIANTS, _efficientnet_lite),
}


def build(header: Header, *, where: str | Path = HEADER) -> nn.Module:
    """A fresh module of the header's architecture."""
    if header.architecture not in ARCHITECTURES:
        mend = nearest(header.architecture, ARCHITECTURES)
        raise TeacherError(f"unknown teacher architecture {header.architecture!r}", where=where, mend=mend)
    return ARCHITECTURES[header.architecture](header)


def load_teacher(path: Path) -> Teacher:
    """Opens a folder of either kind, an ONNX file, a `teacher.toml`, or `package.module:name`.

    Raises
    ------
    TeacherError
        Nothing there, or files that cannot be read or do not belong together.
    ModelFileError
        An ONNX file that cannot be read.
    """
    if (path / HEADER).is_file():
        return load_checkpoint(path).folded()
    if (path / "config.json").is_file():
        from edgetune.distill.transformers_teacher import load_transformers

        return load_transformers(path)
    if path.suffix == ".toml":
        from edgetune.distill.teacher_file import load_teacher_file

        return load_teacher_file(path)
    if path.suffix == ".onnx":
        from edgetune.distill.onnx_teacher import OnnxTeacher

        return OnnxTeacher(path)
    from edgetune.distill.module_teacher import IMPORT_PATH, import_teacher

    if IMPORT_PATH.fullmatch(str(path)):
        return import_teacher(str(path))
    mend = "name a teacher's folder, an ONNX file, a teacher.toml, or package.module:name"
    raise TeacherError(f"neither {HEADER} nor a config.json of transformers in it", where=path, mend=mend)


class CheckpointTeacher(TorchTeacher):
    """A teacher of edgetune's own format; `header` says how its module is built, so that another can start from it."""

    other_classes = "give a teacher of the same classes, or start from this one with --init-teacher"

    def __init__(self, module: nn.Module, header: Header, *, name: str, content_hash: str = "") -> None:
        super().__init__(
            module,
            name=name,
            classes=header.classes,
            channels=header.channels,
            resolution=header.resolution,
            content_hash=content_hash,
            licence=header.licence,
        )
        self.header = header
        self._parameters = super().parameters

    @property
    def parameters(self) -> int:
        """As trained: folding takes some away."""
        return self._parameters

    def folded(self) -> CheckpointTeacher:
        """On the CPU, no longer to be trained, and faster; how much so `tools.bench.distil looks` tells."""
        teacher = copy.copy(self)
        teacher.module = fold_batch_norm(self.module)
        return teacher


def load_checkpoint(path: Path) -> CheckpointTeacher:
    """A checkpoint of edgetune's own format.

    Raises
    ------
    TeacherError
        Nothing there, something else, or files that cannot be read or do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.exists():
        raise TeacherError("no such folder", where=path, mend=f"name a folder with {WEIGHTS} and {HEADER}")
    if not (path / HEADER).is_file():
        mend = f"name a folder with {WEIGHTS} and {HEADER}: only those say how to build a network of other classes"
        raise TeacherError("not a checkpoint of edgetune's own", where=path, mend=mend)
    try:
        text = (path / HEADER).read_text(encoding="utf-8")
        header = Header.model_validate_json(text)
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        raise TeacherError("not a teacher's header", where=path / HEADER, mend="make the checkpoint again") from error
    module = build(header, where=path / HEADER)
    try:
        module.load_state_dict(load_file(path / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = shorten(str(error), 300, placeholder=" …")  # torch lists every tensor that does not fit
        raise TeacherError(
            f"the weights cannot be read: {reason}", where=path / WEIGHTS, mend="make or copy the checkpoint again"
        ) from error
    digest = hashlib.sha256(text.encode() + (path / WEIGHTS).read_bytes()).hexdigest()
    return CheckpointTeacher(module, header, name=header.source or header.architecture, content_hash=digest[:16])


def save_checkpoint(path: Path, module: nn.Module, header: Header) -> None:
    """Writes the folder, whole or not at all."""
    from safetensors.torch import save_file

    with atomic_folder(path) as folder:
        tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(tensors, folder / WEIGHTS)
        (folder / HEADER).write_text(json.dumps(header.model_dump(), indent=2), encoding="utf-8")
