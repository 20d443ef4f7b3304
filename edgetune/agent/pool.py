"""Several boards at once: each takes the next model when it is free, so that none waits for a slower one.

A board that vanishes gives its model back to the others. Boards of one kind measure a few models in common; one that
disagrees with the rest is named.
"""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgetune.agent.client import Client
from edgetune.agent.measure import DEFAULT, Request
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import Agent
from edgetune.errors import AgentError, EdgetuneError, MeasurementError, ModelFileError

COMMON = 3
"""Models that all boards measure when there are several."""
DISAGREES = 0.1
"""A board whose latencies differ from the others' by more than this share, at the median, is a bad unit."""
PATIENCE_OF_MANY = 20.0  # seconds without a link until the others take over
PATIENCE_OF_ONE = 180.0


class Measurer(Protocol):
    """What :class:`edgetune.agent.client.Client` is."""

    def measure(self, model: Path, request: Request = ...) -> Measurement: ...

    def cancel(self) -> None: ...


@dataclass
class Results:
    """What a pool found.

    Attributes
    ----------
    measurements
        By model, one of each board that measured it, by the board's name.
    failures
        Models that no board could measure, and why.
    gone
        Boards that vanished, and how.
    bad
        Boards that disagree with others of their kind, and how; both of two, as nobody knows which is wrong.
    notes
        Sentences for people.
    """

    measurements: dict[Path, dict[str, Measurement]] = field(default_factory=lambda: defaultdict(dict))
    failures: dict[Path, EdgetuneError] = field(default_factory=dict)
    gone: dict[str, AgentError] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure_on(
    agents: Sequence[Agent],
    models: Sequence[Path],
    request: Request = DEFAULT,
    *,
    common: int = COMMON,
    on_result: Callable[[Path, str, Measurement], object] = lambda model, name, measurement: None,
    say: Callable[[str], object] = lambda text: None,
) -> Results:
    """Measures `models` on boards, the first `common` of them on each; `say` as :class:`~edgetune.agent.client.Client`.

    Raises
    ------
    AgentError
        All boards vanished before all was measured; what was measured until then went to `on_result`.
    """
    patience = PATIENCE_OF_ONE if len(agents) == 1 else PATIENCE_OF_MANY
    clients = {agent.name: Client(agent, patience=patience, say=say) for agent in agents}
    return measure_with(clients, models, request, common=common, on_result=on_result)


def measure_with(
    measurers: Mapping[str, Measurer],
    models: Sequence[Path],
    request: Request = DEFAULT,
    *,
    common: int = COMMON,
    on_result: Callable[[Path, str, Measurement], object] = lambda model, name, measurement: None,
) -> Results:
    """As :func:`measure_on`, with whatever measures."""
    work = _Work(list(measurers), list(models), common)
    threads = [
        threading.Thread(target=_serve, args=(name, measurer, work, request, on_result), daemon=True)
        for name, measurer in measurers.items()
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # Ctrl-C: the boards shall not go on for nobody
        for measurer in measurers.values():
            measurer.cancel()
        raise
    if work.broken is not None:
        raise work.broken
    results = work.results
    if work.open():
        if len(measurers) == 1:
            raise next(iter(results.gone.values()))
        gone = "; ".join(f"{name}: {why.what}" for name, why in results.gone.items())
        raise AgentError(f"no agent is left for {len(work.open())} models ({gone})", mend="look after the boards")
    results.notes += [f"{name} was left out, the others went on: {why.what}" for name, why in results.gone.items()]
    results.bad = bad_units(results.measurements)
    results.notes += dict.fromkeys(results.bad.values())
    return results


class _Work:
    """What is still to measure: models that any board may take, and those that each board has to measure as well."""

    def __init__(self, names: Sequence[str], models: Sequence[Path], common: int) -> None:
        alike = models[:common] if len(names) > 1 else []
        self.own = {name: deque(alike) for name in names}
        self.shared = deque(models[len(alike) :])
        self.lock = threading.Condition()
        self.running: dict[str, Path] = {}
        self.results = Results()
        self.models = list(models)
        self.broken: Exception | None = None

    def take(self, name: str) -> Path | None:
        """The next model for a board; waits while another board's may still come back."""
        with self.lock:
            while self.broken is None:
                queue = self.own[name] or self.shared
                if queue:
                    self.running[name] = queue.popleft()
                    return self.running[name]
                if not self.running:
                    return None
                self.lock.wait()
            return None

    def done(self, name: str) -> None:
        with self.lock:
            self.running.pop(name, None)
            self.lock.notify_all()

    def vanished(self, name: str, why: AgentError) -> None:
        """Gives a board's models back; those that all boards measure only if nobody has them."""
        with self.lock:
            model = self.running.pop(name)
            self.results.gone[name] = why
            left = [model, *self.own.pop(name)]
            elsewhere = {other for queue in self.own.values() for other in queue} | set(self.running.values())
            self.shared.extend(m for m in left if m in self.open() and m not in elsewhere and m not in self.shared)
            self.lock.notify_all()

    def open(self) -> list[Path]:
        """Models without a result."""
        known = self.results
        return [m for m in self.models if not known.measurements.get(m) and m not in known.failures]


def _serve(
    name: str,
    measurer: Measurer,
    work: _Work,
    request: Request,
    on_result: Callable[[Path, str, Measurement], object],
) -> None:
    while (model := work.take(name)) is not None:
        try:
            measurement = measurer.measure(model, request)
            with work.lock:
                work.results.measurements[model][name] = measurement
                on_result(model, name, measurement)
        except (MeasurementError, ModelFileError) as error:
            with work.lock:
                work.results.failures[model] = error
        except AgentError as error:  # gone, or it refuses: the others may still do
            work.vanished(name, error)
            return
        except Exception as error:
            work.broken = error
        work.done(name)


def board_kind(model: str) -> str:
    """What a board calls itself, without the revision of its print.

    >>> board_kind("Raspberry Pi 4 Model B Rev 1.4")
    'Raspberry Pi 4 Model B'
    """
    return model.partition(" Rev ")[0]


def bad_units(measurements: Mapping[Path, Mapping[str, Measurement]]) -> dict[str, str]:
    """Boards that disagree with others of their kind on what they measured undisturbed in common, and how."""
    off: dict[str, list[float]] = defaultdict(list)
    pairs: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for alike in (one for found in measurements.values() for one in _of_one_kind(found)):
        latencies = {name: one.latency_ms for name, one in sorted(alike.items())}
        if len(latencies) == 2:
            one, other = latencies.values()
            pairs[tuple(latencies)].append(one / other)
            continue
        middle = statistics.median(latencies.values())
        for name, latency in latencies.items():
            off[name].append(latency / middle - 1)
    bad = {
        name: f"{name} is {abs(share):.0%} {'slower' if share > 0 else 'faster'} than boards of its kind: a bad unit"
        for name, values in off.items()
        if abs(share := statistics.median(values)) > DISAGREES
    }
    for names, ratios in pairs.items():
        ratio = statistics.median(ratios)
        if max(ratio, 1 / ratio) > 1 + DISAGREES and not any(name in off for name in names):
            sentence = f"{' and '.join(names)} disagree by more than {DISAGREES:.0%}: one of them is a bad unit"
            bad |= dict.fromkeys(names, sentence)
    return bad


def _of_one_kind(found: Mapping[str, Measurement]) -> list[dict[str, Measurement]]:
    """Steady measurements of one model, apart for each kind of board, where several boards of it have one."""
    kinds: dict[str, dict[str, Measurement]] = defaultdict(dict)
    for name, measurement in found.items():
        if measurement.steady:
            kinds[board_kind(measurement.board.model)][name] = measurement
    return [alike for alike in kinds.values() if len(alike) > 1]
