"""A supernet's start learnt over earlier searches: folders of some of the ten digits are their data sets."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.data.pictures import Pictures
from edgetune.insight.state import RunState
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import DATA, Entry
from edgetune.pipeline.meta_features import meta_features
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.reptile_start import BATCHES, body_of, choose_tasks, chosen_tasks, learn_start
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.supernet_start import begin_supernet
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search.study import Study

from .conftest import edgetune

RECIPE = {"learning_rate": 0.005, "batch_size": 32}
LABELS_ALONE = {"distillation": {"weights": {"labels": 1.0}}}
CLASSES = {"low": (0, 1, 2), "middle": (3, 4, 5), "high": (6, 7, 8)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three data sets, and a cache."""
    world, digits = tmp_path_factory.mktemp("world"), load_dataset("digits")
    for name, labels in CLASSES.items():
        for label in labels:
            (folder := world / name / str(label)).mkdir(parents=True)
            for place in np.flatnonzero(digits.train.labels == label)[:60]:
                Image.fromarray(digits.train.images[place, :, :, 0]).save(folder / f"{place}.png")
    return world


@pytest.fixture(autouse=True)
def caches(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_CACHE", str(world / "cache"))


def task_of(world: Path, name: str = "high", *, epochs: float = 1.0, seed: int = 0, resolution: int = 8) -> Task:
    config = SearchConfig.model_validate(
        {
            "data": str(world / name),
            "resolution": resolution,
            "seed": seed,
            "supernet_training": {**RECIPE, "epochs": epochs},
            "learning": {"reptile": True, "library": str(world / "library")},
        }
    )
    return Task(config, load_dataset(config.data, resolution=resolution, seed=seed), Predictor.load("rpi4"))


@pytest.fixture
def library(world: Path) -> Path:
    """With one search of `low`, two of `middle`, and one of the data that is searched for itself."""
    shutil.rmtree(world / "library", ignore_errors=True)
    for source, name in (("a", "low"), ("b", "middle"), ("c", "middle"), ("own", "high")):
        keep(world, source, task_of(world, name))
    return world / "library"


def keep(world: Path, source: str, task: Task) -> None:
    data = task.dataset
    entry = Entry(source, task.space.name, "rpi4", {}, [], [], meta_features(data), content=data.content_hash)
    (world / "library").mkdir(exist_ok=True)
    (world / "library" / f"{source}.json").write_text(json.dumps(asdict(entry)))


class Said(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[tuple[str, int, int]] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, stage: str, done: int, total: int) -> None:
        self.told.append((stage, done, total))


def chosen(task: Task, run: Path) -> tuple[list[str], list[str]]:
    """The sources of the tasks, and what was said."""
    said = Said()
    with Study.create(RunFolder(run).study, {}) as study:
        study.set_note(DATA, meta_features(task.dataset))
        choose_tasks(study, task, said.say)
        return [earlier.source for earlier in chosen_tasks(study)], said.lines


def begun(task: Task, run: Path) -> tuple[dict[str, Tensor], Supernet, Said]:
    """The random weights, the supernet as its training begins, and what was told."""
    said, folder, supernet = Said(), RunFolder(run), task.new_supernet()
    fresh = {name: weight.detach().clone() for name, weight in supernet.named_parameters()}
    outputs = np.zeros((len(task.dataset.train), len(task.dataset.classes)), np.float32)
    with Study.open(folder.study) if folder.study.exists() else Study.create(folder.study, {}) as study:
        choose_tasks(study, task, said.say)
        learn_start(supernet, study, task, plan_of(task.config), folder, said)
        begin_supernet(supernet, [], study, task, plan_of(task.config), outputs, folder, said.say)
    return fresh, supernet, said


def test_tasks_are_other_data_sets_once_each(world: Path, library: Path, tmp_path: Path) -> None:
    sources, said = chosen(task_of(world), tmp_path)
    assert sorted(sources) == ["a", "b"] and said == []


def test_too_few_tasks_are_said_and_counted(world: Path, library: Path, tmp_path: Path) -> None:
    (library / "a.json").unlink()
    sources, said = chosen(task_of(world), tmp_path)
    assert sources == [] and len(said) == 1
    assert "no Reptile start" in said[0] and "of 3 searches in the library 1 left" in said[0]


@pytest.mark.parametrize("why", ["pictures gone", "colour", "larger pictures", "older entry"])
def test_what_is_no_task(world: Path, library: Path, tmp_path: Path, why: str) -> None:
    (library / "a.json").unlink()
    low = task_of(world, "low", resolution=80 if why == "larger pictures" else 8)
    dataset = low.dataset
    if why == "colour":
        colours = tmp_path / "colour"
        shutil.copytree(world / "low", colours)
        for file in colours.rglob("*.png"):
            grey = np.array(Image.open(file))
            Image.fromarray(np.dstack([grey, grey, 255 - grey])).save(file)
        dataset = load_dataset(str(colours), resolution=8)
        assert dataset.channels == 3
    if why == "pictures gone":
        dataset = replace(dataset, content_hash="0" * 64)
    if why == "older entry":
        dataset = replace(dataset, content_hash="")
    keep(world, "a", replace(low, dataset=dataset))
    assert chosen(task_of(world), tmp_path / "run")[0] == []


def test_no_task_has_a_picture_that_this_search_is_judged_or_tested_on(
    world: Path, library: Path, tmp_path: Path
) -> None:
    """As when one folder's pictures were copied into another one: the start would have seen the test split."""
    task = task_of(world)
    copied = load_dataset(str(world / "low"), resolution=8)
    seen = task.dataset.test.first(1)
    train = Pictures(np.concatenate([copied.train.images, seen.images]), np.append(copied.train.labels, 0))
    with pytest.MonkeyPatch.context() as patch:
        found = {task.dataset.content_hash: task.dataset, copied.content_hash: replace(copied, train=train)}
        patch.setattr("edgetune.pipeline.reptile_start.find_prepared", found.get)
        for place, source in enumerate(("a", "b")):
            keep(world, source, replace(task, dataset=replace(copied, content_hash=list(found)[place])))
        assert chosen(task, tmp_path)[0] == []


def test_the_start_is_that_of_reptile_written_out(world: Path, library: Path, tmp_path: Path) -> None:
    """Two rounds: half of the way to the one task, and then a quarter of the way to the other."""
    task = task_of(world, epochs=0.1)
    fresh, supernet, said = begun(task, tmp_path)
    with Study.open(RunFolder(tmp_path).study) as study:
        tasks = chosen_tasks(study)
    expected = {name: weight for name, weight in fresh.items() if "classifier" not in name}
    labels_alone = SearchConfig.model_validate(LABELS_ALONE).distillation
    for number, share in ((0, 0.5), (1, 0.25)):
        dataset = tasks[number].dataset
        own = task.config.model_copy(update={"seed": number, "distillation": labels_alone})
        alone = Task(own, dataset, task.predictor)
        network = Task(task.config, dataset, task.predictor).new_supernet()  # with the classifier that it begins with
        network.load_state_dict(expected, strict=False)
        recipe = plan_of(task.config).supernet
        epochs = BATCHES / (len(dataset.train) // recipe.batch_size)
        alone.train_supernet(network, np.zeros((len(dataset.train), 3), np.float32), replace(recipe, epochs=epochs))
        learnt = dict(network.named_parameters())
        expected = {name: torch.lerp(weight, learnt[name].detach(), share) for name, weight in expected.items()}
    moved = dict(supernet.named_parameters())
    for name, weight in expected.items():
        torch.testing.assert_close(moved[name].detach(), weight)
    heads = fresh.keys() - expected.keys()
    assert heads and all(torch.equal(moved[name], fresh[name]) for name in heads)
    assert any(not torch.equal(fresh[name], expected[name]) for name in expected)
    assert ("reptile", 2, 2) in said.told
    assert any("begins with a start learnt over" in line and "2 rounds" in line for line in said.lines)


def test_a_resumed_run_begins_with_the_same(world: Path, library: Path, tmp_path: Path) -> None:
    """Whether it was stopped after the start was learnt or before; the library is another one by then."""
    task = task_of(world, epochs=0.1)
    _, first, _ = begun(task, tmp_path)
    shutil.rmtree(library)
    kept = load_file(RunFolder(tmp_path).supernet_start)
    for stopped_before in (False, True):
        if stopped_before:
            RunFolder(tmp_path).supernet_start.unlink()
        _, again, _ = begun(task, tmp_path)
        for one, other in zip(first.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, other)
    assert kept.keys() == body_of(first).keys()
    assert len(RunState.read(RunFolder(tmp_path).study).events) == 1


def test_from_the_command_line(world: Path, library: Path, tmp_path: Path) -> None:
    """A whole search of the third data set, beginning with what the two others taught."""
    config = tmp_path / "search.toml"
    sections = "".join(
        f"[{name}]\nepochs = 1\nlearning_rate = 0.005\nbatch_size = 32\n"
        for name in ("teacher_training", "supernet_training", "finalist_training")
    )
    config.write_text(f'resolution = 8\ntrials = 4\nfinalists = 1\nformats = "onnx"\n{sections}')
    places: list[str | Path] = ["--data", world / "high", "--library", library, "--out", tmp_path / "run"]
    done = edgetune("search", "--config", config, "--reptile", *places)
    assert "the supernet: begins with a start learnt over b, a (Reptile, 2 rounds of 8 batches)" in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
