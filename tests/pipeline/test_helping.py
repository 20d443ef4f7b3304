"""The processes that torchrun starts beside a search's first."""

from __future__ import annotations

from pathlib import Path

from edgetune.distill.teacher_checkpoint import load_checkpoint
from tests.torchrun import torchrun

PROGRAM = Path(__file__).with_name("first_and_helper.py")


def test_a_helper_trains_along_and_says_nothing(tmp_path: Path) -> None:
    assert torchrun(PROGRAM, "teacher", EDGETUNE_CACHE=str(tmp_path)) == ("done\n", "")
    (teacher,) = (tmp_path / "teachers").iterdir()
    assert load_checkpoint(teacher).classes == tuple("0123456789")


def test_a_helper_goes_where_there_is_no_teacher_to_train(tmp_path: Path) -> None:
    assert torchrun(PROGRAM, "nothing", EDGETUNE_CACHE=str(tmp_path)) == ("done\n", "")
    assert not list(tmp_path.iterdir())
