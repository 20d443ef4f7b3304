"""How a trial is judged: by the supernet's weights, in this process or in the workers of an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgetune import units
from edgetune.config import SearchConfig
from edgetune.distill.precision import best_device
from edgetune.errors import ConfigError, StudyError
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.nets.network import Network
from edgetune.nets.weights import load_weights, save_weights
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task, load_data
from edgetune.search.engines.base import Engine, EvaluatorSource
from edgetune.search.engines.processes import ProcessPool
from edgetune.search.engines.ray_tasks import RayTasks
from edgetune.search.engines.worker_process import Limits
from edgetune.search.study import Study
from edgetune.space.parameters import Sample


class Judge:
    """Judges networks cut out of a trained supernet."""

    def __init__(self, task: Task, supernet: Supernet) -> None:
        self.task, self.supernet = task, supernet
        self.device = best_device()

    def cut_out(self, sample: Sample) -> Network:
        return self.supernet.extract(self.task.architecture(sample)).to(self.device)

    def evaluate(self, network: Network) -> Mapping[str, float]:
        return {"top1": self.task.judge(network)}

    def __call__(self, sample: Sample) -> Mapping[str, float]:
        return self.evaluate(self.cut_out(sample))


def judge_of(config: dict[str, Any], data: str, weights: str) -> Judge:
    """The judge in a worker: the data set and the supernet's weights are loaded once.

    Parameters
    ----------
    config
        A :class:`SearchConfig` as JSON.
    data
        The content's hash, which must be the same on this machine.
    weights
        The supernet's, a safetensors file that this machine sees too.
    """
    settings = SearchConfig.model_validate(config)
    dataset = load_data(settings)
    if dataset.content_hash != data:
        raise StudyError("the data set is another one here", where=settings.data, mend="give each machine the same")
    task = Task(settings, dataset, Predictor.load(settings.device))
    supernet = task.new_supernet().to(best_device())
    load_weights(supernet, Path(weights))
    return Judge(task, supernet)


def check_engine(config: SearchConfig) -> None:
    """Raises :class:`ConfigError` where settings ask of an engine what it cannot do."""
    asked = {
        "workers": config.workers,
        "trial_time_limit": config.trial_time_limit,
        "trial_memory_limit": config.trial_memory_limit,
    }
    if config.engine == "in-process" and (named := [name for name, value in asked.items() if value is not None]):
        raise ConfigError("one process judges one trial after the other", where=named[0], mend="--engine processes")
    if config.engine != "ray" and config.address is not None:
        raise ConfigError("only a Ray cluster has an address", where="address", mend="--engine ray")


def engine_of(task: Task, study: Study, folder: RunFolder, supernet: Supernet) -> Engine | None:
    """The engine that the configuration names; None: this process.

    How many trials are asked for at a time follows from the number of workers, which is therefore decided once.
    """
    config = task.config
    if config.engine == "in-process":
        return None
    save_weights(supernet, folder.supernet_weights)
    arguments = {
        "config": config.model_dump(mode="json"),
        "data": task.dataset.content_hash,
        "weights": str(folder.supernet_weights.resolve()),
    }
    source = EvaluatorSource("edgetune.pipeline.judging:judge_of", arguments)
    time_limit, memory_limit = config.trial_time_limit, config.trial_memory_limit
    limits = Limits(
        None if time_limit is None else units.seconds(time_limit, where="trial_time_limit"),
        None if memory_limit is None else units.size(memory_limit, where="trial_memory_limit"),
    )
    workers = study.note("workers", config.workers)
    engine: Engine
    if config.engine == "ray":
        engine = RayTasks(source, address=config.address, workers=workers, limits=limits)
    else:
        engine = ProcessPool(source, workers=workers or len(os.sched_getaffinity(0)), limits=limits)
    study.set_note("workers", engine.workers)
    return engine
