from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgetune.errors import ExportError
from edgetune.export.agreement import compare_logits, torch_logits_of


def test_the_difference_is_relative_to_the_largest_logit() -> None:
    expected = np.array([[1.0, -4.0], [3.0, 2.0]])
    agreement = compare_logits(expected, expected + [[0.0, 0.2], [0.0, 2.0]])
    assert agreement.relative_difference == pytest.approx(0.5)
    assert agreement.same_top1 == 0.5
    assert agreement.pictures == 2


@given(arrays(np.float32, (5, 3), elements=st.floats(0.125, 1e3, width=32)), st.floats(1e-3, 1e3))
def test_it_does_not_depend_on_the_scale(logits: np.ndarray, scale: float) -> None:
    other = logits[::-1]
    small, large = compare_logits(logits, other), compare_logits(logits * scale, other * scale)
    assert small.relative_difference == pytest.approx(large.relative_difference, rel=1e-4, abs=1e-6)
    assert small.same_top1 == large.same_top1


def test_out_of_tolerance_or_not_a_number_is_refused_by_name() -> None:
    expected = np.ones((2, 3))
    compare_logits(expected, expected + 9e-5).require("model.onnx")
    for wrong in (expected + 2e-4, np.full((2, 3), np.nan)):
        with pytest.raises(ExportError, match=r"model\.onnx"):
            compare_logits(expected, wrong).require("model.onnx")


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (2,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ExportError, match="shapes"):
        compare_logits(np.ones((2, 3)), np.ones(shape))


def test_torch_answers_in_evaluation_mode_and_leaves_the_mode_as_it_was(test_pictures: np.ndarray) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(784, 3)).train()
    first, second = (torch_logits_of(module, test_pictures, batch=batch) for batch in (32, 7))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-3)
    assert module.training
