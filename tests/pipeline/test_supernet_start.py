"""The supernet of digits: where its training begins, given what earlier studies left."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.distill.training_state import read_weights
from edgetune.insight.state import RunState
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import TRAINING, Entry
from edgetune.pipeline.plan import Plan, plan_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.supernet_start import begin_supernet, training_of
from edgetune.pipeline.task import Task, load_data
from edgetune.search.study import Study

BRIEF = {"epochs": 0.2, "learning_rate": 0.005, "batch_size": 64}


def task_of(seed: int = 0, device: str = "rpi4") -> Task:
    config = SearchConfig.model_validate({"data": "digits", "seed": seed, "device": device, "supernet_training": BRIEF})
    return Task(config, load_data(config), Predictor.load(device))


def plan(task: Task) -> Plan:
    return plan_of(task.config)


def train(task: Task, supernet: Supernet, folder: RunFolder) -> None:
    logits = np.zeros((len(task.dataset.train), len(task.dataset.classes)), np.float32)
    task.train_supernet(supernet, logits, plan(task).supernet, checkpoint=folder.supernet)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A briefly trained supernet of seed 0."""
    run, task = tmp_path_factory.mktemp("earlier"), task_of()
    train(task, task.new_supernet(), RunFolder(run))
    return Entry("earlier", "mobile", "rpi4", {}, [], [], run=str(run), training=training_of(task, plan(task)))


def begun(task: Task, run: Path, entries: list[Entry]) -> tuple[Supernet, list[str]]:
    said: list[str] = []
    folder, supernet = RunFolder(run), task.new_supernet()
    with Study.open(folder.study) if folder.study.exists() else Study.create(folder.study, {}) as study:
        begin_supernet(supernet, entries, study, task, plan(task), folder, said.append)
        assert study.note(TRAINING) == training_of(task, plan(task))
    return supernet, said


def test_another_board_takes_the_whole_training(tmp_path: Path, earlier: Entry) -> None:
    task = task_of(device="rpi5")
    supernet, said = begun(task, tmp_path, [earlier])
    assert said == ["the supernet: that of earlier (it was trained in the same way)"]
    train(task, supernet, RunFolder(tmp_path))  # at its end already
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    assert all(torch.equal(weight, trained[name]) for name, weight in supernet.state_dict().items())


def test_another_seed_begins_with_the_weights(tmp_path: Path, earlier: Entry) -> None:
    supernet, said = begun(task_of(seed=1), tmp_path, [earlier])
    assert said == ["the supernet: begins with the weights of earlier (100% of them fit)"]
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    assert all(torch.equal(weight, trained[name]) for name, weight in supernet.named_parameters())
    (event,) = RunState.read(RunFolder(tmp_path).study).events
    assert event.action == "supernet" and "earlier" in event.what


def test_of_other_classes_all_but_the_head_fits(tmp_path: Path, earlier: Entry) -> None:
    digits = task_of(seed=1)
    task = replace(digits, dataset=replace(digits.dataset, classes=digits.dataset.classes[:5]))
    supernet, _ = begun(task, tmp_path, [earlier])
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    taken = {name for name, weight in supernet.named_parameters() if torch.equal(weight, trained[name][: len(weight)])}
    other = {name for name, _ in supernet.named_parameters()} - taken
    assert other and all(trained[name].shape[0] == 10 for name in other)
    assert len(taken) > 50


def test_of_few_weights_that_fit_none_are_taken(tmp_path: Path, earlier: Entry) -> None:
    """As after a change of the space's widths."""
    (other := tmp_path / "other").mkdir()
    trained = torch.load(RunFolder(Path(earlier.run)).supernet, weights_only=True)
    trained["module"] = {name: weight[:1] for name, weight in trained["module"].items()}
    torch.save(trained, RunFolder(other).supernet)
    task = task_of(seed=1)
    supernet, said = begun(task, tmp_path, [replace(earlier, run=str(other))])
    assert said == []
    for one, fresh in zip(supernet.parameters(), task.new_supernet().parameters(), strict=True):
        assert torch.equal(one, fresh)


def test_a_resumed_run_begins_with_the_same_though_the_earlier_one_is_gone(tmp_path: Path, earlier: Entry) -> None:
    first, _ = begun(task_of(seed=1), tmp_path, [earlier])
    again, said = begun(task_of(seed=1), tmp_path, [replace(earlier, run=str(tmp_path / "gone"))])
    assert said == []
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_is_gone_or_damaged_is_passed_over(tmp_path: Path, earlier: Entry) -> None:
    (damaged := tmp_path / "damaged").mkdir()
    RunFolder(damaged).supernet.write_bytes(b"no checkpoint")
    entries = [Entry(**{**asdict(earlier), "run": str(run)}) for run in (tmp_path / "gone", damaged)]
    task = task_of(seed=1)
    supernet, said = begun(task, tmp_path / "run", entries)
    assert len(said) == 1 and "damaged" in said[0]
    for one, other in zip(supernet.parameters(), task.new_supernet().parameters(), strict=True):
        assert torch.equal(one, other)
