"""What `edgetune tune` refuses, as a user sees it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from .conftest import Refuses


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A network with an operator that nobody has."""
    node = onnx.helper.make_node("MadeUp", ["pixels"], ["logits"])
    row = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 3, 4, 4]) for n in ("pixels", "logits")]
    graph = onnx.helper.make_graph([node], "g", row[:1], row[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "odd.onnx")
    return tmp_path / "odd.onnx"


def test_a_board_without_a_runner(refuses: Refuses, odd: Path) -> None:
    error = refuses("tune", odd, "--target", "rpi4")
    assert "tuning for rpi4 needs the board" in error
    assert "--runner HOST:PORT" in error


def test_an_unknown_target(refuses: Refuses, odd: Path) -> None:
    assert "did you mean rpi4?" in refuses("tune", odd, "--target", "rpi44")


def test_a_budget_without_a_unit(refuses: Refuses, odd: Path) -> None:
    assert "has no unit" in refuses("tune", odd, "--budget", "10")


def test_an_operator_that_tvm_lacks(refuses: Refuses, odd: Path) -> None:
    assert "MadeUp" in refuses("tune", odd)


def test_a_file_that_is_not_there(refuses: Refuses, tmp_path: Path) -> None:
    assert "none.onnx" in refuses("tune", tmp_path / "none.onnx")
