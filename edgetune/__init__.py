"""edgetune: from a labelled image set, a teacher and a board's name to a Pareto set of small, checked networks.

>>> import edgetune
>>> summary = edgetune.search(device="rpi4", data="fashion-mnist")  # doctest: +SKIP
>>> for network in summary.finalists:  # doctest: +SKIP
...     print(network.name, network.test_top1, network.latency)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# onnxruntime tells its makers what it runs, from version 1.32 on Linux too, unless this is there when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from edgetune import search
    from edgetune.errors import EdgetuneError
    from edgetune.latency.networks import predict_networks as predict
    from edgetune.search.optimizer import Optimizer, cheap
    from edgetune.space.describe import log_uniform, uniform, when

_FACE = {
    "search": "edgetune.search",  # the room is callable, see there
    "predict": "edgetune.latency.networks:predict_networks",
    "Optimizer": "edgetune.search.optimizer:Optimizer",
    "cheap": "edgetune.search.optimizer:cheap",
    "EdgetuneError": "edgetune.errors:EdgetuneError",
    "log_uniform": "edgetune.space.describe:log_uniform",
    "uniform": "edgetune.space.describe:uniform",
    "when": "edgetune.space.describe:when",
}

__all__ = [
    "EdgetuneError",
    "Optimizer",
    "__version__",
    "cheap",
    "log_uniform",
    "predict",
    "search",
    "uniform",
    "when",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import edgetune` stays light."""
    if name not in _FACE:
        raise AttributeError(f"module 'edgetune' has no attribute {name!r}")
    module, _, attribute = _FACE[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
