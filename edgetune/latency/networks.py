"""Networks by what a user calls them: an ONNX file, a reference network's name, an architecture of a named space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgetune.errors import ConfigError, DataError, nearest
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.graph import Graph
from edgetune.latency.measurements import read_table
from edgetune.latency.prediction import Prediction
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.latency.reference.nasbench201 import nasbench201
from edgetune.space.mobile import MOBILE_SPACES, MobileSpace

SPACES = ("nasbench201", *MOBILE_SPACES)


def network_reader(space: str | None = None) -> Callable[[str], Graph]:
    """How names are read: as architectures of `space`, or as files and reference networks.

    Raises
    ------
    ConfigError
        Unknown space.
    """
    if space is None:
        return read_network
    if space == "nasbench201":
        return nasbench201
    if space not in MOBILE_SPACES:
        raise ConfigError(f"there is no space {space!r}", where="space", mend=nearest(space, SPACES))
    return partial(_read_sample, MOBILE_SPACES[space])


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


def _read_sample(space: MobileSpace, text: str) -> Graph:
    """A sample's JSON, for colour pictures of the space's usual size and its usual number of classes."""
    small = space.resolutions[1] < 100
    sample = space.space.from_json(text)
    return graph_of(
        space.architecture(sample, channels=3, resolution=32 if small else 224, classes=10 if small else 1000)
    )


def read_names(path: Path) -> list[str]:
    """The column `network` of a CSV file.

    Raises
    ------
    DataError
        No such file or column, or no rows.
    """
    names = [row["network"] for row in read_table(path, ["network"], mend="the first line names the columns")]
    if not names:
        raise DataError("no networks in it", where=path)
    if "" in names:
        raise DataError("no network named", where=f"{path}, row {names.index('') + 2}", mend="give a file or a name")
    return names


def predict_networks(
    networks: Sequence[str],
    device: str,
    *,
    runtime: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    cpu_mhz: int | None = None,
    space: str | None = None,
) -> list[Prediction]:
    """What `edgetune predict` prints: one prediction a network, in order, each with its kernels.

    Raises
    ------
    EdgetuneError
        The first network, device or setting that cannot be read; see :meth:`Predictor.load` and :func:`read_network`.
    """
    predictor = Predictor.load(device, runtime=runtime, precision=precision, threads=threads, cpu_mhz=cpu_mhz)
    read = network_reader(space)
    return [replace(predictor.predict(read(name)), network=name) for name in networks]
