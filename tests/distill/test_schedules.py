"""Warm-up and decay of the learning rate."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from edgetune.distill.schedules import DECAYS, share_of_peak

TORCHS: dict[str, Callable[[torch.optim.Optimizer, int], LRScheduler]] = {
    "linear": lambda optimizer, steps: LinearLR(optimizer, 1.0, 0.0, steps),
    "cosine": CosineAnnealingLR,
}


@pytest.mark.parametrize("name", DECAYS)
@given(total=st.integers(1, 60), warm_up=st.floats(0, 1))
def test_a_schedule_is_two_of_torchs(name: str, total: int, warm_up: float) -> None:
    rising = max(1, int(total * warm_up))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    up = LinearLR(optimizer, 1 / rising, 1, rising - 1) if rising > 1 else ConstantLR(optimizer, 1)
    schedule = SequentialLR(optimizer, [up, TORCHS[name](optimizer, max(1, total - rising))], [rising])
    for step in range(total):
        assert share_of_peak(name, step, total, warm_up) == pytest.approx(schedule.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", DECAYS)
@given(total=st.integers(1, 1000), warm_up=st.floats(0, 1))
def test_there_is_one_peak_and_no_idle_step(name: str, total: int, warm_up: float) -> None:
    shares = np.array([share_of_peak(name, step, total, warm_up) for step in range(total)])
    assert shares.max() == 1 and (shares > 0).all()
    peak = int(shares.argmax())
    assert (np.diff(shares[: peak + 1]) > 0).all() and (np.diff(shares[peak:]) <= 0).all()
