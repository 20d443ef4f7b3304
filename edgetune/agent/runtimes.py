"""What runs a network on a board, through one seam: onnxruntime, TVM, LiteRT, where they are installed.

A runtime is imported by :meth:`Runtime.load` alone, which only a measurement's own process calls.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from edgetune.errors import DeviceError, MissingDependencyError, ModelFileError, nearest

if TYPE_CHECKING:
    import numpy as np


class Run(Protocol):
    """Runs one inference and returns the network's first output; on a made-up picture where none is given."""

    def __call__(self, picture: np.ndarray | None = None) -> Any: ...


class Runtime(ABC):
    """One way of running networks.

    Attributes
    ----------
    package
        Of the Python package index.
    module
        That :meth:`load` imports.
    suffix
        Of the files it runs.
    native
        Its files are machine code: who may send one may do anything.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    module: ClassVar[str]
    suffix: ClassVar[str]
    native: ClassVar[bool] = False

    @classmethod
    def installed(cls) -> bool:
        try:
            importlib.metadata.distribution(cls.package)
        except importlib.metadata.PackageNotFoundError:
            return False
        return True

    @classmethod
    def version(cls) -> str:
        """
        Raises
        ------
        MissingDependencyError
            The runtime is not installed.
        """
        if not cls.installed():
            raise MissingDependencyError(f"{cls.name} is not installed", mend=f"run: pip install {cls.package}")
        return importlib.metadata.version(cls.package)

    @classmethod
    @abstractmethod
    def load(cls, model: Path, threads: int, input_shape: Sequence[int] | None = None) -> Run:
        """A network that is ready to run.

        Parameters
        ----------
        input_shape
            Of the one float32 input, where the file does not say it.

        Raises
        ------
        ModelFileError
            The runtime cannot load the model, or an input has no fixed size.
        """


class OnnxRuntime(Runtime):
    """ONNX files on the processor, each with all graph optimisations."""

    name, package, module, suffix = "onnxruntime", "onnxruntime", "onnxruntime", ".onnx"

    @classmethod
    def load(cls, model: Path, threads: int, input_shape: Sequence[int] | None = None) -> Run:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.x64quantprecision", "1")  # see export/board/run_onnx.py
        refusals = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except (*refusals, UnicodeDecodeError) as error:  # onnxruntime quotes a damaged file's bytes as they are
            raise ModelFileError(f"onnxruntime cannot load it: {error}", mend="export it again") from error
        shapes = {node.name: node.shape for node in session.get_inputs()}
        name = next(iter(shapes), "")
        if input_shape is not None and name:
            shapes[name] = fitting(input_shape, shapes[name])
        types = {node.name: _ONNX_TYPES.get(node.type, "") for node in session.get_inputs()}
        pictures = {node: made_up(shape, types[node]) for node, shape in shapes.items()}

        def run(picture: np.ndarray | None = None) -> Any:
            return session.run(None, pictures if picture is None else {name: picture})[0]

        return run


class Tvm(Runtime):
    """Shared libraries that TVM made, with the small runtime of the package; the compiler in it is not loaded."""

    name, package, module, suffix, native = "tvm", "apache-tvm", "tvm_ffi", ".so", True

    @classmethod
    def load(cls, model: Path, threads: int, input_shape: Sequence[int] | None = None) -> Run:
        if input_shape is None:
            raise ModelFileError("a TVM library does not say the shape of its input", mend="give the input shape")
        os.environ["TVM_NUM_THREADS"] = str(threads)
        import tvm_ffi

        package = importlib.util.find_spec("tvm")
        if package is None or package.origin is None:
            raise MissingDependencyError("tvm is not installed", mend="run: pip install apache-tvm")
        ctypes.CDLL(str(Path(package.origin).parent / "lib" / "libtvm_runtime.so"), mode=ctypes.RTLD_GLOBAL)
        with tempfile.TemporaryDirectory() as folder:
            named = Path(folder) / "model.so"  # TVM goes by the suffix, an agent's files have none
            named.symlink_to(model.resolve())
            machine: Any = tvm_ffi.load_module(os.fspath(named))["vm_load_executable"]()
        machine["vm_initialization"](1, 0, 2)  # processor, its number, pooled memory
        usual = tvm_ffi.from_dlpack(aligned(made_up(input_shape, "float32")))
        main = machine["main"]

        def run(picture: np.ndarray | None = None) -> Any:
            if picture is None:
                return main(usual)
            import numpy as np

            answer = main(tvm_ffi.from_dlpack(aligned(picture)))
            return np.from_dlpack(answer if hasattr(answer, "__dlpack__") else answer[0])

        return run


class LiteRt(Runtime):
    """TensorFlow Lite's files with XNNPACK."""

    name, package, module, suffix = "litert", "ai-edge-litert", "ai_edge_litert", ".tflite"

    @classmethod
    def load(cls, model: Path, threads: int, input_shape: Sequence[int] | None = None) -> Run:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found,unused-ignore]

        try:
            interpreter = Interpreter(model_path=os.fspath(model), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"LiteRT cannot load it: {error}", mend="convert it again") from error
        for tensor in interpreter.get_input_details():
            interpreter.set_tensor(tensor["index"], made_up(tensor["shape"], tensor["dtype"]))
        given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

        def run(picture: np.ndarray | None = None) -> Any:
            if picture is None:
                return interpreter.invoke()
            interpreter.set_tensor(given, picture)
            interpreter.invoke()
            return interpreter.get_tensor(answer)

        return run


RUNTIMES: Mapping[str, type[Runtime]] = {runtime.name: runtime for runtime in (OnnxRuntime, Tvm, LiteRt)}


def find_runtime(name: str) -> type[Runtime]:
    """
    Raises
    ------
    DeviceError
        No runtime goes by this name.
    """
    if name not in RUNTIMES:
        raise DeviceError(f"there is no runtime {name!r}", mend=nearest(name, RUNTIMES))
    return RUNTIMES[name]


def installed_runtimes() -> dict[str, str]:
    """Names and versions."""
    return {name: runtime.version() for name, runtime in RUNTIMES.items() if runtime.installed()}


_ONNX_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def made_up(shape: Any, kind: Any) -> np.ndarray:
    """A batch of one with values that no network minds: pixels 0…255, or 0 and 1 where whole numbers are asked for.

    Raises
    ------
    ModelFileError
        An axis beyond the first has no size, the batch is not 1, or the values are of a kind that pictures never have.
    """
    import numpy as np

    sizes = [1 if axis == 0 and not isinstance(size, int | np.integer) else size for axis, size in enumerate(shape)]
    if not kind:
        raise ModelFileError("an input of another type than plain numbers", mend="export it with float32 pictures")
    if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        mend = "export it with fixed picture sizes, or give --input-shape"
        raise ModelFileError(f"an input of shape {list(shape)}", mend=mend)
    if len(sizes) == 4 and sizes[0] != 1:
        raise ModelFileError(f"a batch of {sizes[0]}", mend="export it with a batch of 1")
    random = np.random.default_rng(0)
    values = random.integers(0, 256 if np.dtype(kind).kind == "f" else 2, [int(size) for size in sizes])
    return values.astype(kind)


def fitting(asked: Sequence[int], told: Sequence[int | str | None]) -> Sequence[int]:
    """The shape that was asked for, where it is one that the file allows.

    Raises
    ------
    ModelFileError
        The file has another one.
    """
    if len(asked) != len(told) or any(isinstance(b, int) and a != b for a, b in zip(asked, told, strict=True)):
        raise ModelFileError(f"its input is {list(told)}, not {list(asked)}", mend="leave --input-shape out")
    return asked


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy at an address that is a multiple of 64, as TVM's vector instructions take for granted."""
    import numpy as np

    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy: np.ndarray = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
