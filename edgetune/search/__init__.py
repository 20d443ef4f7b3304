"""Multi-objective search: strategies behind one ask/tell seam, objectives with limits, the study.

The package shares its name with the public function, so it can be called as one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, **settings: Any) -> Any:
        """`edgetune.search(…)`: see :func:`edgetune.pipeline.search.search`."""
        return import_module("edgetune.pipeline.search").search(**settings)


sys.modules[__name__].__class__ = _CallablePackage
