"""Spends a time budget on the kernels of a model, each in the measure of its share of the model's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgetune.export.tuning.database import Record, add_records, read_database, target_name
from edgetune.export.tuning.runner import Runner
from edgetune.export.tuning.tasks import TuningTask
from edgetune.export.tvm_tile import Tile
from edgetune.space.parameters import Value

BATCH = 8
"""Tiles that are compiled and timed together."""
LIGHT = 0.002
"""Share of the model's time below which a kernel is left as it is."""
CLEARLY = 0.97
"""Of the time by rule: what a tile must stay below, since the fastest of many times is partly the luckiest."""
Progress = Callable[[str, int, int], None]


class Proposer(Protocol):
    """What picks the tiles to time, such as :class:`edgetune.Optimizer`; the objective is called `ms`."""

    def ask(self, n: int = 1) -> list[dict[str, Value]]: ...

    def tell(self, samples: Sequence[Mapping[str, Value]], values: Sequence[Mapping[str, float] | None]) -> None: ...


@dataclass(eq=False)
class Tuning:
    """How far a task is: every tile that was timed, in milliseconds."""

    task: TuningTask
    proposer: Proposer
    earlier: int = 0  # tiles that earlier runs timed and this one does not time again
    timed: dict[Tile, float] = field(default_factory=dict)

    @property
    def by_rule_ms(self) -> float:
        return self.timed[self.task.default]

    @property
    def best(self) -> tuple[Tile, float]:
        """The fastest tile, or the one by rule where no other is clearly faster."""
        tile, ms = min(self.timed.items(), key=lambda item: item[1])
        return (tile, ms) if ms < CLEARLY * self.by_rule_ms else (self.task.default, self.by_rule_ms)

    @property
    def weight(self) -> float:
        """Milliseconds an inference by rule."""
        return self.task.calls * self.by_rule_ms

    @property
    def count(self) -> int:
        """Tiles that were timed, those of earlier runs included."""
        return self.earlier + len(self.timed)

    @property
    def exhausted(self) -> bool:
        return self.count >= len(self.task.tiles)

    def learn(self, tile: Tile, ms: float) -> None:
        """Of several times of one tile the best counts."""
        if tile in self.timed:
            self.timed[tile] = min(ms, self.timed[tile])
            return
        self.timed[tile] = ms
        self.proposer.tell([self.task.sample(tile)], [{"ms": ms}])

    def propose(self, count: int) -> list[Tile]:
        """New tiles, fewer where the proposer has no more. What fits no registers costs no timing."""
        found: list[Tile] = []
        while len(found) < count:
            samples = self.proposer.ask(count - len(found))
            if not samples:
                break
            for sample in samples:
                tile = self.task.tile(sample)
                if tile is None or tile in self.timed:
                    self.proposer.tell([sample], [None if tile is None else {"ms": self.timed[tile]}])
                else:
                    found.append(tile)
        return found

    def record(self, target: str) -> Record:
        tile, ms = self.best
        return Record(
            target=target,
            kernel=self.task.kernel.key,
            tile=tile,
            ms=ms,
            by_rule_ms=self.by_rule_ms,
            timed=min(self.count, len(self.task.tiles)),
        )


class Tuner:
    """The kernels of a model under tuning; `states` holds what is known at any time, also after Ctrl-C.

    Parameters
    ----------
    database
        Written after every batch, so stopping loses one batch at most.
    new_proposer
        From a kernel's choices to what picks among them.
    """

    def __init__(
        self,
        tasks: Sequence[TuningTask],
        runner: Runner,
        database: Path,
        new_proposer: Callable[[Mapping[str, Sequence[Value]]], Proposer],
    ) -> None:
        self.tasks, self.runner, self.database, self.new_proposer = tasks, runner, database, new_proposer
        self.target = target_name(runner.target)
        self.states: list[Tuning] = []

    def run(
        self,
        budget_seconds: float,
        progress: Progress = lambda stage, done, total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Tunes until the budget is spent, it is stopped, or every tile of every kernel that carries weight was timed.

        First the tile by rule of every kernel is timed, and the best that the database knows. Then each batch, with the
        tile by rule once more, goes to the kernel with the most time an inference per batch that it had (D'Hondt).

        Raises
        ------
        DeviceError
            The board stopped answering; the database holds what was found.
        StorageError
            The database cannot be written.
        """
        clock = Clock(budget_seconds, progress, stopped)
        known = read_database(self.database).records
        for task in self.tasks:
            self.states.append(self._begun(task, known.get((self.target, task.kernel.key))))
            if clock.rings():
                return
        total = sum(state.weight for state in self.states)
        left = [state for state in self.states if state.weight >= LIGHT * total and not state.exhausted]
        while left and not clock.rings():
            state = max(left, key=lambda state: state.weight / (1 + state.count // BATCH))
            batch = state.propose(BATCH)
            self._time(state, [state.task.default, *batch])  # both beside each other, so that a busy spell hits both
            if len(batch) < BATCH or state.exhausted:
                left.remove(state)

    def _begun(self, task: TuningTask, record: Record | None) -> Tuning:
        known = [record.tile] if record and record.tile in task.tiles - {task.default} else []
        again = [task.default, *known]
        earlier = max(0, record.timed - len(again)) if record else 0
        state = Tuning(task, self.new_proposer(task.choices), earlier=earlier)
        self._time(state, again)
        return state

    def _time(self, state: Tuning, tiles: Sequence[Tile]) -> None:
        for tile, ms in zip(tiles, self.runner.time(state.task, tiles), strict=True):
            state.learn(tile, ms)
        add_records(self.database, [state.record(self.target)])


class Clock:
    """A budget in seconds, shown as progress each time it is looked at; it rings at once when the user stops."""

    def __init__(self, seconds: float, progress: Progress, stopped: Callable[[], bool]) -> None:
        self.seconds, self.progress, self.stopped, self.began = seconds, progress, stopped, time.monotonic()

    def rings(self) -> bool:
        gone = time.monotonic() - self.began
        self.progress("tuning", int(min(gone, self.seconds)), int(self.seconds))
        return gone >= self.seconds or self.stopped()
