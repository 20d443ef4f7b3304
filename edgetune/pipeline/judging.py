"""How a trial is judged: by a supernet's weights or by training it, in this process or in the workers of an engine."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgetune import units
from edgetune.config import SearchConfig
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.errors import ConfigError, StudyError
from edgetune.files import atomic_write
from edgetune.nets.elastic import Supernet
from edgetune.nets.network import Network
from edgetune.nets.weights import load_weights, save_weights
from edgetune.pipeline.board_looks import predictor_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task, load_data
from edgetune.search.early_stop import EarlyStop, MedianStop, SuccessiveHalving
from edgetune.search.engines.base import Engine, EvaluatorSource
from edgetune.search.engines.processes import ProcessPool
from edgetune.search.engines.ray_tasks import RayTasks, check_cluster
from edgetune.search.engines.worker_process import Limits
from edgetune.search.learning_curve import report_step
from edgetune.search.note_names import WORKERS
from edgetune.search.study import Study
from edgetune.space.parameters import Sample


@dataclass(frozen=True)
class Candidate:
    """What is judged: a sample and its network, with the weights to begin with."""

    sample: Sample
    network: Network


class Judge(ABC):
    """How the search learns the accuracy of a sample."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.device = best_device()

    @abstractmethod
    def build(self, sample: Sample) -> Candidate: ...

    @abstractmethod
    def evaluate(self, candidate: Candidate) -> Mapping[str, float]:
        """The top-1 on the validation split; what is trained reports its learning curve meanwhile."""

    @abstractmethod
    def judged(self, sample: Sample) -> Network:
        """With the weights that it was judged by: a finalist goes on from them."""

    @abstractmethod
    def source(self, folder: RunFolder) -> EvaluatorSource:
        """The same judge for workers, which see the run folder under the same path."""

    def __call__(self, sample: Sample) -> Mapping[str, float]:
        return self.evaluate(self.build(sample))

    def told(self) -> dict[str, Any]:
        """What a worker makes its task of."""
        return {"config": self.task.config.model_dump(mode="json"), "data": self.task.dataset.content_hash}


class SupernetJudge(Judge):
    """By weights that are inherited from a trained supernet."""

    def __init__(self, task: Task, supernet: Supernet) -> None:
        super().__init__(task)
        self.supernet = supernet

    def build(self, sample: Sample) -> Candidate:
        return Candidate(sample, self.judged(sample))

    def evaluate(self, candidate: Candidate) -> Mapping[str, float]:
        return {"top1": self.task.judge(candidate.network)}

    def judged(self, sample: Sample) -> Network:
        return self.supernet.extract(self.task.architecture(sample)).to(self.device)

    def source(self, folder: RunFolder) -> EvaluatorSource:
        save_weights(self.supernet, folder.supernet_weights)
        arguments = {**self.told(), "weights": str(folder.supernet_weights.resolve())}
        return EvaluatorSource("edgetune.pipeline.judging:supernet_judge", arguments)


class TrainingJudge(Judge):
    """By training each network apart for a short time, with the hyper-parameters of its sample.

    Parameters
    ----------
    folder
        For the weights that the trainings end with, a file a sample.
    """

    def __init__(self, task: Task, recipe: Recipe, outputs: np.ndarray, folder: Path) -> None:
        super().__init__(task)
        self.recipe, self.outputs, self.folder = recipe, outputs, folder

    def build(self, sample: Sample) -> Candidate:
        return Candidate(sample, self.task.new_network(sample).to(self.device))

    def evaluate(self, candidate: Candidate) -> Mapping[str, float]:
        network = candidate.network
        self.task.distil(
            network,
            self.outputs,
            self.recipe,
            sample=candidate.sample,
            stage="trial",
            after_epoch=lambda: report_step(self.task.judge(network)),
        )
        figures = {"top1": self.task.judge(network)}
        save_weights(network, self.weights(candidate.sample))
        return figures

    def judged(self, sample: Sample) -> Network:
        network = self.task.new_network(sample)
        load_weights(network, self.weights(sample))
        return network.to(self.device)

    def weights(self, sample: Sample) -> Path:
        return self.folder / f"{sample.hash}.safetensors"

    def source(self, folder: RunFolder) -> EvaluatorSource:
        with atomic_write(folder.teacher_outputs) as aside:
            np.save(aside, self.outputs, allow_pickle=False)
        arguments = {
            **self.told(),
            "recipe": asdict(self.recipe),
            "outputs": str(folder.teacher_outputs.resolve()),
            "folder": str(self.folder.resolve()),
        }
        return EvaluatorSource("edgetune.pipeline.judging:training_judge", arguments)


def supernet_judge(*, weights: str, **told: Any) -> SupernetJudge:
    """The judge in a worker: the data set and the supernet's weights are loaded once."""
    task = _task_of(**told)
    supernet = task.new_supernet().to(best_device())
    load_weights(supernet, Path(weights))
    return SupernetJudge(task, supernet)


def training_judge(*, recipe: dict[str, Any], outputs: str, folder: str, **told: Any) -> TrainingJudge:
    """The judge in a worker: the data set and the teacher's outputs are loaded once."""
    return TrainingJudge(
        _task_of(**told), Recipe(**recipe), np.load(outputs, mmap_mode="r", allow_pickle=False), Path(folder)
    )


def _task_of(config: dict[str, Any], data: str) -> Task:
    """In a worker.

    Parameters
    ----------
    config
        A :class:`SearchConfig` as JSON.
    data
        The content's hash, which must be the same on this machine.
    """
    settings = SearchConfig.model_validate(config)
    dataset = load_data(settings)
    if dataset.content_hash != data:
        raise StudyError("the data set is another one here", where=settings.data, mend="give each machine the same")
    return Task(settings, dataset, predictor_of(settings.device, settings.agent))


def check_engine(config: SearchConfig) -> None:
    """Before anything is trained: that trials can be judged afterwards.

    Raises
    ------
    ConfigError
        Settings ask of an engine what it cannot do.
    MissingDependencyError
        Ray is not installed.
    EngineError
        There is no cluster at the address.
    """
    asked = {
        "workers": config.workers,
        "trial_time_limit": config.trial_time_limit,
        "trial_memory_limit": config.trial_memory_limit,
    }
    if config.engine == "in-process" and (named := [name for name, value in asked.items() if value is not None]):
        raise ConfigError("one process judges one trial after the other", where=named[0], mend="--engine processes")
    if config.engine != "ray" and config.address is not None:
        raise ConfigError("only a Ray cluster has an address", where="address", mend="--engine ray")
    if config.engine == "ray":
        check_cluster(config.address)


def engine_of(config: SearchConfig, study: Study, folder: RunFolder, judge: Judge) -> Engine | None:
    """The engine that the configuration names; None: this process.

    How many trials are asked for at a time follows from the number of workers, which is therefore decided once.
    """
    if config.engine == "in-process":
        return None
    source = judge.source(folder)
    time_limit, memory_limit = config.trial_time_limit, config.trial_memory_limit
    limits = Limits(
        None if time_limit is None else units.seconds(time_limit, where="trial_time_limit"),
        None if memory_limit is None else units.size(memory_limit, where="trial_memory_limit"),
    )
    workers = study.note(WORKERS, config.workers)
    engine: Engine
    if config.engine == "ray":
        engine = RayTasks(source, address=config.address, workers=workers, limits=limits)
    else:
        engine = ProcessPool(source, workers=workers or len(os.sched_getaffinity(0)), limits=limits)
    study.set_note(WORKERS, engine.workers)
    return engine


def early_stop_of(config: SearchConfig) -> EarlyStop | None:
    """What ends hopeless trials, where trials are trained."""
    if config.trial_training is None:
        return None
    return {"median": MedianStop(), "halving": SuccessiveHalving(), "off": None}[config.trial_training.early_stop]
