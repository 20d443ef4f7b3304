"""Tuning a model's schedules for a target: the export room's kernels, timed in the order that the search room asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetune.device.profile import load_profile
from edgetune.errors import DeviceError
from edgetune.export.tuning.ctrl_c import ctrl_c_noted
from edgetune.export.tuning.database import default_database, read_database
from edgetune.export.tuning.runner import SERVER, Runner
from edgetune.export.tuning.tasks import tasks_of
from edgetune.export.tuning.tune import Tuner, Tuning
from edgetune.export.tvm_library import host_target, registers_of
from edgetune.latency.onnx_file import load_onnx
from edgetune.reporter import Reporter
from edgetune.search.optimizer import Optimizer
from edgetune.space.parameters import Value

HOST = "host"
POPULATION, TOURNAMENT = 12, 6
"""Of the evolution that picks tiles: spaces of a few dozen, of which half is often enough."""


@dataclass(frozen=True)
class TunedKernel:
    """What came of one kernel shape; milliseconds on one thread of the target."""

    kernel: str
    calls: int
    share: float
    by_rule_ms: float
    ms: float
    timed: int


@dataclass(frozen=True)
class TuningReport:
    """What came of a model, the heaviest kernel first; `finished` is false when it was stopped by hand.

    `untimed` counts the kernels that its time did not reach; nothing is known of them, not even their share.
    """

    model: str
    target: str
    where: str
    database: str
    finished: bool
    kernels: tuple[TunedKernel, ...]
    untimed: int

    @property
    def gain(self) -> float:
        """How many times faster the kernels are together than by rule."""
        before = sum(kernel.calls * kernel.by_rule_ms for kernel in self.kernels)
        after = sum(kernel.calls * kernel.ms for kernel in self.kernels)
        return before / after if after else 1.0


def tune_model(
    model: Path,
    target: str,
    *,
    budget_seconds: float,
    runner: str | None = None,
    database: Path | None = None,
    reporter: Reporter | None = None,
) -> TuningReport:
    """Times schedules for the kernels of an ONNX file and keeps the fastest, for this model and those to come.

    Parameters
    ----------
    target
        "host", or the name of a device.
    budget_seconds
        When no further batch is begun.
    runner
        `host:port` of TVM's RPC server on the board; without one, the host is timed here.
    database
        Where tuned schedules are kept; by default where exports look for them.

    Raises
    ------
    ModelFileError
        Not an ONNX file, or one of open sizes.
    ExportError
        An operator that TVM lacks.
    DeviceError
        An unknown target, a board that no runner is given for, or that does not answer.
    StorageError
        The database cannot be read or written.
    MissingDependencyError
        No TVM, no linker for the target.
    """
    reporter, database = reporter or Reporter(), database or default_database()
    unreadable = len(read_database(database).unreadable)
    if unreadable:
        reporter.say(f"{database}: {unreadable} lines are no tuned schedules; they are kept and not used")
    with ctrl_c_noted() as stopped:
        tvm_target = target_of(target, runner)
        load_onnx(model)
        tasks = tasks_of(model, registers_of(tvm_target))
        tuner = Tuner(tasks, Runner(tvm_target, runner), database, optimizer_of)
        if not stopped():
            tuner.run(budget_seconds, reporter.progress, stopped)
        if stopped():
            found = "what was found is" if tuner.states else "nothing was timed; what earlier runs found is"
            reporter.say(f"stopped; {found} kept in {database}")
        finished, kernels = not stopped(), _kernels(tuner.states)
    return TuningReport(
        str(model), tuner.target, tuner.runner.where, str(database), finished, kernels, len(tasks) - len(kernels)
    )


def target_of(target: str, runner: str | None) -> Mapping[str, Any]:
    """The TVM target by name; a board is tuned for on the board alone."""
    if target == HOST:
        return host_target()
    profile = load_profile(target)
    if runner is None:
        raise DeviceError(
            f"tuning for {target} needs the board, since schedules are timed on it",
            where="--target",
            mend=f"run `{SERVER}` there and give --runner HOST:PORT; untuned, schedules are chosen by rule",
        )
    return profile.tvm_target


def optimizer_of(choices: Mapping[str, Sequence[Value]]) -> Optimizer:
    """Edgetune's own optimiser over a kernel's choices."""
    return Optimizer(
        {label: list(options) for label, options in choices.items()},
        {"ms": "minimize"},
        strategy="regularized-evolution",
        population=POPULATION,
        tournament=TOURNAMENT,
    )


def _kernels(states: Sequence[Tuning]) -> tuple[TunedKernel, ...]:
    total = sum(state.weight for state in states)
    kernels = [
        TunedKernel(
            state.task.kernel.key,
            state.task.calls,
            state.weight / total,
            state.by_rule_ms,
            state.best[1],
            state.count,
        )
        for state in states
    ]
    return tuple(sorted(kernels, key=lambda kernel: -kernel.share))
