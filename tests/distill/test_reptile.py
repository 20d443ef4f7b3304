"""Reptile against its update written out with numbers, where a task's training has a closed form."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgetune.distill.reptile import Weights, reptile

STEPS, RATE = 5, 0.3


def descend(optimum: float, start: Weights) -> Weights:
    """Gradient descent on ½ (w - optimum)², and a head of its own."""
    (weight,) = start.values()
    for _ in range(STEPS):
        weight = weight - RATE * (weight - optimum)
    return {"body": weight, "head": torch.zeros(3)}


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.floats(-10, 10))
def test_each_round_goes_a_falling_part_of_the_way(optima: list[float], start: float) -> None:
    expected, left = start, (1 - RATE) ** STEPS
    for place, optimum in enumerate(optima):
        share = 0.5 * (len(optima) - place) / len(optima)
        expected += share * (1 - left) * (optimum - expected)
    begun = {"body": torch.tensor([start], dtype=torch.float64)}
    found = reptile(begun, [partial(descend, optimum) for optimum in optima])
    assert list(found) == ["body"]
    assert float(found["body"]) == pytest.approx(expected, abs=1e-9)
    assert float(begun["body"]) == start


def test_it_ends_where_the_tasks_are_near_one_and_all() -> None:
    """Sines of one shape and many heights (the paper's own toy, made linear): the shape is learnt, from any start."""
    shape = np.sin(np.linspace(0, 6, 40))
    heights = np.random.default_rng(0).uniform(0.5, 1.5, 300)

    def learn(height: float, start: Weights) -> Weights:
        (weight,) = start.values()
        return {"body": weight + 0.5 * (torch.from_numpy(height * shape) - weight)}

    found = reptile({"body": torch.full((40,), 9.0).double()}, [partial(learn, height) for height in heights])["body"]
    assert np.corrcoef(found.numpy(), shape)[0, 1] > 0.999
    assert np.abs(found.numpy()).max() == pytest.approx(1.0, abs=0.15)


def test_its_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    reptile({"body": torch.zeros(1)}, [partial(descend, 1.0)] * 3, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
