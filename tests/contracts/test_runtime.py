"""What every runtime of the agent must hold to."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from edgetune.agent.runtimes import RUNTIMES, Runtime
from edgetune.errors import EdgetuneError, MissingDependencyError
from edgetune.export.tvm_library import compile_tvm, host_target
from tests.agent.models import convolution

SHAPE = (1, 3, 16, 16)


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> type[Runtime]:
    return RUNTIMES[request.param]


def test_it_says_what_it_is(runtime: type[Runtime]) -> None:
    assert RUNTIMES[runtime.name] is runtime
    assert runtime.suffix.startswith(".") and runtime.package and runtime.module


def test_its_version_is_its_packages_or_a_command_that_installs_it(runtime: type[Runtime]) -> None:
    if runtime.installed():
        assert runtime.version() == importlib.metadata.version(runtime.package)
    else:
        with pytest.raises(MissingDependencyError, match=f"pip install {runtime.package}"):
            runtime.version()


def test_what_is_no_model_is_refused(runtime: type[Runtime], tmp_path: Path) -> None:
    if not runtime.installed():
        with pytest.raises(ImportError):
            runtime.load(tmp_path / "x", 1)
        return
    path = tmp_path / f"model{runtime.suffix}"
    path.write_bytes(b"no model")
    with pytest.raises((EdgetuneError, OSError, RuntimeError)):
        runtime.load(path, 1, SHAPE)


@pytest.mark.parametrize("name", ["onnxruntime", "tvm"])
def test_it_gives_the_networks_answer(name: str, tmp_path: Path) -> None:
    """That of ONNX's own reference implementation."""
    model = convolution()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = onnx.shape_inference.infer_shapes(model)
    path = tmp_path / f"model{RUNTIMES[name].suffix}"
    if name == "tvm":
        onnx.save(model, tmp_path / "model.onnx")
        compile_tvm(tmp_path / "model.onnx", path, tvm_target=host_target())
    else:
        onnx.save(model, path)
    picture = np.random.default_rng(0).random(SHAPE, np.float32)
    run = RUNTIMES[name].load(path, 1, SHAPE)
    expected = ReferenceEvaluator(model).run(None, {"x": picture})[0]  # type: ignore[index]
    np.testing.assert_allclose(run(picture), expected, rtol=1e-3, atol=1e-4)
    run()  # on a made-up picture
