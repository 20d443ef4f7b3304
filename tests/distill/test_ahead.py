"""What is made ready beside its use: the same things in the same order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgetune.data.pictures import Dataset
from edgetune.distill import loop
from edgetune.distill.ahead import ahead
from edgetune.distill.loop import Batch, Recipe, train
from tests.distill.conftest import MakeNetwork

SECONDS = 30.0


def test_nothing_is_lost_or_changed() -> None:
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([None, None]))) == [None, None]


def test_the_next_is_made_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number in range(3):
            begun[number].set()
            yield number

    for number in ahead(items()):
        assert number == 2 or begun[number + 1].wait(SECONDS), "it waits to be asked for"


def test_what_goes_wrong_is_raised_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MemoryError("no room")

    made = ahead(items())
    assert next(made) == 1
    with pytest.raises(MemoryError, match="no room"):
        next(made)


def test_a_training_is_the_same_with_and_without_it(
    make_network: MakeNetwork, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the loss draws random numbers while the next batch is drawn."""
    recipe = Recipe(epochs=2.5, learning_rate=0.01, batch_size=32)

    def trained(more: dict[str, Any]) -> dict[str, Tensor]:
        network = make_network()

        def losses(batch: Batch) -> Iterator[Tensor]:
            noise = torch.randn(batch.pixels.shape, generator=batch.generator)
            yield functional.cross_entropy(network(batch.pixels + noise), batch.labels)

        train(network, losses, dataset.train, replace(recipe, **more), seed=3, stage="test")
        return network.state_dict()

    plain = loop._batches
    mixed: dict[str, Any] = {"rand_augment": 5, "cutmix": 1.0}
    for more in ({}, mixed):
        before = trained(more)
        monkeypatch.setattr(loop, "_batches", lambda *args, **told: ahead(plain(*args, **told)))
        torch.testing.assert_close(trained(more), before, rtol=0, atol=0)
        monkeypatch.undo()
