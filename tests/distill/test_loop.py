"""The training loop: its schedule and optimizer against torch's own, its resumption against an unbroken run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.evaluate import recalibrate
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.teacher_outputs import Views
from edgetune.errors import StudyError, TeacherError
from tests.distill.conftest import MakeNetwork

RECIPE = Recipe(epochs=3.5, learning_rate=0.01, batch_size=64, shift=1, flip=True)  # 14 steps of 256 pictures


class Stopped(Exception):
    pass


def stop_at(step: int) -> Progress:
    def progress(stage: str, done: int, total: int) -> None:
        if done == step * RECIPE.batch_size:
            raise Stopped

    return progress


def fit(
    network: nn.Module, dataset: Dataset, *, checkpoint: Path | None = None, progress: Progress | None = None
) -> dict[str, Tensor]:
    """Trains with a loss that draws random numbers; gives all weights and statistics."""

    def losses(batch: Batch) -> Iterator[Tensor]:
        noise = torch.randn(batch.pixels.shape, generator=batch.generator)
        yield functional.cross_entropy(network(batch.pixels + noise), batch.labels)

    train(network, losses, dataset.train, RECIPE, seed=3, stage="test", checkpoint=checkpoint, progress=progress)
    return network.state_dict()


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


@pytest.mark.parametrize("stops", [[2], [4], [5], [8], [13], [5, 7, 9]], ids=str)
def test_a_resumed_run_ends_with_the_bits_of_an_unbroken_one(
    stops: list[int], make_network: MakeNetwork, dataset: Dataset, tmp_path: Path
) -> None:
    unbroken = fit(make_network(), dataset)
    for step in stops:
        with pytest.raises(Stopped):
            fit(make_network(), dataset, checkpoint=tmp_path / "c.pt", progress=stop_at(step))
    torch.rand(5)  # the process that goes on has drawn other numbers
    resumed = fit(make_network(), dataset, checkpoint=tmp_path / "c.pt")
    assert differing(unbroken, resumed) == []
    assert differing(unbroken, make_network().state_dict()) != []


def test_what_was_done_is_not_done_again(make_network: MakeNetwork, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fit(make_network(), dataset, checkpoint=tmp_path / "c.pt", progress=stop_at(9))
    seen: list[int] = []
    first = fit(
        make_network(), dataset, checkpoint=tmp_path / "c.pt", progress=lambda stage, done, total: seen.append(done)
    )
    assert seen == [step * 64 for step in range(9, 15)]  # two epochs of four steps were on the disk
    other = make_network(seed=1)
    again = fit(other, dataset, checkpoint=tmp_path / "c.pt", progress=stop_at(14))  # not stopped: all is done
    assert differing(first, again) == [] and not other.training


def test_checkpoints_hold_nothing_but_tensors_and_numbers(
    make_network: MakeNetwork, dataset: Dataset, tmp_path: Path
) -> None:
    fit(make_network(), dataset, checkpoint=tmp_path / "c.pt")
    assert torch.load(tmp_path / "c.pt", weights_only=True)["schedule"]["last_epoch"] == 14
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_a_look_after_each_epoch_changes_nothing(make_network: MakeNetwork, dataset: Dataset) -> None:
    """Not even one that recalibrates the BatchNorm; what it raises ends the training."""
    seen: list[int] = []

    def trained(after_epoch: Callable[[nn.Module], None] | None) -> dict[str, Tensor]:
        def losses(batch: Batch) -> Iterator[Tensor]:
            yield functional.cross_entropy(network(batch.pixels), batch.labels)

        network = make_network()
        look = partial(after_epoch, network) if after_epoch else None
        train(network, losses, dataset.train, RECIPE, seed=3, stage="test", after_epoch=look)
        return dict(network.named_parameters())

    def look(network: nn.Module) -> None:
        recalibrate(network, dataset.train.images)
        seen.append(len(seen))

    assert differing(trained(None), trained(look)) == []
    assert seen == [0, 1, 2, 3], "the last epoch is half a one"

    def stop(network: nn.Module) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        trained(stop)


def test_another_seed_is_another_run(make_network: MakeNetwork, dataset: Dataset) -> None:
    def trained(seed: int) -> dict[str, Tensor]:
        network = make_network()
        train(network, labelled(network), dataset.train, RECIPE, seed=seed, stage="test")
        return network.state_dict()

    assert differing(trained(1), trained(1)) == []
    assert differing(trained(1), trained(2)) != []


def labelled(network: nn.Module) -> Callable[[Batch], Iterator[Tensor]]:
    def losses(batch: Batch) -> Iterator[Tensor]:
        yield functional.cross_entropy(network(batch.pixels), batch.labels)

    return losses


@pytest.mark.parametrize(("epochs", "steps"), [(0.01, 1), (0.5, 2), (1, 4), (1.3, 5), (2.5, 10)])
def test_epochs_may_be_a_fraction(epochs: float, steps: int, make_network: MakeNetwork, dataset: Dataset) -> None:
    network, seen = make_network(), []
    train(
        network,
        labelled(network),
        dataset.train,
        replace(RECIPE, epochs=epochs),
        seed=0,
        stage="test",
        progress=lambda *told: seen.append(told),
    )
    assert seen == [("test", 64 * step, 64 * steps) for step in range(1, steps + 1)]
    assert not network.training


def numbered(n: int) -> Pictures:
    """Each picture is filled with its own number, its label is its number."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 2, 2, 1))
    return Pictures(images, np.arange(n))


def batches_of(pictures: Pictures, recipe: Recipe, teacher_logits: np.ndarray | None = None) -> list[Batch]:
    network, seen = nn.Linear(1, 1), []

    def losses(batch: Batch) -> Iterator[Tensor]:
        seen.append(batch)
        yield network.weight.sum()

    train(network, losses, pictures, recipe, seed=0, stage="test", teacher_logits=teacher_logits)
    return seen


def test_an_epoch_shows_each_picture_at_most_once_with_its_label_and_targets() -> None:
    recipe = Recipe(epochs=2, learning_rate=0.1, batch_size=30, shift=0, flip=False)
    logits = np.arange(200, dtype=np.float32).reshape(100, 2)
    batches = batches_of(numbered(100), recipe, logits)
    assert len(batches) == 6 and all(len(batch.labels) == 30 for batch in batches)
    for batch in batches:
        assert batch.pixels.dtype == torch.float32 and batch.teacher_logits is not None
        assert torch.equal(batch.pixels[:, 0, 1, 1].long(), batch.labels)
        assert torch.equal(batch.teacher_logits, torch.from_numpy(logits)[batch.labels])
    epochs = [torch.cat([batch.labels for batch in batches[i : i + 3]]) for i in (0, 3)]
    assert all(len(set(epoch.tolist())) == 90 for epoch in epochs)
    assert set(epochs[0].tolist()) != set(epochs[1].tolist()), "another ten are left out"


def test_epoch_after_epoch_shows_the_view_that_the_teacher_saw() -> None:
    """The teacher's logits are the moved pixels themselves, so that they tell which were shown."""
    rng = np.random.default_rng(0)
    pictures = Pictures(rng.integers(1, 256, (20, 4, 4, 1)).astype(np.uint8), np.arange(20))
    recipe = Recipe(epochs=5, learning_rate=0.1, batch_size=8, shift=1, flip=True)
    views = Views(count=3, seed=0, shift=1)
    raw = torch.from_numpy(pictures.images).permute(0, 3, 1, 2)
    logits = np.stack([views.moves(i, 20, flip=True)(raw).reshape(20, 16).numpy() for i in range(3)]).astype(np.float32)
    batches = batches_of(pictures, recipe, logits)
    assert len(batches) == 10
    for number, batch in enumerate(batches):
        assert batch.teacher_logits is not None
        assert torch.equal(batch.pixels.reshape(len(batch.labels), 16), batch.teacher_logits)
        assert torch.equal(batch.teacher_logits, torch.from_numpy(logits[number // 2 % 3])[batch.labels])


def test_fewer_pictures_than_a_batch_are_one_batch() -> None:
    batches = batches_of(numbered(7), Recipe(epochs=3, learning_rate=0.1, batch_size=64))
    assert [len(batch.labels) for batch in batches] == [7, 7, 7]
    assert batches[0].teacher_logits is None


@pytest.mark.parametrize(
    ("full", "shrunk", "sizes"),
    [(28, 0.5, [21] * 5 + [28] * 5), (28, 0.0, [28] * 10), (32, 0.2, [24] * 2 + [32] * 8), (8, 0.5, [8] * 10)],
)
def test_training_may_begin_on_smaller_pictures(full: int, shrunk: float, sizes: list[int]) -> None:
    images = np.full((20, full, full, 3), 77, np.uint8)
    recipe = Recipe(epochs=10, learning_rate=0.1, batch_size=20, shift=0, shrunk=shrunk)
    batches = batches_of(Pictures(images, np.zeros(20, np.int64)), recipe)
    assert [tuple(batch.pixels.shape) for batch in batches] == [(20, 3, size, size) for size in sizes]
    assert all(torch.allclose(batch.pixels, torch.tensor(77.0)) for batch in batches)
    assert [batch.done for batch in batches] == pytest.approx(np.arange(10) / 10)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_losses_that_stay_infinite_are_an_error(value: float, make_network: MakeNetwork, dataset: Dataset) -> None:
    network = make_network()
    before = copy.deepcopy(network.state_dict())

    def losses(batch: Batch) -> Iterator[Tensor]:
        yield network(batch.pixels).sum() * value

    with pytest.raises(TeacherError, match=r"^supernet: the loss is not finite"):
        train(network, losses, dataset.train, RECIPE, seed=0, stage="supernet")
    assert differing(before, network.state_dict()) == []


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_an_epoch_that_went_wrong_is_done_again_more_slowly(
    fault: str, make_network: MakeNetwork, dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    """The second of four epochs fails at its third step, the first time it is reached."""
    network, steps, wrong = make_network(), [], [True]

    def losses(batch: Batch) -> Iterator[Tensor]:
        loss = functional.cross_entropy(network(batch.pixels), batch.labels)
        if round(14 * batch.done) == 6 and wrong:
            wrong.pop()
            loss = (
                loss * float("nan") if fault == "loss" else loss + network.classifier.bias.sum().sub(1e30).exp().log()
            )
        yield loss

    train(
        network, losses, dataset.train, RECIPE, seed=3, stage="test", progress=lambda *told: steps.append(told[1] // 64)
    )
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    (note,) = caplog.messages
    assert note == "test: the loss is not finite; back to step 4, slower"
    assert all(torch.isfinite(weight).all() for weight in network.parameters())


def test_after_going_back_training_is_that_of_a_halved_learning_rate(
    make_network: MakeNetwork, dataset: Dataset
) -> None:
    """Going wrong in the first epoch leaves a training that began with half the rate."""

    def trained(rate: float, wrong: list[int]) -> dict[str, Tensor]:
        network = make_network()

        def losses(batch: Batch) -> Iterator[Tensor]:
            loss = functional.cross_entropy(network(batch.pixels), batch.labels)
            yield loss * float("nan") if wrong and batch.done > 0 and wrong.pop() else loss

        train(network, losses, dataset.train, replace(RECIPE, learning_rate=rate), seed=3, stage="test")
        return network.state_dict()

    assert differing(trained(0.02, [1]), trained(0.01, [])) == []
    assert differing(trained(0.04, [1, 1]), trained(0.01, [])) == []
    assert differing(trained(0.02, []), trained(0.01, [])) != []


def test_a_batch_that_does_not_fit_is_taken_in_parts(
    make_network: MakeNetwork, dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    """Gradients of the parts add up to those of the whole; BatchNorm, which does not, is left out."""

    def trained(fits: int) -> tuple[dict[str, Tensor], list[int]]:
        network, sizes = make_network().double(), []

        def losses(batch: Batch) -> Iterator[Tensor]:
            if len(batch.labels) > fits:
                raise torch.OutOfMemoryError("no room")
            sizes.append(len(batch.labels))
            yield functional.cross_entropy(network.eval()(batch.pixels.double()), batch.labels)

        train(network, losses, dataset.train, RECIPE, seed=3, stage="test")
        return network.state_dict(), sizes

    whole, sizes = trained(64)
    assert sizes == [64] * 14 and not caplog.messages
    parted, sizes = trained(20)
    assert sizes == [16] * 4 * 14
    assert [message.rsplit("; ")[1] for message in caplog.messages] == [
        "batches are taken 32 pictures at a time",
        "batches are taken 16 pictures at a time",
    ]
    torch.testing.assert_close(whole, parted, rtol=1e-5, atol=1e-8)


def test_memory_that_is_too_small_for_two_pictures_is_an_error(make_network: MakeNetwork, dataset: Dataset) -> None:
    network = make_network()

    def losses(batch: Batch) -> Iterator[Tensor]:
        if len(batch.labels) > 1:
            raise torch.OutOfMemoryError("no room")
        yield network(batch.pixels).sum()

    with pytest.raises(MemoryError, match="test: not even a few pictures at a time fit"):
        train(network, losses, dataset.train, RECIPE, seed=0, stage="test")


def test_the_average_of_the_weights_is_torchs_formula(make_network: MakeNetwork, dataset: Dataset) -> None:
    """shadow ← decay · shadow + (1 - decay) · weight after each step, from the weights after the first."""
    recipe, network, seen = replace(RECIPE, ema=0.8), make_network(), []
    train(
        network,
        labelled(network),
        dataset.train,
        recipe,
        seed=0,
        stage="test",
        progress=lambda *told: seen.append(copy.deepcopy(network.state_dict())),
    )
    expected = seen[0]
    for state in seen[1:]:
        for name, value in state.items():
            if value.is_floating_point():
                expected[name] = 0.8 * expected[name] + 0.2 * value
    floats = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    torch.testing.assert_close(floats, {name: expected[name] for name in floats})


@pytest.mark.parametrize(
    "more", [{"ema": 0.9}, {"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}, {"rand_augment": 5}], ids=str
)
def test_with_all_that_may_be_added_a_resumed_run_ends_as_an_unbroken_one(
    more: dict[str, Any], make_network: MakeNetwork, dataset: Dataset, tmp_path: Path
) -> None:
    def run(checkpoint: Path | None = None, progress: Progress | None = None) -> dict[str, Tensor]:
        network, recipe = make_network(), replace(RECIPE, **more)
        train(
            network,
            labelled(network),
            dataset.train,
            recipe,
            seed=3,
            stage="test",
            checkpoint=checkpoint,
            progress=progress,
        )
        return network.state_dict()

    unbroken = run()
    with pytest.raises(Stopped):
        run(tmp_path / "c.pt", stop_at(9))
    assert differing(unbroken, run(tmp_path / "c.pt")) == []
    assert differing(unbroken, run(tmp_path / "c.pt")) == []  # all is done
    plain = make_network()
    train(plain, labelled(plain), dataset.train, RECIPE, seed=3, stage="test")
    assert differing(unbroken, plain.state_dict()) != []


def test_what_came_later_leaves_the_keys_of_older_recipes_alone() -> None:
    assert RECIPE.key == repr(RECIPE) and "ema" not in RECIPE.key
    names = ("ema", "mixup", "cutmix", "rand_augment", "shift", "epochs")
    changes: list[dict[str, Any]] = [{name: 1} for name in names]
    others = [replace(RECIPE, **change) for change in changes]
    assert len({recipe.key for recipe in [RECIPE, *others[:4], *others[5:]]}) == 6


@pytest.mark.parametrize("what", ["recipe", "seed", "network", "pictures"])
def test_the_checkpoint_of_another_training_is_refused(
    what: str, make_network: MakeNetwork, dataset: Dataset, make_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    fit(make_network(), dataset, checkpoint=tmp_path / "c.pt")
    network = make_network(classes=5) if what == "network" else make_network()
    pictures = make_dataset(n=300).train if what == "pictures" else dataset.train
    recipe = replace(RECIPE, ema=0.5) if what == "recipe" else RECIPE
    seed = 4 if what == "seed" else 3
    with pytest.raises(StudyError, match="of another network, recipe, seed or data"):
        train(network, labelled(network), pictures, recipe, seed=seed, stage="test", checkpoint=tmp_path / "c.pt")


@pytest.mark.parametrize("kept", [0, 10, 3000], ids=lambda kept: f"{kept} bytes")
def test_a_checkpoint_cut_short_is_refused(
    kept: int, make_network: MakeNetwork, dataset: Dataset, tmp_path: Path
) -> None:
    fit(make_network(), dataset, checkpoint=tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:kept])
    with pytest.raises(StudyError, match="not a checkpoint, or cut short"):
        fit(make_network(), dataset, checkpoint=tmp_path / "c.pt")


def test_losses_are_added_up(make_network: MakeNetwork, dataset: Dataset) -> None:
    def trained(parts: list[float]) -> dict[str, Tensor]:
        network = make_network()
        network.eval()

        def losses(batch: Batch) -> Iterator[Tensor]:
            for part in parts:
                yield part * functional.cross_entropy(network.eval()(batch.pixels.double()), batch.labels)

        train(network.double(), losses, dataset.train, RECIPE, seed=0, stage="test")
        return network.state_dict()

    torch.testing.assert_close(trained([0.25, 0.75]), trained([1.0]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "make", "decay"),
    [
        ("adamw", torch.optim.AdamW, 0.3),
        ("sgd", partial(torch.optim.SGD, momentum=0.9, nesterov=True), 0.003),
    ],
)
def test_the_weights_are_those_of_torchs_own_parts(
    name: str, make: Callable[..., torch.optim.Optimizer], decay: float
) -> None:
    """Optimizer, warm-up, cosine, clipping and decay put together anew, on full batches."""
    steps, rising = 20, 4
    recipe = Recipe(
        epochs=steps,
        learning_rate=0.05,
        batch_size=32,
        weight_decay=0.3,
        warm_up=0.2,
        clip_norm=0.5,
        shift=0,
        flip=False,
        optimizer=name,
    )
    rng = np.random.default_rng(0)
    pictures = Pictures(rng.integers(0, 256, (32, 4, 4, 1), dtype=np.uint8), rng.integers(0, 3, 32))
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).double()
    theirs = copy.deepcopy(ours)

    def losses(batch: Batch) -> Iterator[Tensor]:
        yield functional.cross_entropy(ours(batch.pixels.double() / 255), batch.labels)

    train(ours, losses, pictures, recipe, seed=0, stage="test")

    weight, bias = theirs.parameters()
    optimizer = make([{"params": [weight], "weight_decay": decay}, {"params": [bias], "weight_decay": 0}], lr=0.05)
    schedule = SequentialLR(
        optimizer,
        [LinearLR(optimizer, 1 / rising, 1, rising - 1), CosineAnnealingLR(optimizer, steps - rising)],
        [rising],
    )
    x = torch.from_numpy(pictures.images).permute(0, 3, 1, 2).double() / 255
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(theirs(x), torch.from_numpy(pictures.labels)).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-6, atol=1e-9)


def test_training_learns(make_network: MakeNetwork, dataset: Dataset) -> None:
    network = make_network()
    fit(network, dataset)
    images = torch.from_numpy(dataset.test.images).permute(0, 3, 1, 2).float()
    right = network(images).argmax(1) == torch.from_numpy(dataset.test.labels)
    assert right.float().mean() > 0.9  # a quarter by chance
