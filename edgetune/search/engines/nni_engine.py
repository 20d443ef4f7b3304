"""Our engines as NNI execution engines, for NNI's own strategies and ours. Importing this imports torch and NNI."""

from __future__ import annotations

from collections.abc import Iterable

from edgetune.search.engines.base import Engine, Job, trial_seed
from edgetune.space.nni_space import from_nni  # before NNI itself: it silences NNI's import
from edgetune.space.parameters import Space

from nni.nas.execution import ExecutionEngine  # isort: skip
from nni.nas.execution.event import FinalMetricEvent, IntermediateMetricEvent, TrainingEndEvent  # isort: skip
from nni.nas.space import ExecutableModelSpace, ModelStatus  # isort: skip


class NniEngine(ExecutionEngine):  # type: ignore[misc]
    """An NNI execution engine over processes or Ray tasks.

    What a submitted model says is its sample; how a sample is evaluated the workers know themselves, so that no model
    is sent anywhere. Metrics are dicts of figures.

    Parameters
    ----------
    engine
        Evaluates; it is closed by :meth:`shutdown`.
    space
        The plain space that samples belong to.
    max_model_count
        After so many models the budget is spent: NNI's own strategies go on until then.
    """

    def __init__(self, engine: Engine, space: Space, *, max_model_count: int | None = None) -> None:
        super().__init__()
        self.engine = engine
        self.space = space
        self.max_model_count = max_model_count
        self._models: list[ExecutableModelSpace] = []
        self._running: dict[int, ExecutableModelSpace] = {}

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        for model in models:
            while len(self._running) >= self.engine.workers:
                self.wait_one()
            job = getattr(model, "job", None) or self._job(model)
            model.status = ModelStatus.Training
            self._models.append(model)
            self._running[job.number] = model
            self.engine.submit(job)

    def wait_one(self) -> ExecutableModelSpace:
        """Waits for any of the models under way; its `outcome` says what came of it."""
        job, outcome = self.engine.next()
        model = self._running.pop(job.number)
        model.outcome = outcome
        for figure in outcome.curve:
            self.dispatch_model_event(IntermediateMetricEvent(model, figure))
        if outcome.values is not None:
            self.dispatch_model_event(FinalMetricEvent(model, dict(outcome.values)))
        status = ModelStatus.Failed if outcome.values is None else ModelStatus.Trained
        self.dispatch_model_event(TrainingEndEvent(model, status))
        return model

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        while any(not model.status.completed() for model in models or self._models):
            self.wait_one()

    def list_models(self, status: ModelStatus | None = None) -> Iterable[ExecutableModelSpace]:
        return [model for model in self._models if status is None or model.status == status]

    def idle_worker_available(self) -> bool:
        """NNI asks again each second; this waits for one instead."""
        if len(self._running) >= self.engine.workers:
            self.wait_one()
        return True

    def budget_available(self) -> bool:
        return self.max_model_count is None or len(self._models) < self.max_model_count

    def shutdown(self) -> None:
        self.engine.close()

    def _job(self, model: ExecutableModelSpace) -> Job:
        """Of a model that brings none: its seed comes from the order in which models are submitted."""
        number = len(self._models)
        return Job(number, from_nni(self.space, model.sample), trial_seed(0, number))
