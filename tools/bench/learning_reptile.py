"""A start learnt over tasks (edgetune.distill.reptile) against a random one and one from the same pictures at once.

Fashion-MNIST's ten classes are split: three are held back, tasks are triples of the other seven. Each start is the
weights of a network of three convolutions; its head is new for every task. Then the held-back classes are learnt
from a few pictures, and we count the epochs until the test accuracy is reached that a random start has at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edgetune.data.pictures import Pictures
from edgetune.distill.reptile import Weights, reptile

TASK, PICTURES, TESTED = 3, 40, 500  # classes of a task, pictures of a class to learn from, and to test on
ROUNDS, INNER = 200, 8  # of Reptile, and batches of each
EPOCHS, BATCH = 40, 20
RATE, NEW_RATE = 0.002, 0.0005  # of what comes before, and of the new task, slow enough to see when it gets there


Pictured = tuple[torch.Tensor, torch.Tensor]
"""Pictures float32 (n, 1, 28, 28), labels (n,) from 0."""


@dataclass(frozen=True)
class Learnable:
    train: Pictured
    test: Pictured


def small_network(classes: int) -> nn.Module:
    """Three convolutions; BatchNorm always takes the statistics of its batch, as the supernet's does."""
    layers: list[nn.Module] = []
    for channels, out in ((1, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(out, track_running_stats=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))


def task_of(train: Pictures, test: Pictures, classes: np.ndarray, rng: np.random.Generator) -> Learnable:
    return Learnable(_some(train, classes, PICTURES, rng), _some(test, classes, TESTED, rng))


def _some(pictures: Pictures, classes: np.ndarray, count: int, rng: np.random.Generator) -> Pictured:
    places = [rng.permutation(np.flatnonzero(pictures.labels == label))[:count] for label in classes]
    images = pictures.images[np.concatenate(places)].astype(np.float32) / 255 - 0.5
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in places])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)


def _triple(known: Pictured, classes: np.ndarray) -> Pictured:
    """Only the pictures of these classes, which count from 0 in their order."""
    pixels, labels = known
    places = [torch.flatten(torch.nonzero(labels == int(label))) for label in classes]
    counted = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor([len(found) for found in places]))
    return pixels[torch.cat(places)], counted


def learn(
    network: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, steps: int, optimizer: torch.optim.Optimizer
) -> None:
    network.train()
    for _ in range(steps):
        chosen = torch.randint(len(labels), (BATCH,))
        loss = functional.cross_entropy(network(pixels[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accuracies(network: nn.Module, task: Learnable) -> list[float]:
    """Test accuracy after each epoch."""
    found = []
    optimizer = torch.optim.Adam(network.parameters(), lr=NEW_RATE)
    for _ in range(EPOCHS):
        learn(network, *task.train, len(task.train[1]) // BATCH, optimizer)
        with torch.no_grad():
            found.append(float((network(task.test[0]).argmax(1) == task.test[1]).float().mean()))
    return found


def with_new_head(network: nn.Module, classes: int) -> nn.Module:
    fresh = small_network(classes)
    fresh.load_state_dict(body_of(network), strict=False)
    return fresh


def learnt_over(tasks: Sequence[Pictured]) -> nn.Module:
    start = small_network(TASK)
    start.load_state_dict(reptile(body_of(start), [partial(_round, task) for task in tasks]), strict=False)
    return start


def body_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """All weights but the head's two."""
    return {name: weight.detach().clone() for name, weight in list(network.named_parameters())[:-2]}


def _round(task: Pictured, start: Weights) -> Weights:
    network = small_network(TASK)
    network.load_state_dict(start, strict=False)
    learn(network, *task, INNER, torch.optim.Adam(network.parameters(), lr=RATE))
    return body_of(network)


def joint(pictures: Pictured, classes: int) -> nn.Module:
    """All the tasks' classes at once, with as many steps."""
    network = small_network(classes)
    learn(network, *pictures, ROUNDS * INNER, torch.optim.Adam(network.parameters(), lr=RATE))
    return network


def bench_reptile(seeds: Sequence[int]) -> None:
    """Epochs to the accuracy that a random start ends with, and the accuracy at the end."""
    from edgetune.data.load import load_dataset

    data = load_dataset("fashion-mnist")
    draw = partial(task_of, data.train, data.test)
    names = ("random", "Reptile", "all classes at once")
    epochs, ends, early = [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        order = rng.permutation(10)
        held_back, others = order[:TASK], order[TASK:]
        known = draw(others, rng).train  # the same pictures for both starts
        tasks = [_triple(known, rng.permutation(len(others))[:TASK]) for _ in range(ROUNDS)]
        starts = (small_network(TASK), learnt_over(tasks), joint(known, len(others)))
        task = draw(held_back, rng)
        curves = np.array([accuracies(with_new_head(start, TASK), task) for start in starts])
        goal = curves[0, -5:].mean()
        reached = [int(np.argmax(curve >= goal)) + 1 if (curve >= goal).any() else EPOCHS for curve in curves]
        epochs.append(reached)
        ends.append(curves[:, -5:].mean(axis=1))
        early.append(curves[:, 4])
        print(f"seed {seed}: goal {goal:.1%}, epochs {dict(zip(names, reached, strict=True))}", flush=True)
    print(f"{len(seeds)} splits, {TASK} held-back classes, {PICTURES} pictures each: mean ± standard error")
    for place, name in enumerate(names):
        counted, fifth, end = (np.array(table)[:, place] for table in (epochs, early, ends))
        error = counted.std() / np.sqrt(len(counted))
        print(
            f"{name:20s} epochs to the goal {counted.mean():5.1f} ± {error:.1f}, "
            f"after 5 epochs {fifth.mean():.1%}, at the end {end.mean():.1%}"
        )
