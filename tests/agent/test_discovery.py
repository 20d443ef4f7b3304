"""Agents that announce themselves are found; over the loopback interface."""

from __future__ import annotations

from pathlib import Path

import pytest
import zeroconf

from edgetune.agent import serve
from edgetune.agent.app import Settings
from edgetune.agent.discovery import announced, find
from edgetune.errors import AgentError


def test_an_agent_that_is_announced_is_found_and_later_is_not() -> None:
    with announced("127.0.0.1", 4321):
        found = find(1.5, interface="127.0.0.1")
    assert "https://127.0.0.1:4321" in found.values()
    assert "https://127.0.0.1:4321" not in find(0.5, interface="127.0.0.1").values()


@pytest.mark.parametrize("problem", [OSError(19, "No such device"), RuntimeError("No interfaces to listen on")])
def test_without_a_network_one_error_says_so(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The agent ends, so that a service is started again until there is one."""

    def fails(**_: object) -> None:
        raise problem

    monkeypatch.setattr(zeroconf, "Zeroconf", fails)
    with pytest.raises(AgentError, match="needs a network"):
        find(0.1)
    with pytest.raises(AgentError, match="needs a network"):
        serve.run_agent(tmp_path, serve.Place(port=0), Settings(), announce=True)
    assert "Traceback" not in capfd.readouterr().err
