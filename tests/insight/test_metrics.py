from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgetune.agent.board import BoardState
from edgetune.agent.registry import Agent
from edgetune.errors import ConfigError
from edgetune.insight.metrics import board_metrics, check_port, serve_metrics
from edgetune.insight.sensitivity import Sensitivity
from edgetune.insight.state import RunState
from edgetune.search.nsga2 import NSGA2
from edgetune.search.run import run_search
from edgetune.search.study import Study
from tests.agent.conftest import running

from .conftest import PROBLEM, judge


def scraped(port: int) -> dict[tuple[str, ...], float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_what_is_scraped_is_the_study_as_it_stands(study: Study) -> None:
    Sensitivity(study, PROBLEM).update()
    with serve_metrics(study.path, 0) as port:
        found = scraped(port)
        state = RunState.read(study.path)
        assert found["edgetune_trials", "done"] == 40
        assert found["edgetune_trials_planned",] == 60
        assert found["edgetune_workers",] == 1
        assert not any(name.startswith("edgetune_board") for name, *_ in found)
        assert found["edgetune_front_size",] == len(state.front)
        assert found["edgetune_hypervolume",] == pytest.approx(state.hypervolume[-1])
        assert found["edgetune_importance", "act", "latency_ms", "variance"] < 0.05
        run_search(study, NSGA2(PROBLEM), judge, trials=45)
        found = scraped(port)
        assert found["edgetune_trials", "done"] == 45 and found["edgetune_study_up",] == 1


def test_a_study_that_is_gone_is_said_to_be(study: Study) -> None:
    with serve_metrics(study.path, 0) as port:
        study.path.unlink()
        assert scraped(port) == {("edgetune_study_up",): 0}


def test_boards_are_served_beside_it_and_one_that_is_off_delays_nobody(study: Study, tmp_path: Path) -> None:
    off = Agent("off", "127.0.0.1", 9, "secret", "0" * 64)
    with running(tmp_path / "agent") as here, serve_metrics(study.path, 0, [here.agent, off]) as port:
        deadline = time.monotonic() + 20
        while (found := scraped(port))["edgetune_board_up", "here"] == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert found["edgetune_board_up", "here"] == 1 and found["edgetune_board_up", "off"] == 0
    assert ("edgetune_board_throttled", "here") in found
    assert ("edgetune_board_throttled", "off") not in found


def test_a_board_tells_its_temperature_where_it_has_a_sensor() -> None:
    boards = {"hot": BoardState(temperature_c=81.5, throttled=("throttled",)), "mute": BoardState(), "off": None}
    found = {(s.name, s.labels["board"]): s.value for family in board_metrics(boards) for s in family.samples}
    assert {key: value for key, value in found.items() if key[0] == "edgetune_board_temperature_celsius"} == {
        ("edgetune_board_temperature_celsius", "hot"): 81.5
    }
    assert found["edgetune_board_throttled", "hot"] == 1 and found["edgetune_board_throttled", "mute"] == 0
    assert found["edgetune_board_up", "off"] == 0


def test_it_listens_on_one_loopback_address_alone(study: Study) -> None:
    """A server on all addresses would answer on 127.0.0.2 too."""
    with serve_metrics(study.path, 0) as port:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_taken_port_is_refused(study: Study) -> None:
    taken = serve_metrics(study.path, 0)
    with taken as port, pytest.raises(ConfigError, match=str(port)), serve_metrics(study.path, port):
        pass
    with serve_metrics(study.path, 0) as port, pytest.raises(ConfigError, match="in use"):
        check_port(port)
    for impossible in (-1, 70_000, 10**12):
        with pytest.raises(ConfigError, match="0 to 65535"):
            check_port(impossible)
    check_port(0)
