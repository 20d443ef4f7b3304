"""From an ONNX file to a shared library for a board, through TVM's Relax compiler (Lai 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgetune.errors import EdgetuneError, ExportError, MissingDependencyError, ModelFileError, last_line
from edgetune.export.board import run_tvm
from edgetune.export.linker import host_triple, shared_library_linker
from edgetune.export.tuning.database import default_database, tuned_tiles
from edgetune.export.tvm_layout import channels_last
from edgetune.export.tvm_schedule import kernels_of, schedule_module
from edgetune.export.tvm_tile import Registers, chosen_tile
from edgetune.files import atomic_write, temporary_folder

Target = Mapping[str, Any]
ROOM = 50_000_000
"""Bytes that TVM and the linker take in the temporary folder."""
SAID = 300
"""Characters of a checker's words, which quote whole nodes."""
NAMED_ALIKE = ("avx", "bmi2", "f16c", "fma", "gfni", "vaes", "vpclmulqdq")
"""How the features that loops are compiled to begin, but for underscores the same in LLVM and in Linux."""


def compile_tvm(source: Path, target: Path, *, tvm_target: Target, database: Path | None = None) -> str:
    """Compiles and links `source`; the library runs with :mod:`edgetune.export.board.run_tvm`.

    The loops are tiled for the processor's registers by :mod:`edgetune.export.tvm_schedule`: as the database of tuned
    schedules says for the target, or else by rule.

    Parameters
    ----------
    tvm_target
        As a device profile gives it, for example
        `{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}`.
    database
        Of tuned schedules; by default the user's own, that `edgetune tune` fills.

    Returns
    -------
    How the loops were tiled, for a card.

    Raises
    ------
    ModelFileError
        The file is no valid model, or leaves a size open.
    ExportError
        An operator that TVM lacks, or a failed link.
    MissingDependencyError
        No TVM or no linker.
    StorageError
        No room, or the database is no file.
    """
    tvm = _tvm()
    link = shared_library_linker(tvm_target["mtriple"])
    temporary_folder(room=ROOM)
    tuned, registers = tuned_tiles(database or default_database(), tvm_target), registers_of(tvm_target)
    with tvm.target.Target(dict(tvm_target)) as llvm, atomic_write(target) as aside:
        fused = fused_kernels(source)
        module = schedule_module(fused, registers, tuned)
        tvm.compile(module, llvm).export_library(str(aside), fcompile=link)
    kernels = [kernel for _, kernel in kernels_of(fused).values() if kernel]
    return _spoken([chosen_tile(kernel, registers, tuned) == tuned.get(kernel.key) for kernel in kernels])


def _spoken(tuned: list[bool]) -> str:
    if not any(tuned):
        return "loops tiled for the processor's registers, not tuned by timing on the board"
    return f"loops of {sum(tuned)} of {len(tuned)} kernels tuned by timing, the others tiled by rule"


def fused_kernels(source: Path) -> Any:
    """The `IRModule` of an ONNX file with each kernel a function, channels last, what follows it fused into it.

    Raises
    ------
    ModelFileError
        The file is no valid model, or leaves a size open.
    ExportError
        TVM cannot read it.
    """
    from tvm import relax

    module = import_onnx(source)
    with _what_tvm_cannot(source):
        return relax.get_pipeline("zero")(channels_last(module))


def import_onnx(source: Path) -> Any:
    """The `IRModule` of an ONNX file: static shapes, weights as constants. Raises as :func:`fused_kernels`."""
    _tvm()
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    model = _checked(source)
    with _what_tvm_cannot(source):
        return relax.transform.DecomposeOpsForInference()(from_onnx(model, keep_params_in_input=False))


def _checked(source: Path) -> Any:
    import onnx

    try:
        model = onnx.load(source)
        onnx.checker.check_model(model, full_check=True)
    except FileNotFoundError as error:
        raise ModelFileError("there is no such file", where=source) from error
    except Exception as error:  # of onnx, of protobuf: no common base
        said = " ".join(str(error).split())[:SAID]
        raise ModelFileError(f"not a valid model: {said}", where=source, mend="export it again") from error
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.name not in weights and not all(size > 0 for size in sizes):
            what = f"input {value.name!r} has an open size, and loops are made for fixed ones"
            raise ModelFileError(what, where=source, mend="export it with a batch of 1")
    return model


@contextmanager
def _what_tvm_cannot(source: Path) -> Iterator[None]:
    try:
        yield
    except EdgetuneError:
        raise
    except Exception as error:  # its importer asserts and looks up as it goes, besides raising what it means to
        said = last_line(str(error)) if str(error).strip() else type(error).__name__
        raise ExportError(f"TVM cannot read it: {said}", where=source, mend="use other operators") from error


def registers_of(tvm_target: Target) -> Registers:
    """The vector registers of a target's processor."""
    tvm = _tvm()
    target = tvm.target.Target(dict(tvm_target))

    def has(feature: str) -> bool:
        return bool(tvm.target.codegen.llvm_cpu_has_features(feature, target))

    if "aarch64" in tvm_target["mtriple"]:
        return Registers(lanes=4, count=32)
    if has("avx512f"):
        return Registers(lanes=16, count=32)
    return Registers(lanes=8, count=16) if has("avx2") else Registers(lanes=4, count=16)


def host_target() -> dict[str, Any]:
    """The target for this machine's own processor, without what a virtual machine's host hides of it."""
    tvm = _tvm()
    target = {"kind": "llvm", "mtriple": host_triple(), "mcpu": tvm.target.codegen.llvm_get_system_cpu()}
    features = map(str, tvm.target.codegen.llvm_get_cpu_features(tvm.target.Target(target)))
    hidden = hidden_features(features, Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return target | ({"mattr": [f"-{feature}" for feature in hidden]} if hidden else {})


def hidden_features(features: Iterable[str], cpuinfo: str) -> list[str]:
    """Those of LLVM's features of an x86 processor that Linux does not find on it; using one ends a process.

    >>> hidden_features(["avx2", "avx512f", "avx512vnni", "fast-bextr"], "flags\\t\\t: sse avx avx2 avx512_vnni")
    ['avx512f']
    """
    flags = next((line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")), None)
    if flags is None:
        return []
    present = {flag.replace("_", "") for flag in flags}
    return sorted(name for name in features if name.startswith(NAMED_ALIKE) and name not in present)


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
