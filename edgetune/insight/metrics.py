"""The state of a running search for Prometheus, on this machine's loopback interface alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.agent.board import BoardState
from edgetune.agent.registry import Agent
from edgetune.errors import ConfigError, EdgetuneError, MissingDependencyError
from edgetune.insight.boards import States, watched
from edgetune.insight.state import RunState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LOOPBACK = "127.0.0.1"


class StudyCollector:
    """Reads the study anew for each scrape, so that nothing in the search has to keep count."""

    def __init__(self, study: Path, boards: States) -> None:
        self.study, self.boards = study, boards

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client, in the server's thread."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            state: RunState | None = RunState.read(self.study)
        except EdgetuneError:  # deleted, or locked for long
            state = None
        yield GaugeMetricFamily("edgetune_study_up", "Whether the study can be read", value=float(state is not None))
        if state is not None:
            yield from self._study(state)
        if boards := self.boards():
            yield from board_metrics(boards)

    def _study(self, state: RunState) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        trials = GaugeMetricFamily("edgetune_trials", "Trials by how they ended", labels=["state"])
        for name in ("done", "infeasible", "stopped", "failed"):
            trials.add_metric([name], state.states[name])
        yield trials
        yield GaugeMetricFamily("edgetune_trials_planned", "Trials the search means to make", value=state.planned or 0)
        yield GaugeMetricFamily("edgetune_workers", "Trials judged at once", value=state.workers)
        yield GaugeMetricFamily("edgetune_front_size", "Trials on the Pareto front", value=len(state.front))
        yield GaugeMetricFamily(
            "edgetune_hypervolume",
            "Hypervolume of the front, below the worst finished trial on each axis",
            value=state.hypervolume[-1] if state.hypervolume else 0.0,
        )
        seconds = GaugeMetricFamily("edgetune_stage_seconds", "Wall-clock seconds spent so far", labels=["stage"])
        for stage, spent in state.seconds.items():
            seconds.add_metric([stage], spent)
        yield seconds
        if state.progress is not None:
            share = GaugeMetricFamily("edgetune_stage_progress", "Done part of the stage under way", labels=["stage"])
            share.add_metric([state.progress["stage"]], state.progress["done"] / max(1, state.progress["total"]))
            yield share
        yield self._importance(state)

    def _importance(self, state: RunState) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(
            "edgetune_importance",
            "Importance of a parameter for an objective; shares, but for the view local",
            labels=["objective", "parameter", "view"],
        )
        for view, objectives in (state.importance or {}).items():
            if isinstance(objectives, dict):
                for objective, shares in objectives.items():
                    for parameter, share in shares.items():
                        family.add_metric([objective, parameter, view], share)
        return family


def board_metrics(boards: dict[str, BoardState | None]) -> Iterator[Metric]:
    """What a board does not tell is left out, and of one that does not answer all but that."""
    from prometheus_client.core import GaugeMetricFamily

    up = GaugeMetricFamily("edgetune_board_up", "Whether the board's agent answers", labels=["board"])
    heat = GaugeMetricFamily("edgetune_board_temperature_celsius", "The board's hottest sensor", labels=["board"])
    throttled = GaugeMetricFamily("edgetune_board_throttled", "Whether its firmware holds it back", labels=["board"])
    for name, state in boards.items():
        up.add_metric([name], float(state is not None))
        if state is not None:
            throttled.add_metric([name], float(bool(state.throttled)))
            if state.temperature_c is not None:
                heat.add_metric([name], state.temperature_c)
    yield from (up, heat, throttled)


def check_port(port: int) -> None:
    """Before any work begins.

    Raises
    ------
    ConfigError
        The port is taken or not allowed.
    """
    try:
        socket.create_server((LOOPBACK, port)).close()
    except (OSError, OverflowError) as error:
        raise _cannot_listen(port, error) from error


def _cannot_listen(port: int, error: Exception) -> ConfigError:
    why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "ports go from 0 to 65535"
    return ConfigError(f"cannot listen on port {port}: {why}", where="--metrics-port", mend="take another")


@contextmanager
def serve_metrics(study: Path, port: int, agents: Sequence[Agent] = ()) -> Iterator[int]:
    """Serves `http://127.0.0.1:PORT/metrics` while the block runs; gives the port, which 0 leaves to the system.

    Parameters
    ----------
    agents
        Boards whose state is served too.

    Raises
    ------
    ConfigError
        The port is taken or not allowed.
    MissingDependencyError
        prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise MissingDependencyError(
            "needs prometheus-client", where="--metrics-port", mend="pip install edgetune[search]"
        ) from error
    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    except (OSError, OverflowError) as error:
        raise _cannot_listen(port, error) from error
    try:
        with watched(agents) as boards:
            registry.register(StudyCollector(study, boards))
            yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
