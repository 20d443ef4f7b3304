"""`teacher.toml`: what a model's own files do not say of it, several teachers as one, classes under other names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from edgetune.distill.joined_teachers import Ensemble, Renamed
from edgetune.distill.module_teacher import IMPORT_PATH, import_teacher
from edgetune.distill.onnx_teacher import OnnxTeacher
from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_checkpoint import load_teacher
from edgetune.errors import TeacherError, nearest
from edgetune.nets.layers import Normalize


class TeacherFile(BaseModel):
    """The keys of the file; paths are relative to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str | Annotated[list[str], Field(min_length=2)]
    """A folder, an ONNX file, an import path, another such file; several are an ensemble."""
    labels: tuple[str, ...] | None = None
    """Its classes in the order of its logits, where it does not say them."""
    resolution: PositiveInt | None = None
    channels: PositiveInt | None = None
    mean: tuple[float, ...] | None = None
    """With `std`, on the 0…1 scale, for a model that wants normalised pixels; without, it is given 0…255."""
    std: tuple[PositiveFloat, ...] | None = None
    licence: str = "not stated"
    classes: dict[str, str] = {}
    """The data set's name of each class, in its order, to the teacher's."""


def load_teacher_file(path: Path) -> Teacher:
    """The teacher that the file describes.

    Raises
    ------
    TeacherError
        Not such a file, or the teacher cannot be had.
    """
    try:
        described = TeacherFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TeacherError(f"cannot be read: {error}", where=path, mend="correct the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        unknown = first["type"] == "extra_forbidden"
        mend = nearest(key, TeacherFile.model_fields) if unknown else "see docs/distillation.md"
        raise TeacherError("unknown key" if unknown else first["msg"], where=f"{path}: {key}", mend=mend) from error
    if isinstance(described.teacher, list):
        teacher: Teacher = Ensemble([load_teacher(_place(member, path)) for member in described.teacher])
    else:
        teacher = _described(described, described.teacher, path)
    return Renamed(teacher, described.classes) if described.classes else teacher


def _described(file: TeacherFile, named: str, path: Path) -> Teacher:
    normalize = Normalize(file.mean, file.std) if file.mean and file.std else None
    if (file.mean is None) != (file.std is None):
        raise TeacherError("mean without std, or std without mean", where=path, mend="give both or none")
    if IMPORT_PATH.fullmatch(named):
        return import_teacher(
            named,
            classes=file.labels,
            resolution=file.resolution,
            channels=file.channels,
            normalize=normalize,
            licence=file.licence,
        )
    place = _place(named, path)
    if place.suffix == ".onnx":
        return OnnxTeacher(place, classes=file.labels, normalize=normalize, licence=file.licence)
    if file.model_fields_set - {"teacher", "classes"}:
        mend = "leave them out: a folder says them itself"
        raise TeacherError("only an ONNX file or a module needs labels, sizes and normalisation", where=path, mend=mend)
    return load_teacher(place)


def _place(named: str, path: Path) -> Path:
    return Path(named) if IMPORT_PATH.fullmatch(named) else path.parent / named
