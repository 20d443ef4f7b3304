"""The doors to a search: begin one, go on with one, or have the whole way in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgetune.config import SearchConfig, read_config
from edgetune.data.pictures import Dataset
from edgetune.distill.features import FEATURE_LOSSES, check_features
from edgetune.distill.teacher_checkpoint import load_checkpoint, load_teacher
from edgetune.errors import ConfigError, StudyError
from edgetune.export.formats import formats_of, usual_formats
from edgetune.pipeline import learning
from edgetune.pipeline.board_looks import predictor_of
from edgetune.pipeline.judging import check_engine
from edgetune.pipeline.measured import check_agents
from edgetune.pipeline.run_folder import RunFolder, settings_of
from edgetune.pipeline.search_run import SearchRun
from edgetune.pipeline.task import Task, load_data
from edgetune.report.summary import RunSummary
from edgetune.reporter import Reporter
from edgetune.search.note_names import SPLITS
from edgetune.search.study import Study


def search(*, out: str | Path | None = None, reporter: Reporter | None = None, **settings: Any) -> RunSummary:
    """Searches from a program: `edgetune.search(device="rpi4", data="pictures", limits={"latency": "5ms"})`.

    Parameters
    ----------
    out
        The run folder; by default the first free one below `runs`.
    settings
        The fields of :class:`edgetune.config.SearchConfig`.

    Returns
    -------
    The summary; its `finalists` are the front, from the fastest to the slowest.

    Raises
    ------
    EdgetuneError
        See :func:`start`.
    """
    return start(read_config(None, settings), None if out is None else Path(out), reporter or Reporter()).finish()


def start(config: SearchConfig, out: Path | None, reporter: Reporter, *, command: str = "") -> SearchRun:
    """Checks everything that can be checked before work begins, then makes the run folder.

    Raises
    ------
    EdgetuneError
        An unknown device, unusable data, a teacher of other classes or without the feature maps that are asked for,
        limits that nothing can hold, a folder that exists. Nothing has been written then.
    """
    named = Path(config.data).resolve().name if Path(config.data).is_dir() else config.data
    folder = RunFolder.create(out) if out else RunFolder.fresh(f"{named}-{config.device}")
    predictor = predictor_of(config.device, config.agent)
    formats = config.formats or ",".join(usual_formats())
    if config.agent and "onnx" not in formats_of(formats, where="formats"):
        raise ConfigError("agents clock ONNX files, and none would be made", where="formats", mend="add onnx")
    check_agents(config.agent)
    check_engine(config)
    if config.teacher and config.init_teacher:
        raise ConfigError("either a teacher or one to start from", where="init_teacher", mend="leave one out")
    given = load_teacher(Path(config.teacher)) if config.teacher else None
    if config.init_teacher:
        load_checkpoint(Path(config.init_teacher))
    dataset = _load(config, reporter)
    if given:
        given.check_classes(dataset.classes)
        if FEATURE_LOSSES & config.distillation.weights.named.keys():
            check_features(given)
    config = config.model_copy(update={"formats": formats})
    task = Task(config, dataset, predictor)
    task.new_strategy().ask(1)  # raises where no network holds the limits
    earlier = learning.named_study(task)
    settings = {
        "config": config.model_dump(),
        "data": dataset.content_hash,
        "space": task.space.name,
        "command": command,
    }
    study = Study.create(folder.study, settings)
    study.set_note(SPLITS, dataset.splits)
    learning.begin(study, task, earlier, reporter.say)
    return SearchRun(folder, study, task, reporter)


def resume(path: Path, reporter: Reporter, *, address: str | None = None) -> SearchRun:
    """Goes on with the run in `path`.

    Parameters
    ----------
    address
        Where the Ray cluster is now; it decides nothing of what is found.

    Raises
    ------
    StudyError
        Not a run folder, a newer edgetune's, of something else than a search, or its data set has changed since.
    ConfigError, EngineError
        No cluster judges this run's trials, or there is none at the address.
    """
    folder = RunFolder.open(path)
    study = Study.open(folder.study)
    settings = settings_of(study)
    config = SearchConfig.model_validate(settings["config"])
    if address is not None:
        config = config.model_copy(update={"address": address})
        check_engine(config)
    dataset = _load(config, reporter)
    if dataset.content_hash != settings["data"]:
        raise StudyError("the data set has changed since the run began", where=path, mend="start a new run")
    return SearchRun(folder, study, Task(config, dataset, predictor_of(config.device, config.agent)), reporter)


def _load(config: SearchConfig, reporter: Reporter) -> Dataset:
    dataset = load_data(config, reporter.progress)
    for note in dataset.notes:
        reporter.say(f"note: {note}")
    return dataset
