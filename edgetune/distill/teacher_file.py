"""`teacher.toml`: what a model's own files do not say of it, several teachers as one, classes under other names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from edgetune.distill.joined_teachers import Ensemble, Renamed
from edgetune.distill.module_teacher import IMPORT_PATH, import_teacher
from edgetune.distill.onnx_teacher import OnnxTeacher
from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_checkpoint import load_teacher
from edgetune.errors import TeacherError, nearest
from edgetune.nets.layers import Normalize

Share = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TeacherFile(BaseModel):
    """The keys of the file; paths are relative to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str | Annotated[list[str], Field(min_length=2)]
    """A folder, an ONNX file, an import path, another such file; several are an ensemble."""
    labels: tuple[str, ...] | None = None
    """Its classes in the order of its logits, where it does not say them."""
    resolution: PositiveInt | None = None
    channels: PositiveInt | None = None
    mean: Annotated[tuple[Share, ...], Field(min_length=1)] | None = None
    """With `std`, a channel each, on the 0…1 scale, for a model that wants normalised pixels; without, it is given
    0…255."""
    std: Annotated[tuple[Deviation, ...], Field(min_length=1)] | None = None
    licence: str = "not stated"
    classes: dict[str, str] = {}
    """The data set's name of each class, in its order, to the teacher's."""


def load_teacher_file(path: Path, above: tuple[Path, ...] = ()) -> Teacher:
    """The teacher that the file describes.

    Parameters
    ----------
    above
        Files that lead to this one.

    Raises
    ------
    TeacherError
        Not such a file, one that leads to itself, or the teacher cannot be had as it says.
    """
    if path.resolve() in above:
        raise TeacherError("it names itself", where=path, mend="name a folder, an ONNX file or an import path")
    file, above = _read(path), (*above, path.resolve())
    if isinstance(file.teacher, list):
        _refuse_more(file, path)
        teacher: Teacher = Ensemble([_member(named, path, above) for named in file.teacher])
    elif IMPORT_PATH.fullmatch(file.teacher):
        teacher = _module(file, file.teacher, path)
    elif file.teacher.endswith(".onnx"):
        teacher = _onnx(file, path.parent / file.teacher, path)
    else:
        _refuse_more(file, path)
        teacher = _member(file.teacher, path, above)
    return Renamed(teacher, file.classes) if file.classes else teacher


def _read(path: Path) -> TeacherFile:
    try:
        return TeacherFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TeacherError(f"cannot be read: {error}", where=path, mend="correct the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        unknown = first["type"] == "extra_forbidden"
        mend = nearest(key, TeacherFile.model_fields) if unknown else "see docs/distillation.md"
        raise TeacherError("unknown key" if unknown else first["msg"], where=f"{path}: {key}", mend=mend) from error


def _member(named: str, path: Path, above: tuple[Path, ...]) -> Teacher:
    if IMPORT_PATH.fullmatch(named):
        return import_teacher(named)
    place = path.parent / named
    return load_teacher_file(place, above) if place.suffix == ".toml" else load_teacher(place)


def _module(file: TeacherFile, named: str, path: Path) -> Teacher:
    return import_teacher(
        named,
        classes=file.labels,
        resolution=file.resolution,
        channels=file.channels,
        normalize=_normalize(file, path),
        licence=file.licence,
    )


def _onnx(file: TeacherFile, place: Path, path: Path) -> Teacher:
    teacher = OnnxTeacher(place, classes=file.labels, normalize=_normalize(file, path), licence=file.licence)
    for key, said, takes in (
        ("resolution", file.resolution, teacher.resolution),
        ("channels", file.channels, teacher.channels),
    ):
        if said not in (None, takes):
            raise TeacherError(
                f"{said}, and {place.name} takes {takes}", where=f"{path}: {key}", mend="leave it out: the file says it"
            )
    return teacher


def _normalize(file: TeacherFile, path: Path) -> Normalize | None:
    if (file.mean is None) != (file.std is None):
        raise TeacherError("mean without std, or std without mean", where=path, mend="give both or none")
    if file.mean is None or file.std is None:
        return None
    if len(file.mean) != len(file.std):
        reason = f"{len(file.mean)} values of mean and {len(file.std)} of std"
        raise TeacherError(reason, where=path, mend="give one a channel of each")
    return Normalize(file.mean, file.std)


def _refuse_more(file: TeacherFile, path: Path) -> None:
    """Keys that nothing would read are refused, lest they seem to be heard."""
    if unread := file.model_fields_set - {"teacher", "classes"}:
        raise TeacherError(
            "only a single ONNX file or module needs labels, sizes, normalisation and a licence",
            where=f"{path}: {', '.join(sorted(unread))}",
            mend="leave them out: a folder says them itself, and each of several may have a teacher.toml of its own",
        )
