"""What is left of a budget is the finalists', by what they cost and by what the rest took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.nets.network import Network
from edgetune.pipeline import remaining
from edgetune.pipeline.budget import finalist_epochs
from edgetune.pipeline.plan import REPORT_SECONDS, plan_of
from edgetune.pipeline.remaining import note_costs, with_what_is_left, with_what_was_left
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search.note_names import SECONDS
from edgetune.search.study import Study
from tests.pipeline.conftest import COSTS, edgetune

CPU = torch.device("cpu")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study.db", {}) as study:
        study.set_note(SECONDS, {"teacher": 300.0, "search": 100.0})
        yield study


@pytest.fixture
def hurried(task: Task) -> Task:
    return replace(task, config=task.config.model_copy(update={"budget": "12min"}))


def networks_of(task: Task, count: int) -> list[Network]:
    rng = np.random.default_rng(0)
    return [task.new_network(task.space.space.draw(rng)) for _ in range(count)]


def test_it_is_decided_once(hurried: Task, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 720 s 400 are gone, 15 are for exports; while the longest takes five epochs of 40, the others take 60 each."""

    def clocked(task: Task, plan: object, networks: Iterable[Network], device: torch.device) -> list[float]:
        return [20.0, 40.0, 40.0]

    monkeypatch.setattr(remaining, "finalist_epochs", clocked)
    note_costs(study, COSTS)
    plan, networks = plan_of(hurried.config), networks_of(hurried, 3)
    assert with_what_was_left(plan, study) == plan
    decided = with_what_is_left(plan, study, hurried, networks, CPU, Reporter())
    seconds = 720 - 400 - 15 - REPORT_SECONDS
    assert decided.finalist.epochs == pytest.approx(seconds / (20 + 40))
    assert decided.longer * decided.finalist.epochs == pytest.approx(seconds / 40)
    study.set_note(SECONDS, {"teacher": 719.0})
    monkeypatch.setattr(remaining, "finalist_epochs", None)
    assert with_what_is_left(plan, study, hurried, networks, CPU, Reporter()) == decided
    assert with_what_was_left(plan, study) == decided, "for a trial that is exported later"


def test_without_a_budget_the_plan_stays(task: Task, hurried: Task, study: Study) -> None:
    plan = plan_of(task.config)
    assert with_what_is_left(plan, study, hurried, [], CPU, Reporter()) == plan, "of a run that noted no costs"
    note_costs(study, COSTS)
    assert with_what_is_left(plan, study, task, [], CPU, Reporter()) == plan


def test_clocking_changes_no_network(task: Task) -> None:
    (network,) = networks_of(task, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    (epoch,) = finalist_epochs(task, plan_of(task.config), [network], CPU)
    assert epoch > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_search_says_what_it_gives_the_finalists(tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text('data = "digits"\ntrials = 4\nfinalists = 1\nformats = "onnx"\nbudget = "45s"\n')
    done = edgetune("search", "--config", file, "--out", tmp_path / "run")
    planned, given = done.stderr.index("to fit 45s: "), done.stderr.index("to end within 45s: finalist ")
    assert planned < done.stderr.index("supernet: ") < given < done.stderr.index("trial-")
