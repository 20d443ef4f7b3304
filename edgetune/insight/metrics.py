"""The state of a running search for Prometheus, on this machine's loopback interface alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import ConfigError, MissingDependencyError
from edgetune.insight.state import RunState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LOOPBACK = "127.0.0.1"


class StudyCollector:
    """Reads the study anew for each scrape, so that nothing in the search has to keep count."""

    def __init__(self, study: Path) -> None:
        self.study = study

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client, in the server's thread."""
        from prometheus_client.core import GaugeMetricFamily

        state = RunState.read(self.study)
        trials = GaugeMetricFamily("edgetune_trials", "Trials by how they ended", labels=["state"])
        for name in ("done", "infeasible", "stopped", "failed"):
            trials.add_metric([name], state.states[name])
        yield trials
        yield GaugeMetricFamily("edgetune_trials_planned", "Trials the search means to make", value=state.planned or 0)
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


@contextmanager
def serve_metrics(study: Path, port: int) -> Iterator[int]:
    """Serves `http://127.0.0.1:PORT/metrics` while the block runs; gives the port, which 0 leaves to the system.

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
        raise ConfigError(
            f"cannot listen on port {port}: {error}", where="--metrics-port", mend="take another"
        ) from error
    registry.register(StudyCollector(study))
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
