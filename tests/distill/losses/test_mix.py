"""The weighted sum of the losses that are named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from edgetune.distill.losses import LOGIT_LOSSES, Distillation
from edgetune.distill.losses.decoupled import decoupled_distillation
from edgetune.distill.losses.dist import dist
from edgetune.distill.losses.labels import label_loss
from edgetune.distill.losses.logits import logit_distillation

Drawn = Callable[..., Tensor]


@given(st.integers(0, 1000), st.dictionaries(st.sampled_from(sorted(LOGIT_LOSSES)), st.floats(0, 5), min_size=1))
def test_any_sum(draw: Drawn, seed: int, weights: dict[str, float]) -> None:
    student, teacher = draw(seed, 4, 6), draw(seed + 1, 4, 6)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, 6, 4))
    parts = {
        "labels": label_loss(student, labels, smoothing=0.1),
        "logits": logit_distillation(student, teacher, 3.0),
        "decoupled": decoupled_distillation(student, teacher, labels, 3.0),
        "dist": dist(student, teacher, 3.0),
    }
    expected = sum(weight * parts[name].item() for name, weight in weights.items())
    mix = Distillation(temperature=3.0, smoothing=0.1, weights=weights)
    assert mix(student, teacher, labels).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_named_weights_may_say_what_the_teachers_weight_says(draw: Drawn) -> None:
    student, teacher, labels = draw(0, 4, 6), draw(1, 4, 6), torch.tensor([0, 1, 2, 3])
    named = Distillation(temperature=2.0, weights={"labels": 0.3, "logits": 0.7})
    torch.testing.assert_close(named(student, teacher, labels), Distillation(2.0, 0.7)(student, teacher, labels))
