"""From an ONNX file to a shared library for a board, through TVM's Relax compiler (Lai 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgetune.errors import ExportError, MissingDependencyError
from edgetune.export.board import run_tvm
from edgetune.export.linker import host_triple, shared_library_linker
from edgetune.export.tvm_layout import channels_last
from edgetune.export.tvm_schedule import Registers, schedule_module
from edgetune.files import atomic_write

Target = Mapping[str, Any]


SCHEDULES = "loops tiled for the processor's registers, not tuned by timing on the board"
"""What a card says of a library that :func:`compile_tvm` made."""


def compile_tvm(source: Path, target: Path, *, tvm_target: Target) -> None:
    """Compiles and links `source`; the library runs with :mod:`edgetune.export.board.run_tvm`.

    The loops are tiled for the processor's registers by :mod:`edgetune.export.tvm_schedule`.

    Parameters
    ----------
    tvm_target
        As a device profile gives it, for example
        `{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}`.

    Raises
    ------
    ExportError
        An operator that TVM lacks, or a failed link.
    MissingDependencyError
        No TVM or no linker.
    """
    tvm = _tvm()
    from tvm import relax

    link = shared_library_linker(tvm_target.get("mtriple", host_triple()))
    module = import_onnx(source)
    with tvm.target.Target(dict(tvm_target)) as llvm, atomic_write(target) as aside:
        fused = relax.get_pipeline("zero")(channels_last(module))
        executable = tvm.compile(schedule_module(fused, registers_of(llvm)), llvm)
        executable.export_library(str(aside), fcompile=link)


def import_onnx(source: Path) -> Any:
    """The `IRModule` of an ONNX file: static shapes, weights as constants."""
    tvm = _tvm()
    import onnx
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    try:
        module = from_onnx(onnx.load(source), keep_params_in_input=False)
    except (tvm.error.OpNotImplemented, tvm.error.OpAttributeUnImplemented) as error:
        raise ExportError(f"TVM cannot read it: {error}", where=source, mend="use other operators") from error
    return relax.transform.DecomposeOpsForInference()(module)


def registers_of(target: Any) -> Registers:
    """The vector registers of a `tvm.target.Target`'s processor."""
    import tvm

    def has(feature: str) -> bool:
        return bool(tvm.target.codegen.llvm_cpu_has_features(feature, target))

    if "aarch64" in str(target.attrs.get("mtriple", "")):
        return Registers(lanes=4, count=32)
    if has("avx512f"):
        return Registers(lanes=16, count=32)
    return Registers(lanes=8, count=16) if has("avx2") else Registers(lanes=4, count=16)


def host_target() -> dict[str, Any]:
    """The target for this machine's own processor."""
    tvm = _tvm()
    return {"kind": "llvm", "mtriple": host_triple(), "mcpu": tvm.target.codegen.llvm_get_system_cpu()}


def tvm_logits_of(library: Path, pictures: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), by a library compiled for this machine."""
    _tvm()
    run = run_tvm.load(library)
    return np.concatenate([run(picture[None]) for picture in pictures])


def _tvm() -> Any:
    try:
        import tvm
    except ModuleNotFoundError as error:
        raise MissingDependencyError("TVM is not installed", mend="pip install 'edgetune[tvm]'") from error
    return tvm
