"""Networks kept beside their measurements.

A name such as `mobile-small-28-random-3` draws from a space that changes from version to version; what was clocked does
not. So a profile keeps the kernels of the networks that only a name would tell, and a table of measurements may carry a
fingerprint by which another network under the same name is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgetune.errors import DataError
from edgetune.files import atomic_write
from edgetune.latency.graph import Graph, Kernel
from edgetune.latency.reference import is_published, reference_graph

FILE = "networks.json"
FORMAT = 1
COLUMNS = (
    "name", "kind", "inputs", "input", "output", "read", "written", "weights", "macs", "kernel", "stride", "groups",
    "activation",
)  # fmt: skip
"""Of a kernel's row."""


def fingerprint(graph: Graph) -> str:
    """Twelve hexadecimal digits that equal networks share, whatever their names."""
    rows = [graph.input, *(row[1:] for row in map(_row, graph.kernels))]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def write_graphs(folder: Path, graphs: Mapping[str, Graph]) -> None:
    """Keeps in a profile's folder the networks whose names may come to mean others; the file holds no others."""
    kept = {name: graph for name, graph in graphs.items() if not is_published(name)}
    networks = ",\n".join(f"{json.dumps(name)}: {_layout(graph)}" for name, graph in kept.items())
    with atomic_write(folder / FILE) as aside:
        head = f'"format": {FORMAT}, "columns": {json.dumps(COLUMNS)}'
        aside.write_text(f'{{{head}, "networks": {{\n{networks}\n}}}}\n')


def read_graphs(folder: Path) -> dict[str, Graph]:
    """The networks kept in a profile's folder, none where it has no such file.

    Raises
    ------
    DataError
        The file is broken or of another version.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT or tuple(content["columns"]) != COLUMNS:
            raise DataError(f"format {content['format']}", where=path, mend=f"this version reads format {FORMAT}")
        return {name: _graph(name, network) for name, network in content["networks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the networks cannot be read: {error}", where=path, mend="profile the board again") from error


def profile_reader(folder: Path) -> Callable[[str], Graph]:
    """How the names in a profile's measurements are read: as kept there, else as published networks.

    Raises
    ------
    DataError
        When called: a network that is neither kept nor published.
    """
    kept = read_graphs(folder)

    def read(name: str) -> Graph:
        if name in kept:
            return kept[name]
        if not is_published(name):
            raise DataError(
                f"{name} was measured, but {FILE} does not say which network that was",
                where=folder,
                mend="profile or calibrate the board again",
            )
        return reference_graph(name)

    return read


def _row(kernel: Kernel) -> list[Any]:
    return [getattr(kernel, column) for column in COLUMNS]


def _layout(graph: Graph) -> str:
    """A line a kernel."""
    rows = ",\n  ".join(json.dumps(_row(kernel), separators=(",", ":")) for kernel in graph.kernels)
    return f'{{"input": {json.dumps(graph.input)}, "kernels": [\n  {rows}]}}'


def _graph(name: str, network: dict[str, Any]) -> Graph:
    rows = (dict(zip(COLUMNS, row, strict=True)) for row in network["kernels"])
    kernels = tuple(Kernel(**{key: _tupled(value) for key, value in row.items()}) for row in rows)
    return Graph(name, _tupled(network["input"]), kernels)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
