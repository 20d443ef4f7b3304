"""The agents that a host knows."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edgetune.agent.home import TOKEN_BYTES
from edgetune.agent.registry import (
    Agent,
    add_agent,
    check_token,
    find_agent,
    find_agents,
    list_agents,
    parse_url,
    registry_path,
    remove_agent,
)
from edgetune.errors import AgentError

PI = Agent("kitchen-pi", "pi.local", 8765, "secret", 64 * "a")


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_AGENTS", str(tmp_path / "config" / "agents.json"))


def test_agents_are_kept_where_others_cannot_read_them() -> None:
    assert list_agents() == []
    add_agent(PI)
    add_agent(replace(PI, name="attic"))
    add_agent(replace(PI, token="other"))
    assert [agent.name for agent in list_agents()] == ["attic", "kitchen-pi"]
    assert find_agent("kitchen-pi").token == "other"
    assert registry_path().stat().st_mode & 0o077 == 0
    remove_agent("attic")
    assert [agent.name for agent in list_agents()] == ["kitchen-pi"]
    assert "other" not in repr(find_agent("kitchen-pi")), "a token in a traceback"


def test_an_agent_that_is_named_twice_is_one() -> None:
    """Two clients of one agent would have to be compared with each other."""
    add_agent(PI)
    add_agent(replace(PI, name="attic"))
    assert [agent.name for agent in find_agents("kitchen-pi, attic,kitchen-pi")] == ["kitchen-pi", "attic"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "-x", "a b", 41 * "a", "é", "x\n"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(AgentError, match="not a name"):
        add_agent(replace(PI, name=name))


@pytest.mark.parametrize(
    "url",
    [
        "http://pi",
        "ftp://pi",
        "https://",
        "https://pi/x",
        "https://pi:99999",
        "https://u:p@pi",
        "https://[::1",
        "https://pi:0",
        "https://pi..local",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AgentError):
        parse_url(url)


def test_an_unknown_agent_gets_the_nearest() -> None:
    with pytest.raises(AgentError, match="agents add"):
        find_agent("kitchen")
    add_agent(PI)
    with pytest.raises(AgentError, match="did you mean kitchen-pi"):
        find_agent("kitchen")


def test_a_broken_file_is_named() -> None:
    add_agent(PI)
    for text in ("{", '{"x": {"host": "y"}}', "[]"):
        registry_path().write_text(text)
        with pytest.raises(AgentError, match="cannot be read"):
            list_agents()


@pytest.mark.parametrize("token", ["", "…", "two\nlines" + 30 * "x", "short", 43 * "é"])
def test_what_no_agent_printed_is_no_token(token: str) -> None:
    with pytest.raises(AgentError, match="not a token"):
        check_token(token)
    assert check_token(f" {secrets.token_urlsafe(TOKEN_BYTES)} \n")


def test_agents_that_are_added_at_once_are_all_kept() -> None:
    names = [f"pi-{i}" for i in range(12)]
    threads = [threading.Thread(target=add_agent, args=(replace(PI, name=name),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(agent.name for agent in list_agents()) == sorted(names)
