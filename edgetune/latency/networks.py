"""Networks by what a user calls them: an ONNX file or a reference network's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.graph import Graph
from edgetune.latency.prediction import Prediction
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph


def read_network(text: str) -> Graph:
    """The kernels of `model.onnx` or of `mobilenet-v2-1.0-224`.

    Raises
    ------
    ModelFileError
        The file cannot be predicted.
    ConfigError
        Neither a file nor a known name.
    """
    return read_onnx(text) if text.endswith(".onnx") or Path(text).is_file() else reference_graph(text)


def predict_networks(
    networks: Sequence[str],
    device: str,
    *,
    runtime: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    cpu_mhz: int | None = None,
) -> list[Prediction]:
    """What `edgetune predict` prints: one prediction a network, in order, each with its kernels.

    Raises
    ------
    EdgetuneError
        The first network, device or setting that cannot be read; see :meth:`Predictor.load` and :func:`read_network`.
    """
    predictor = Predictor.load(device, runtime=runtime, precision=precision, threads=threads, cpu_mhz=cpu_mhz)
    return [predictor.predict(graph) for graph in map(read_network, networks)]
