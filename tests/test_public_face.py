"""The names that `import edgetune` promises: to take one away or to add one is to change this list."""

from __future__ import annotations

import pytest

import edgetune

FACE = ["EdgetuneError", "Optimizer", "__version__", "cheap", "log_uniform", "predict", "search", "uniform", "when"]


def test_the_names() -> None:
    assert sorted(edgetune.__all__) == FACE
    assert dir(edgetune) == FACE
    assert all(getattr(edgetune, name) is not None for name in FACE)
    assert callable(edgetune.search)
    assert callable(edgetune.predict)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        edgetune.nothing  # noqa: B018
