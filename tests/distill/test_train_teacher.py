"""Teachers that are trained here: cached, resumed, fine-tuned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset
from edgetune.distill import train_teacher
from edgetune.distill.evaluate import accuracy
from edgetune.distill.loop import Recipe
from edgetune.distill.teacher_checkpoint import CheckpointTeacher
from edgetune.distill.train_teacher import fit_teacher, new_teacher, trained_teacher
from edgetune.errors import TeacherError

RECIPE = Recipe(epochs=4, learning_rate=0.01, batch_size=32, shift=1, flip=True)
MakeDataset = Callable[..., Dataset]
Told = list[tuple[str, int, int]]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_teacher, "WIDTH", 4)


@pytest.fixture
def trained(tmp_path: Path, cpu: torch.device) -> Callable[..., tuple[CheckpointTeacher, Told]]:
    def run(
        dataset: Dataset,
        *,
        recipe: Recipe = RECIPE,
        initial: Path | None = None,
        narrow: bool = False,
        seed: int = 0,
        stop_at: int = -1,
    ) -> tuple[CheckpointTeacher, Told]:
        told: Told = []

        def progress(stage: str, done: int, total: int) -> None:
            told.append((stage, done, total))
            if stage == "teacher" and done == stop_at:
                raise KeyboardInterrupt

        return trained_teacher(
            dataset, recipe, initial=initial, narrow=narrow, seed=seed, cache=tmp_path, device=cpu, progress=progress
        ), told

    return run


Trained = Callable[..., tuple[CheckpointTeacher, Told]]


def test_a_teacher_is_trained_once(dataset: Dataset, trained: Trained, tmp_path: Path) -> None:
    teacher, told = trained(dataset)
    assert told[-1] == ("teacher", 1024, 1024)
    assert accuracy(teacher.module, dataset.test) > 0.9
    assert teacher.classes == dataset.classes
    assert (teacher.header.mean, teacher.header.std) == (dataset.mean, dataset.std)
    assert "CC0-1.0" in teacher.licence and "bars" in teacher.name
    again, told = trained(dataset)
    assert told == [] and again.content_hash == teacher.content_hash
    assert [file.suffix for file in (tmp_path / "teachers").iterdir()] == [""], "no checkpoint is left"


def test_other_data_recipes_and_seeds_are_other_teachers(
    dataset: Dataset, make_dataset: MakeDataset, trained: Trained
) -> None:
    short = Recipe(epochs=0.1, learning_rate=0.01, batch_size=32)
    teachers = [
        trained(dataset, recipe=short),
        trained(make_dataset(n=128), recipe=short),
        trained(dataset, recipe=Recipe(epochs=0.2, learning_rate=0.01, batch_size=32)),
        trained(dataset, recipe=short, seed=1),
    ]
    assert all(told for _, told in teachers)
    assert len({teacher.content_hash for teacher, _ in teachers}) == 4


def test_a_narrow_teacher_is_another_of_half_the_width(dataset: Dataset, trained: Trained) -> None:
    short = Recipe(epochs=0.1, learning_rate=0.01, batch_size=32)
    (wide, _), (narrow, told) = trained(dataset, recipe=short), trained(dataset, recipe=short, narrow=True)
    assert told and (wide.header.width, narrow.header.width) == (4, 2)


def test_a_stopped_training_goes_on(dataset: Dataset, trained: Trained, tmp_path: Path) -> None:
    unbroken, _ = trained(dataset)
    before = unbroken.content_hash
    for folder in (tmp_path / "teachers").iterdir():
        folder.rename(tmp_path / "aside")
    with pytest.raises(KeyboardInterrupt):
        trained(dataset, stop_at=17 * 32)
    resumed, told = trained(dataset)
    assert told[0] == ("teacher", 17 * 32, 1024)  # two of four epochs were on the disk
    assert resumed.content_hash == before


def test_a_stopped_training_of_another_teacher_is_not_taken_up(make_dataset: MakeDataset, trained: Trained) -> None:
    dotted = make_dataset(name="photos.v2")
    with pytest.raises(KeyboardInterrupt):
        trained(dotted, stop_at=17 * 32)
    _, told = trained(dotted, seed=1)
    assert told[0] == ("teacher", 32, 1024)


@pytest.fixture
def teacher(dataset: Dataset, trained: Trained) -> CheckpointTeacher:
    return trained(dataset)[0]


@pytest.fixture
def folder(teacher: CheckpointTeacher, tmp_path: Path) -> Path:
    """The teacher's, to start a fine-tuning from."""
    (folder,) = (tmp_path / "teachers").iterdir()
    return folder


@pytest.fixture
def two(make_dataset: MakeDataset) -> Dataset:
    """Pictures of other classes than the teacher's."""
    return make_dataset(classes=2, name="two")


def assert_same_features(module: nn.Module, other: nn.Module) -> None:
    for name, tensor in module.state_dict().items():
        assert name.startswith("classifier.") or torch.equal(tensor, other.state_dict()[name])


def test_fine_tuning_starts_from_the_features_of_other_classes(
    teacher: CheckpointTeacher, folder: Path, two: Dataset, trained: Trained, cpu: torch.device
) -> None:
    start = new_teacher(two, folder, seed=0, device=cpu)
    assert start.classes == two.classes and start.module.get_submodule("classifier").out_features == 2
    assert_same_features(start.module, teacher.module)
    tuned, told = trained(two, initial=folder, recipe=Recipe(epochs=0.5, learning_rate=0.01, batch_size=32))
    assert [stage for stage, _, _ in told] == ["linear probe"] * 4 + ["teacher"] * 4
    assert tuned.classes == two.classes and tuned.header.mean == teacher.header.mean
    assert "fine-tuned on two" in tuned.name
    assert accuracy(tuned.module, two.test) > 0.9


def test_fine_tuning_keeps_the_statistics_that_the_features_were_learnt_with(
    teacher: CheckpointTeacher, two: Dataset, folder: Path, cpu: torch.device
) -> None:
    tuned = new_teacher(two, folder, seed=0, device=cpu)
    before = {name: tensor.clone() for name, tensor in tuned.module.state_dict().items()}
    recipe = Recipe(epochs=0.5, learning_rate=0.01, batch_size=32)
    fit_teacher(tuned, two, recipe, seed=0, statistics=False)
    changed = {name for name, tensor in tuned.module.state_dict().items() if not torch.equal(tensor, before[name])}
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    assert statistics and not changed & statistics
    assert changed == {name for name, _ in tuned.module.named_parameters()}
    fit_teacher(tuned, two, recipe, seed=0)
    after = tuned.module.state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in statistics)


def test_fine_tuning_that_loses_is_undone(
    teacher: CheckpointTeacher, folder: Path, two: Dataset, trained: Trained
) -> None:
    tuned, told = trained(two, initial=folder, recipe=Recipe(epochs=0.5, learning_rate=1.0, batch_size=32))
    assert told[-1][0] == "teacher"
    assert_same_features(tuned.module, teacher.module)
    assert accuracy(tuned.module, two.test) > 0.9


def test_fine_tuning_from_nothing_is_refused(dataset: Dataset, trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="no such folder"):
        trained(dataset, initial=tmp_path / "absent")


def test_a_teacher_of_greys_is_not_fine_tuned_on_colours(
    dataset: Dataset, make_dataset: MakeDataset, trained: Trained, tmp_path: Path
) -> None:
    trained(dataset, recipe=Recipe(epochs=0.1, learning_rate=0.01, batch_size=32))
    (folder,) = (tmp_path / "teachers").iterdir()
    with pytest.raises(TeacherError, match="channel"):
        trained(make_dataset(channels=3), initial=folder)
