"""torchdistill's losses as an oracle: downloaded, imported from its wheel, not installed (it asks for torchvision)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
import torch
from platformdirs import user_cache_path
from torch import Tensor

PACKAGE = "torchdistill==1.1.5"


@pytest.fixture(scope="session")
def torchdistill() -> ModuleType:
    """The module of its losses, which needs nothing but torch."""
    folder = user_cache_path("edgetune") / "test-oracles"
    if not list(folder.glob("torchdistill-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
    wheel = next(folder.glob("torchdistill-*.whl"))
    sys.path.append(str(wheel))
    try:
        return import_module("torchdistill.losses.mid_level")
    finally:
        sys.path.remove(str(wheel))


Drawn = Callable[..., Tensor]


@pytest.fixture(scope="session")
def draw() -> Drawn:
    """Normal numbers of a shape, float64."""

    def drawn(seed: int, *shape: int, scale: float = 3.0) -> Tensor:
        return torch.from_numpy(scale * np.random.default_rng(seed).standard_normal(shape))

    return drawn
