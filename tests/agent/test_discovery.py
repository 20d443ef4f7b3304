"""Agents that announce themselves are found; over the loopback interface."""

from __future__ import annotations

from edgetune.agent.discovery import announced, find


def test_an_agent_that_is_announced_is_found_and_later_is_not() -> None:
    with announced("127.0.0.1", 4321):
        found = find(1.5, interface="127.0.0.1")
    assert "https://127.0.0.1:4321" in found.values()
    assert "https://127.0.0.1:4321" not in find(0.5, interface="127.0.0.1").values()
