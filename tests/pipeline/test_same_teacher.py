"""A run keeps the teacher that it began with, and looks at it before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.distill.teacher_checkpoint import Header, build, save_checkpoint
from edgetune.errors import StudyError, TeacherError
from edgetune.export.onnx_file import export_onnx
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.same_teacher import given_teacher, initial_teacher
from edgetune.pipeline.search import start
from edgetune.pipeline.search_run import SearchRun
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search.study import Study

HEADER = Header(
    architecture="residual",
    width=4,
    channels=1,
    resolution=8,
    classes=tuple(map(str, range(10))),
    mean=(0.3,),
    std=(0.2,),
    licence="CC0-1.0",
)


def checkpoint(path: Path, *, seed: int, header: Header = HEADER) -> Path:
    torch.manual_seed(seed)
    save_checkpoint(path, build(header), header)
    return path


@pytest.fixture
def task() -> Callable[..., Task]:
    predictor = Predictor.load("rpi4")
    return lambda **given: Task(SearchConfig(data="digits", **given), load_dataset("digits"), predictor)


def replace(path: Path, **other: object) -> None:
    """Another teacher at the same path."""
    path.rename(path.with_name("earlier"))
    checkpoint(path, seed=1, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "get"), [("teacher", given_teacher), ("init_teacher", initial_teacher)])
def test_another_teacher_at_the_same_path_is_refused(
    key: str, get: Callable[[Study, Task], object], task: Callable[..., Task], tmp_path: Path
) -> None:
    path = checkpoint(tmp_path / "teacher", seed=0)
    study, named = Study.create(tmp_path / "study.db", {}), task(**{key: str(path)})
    assert get(study, named) and get(study, named)
    replace(path)
    with pytest.raises(StudyError, match="teacher: the teacher has changed since the run began"):
        get(study, named)


def test_a_run_asks_for_its_own_teacher(task: Callable[..., Task], tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "teacher", seed=0)
    named = task(teacher=str(path))
    run = SearchRun(RunFolder(tmp_path), Study.create(tmp_path / "study.db", {}), named, Reporter())
    run.teacher(plan_of(named.config))
    replace(path)
    with pytest.raises(StudyError, match="has changed"):
        run.teacher(plan_of(named.config))


def test_classes_are_checked_again(task: Callable[..., Task], tmp_path: Path) -> None:
    fewer = HEADER.model_copy(update={"classes": HEADER.classes[:9]})
    path = checkpoint(tmp_path / "teacher", seed=0, header=fewer)
    with pytest.raises(TeacherError, match="knows 9 classes"):
        given_teacher(Study.create(tmp_path / "study.db", {}), task(teacher=str(path)))


def test_feature_losses_need_feature_maps_from_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "teacher.onnx"
    export_onnx(build(HEADER), file, channels=1, resolution=8, metadata={"labels": "\n".join(HEADER.classes)})
    config = SearchConfig.model_validate(
        {"data": "digits", "teacher": str(file), "distillation": {"weights": {"labels": 0.3, "hints": 1}}}
    )
    with pytest.raises(TeacherError, match="gives logits and no feature maps"):
        start(config, tmp_path / "run", Reporter())
    assert not (tmp_path / "run").exists()
