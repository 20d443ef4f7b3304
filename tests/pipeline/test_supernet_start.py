"""The supernet of digits: where its training begins, given what earlier studies left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.distill.training_state import read_weights
from edgetune.insight.state import RunState
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import BEGUN, TRAINING, Entry, entry_of
from edgetune.pipeline.plan import Plan, plan_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.supernet_start import begin_supernet, training_of
from edgetune.pipeline.task import Task, load_data
from edgetune.search.problem_note import note_objectives
from edgetune.search.study import Study

BRIEF = {"epochs": 0.2, "learning_rate": 0.005, "batch_size": 64}


def task_of(seed: int = 0, device: str = "rpi4", resolution: int = 8, **training: object) -> Task:
    training = {**BRIEF, **training}
    config = SearchConfig.model_validate(
        {"data": "digits", "seed": seed, "device": device, "resolution": resolution, "supernet_training": training}
    )
    return Task(config, load_data(config), Predictor.load(device))


def otherwise_trained() -> Task:
    """The same pictures, split alike, and another recipe."""
    return task_of(learning_rate=0.006)


def plan(task: Task) -> Plan:
    return plan_of(task.config)


def outputs_of(task: Task) -> np.ndarray:
    return np.zeros((len(task.dataset.train), len(task.dataset.classes)), np.float32)


def train(task: Task, supernet: Supernet, folder: RunFolder) -> None:
    task.train_supernet(supernet, outputs_of(task), plan(task).supernet, checkpoint=folder.supernet)


def run_in(
    run: Path, checkpoint: Path | bytes, training: str, data: str | None = None, begun_with: list[str] | None = None
) -> Entry:
    """A run's folder with a study and this supernet, by default of the digits' first split alone."""
    run.mkdir(exist_ok=True)
    data = task_of().dataset.content_hash if data is None else data
    settings = {"config": {"data": "digits", "device": "rpi4"}, "data": data, "space": "mobile"}
    with Study.create(RunFolder(run).study, settings) as study:
        note_objectives(study, task_of().problem)
        study.set_note(TRAINING, training)
        study.set_note(BEGUN, begun_with or [])
    content = checkpoint if isinstance(checkpoint, bytes) else checkpoint.read_bytes()
    RunFolder(run).supernet.write_bytes(content)
    return entry_of(run)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A briefly trained supernet of seed 0."""
    folder, task = tmp_path_factory.mktemp("trained"), task_of()
    train(task, task.new_supernet(), RunFolder(folder))
    training = training_of(task, plan(task), outputs_of(task))
    return run_in(folder / "earlier", RunFolder(folder).supernet, training)


def begun(task: Task, run: Path, entries: list[Entry], outputs: np.ndarray | None = None) -> tuple[Supernet, list[str]]:
    said: list[str] = []
    outputs = outputs_of(task) if outputs is None else outputs
    folder, supernet = RunFolder(run), task.new_supernet()
    with Study.open(folder.study) if folder.study.exists() else Study.create(folder.study, {}) as study:
        begin_supernet(supernet, entries, study, task, plan(task), outputs, folder, said.append)
        assert study.note(TRAINING) == training_of(task, plan(task), outputs)
    return supernet, said


def test_another_board_takes_the_whole_training(tmp_path: Path, earlier: Entry) -> None:
    task = task_of(device="rpi5")
    supernet, said = begun(task, tmp_path, [earlier])
    assert said == ["the supernet: that of earlier (it was trained in the same way)"]
    train(task, supernet, RunFolder(tmp_path))  # at its end already
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    assert all(torch.equal(weight, trained[name]) for name, weight in supernet.state_dict().items())


def test_another_training_begins_with_the_weights(tmp_path: Path, earlier: Entry) -> None:
    supernet, said = begun(otherwise_trained(), tmp_path, [earlier])
    assert said == ["the supernet: begins with the weights of earlier (100% of them fit)"]
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    assert all(torch.equal(weight, trained[name]) for name, weight in supernet.named_parameters())
    (event,) = RunState.read(RunFolder(tmp_path).study).events
    assert event.action == "supernet" and "earlier" in event.what


@pytest.mark.parametrize("asked", [{"seed": 1}, {"seed": 1, "resolution": 10}], ids=["8 pixels", "10 pixels"])
def test_no_supernet_that_was_trained_on_this_splits_test_pictures(
    tmp_path: Path, earlier: Entry, asked: dict[str, Any]
) -> None:
    """Another seed splits the digits in another way, at any resolution."""
    task = task_of(**asked)
    assert not set(task.dataset.splits["test"]).isdisjoint(task_of().dataset.splits["train"])
    supernet, said = begun(task, tmp_path, [earlier])
    assert len(said) == 1 and "earlier is not used" in said[0] and "tested on" in said[0]
    assert not RunFolder(tmp_path).supernet_start.exists()
    for one, fresh in zip(supernet.parameters(), task.new_supernet().parameters(), strict=True):
        assert torch.equal(one, fresh)


def test_the_same_split_at_another_resolution_is_fair(tmp_path: Path, earlier: Entry) -> None:
    _, said = begun(task_of(resolution=10), tmp_path, [earlier])
    assert said == ["the supernet: begins with the weights of earlier (100% of them fit)"]


def test_what_a_supernet_began_with_is_handed_down(tmp_path: Path, earlier: Entry) -> None:
    """The second run's pictures are fair to the third; those of the first, whose weights it began with, are not."""
    first, third = RunFolder(Path(earlier.run)).supernet, task_of(seed=1)
    ours, theirs = third.dataset.content_hash, task_of().dataset.content_hash
    second = run_in(tmp_path / "second", first, earlier.training, ours, [theirs])
    assert set(second.learnt_from) == {ours, theirs}
    _, said = begun(third, tmp_path / "third", [second])
    assert len(said) == 1 and "second is not used" in said[0]
    begun(otherwise_trained(), tmp_path / "heir", [run_in(tmp_path / "own", first, earlier.training)])
    with Study.open(RunFolder(tmp_path / "heir").study) as study:
        assert study.note(BEGUN) == [theirs]


@pytest.mark.parametrize("why", ["pictures gone", "older run"])
def test_a_supernet_of_unknown_pictures_is_not_used(tmp_path: Path, earlier: Entry, why: str) -> None:
    run, trained = tmp_path / "unknown", RunFolder(Path(earlier.run)).supernet
    run_in(run, trained, earlier.training, "0" * 64 if why == "pictures gone" else None)
    if why == "older run":
        with Study.open(RunFolder(run).study) as study:
            study.set_note(BEGUN, None)
    _, said = begun(task_of(), tmp_path / "run", [entry_of(run)])
    assert len(said) == 1 and "not known any more" in said[0]
    assert not RunFolder(tmp_path / "run").supernet.exists() and not RunFolder(tmp_path / "run").supernet_start.exists()


@pytest.mark.parametrize("other", [{"in_place": True}, {"shrinking": {"kernel": 0.5}}], ids=["in place", "shrinking"])
def test_other_batches_make_another_training(earlier: Entry, other: dict[str, Any]) -> None:
    settings = {"data": "digits", "supernet_training": {**BRIEF, **other}}
    task = replace(task_of(), config=SearchConfig.model_validate(settings))
    assert training_of(task, plan(task), outputs_of(task)) != earlier.training


def test_of_other_classes_all_but_the_head_fits(tmp_path: Path, earlier: Entry) -> None:
    digits = otherwise_trained()
    task = replace(digits, dataset=replace(digits.dataset, classes=digits.dataset.classes[:5]))
    supernet, _ = begun(task, tmp_path, [earlier])
    trained = read_weights(RunFolder(Path(earlier.run)).supernet)
    taken = {name for name, weight in supernet.named_parameters() if torch.equal(weight, trained[name][: len(weight)])}
    other = {name for name, _ in supernet.named_parameters()} - taken
    assert other and all(trained[name].shape[0] == 10 for name in other)
    assert len(taken) > 50


def test_of_few_weights_that_fit_none_are_taken(tmp_path: Path, earlier: Entry) -> None:
    """As after a change of the space's widths."""
    trained = torch.load(RunFolder(Path(earlier.run)).supernet, weights_only=True)
    trained["module"] = {name: weight[:1] for name, weight in trained["module"].items()}
    torch.save(trained, tmp_path / "small.pt")
    task = otherwise_trained()
    supernet, said = begun(task, tmp_path, [run_in(tmp_path / "other", tmp_path / "small.pt", earlier.training)])
    assert said == []
    for one, fresh in zip(supernet.parameters(), task.new_supernet().parameters(), strict=True):
        assert torch.equal(one, fresh)


def test_a_resumed_run_begins_with_the_same_though_the_earlier_one_is_gone(tmp_path: Path, earlier: Entry) -> None:
    first, _ = begun(otherwise_trained(), tmp_path, [earlier])
    again, said = begun(otherwise_trained(), tmp_path, [replace(earlier, run=str(tmp_path / "gone"))])
    assert said == []
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_is_gone_or_damaged_is_passed_over(tmp_path: Path, earlier: Entry) -> None:
    damaged = run_in(tmp_path / "damaged", b"no checkpoint", "of another kind")
    (bare := tmp_path / "bare").mkdir()
    RunFolder(bare).supernet.write_bytes(b"without a study")
    entries = [replace(earlier, run=str(tmp_path / "gone")), damaged, replace(earlier, run=str(bare))]
    task = otherwise_trained()
    supernet, said = begun(task, tmp_path / "run", entries)
    assert len(said) == 2 and "bare" in said[0] and "damaged" in said[1]
    for one, other in zip(supernet.parameters(), task.new_supernet().parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("damage", ["cut short", "of another training"])
def test_a_damaged_supernet_of_the_same_training_gives_way_to_the_next(
    tmp_path: Path, earlier: Entry, damage: str
) -> None:
    whole = RunFolder(Path(earlier.run)).supernet
    if damage == "cut short":
        (bad := tmp_path / "bad.pt").write_bytes(whole.read_bytes()[:-2_000])
    else:
        torch.save({**torch.load(whole, weights_only=True), "identity": "0"}, bad := tmp_path / "bad.pt")
    entries = [run_in(tmp_path / "damaged", bad, earlier.training), earlier]
    _, said = begun(task_of(), tmp_path / "run", entries)
    assert "warning" in said[0] and "damaged" in said[0]
    assert said[1:] == ["the supernet: that of earlier (it was trained in the same way)"]
    assert RunFolder(tmp_path / "run").supernet.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("known_since", ["now", "older"])
def test_another_run_in_the_same_folder_is_not_the_earlier_one(
    tmp_path: Path, earlier: Entry, known_since: str
) -> None:
    """A default name comes back once its folder is deleted. Older entries do not tell when their run began."""
    later = run_in(tmp_path / "later", RunFolder(Path(earlier.run)).supernet, "another training")
    told = replace(earlier, run=later.run, created_at=earlier.created_at if known_since == "now" else 0.0)
    _, said = begun(task_of(), tmp_path / "run", [told])
    assert len(said) == 1 and "another run" in said[0]
    assert not RunFolder(tmp_path / "run").supernet.exists() and not RunFolder(tmp_path / "run").supernet_start.exists()


def test_a_teacher_that_says_something_else_makes_another_training(tmp_path: Path, earlier: Entry) -> None:
    """As when the files at its path are replaced."""
    task = task_of()
    _, said = begun(task, tmp_path, [earlier], outputs_of(task) + 1)
    assert said == ["the supernet: begins with the weights of earlier (100% of them fit)"]


def test_a_checkpoint_keeps_the_note_of_its_own_training(tmp_path: Path, earlier: Entry) -> None:
    """A run that is resumed after its teacher's files were replaced has the supernet of the old ones."""
    task, folder = task_of(), RunFolder(tmp_path)
    begun(task, tmp_path, [earlier])
    with Study.open(folder.study) as study:
        begin_supernet(task.new_supernet(), [], study, task, plan(task), outputs_of(task) + 1, folder, print)
        assert study.note(TRAINING) == earlier.training
