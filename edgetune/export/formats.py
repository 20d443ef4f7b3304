"""The kinds of artefact that a bundle can hold, and what runs them: the one table that everything looks them up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgetune.errors import ConfigError, ExportError, nearest
from edgetune.export import board

Format = Literal["onnx", "int8", "tvm", "tflite", "tflite-int8"]


@dataclass(frozen=True)
class Runtime:
    """What runs files of one suffix.

    Attributes
    ----------
    name
        As latencies speak of it.
    packages
        Of the Python package index; the version of the first is the runtime's.
    script
        The name of the script, in :mod:`edgetune.export.board` and in a bundle, that needs them and numpy only.
    """

    name: str
    suffix: str
    packages: tuple[str, ...]
    script: str

    @property
    def package(self) -> str:
        return self.packages[0]

    @property
    def script_here(self) -> Path:
        return SCRIPTS / self.script


@dataclass(frozen=True)
class ArtefactKind:
    """One kind of model file; `asked_by` are those of `--formats` that ask for it together."""

    format: Format
    file: str
    title: str
    runtime: Runtime
    precision: Literal["fp32", "int8"]
    asked_by: tuple[str, ...]


SCRIPTS = Path(board.__file__).parent
ONNXRUNTIME = Runtime("onnxruntime", ".onnx", ("onnxruntime",), "run_onnx.py")
TVM = Runtime("tvm", ".so", ("apache-tvm", "apache-tvm-ffi"), "run_tvm.py")
LITERT = Runtime("tflite", ".tflite", ("ai-edge-litert",), "run_tflite.py")
RUNTIMES: Mapping[str, Runtime] = {runtime.suffix: runtime for runtime in (ONNXRUNTIME, TVM, LITERT)}
"""By the suffix of their files."""

KINDS: Mapping[Format, ArtefactKind] = {
    kind.format: kind
    for kind in (
        ArtefactKind("onnx", "model.onnx", "ONNX, float32", ONNXRUNTIME, "fp32", ("onnx",)),
        ArtefactKind("int8", "model.int8.onnx", "ONNX, INT8", ONNXRUNTIME, "int8", ("int8",)),
        ArtefactKind("tvm", "model.tvm.so", "TVM library", TVM, "fp32", ("tvm",)),
        ArtefactKind("tflite", "model.tflite", "TensorFlow Lite, float32", LITERT, "fp32", ("tflite",)),
        ArtefactKind("tflite-int8", "model.int8.tflite", "TensorFlow Lite, INT8", LITERT, "int8", ("tflite", "int8")),
    )
}
"""In the order in which a bundle lists them."""
FORMATS = ("onnx", "int8", "tvm", "tflite")
USUAL = ("onnx", "int8", "tvm")


def runtime_for(file: Path) -> Runtime:
    """What runs a model file, by its suffix.

    Raises
    ------
    ExportError
        Nothing does.
    """
    if file.suffix not in RUNTIMES:
        raise ExportError("no runtime for this kind of file", where=file, mend=f"known: {', '.join(RUNTIMES)}")
    return RUNTIMES[file.suffix]


def formats_of(text: str, *, where: str) -> tuple[str, ...]:
    """The formats named in a list with commas, in the order of `FORMATS`.

    `int8` beside `tflite` means both INT8 files.

    Raises
    ------
    ConfigError
        None, or an unknown one.

    >>> formats_of("tflite, onnx", where="--formats")
    ('onnx', 'tflite')
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError("names no format", where=where, mend=f"known: {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"no format is called {name!r}", where=where, mend=nearest(name, FORMATS))
    return tuple(name for name in FORMATS if name in names)


def usual_formats() -> tuple[str, ...]:
    """What a search makes if it is not told: TensorFlow Lite only where its converter's environment stands already."""
    from edgetune.export.litert_environment import LiteRT

    return FORMATS if LiteRT.here().ready else USUAL
