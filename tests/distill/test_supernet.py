"""Supernet training and the distillation of one network, on pictures that small networks learn in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgetune.data.pictures import Dataset
from edgetune.distill.evaluate import accuracy, recalibrate
from edgetune.distill.finalist import distil
from edgetune.distill.loop import Progress, Recipe
from edgetune.distill.losses import Distillation
from edgetune.distill.sandwich import RANDOM_NETWORKS, Sandwich
from edgetune.distill.supernet import train_supernet
from edgetune.nets.elastic import Supernet
from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MobileSpace, Stage
from edgetune.space.parameters import Sample
from edgetune.space.shrinking import CHOICES

SPACE = MobileSpace(
    name="tiny",
    resolutions=(8, 8),
    stem_widths=(8,),
    stem_stride=1,
    stages=(Stage(stride=2, widths=(8, 16), depths=(1, 2), kernels=(3, 5), expansions=(1, 2)),),
    head_widths=(16, 32),
)
GROWN_FIRST = dict.fromkeys(CHOICES, 0.25)
RECIPE = Recipe(epochs=40, learning_rate=0.01, batch_size=64, shift=1, flip=True)


def architecture(sample: Sample) -> Architecture:
    return SPACE.architecture(sample, channels=1, resolution=8, classes=4)


def new_supernet(dataset: Dataset) -> Supernet:
    torch.manual_seed(0)
    return Supernet([architecture(sample) for sample in SPACE.largest()], dataset.mean, dataset.std)


def teacher_logits(dataset: Dataset) -> np.ndarray:
    """A teacher that is nearly always right."""
    logits = 6 * np.eye(4, dtype=np.float32)[dataset.train.labels]
    return logits + np.random.default_rng(0).normal(0, 1, logits.shape).astype(np.float32)


def fit(
    supernet: Supernet,
    dataset: Dataset,
    recipe: Recipe = RECIPE,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    in_place: bool = False,
    both_ends: bool = False,
    shrinking: Mapping[str, float] = GROWN_FIRST,
    distillation: Distillation = Distillation(),  # noqa: B008
) -> None:
    train_supernet(
        supernet,
        Sandwich(SPACE, architecture, shrinking, both_ends=both_ends),
        in_place=in_place,
        pictures=dataset.train,
        teacher_logits=teacher_logits(dataset),
        recipe=recipe,
        distillation=distillation,
        seed=0,
        checkpoint=checkpoint,
        progress=progress,
    )


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> tuple[Supernet, Dataset]:
    supernet = new_supernet(dataset)
    fit(supernet, dataset)
    return supernet, dataset


def judged(supernet: Supernet, dataset: Dataset, sample: Sample) -> float:
    network = supernet.extract(architecture(sample))
    recalibrate(network, dataset.train.images)
    return accuracy(network, dataset.test)


def test_networks_that_were_never_drawn_have_learnt(trained: tuple[Supernet, Dataset]) -> None:
    supernet, dataset = trained
    samples = [*SPACE.largest(), SPACE.smallest(), *(SPACE.space.draw(np.random.default_rng([9, i])) for i in range(5))]
    assert min(judged(supernet, dataset, sample) for sample in samples) > 0.8  # a quarter by chance
    untrained = new_supernet(dataset)
    assert np.mean([judged(untrained, dataset, sample) for sample in samples]) < 0.6


def test_every_shared_weight_is_trained(trained: tuple[Supernet, Dataset]) -> None:
    supernet, dataset = trained
    start = new_supernet(dataset).state_dict()
    unchanged = [name for name, tensor in supernet.state_dict().items() if torch.equal(tensor, start[name])]
    assert unchanged == ["pixel_mean", "pixel_scale"]


def test_a_stopped_training_ends_as_an_unbroken_one(dataset: Dataset, tmp_path: Path) -> None:
    short = Recipe(epochs=3, learning_rate=0.01, batch_size=64)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 9 * 64:
            raise KeyboardInterrupt

    unbroken, stopped, resumed = (new_supernet(dataset) for _ in range(3))
    fit(unbroken, dataset, short)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, dataset, short, tmp_path / "c.pt", stop)
    fit(resumed, dataset, short, tmp_path / "c.pt")
    assert all(map(torch.equal, unbroken.parameters(), resumed.parameters()))


Asked = tuple[Tensor, Tensor, Tensor]
"""A student's logits, its target's, the labels."""


@dataclass(frozen=True)
class Recorder(Distillation):
    """Also keeps what it was asked about."""

    asked: list[Asked] = field(default_factory=list)

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        self.asked.append((student.detach().clone(), teacher, labels))
        return super().__call__(student, teacher, labels)


@pytest.mark.parametrize("in_place", [True, False])
def test_in_place_the_others_learn_from_the_largest_and_give_it_no_gradient(dataset: Dataset, in_place: bool) -> None:
    recorder = Recorder()
    three_batches = Recipe(epochs=0.75, learning_rate=0.01, batch_size=64, flip=False, shift=0)
    fit(new_supernet(dataset), dataset, three_batches, in_place=in_place, both_ends=True, distillation=recorder)
    (alone, *_), *sandwiches = _batches_of(recorder.asked)
    assert _is_the_teachers(alone, dataset)
    assert [len(sandwich) for sandwich in sandwiches] == [2 + RANDOM_NETWORKS] * 2
    for largest, *others in sandwiches:
        assert _is_the_teachers(largest, dataset)
        for other in others:
            assert not other[1].requires_grad
            assert torch.equal(other[1], largest[0]) == in_place
            assert _is_the_teachers(other, dataset) != in_place


def _batches_of(asked: list[Asked]) -> list[list[Asked]]:
    """Those of the same labels belong together."""
    batches: list[list[Asked]] = []
    for one in asked:
        if not batches or batches[-1][0][2] is not one[2]:
            batches.append([])
        batches[-1].append(one)
    return batches


def _is_the_teachers(asked: Asked, dataset: Dataset) -> bool:
    known = {row.tobytes() for row in teacher_logits(dataset)}
    return all(row.tobytes() in known for row in asked[1].numpy())


def test_networks_shrink_as_the_training_goes_on(dataset: Dataset) -> None:
    """Until half of the training nothing but the largest networks is trained, so that nothing may be other."""
    recorder, late = Recorder(), dict.fromkeys(CHOICES, 0.5)
    fit(
        new_supernet(dataset),
        dataset,
        Recipe(epochs=1, learning_rate=0.01, batch_size=64),
        shrinking=late,
        distillation=recorder,
    )
    batches = _batches_of(recorder.asked)
    assert [len(batch) for batch in batches] == [1, 1, 1 + RANDOM_NETWORKS, 1 + RANDOM_NETWORKS]


def test_distillation_makes_a_network_better_and_ready_to_use(trained: tuple[Supernet, Dataset]) -> None:
    supernet, dataset = trained
    inherited = judged(supernet, dataset, SPACE.smallest())
    network = supernet.extract(architecture(SPACE.smallest()))
    distil(
        network,
        dataset.train,
        teacher_logits(dataset),
        RECIPE,
        distillation=Distillation(),
        seed=0,
        stage="finalist",
    )
    assert not network.training
    assert accuracy(network, dataset.test) >= max(0.9, inherited - 0.02)
    ready = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    recalibrate(network, dataset.train.images)  # its statistics were those of the training pictures already
    assert all(torch.equal(ready[name], tensor) for name, tensor in network.state_dict().items())


def test_a_student_takes_after_its_teacher_against_the_labels(dataset: Dataset) -> None:
    """The teacher takes each class for the next one; the labels weigh a tenth."""
    supernet = new_supernet(dataset)
    network = supernet.extract(architecture(SPACE.smallest()))
    wrong = np.roll(6 * np.eye(4, dtype=np.float32), 1, axis=1)[dataset.train.labels]
    distil(network, dataset.train, wrong, RECIPE, distillation=Distillation(), seed=0, stage="finalist")
    assert accuracy(network, dataset.test) < 0.1
