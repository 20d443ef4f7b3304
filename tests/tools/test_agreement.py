"""The sweep of tools/bench/agreement.py, on one network of each space; the tool itself takes ten."""

from __future__ import annotations

import pytest

from edgetune.data.load import load_dataset
from edgetune.data.pictures import Dataset
from tools.bench.agreement import ENLARGED, compare, few_of


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", resolution=28)


@pytest.mark.parametrize("space", ENLARGED)
def test_onnx_and_int8_agree_here_and_on_the_emulated_board(space: str, digits: Dataset) -> None:
    exact, rounded = compare(space, 100, few_of(digits, ENLARGED[space]), ("onnx", "int8"), 8)
    assert max(exact.here, exact.board) < 1e-4
    assert rounded.float_top1 is not None and rounded.top1 is not None
    assert rounded.float_top1 > 0.5, "its answers mean nothing"
    assert rounded.same_answers == 1
    assert rounded.here > 1e-4, "it was not quantised"
