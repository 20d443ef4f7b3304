"""A network that rounds badly: its float answers are good, but one channel's range drowns the others'."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.distill.evaluate import accuracy
from edgetune.distill.loop import Recipe
from edgetune.export import int8
from edgetune.export.bundle import Bundle
from edgetune.export.card import Teacher
from edgetune.export.host import SpeedComparison, top1_of
from edgetune.export.int8 import Quantised
from edgetune.nets.network import Network
from edgetune.pipeline import artefacts
from edgetune.pipeline.artefacts import Distilled
from edgetune.pipeline.bundling import bundle_network
from edgetune.pipeline.int8_tuning import Int8Tuning, _at_its_own_pace, rounded_network
from edgetune.pipeline.task import Task, pixels_of
from edgetune.reporter import Reporter
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

RECIPE = Recipe(epochs=6, learning_rate=0.003, batch_size=32, weight_decay=0, shift=0, flip=False)


@pytest.fixture(scope="module")
def outputs(task: Task) -> np.ndarray:
    """Of a teacher that is sure of every label."""
    return 8 * np.eye(10, dtype=np.float32)[task.dataset.train.labels]


@pytest.fixture(scope="module")
def distilled(task: Task, outputs: np.ndarray) -> Distilled:
    values = dict(task.space.smallest().values)
    values |= {label: "relu" for label in values if label.endswith(".activation")}
    values |= {label: False for label in values if label.endswith(".squeeze_excite")}
    sample = task.space.space.complete(values, np.random.default_rng(0))
    torch.manual_seed(0)
    network = task.new_network(sample)
    task.distil(network, outputs, replace(RECIPE, learning_rate=0.01, batch_size=64))
    stretch(network)
    trial = Trial(number=3, sample=sample, values={}, state="done", seed=0)
    top1 = accuracy(network, task.dataset.validation)
    return Distilled("trial-003", trial, network, validation_top1=top1, test_top1=accuracy(network, task.dataset.test))


def stretch(network: Network) -> None:
    """Makes some channels a thousand times as large as others, and what follows as much smaller: ReLU lets it through.

    What the network computes stays the same (Nagel 2019), its activations share one range each.
    """
    first, *others = (block.get_submodule("layers") for block in network.blocks)
    pairs = [(network.stem[1], first.get_submodule("fused.0"))]
    pairs += [(layers.get_submodule("expand.1"), layers.get_submodule("depthwise.0")) for layers in others]
    with torch.no_grad():
        for norm, after in pairs:
            assert isinstance(norm, nn.BatchNorm2d) and isinstance(after, nn.Conv2d)
            factors = torch.logspace(-1.5, 1.5, len(norm.weight))
            norm.weight.mul_(factors)
            norm.bias.mul_(factors)
            after.weight.div_(factors.view(1, -1, 1, 1) if after.groups == 1 else factors.view(-1, 1, 1, 1))


@pytest.fixture
def tuning(task: Task, distilled: Distilled, outputs: np.ndarray, tmp_path: Path) -> Int8Tuning:
    return Int8Tuning(
        task,
        distilled.trial.sample,
        "trial-003 INT8",
        RECIPE,
        None,
        lambda: outputs,
        tmp_path / "tuned.safetensors",
        tmp_path / "tuned.pt",
        torch.device("cpu"),
        Reporter().progress,
    )


@pytest.fixture
def bundled(
    task: Task, distilled: Distilled, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path, dict[str, Quantised], Int8Tuning | None], Bundle]:
    monkeypatch.setattr(artefacts, "INT8_MAY_LOSE", 0.1)
    twice = SpeedComparison(2.0, 1.0, runs=1, runtime="a clock that stands still")
    monkeypatch.setattr(int8, "compare_speed", lambda *files: twice)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")  # so that the clock decides, not a prediction

    def bundle(folder: Path, quantised: dict[str, Quantised], tuning: Int8Tuning | None) -> Bundle:
        teacher = Teacher(name="none", licence="none", test_top1=1.0)
        return bundle_network(
            task,
            distilled,
            teacher,
            folder,
            {},
            formats=("onnx", "int8"),
            quantised=quantised,
            int8_tuning=tuning,
            reporter=Reporter(),
        )

    return bundle


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_rounding_loses_fine_tuning_brings_back(
    task: Task, distilled: Distilled, tuning: Int8Tuning, bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    plain = bundled(tmp_path / "plain", {}, None)
    assert [omission.format for omission in plain.card.omitted] == ["int8"]
    assert "points of validation top-1" in plain.card.omitted[0].reason

    clocked: dict[str, Quantised] = {}
    bundle = bundled(tmp_path / "tuned", clocked, tuning)
    made = {artefact.format: artefact for artefact in bundle.card.artefacts}
    record = made["int8"].fine_tuning
    assert record is not None and made["onnx"].fine_tuning is None
    assert distilled.validation_top1 > 0.85
    assert record.top1_before < distilled.validation_top1 - 0.1
    assert record.top1_after > record.top1_before + 0.1
    assert record.epochs == 6
    judges = task.dataset.validation
    assert record.top1_after == top1_of(bundle.path("int8"), pixels_of(judges, len(judges)), judges.labels)
    assert bundle.path("onnx").read_bytes() == plain.path("onnx").read_bytes()
    assert "fine-tuned for 6 epochs with their rounding" in (bundle.folder / "README.md").read_text()

    def forbidden() -> np.ndarray:
        raise AssertionError("trained again")

    again = bundled(tmp_path / "again", dict(clocked), replace(tuning, outputs=forbidden))
    assert contents(again.folder) == contents(bundle.folder)


def test_what_fine_tuning_does_not_bring_back_is_left_out_and_says_so(
    tuning: Int8Tuning, bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    lossy = {
        "int8": Quantised("minmax", False, 0.3, 0.9, 2.0, "clocked elsewhere"),
        tuning.key: Quantised("minmax", False, 0.7, 0.9, 2.0, "clocked elsewhere", epochs=3, untuned_top1=0.3),
    }
    few = replace(tuning, recipe=replace(RECIPE, epochs=0.1))
    lossy[few.key] = lossy.pop(tuning.key)
    [left_out] = bundled(tmp_path / "bundle", lossy, few).card.omitted
    assert left_out.reason == (
        "loses 20.0 points of validation top-1, more than 10.0, after 3 epochs with its rounding; 60.0 before them"
    )


@pytest.mark.parametrize(("top1", "speedup"), [(0.89, 2.0), (0.3, 0.9)], ids=["loses little", "slow all the same"])
def test_where_it_is_not_needed_nothing_is_trained(
    top1: float, speedup: float, tuning: Int8Tuning, bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundled(tmp_path / "bundle", {"int8": Quantised("minmax", False, top1, 0.9, speedup, "")}, tuning)
    assert not tuning.weights.exists()


def test_a_stopped_tuning_goes_on_to_the_same_weights(distilled: Distilled, tuning: Int8Tuning, tmp_path: Path) -> None:
    def stop_in_the_second_epoch(stage: str, done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    tuning = replace(tuning, recipe=replace(RECIPE, epochs=2))
    whole = replace(tuning, weights=tmp_path / "whole.safetensors", checkpoint=tmp_path / "whole.pt")
    whole.tuned(distilled.network, "minmax")
    with pytest.raises(KeyboardInterrupt):
        replace(tuning, progress=stop_in_the_second_epoch).tuned(distilled.network, "minmax")
    assert tuning.checkpoint.exists() and not tuning.weights.exists()
    tuning.tuned(distilled.network, "minmax")
    assert not tuning.checkpoint.exists()
    assert tuning.weights.read_bytes() == whole.weights.read_bytes()


def test_the_rounding_is_that_of_the_file(task: Task, distilled: Distilled) -> None:
    """The module says before any training what the INT8 file loses."""
    loses = accuracy(distilled.network, task.dataset.validation) - accuracy(
        rounded_network(task, distilled.network), task.dataset.validation
    )
    assert loses > 0.1


def test_hyper_parameters_of_losses_are_kept_and_those_of_the_pace_are_not() -> None:
    sample = Sample({"depth": 2, "training.learning_rate": 0.1, "training.optimizer": "sgd", "training.mixup": 0.2})
    assert dict(_at_its_own_pace(sample).values) == {"depth": 2, "training.mixup": 0.2}
