"""Models and agents for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.agent.models import convolution


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    onnx.save(convolution(), path)
    return path
