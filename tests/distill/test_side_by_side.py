"""Trainings beside each other: the same as alone, and none outlives a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgetune.data.pictures import Pictures
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.side_by_side import side_by_side
from edgetune.errors import TeacherError

CPU = torch.device("cpu")


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


def training(module: nn.Module) -> Callable[[Progress], None]:
    rng = np.random.default_rng(0)
    pictures = Pictures(rng.integers(0, 256, (512, 8, 8, 1), np.uint8), rng.integers(0, 3, 512))

    def losses(batch: Batch) -> Iterator[Tensor]:
        yield nn.functional.cross_entropy(module(batch.pixels.contiguous() / 255), batch.labels)

    def run(progress: Progress) -> None:
        train(module, losses, pictures, Recipe(2, 0.01, batch_size=32, shift=0), seed=1, stage="toy", progress=progress)

    return run


def test_trainings_beside_each_other_are_those_alone() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        beside, alone = [network(seed) for seed in range(3)], [network(seed) for seed in range(3)]
        seen: list[str] = []
        side_by_side(
            [training(module) for module in beside],
            CPU,
            shares=2,
            progress=lambda stage, done, total: seen.append(stage),
        )
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        for module in alone:
            training(module)(lambda stage, done, total: None)
        for one, other in zip(beside, alone, strict=True):
            for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
                assert torch.equal(a, b)
        assert len(seen) == 3 * 2 * 16
    finally:
        torch.set_num_threads(threads)


def test_a_failure_ends_the_others_at_their_next_batch() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    begun = threading.Event()
    batches = 0

    def endless(progress: Progress) -> None:
        nonlocal batches
        begun.set()
        while True:
            batches += 1
            progress("endless", batches, 0)

    def failing(progress: Progress) -> None:
        begun.wait()
        raise TeacherError("the loss is not finite")

    try:
        with pytest.raises(TeacherError, match="not finite"):
            side_by_side([endless, failing, endless], CPU, shares=3)
    finally:
        torch.set_num_threads(threads)
