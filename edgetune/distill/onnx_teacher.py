"""A teacher that is an ONNX file, run by onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from edgetune.distill.onnx_looks import look, open_session
from edgetune.distill.teacher import Teacher, check_normalize, fit_pixels
from edgetune.errors import MissingDependencyError, TeacherError
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.graph import Graph
from edgetune.latency.onnx_file import external_files
from edgetune.nets.layers import Normalize

PIXELS = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
LABELS = "labels"
"""The file's metadata that names the classes, one a line, as edgetune's own export writes it."""


class OnnxTeacher(Teacher):
    """Takes (N, C, H, W) at the size that the file states, raw or normalised, on the processor or, if it can, the GPU.

    Parameters
    ----------
    classes
        In the order of the logits; by default those in the file's metadata.
    normalize
        What the network wants of raw pixels; by default it takes them as they are.

    Raises
    ------
    ModelFileError
        See :func:`edgetune.latency.onnx_file.load_onnx`.
    TeacherError
        It takes no pictures, or not as they are normalised, gives something else than a logit a class, or does not
        name its classes.
    """

    def __init__(
        self,
        path: Path,
        *,
        classes: Sequence[str] | None = None,
        normalize: Normalize | None = None,
        licence: str = "not stated",
    ) -> None:
        self.path, self.normalize, self.licence, self.name = path, normalize, licence, f"ONNX ({path.name})"
        channels, height, width = self.graph.input  # checks the file before a runtime sees it
        if channels not in (1, 3) or height != width:
            mend = "export it for square pictures, (N, channels, height, width)"
            raise TeacherError(f"it takes {channels}×{height}×{width}", where=path, mend=mend)
        check_normalize(normalize, channels, path)
        self.channels, self.resolution = channels, height
        self.session = self._open()
        entry = self.session.get_inputs()[0]
        if entry.type not in PIXELS:
            raise TeacherError(f"it takes {entry.type}", where=path, mend="export it for float32 or uint8 pixels")
        if normalize and entry.type == "tensor(uint8)":
            mend = "leave mean and std out"
            raise TeacherError("it takes bytes, which normalised pixels are not", where=path, mend=mend)
        self._dtype = PIXELS[entry.type]
        labels = self.session.get_modelmeta().custom_metadata_map.get(LABELS, "")
        self.classes = tuple(classes or labels.splitlines())
        shape = tuple(self.logits(torch.zeros(1, channels, height, width)).shape)
        if not self.classes:
            mend = "list them as labels in a teacher.toml beside it"
            raise TeacherError("it does not say what its classes are", where=path, mend=mend)
        if shape != (1, len(self.classes)):
            raise TeacherError(f"it gives {shape} for {len(self.classes)} classes", where=path, mend="check the labels")
        self.content_hash = self._digest()

    def to(self, device: torch.device) -> Self:
        """Runs on the GPU where onnxruntime has a provider for it."""
        import onnxruntime

        if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            self.session = self._open(gpu=True)
        return self

    def logits(self, pixels: Tensor) -> Tensor:
        fitted = fit_pixels(pixels, self.channels, self.resolution).float().cpu()
        given = self.normalize(fitted) if self.normalize else fitted
        array = np.ascontiguousarray(given.numpy().round() if self._dtype is np.uint8 else given.numpy(), self._dtype)
        return torch.from_numpy(look(self.session, array)).float().to(pixels.device)

    @cached_property
    def graph(self) -> Graph:
        return read_onnx(self.path)

    @property
    def macs(self) -> int:
        return round(self.graph.macs)

    @property
    def parameters(self) -> int:
        return round(self.graph.parameters)

    def _open(self, *, gpu: bool = False) -> Any:
        try:
            return open_session(self.path, gpu=gpu)
        except ImportError as error:
            raise MissingDependencyError(
                "onnxruntime is not installed", mend="pip install 'edgetune[search]'"
            ) from error
        except Exception as error:  # one of a dozen kinds of its own
            raise TeacherError("onnxruntime cannot load it", where=self.path, mend="export it again") from error

    def _digest(self) -> str:
        digest = hashlib.sha256(self.path.read_bytes())
        for name in external_files(self.path):
            digest.update((self.path.parent / name).read_bytes())
        digest.update(repr(self.classes).encode())
        for tensor in self.normalize.buffers() if self.normalize else ():
            digest.update(repr(tensor.flatten().tolist()).encode())  # exact, unlike a tensor's own repr
        return digest.hexdigest()[:16]
