"""What the tests of trainings in several processes run in each of them: python two_processes.py FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from edgetune.distill import train_teacher
from edgetune.distill.loop import Batch, Recipe, train
from edgetune.distill.together import heard, rank, size, together
from edgetune.distill.train_teacher import trained_teacher
from tests.distill.conftest import TinyNet, bars_dataset

RECIPE = Recipe(epochs=2, learning_rate=0.01, batch_size=63, shift=0, flip=False)
TEACHER = Recipe(epochs=4, learning_rate=0.01, batch_size=32)
CPU = torch.device("cpu")


def trained(fault: str = "", checkpoint: Path | None = None) -> dict[str, Tensor]:
    """Weights after a training without BatchNorm, of which processes see parts; the second one may have bad luck."""
    network, seen = TinyNet(seed=rank()).double(), list[int]()

    def losses(batch: Batch) -> Iterator[Tensor]:
        seen.append(len(batch.labels))
        if fault == "memory" and rank() == 1 and len(batch.labels) > 8:
            raise torch.OutOfMemoryError("no room")
        loss = functional.cross_entropy(network.eval()(batch.pixels.double()), batch.labels)
        yield loss * float("nan") if fault == "nan" and rank() == 1 and len(seen) == 2 else loss

    train(network, losses, bars_dataset().train, RECIPE, seed=3, stage="test", checkpoint=checkpoint)
    return network.state_dict()


def main(folder: Path) -> None:
    with together(CPU):
        assert heard("hello" if rank() == 0 else "", CPU) == ("hello" if size() > 1 or rank() == 0 else "")
        results = {fault: trained(fault, folder / f"{fault}.pt") for fault in ("whole", "memory", "nan")}
        train_teacher.WIDTH = 4
        teacher = trained_teacher(bars_dataset(), TEACHER, initial=None, seed=0, cache=folder / "cache", device=CPU)
        weights = dict(teacher.module.named_parameters())
        torch.save({**results, "teacher": weights, "processes": size()}, folder / f"{rank()}.result")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
