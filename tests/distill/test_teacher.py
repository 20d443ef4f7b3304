"""What every teacher checks, and how pictures are made to fit it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from edgetune.distill.teacher import TorchTeacher, count_macs, fit_pixels
from edgetune.errors import TeacherError


@pytest.fixture
def teacher(make_network: Callable[..., nn.Module]) -> TorchTeacher:
    return TorchTeacher(
        make_network().train(),
        name="mine",
        classes=["ant", "bee", "cat", "dog"],
        channels=1,
        resolution=8,
        content_hash="x",
        licence="MIT",
    )


def test_the_same_classes_pass(teacher: TorchTeacher) -> None:
    teacher.check_classes(("ant", "bee", "cat", "dog"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["ant", "bee", "cat"], "^mine: the teacher knows 4 classes, the data set has 3 .*teacher.toml"),
        (["ant", "bee", "dog", "cat"], "^mine: class 2 is 'cat' to the teacher and 'dog' in the data set"),
        (["ant", "bee", "cat", "Dog"], "^mine: class 3 is 'dog' to the teacher and 'Dog' in the data set"),
    ],
)
def test_other_classes_are_refused(teacher: TorchTeacher, classes: list[str], message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        teacher.check_classes(classes)


def test_logits_are_the_modules_in_evaluation_mode_without_gradients(teacher: TorchTeacher) -> None:
    pixels = torch.rand(3, 1, 8, 8) * 255
    logits = teacher.logits(pixels)
    assert not logits.requires_grad
    assert torch.equal(logits, teacher.module.eval()(pixels))


def test_pictures_are_resized_as_pillow_does() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (20, 20)).astype(np.float32)
    for size in (8, 13, 20, 33):
        expected = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
        result = fit_pixels(torch.from_numpy(picture)[None, None], 1, size)[0, 0]
        np.testing.assert_allclose(result, expected, atol=1e-2)


def test_grey_pictures_are_shown_to_teachers_of_colour() -> None:
    pixels = torch.rand(2, 1, 5, 5)
    fitted = fit_pixels(pixels, 3, 5)
    assert fitted.shape == (2, 3, 5, 5) and all(torch.equal(fitted[:, [c]], pixels) for c in range(3))
    assert fit_pixels(pixels, 1, 5) is pixels


def test_colours_are_not_shown_to_a_teacher_of_greys(teacher: TorchTeacher) -> None:
    with pytest.raises(TeacherError, match=r"1 channel.* 3"):
        teacher.logits(torch.rand(2, 3, 8, 8))


def test_multiply_accumulates_and_parameters_worked_out_by_hand(teacher: TorchTeacher) -> None:
    assert teacher.macs == 4 * 4 * 9 * 1 * 8 + 2 * 2 * 9 * 8 * 8 + 32 * 4
    assert teacher.parameters == 9 * 8 + 16 + 9 * 8 * 8 + 16 + 32 * 4 + 4


def test_macs_are_for_one_picture() -> None:
    assert count_macs(nn.Linear(10, 3), torch.zeros(7, 10)) == 30


def test_macs_of_attention_count_its_matrix_products() -> None:
    tokens, width = 5, 8
    attention = nn.MultiheadAttention(width, 2, batch_first=True)

    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x, x, need_weights=False)[0]

    projections, scores = 4 * tokens * width * width, 2 * tokens * tokens * width
    assert count_macs(SelfAttention().train(), torch.zeros(1, tokens, width)) == projections + scores


def test_it_computes_where_it_is_put(teacher: TorchTeacher, cpu: torch.device) -> None:
    assert teacher.to(cpu) is teacher
    weight = next(weight for weight in teacher.module.parameters() if weight.ndim == 4 and weight.shape[1] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
