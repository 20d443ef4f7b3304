"""A training in two processes is that of one: the same batches, the same weights, one checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from edgetune.distill import together
from edgetune.distill.evaluate import accuracy
from edgetune.distill.teacher_checkpoint import load_checkpoint
from edgetune.errors import TeacherError
from tests.distill.conftest import bars_dataset
from tests.distill.two_processes import trained
from tests.torchrun import torchrun

PROGRAM = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have left what they trained."""
    folder = tmp_path_factory.mktemp("together")
    torchrun(PROGRAM, folder)
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.result", weights_only=True) for rank in range(2)]


def test_both_end_with_the_weights_of_one_alone(results: list[dict[str, Any]]) -> None:
    """To rounding: a batch of 63 is shared as 32 and 31, and the second began with weights of its own."""
    alone = trained()
    assert [result["processes"] for result in results] == [2, 2]
    for result in results:
        torch.testing.assert_close(result["whole"], alone, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(results[0]["whole"][name], results[1]["whole"][name]) for name in alone)


def test_one_without_room_takes_its_share_in_parts(results: list[dict[str, Any]]) -> None:
    torch.testing.assert_close(results[0]["memory"], results[0]["whole"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(results[1]["memory"], results[0]["memory"])


def test_a_loss_that_is_no_number_in_one_sends_both_back(results: list[dict[str, Any]]) -> None:
    """They go on with half the rate, and stay together."""
    torch.testing.assert_close(results[0]["nan"], results[1]["nan"], rtol=0, atol=0)
    assert all(torch.isfinite(value).all() for value in results[0]["nan"].values())
    assert not torch.equal(results[0]["nan"]["classifier.weight"], results[0]["whole"]["classifier.weight"])


def test_they_train_one_teacher(folder: Path, results: list[dict[str, Any]]) -> None:
    (teacher,) = (folder / "cache" / "teachers").iterdir()
    assert accuracy(load_checkpoint(teacher).module, bars_dataset().test) > 0.9
    torch.testing.assert_close(results[0]["teacher"], results[1]["teacher"], rtol=0, atol=0)


def test_alone_nothing_is_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")  # of something that is not torchrun
    cpu = torch.device("cpu")
    with together.together(cpu):
        assert (together.rank(), together.size(), together.is_helper()) == (0, 1, False)
        assert together.heard("hello", cpu) == "hello"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "2", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(TeacherError, match=r"process 3 for 2 GPU\(s\)"), together.together(torch.device("cuda")):
        pass
