"""The agents that a host knows: name, address, token, fingerprint, in a file that its user alone can read."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgetune.agent.home import one_at_a_time, write_secret
from edgetune.errors import AgentError, nearest

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{22,}")  # of 128 bits at least
DEFAULT_PORT = 8765


@dataclass(frozen=True)
class Agent:
    """One agent as the host knows it; the certificate it shows must have this fingerprint."""

    name: str
    host: str
    port: int
    token: str
    fingerprint: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, {self.url!r})"


def registry_path() -> Path:
    """`EDGETUNE_AGENTS`, by default `~/.config/edgetune/agents.json`."""
    return Path(os.environ.get("EDGETUNE_AGENTS", "~/.config/edgetune/agents.json")).expanduser()


def parse_url(url: str) -> tuple[str, int]:
    """Host and port.

    >>> parse_url("https://pi.local:9000"), parse_url("pi.local")
    (('pi.local', 9000), ('pi.local', 8765))

    Raises
    ------
    AgentError
        Not an address, or one without TLS.
    """
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host, port = parts.hostname or "", DEFAULT_PORT if parts.port is None else parts.port
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        raise AgentError("not an agent's address", where=url, mend="write it like https://pi.local:8765") from None
    if parts.scheme != "https":
        raise AgentError(f"{parts.scheme} is not safe", where=url, mend="agents speak https")
    if not host or port == 0 or parts.path not in ("", "/") or parts.query or parts.username:
        raise AgentError("not an agent's address", where=url, mend="write it like https://pi.local:8765")
    return host, port


def check_name(name: str) -> None:
    """
    Raises
    ------
    AgentError
        A name that could be mistaken for something else.
    """
    if not NAME.fullmatch(name):
        raise AgentError(f"{name!r} is not a name", mend="small letters, digits, dots and dashes, at most 40")


def check_token(token: str) -> str:
    """
    Raises
    ------
    AgentError
        What no agent ever printed.
    """
    if not TOKEN.fullmatch(token.strip()):
        raise AgentError("not a token", where="--token", mend="`edgetune agent` printed it at its first start")
    return token.strip()


def plain_fingerprint(text: str) -> str:
    """
    >>> plain_fingerprint("AB:" * 31 + "AB") == "ab" * 32
    True

    Raises
    ------
    AgentError
        Not a fingerprint.
    """
    plain = text.strip().removeprefix("sha256:").replace(":", "").lower()
    if not FINGERPRINT.fullmatch(plain):
        raise AgentError(
            f"{text!r} is not a fingerprint", mend="64 hexadecimal digits, as `edgetune agent` prints them"
        )
    return plain


def list_agents() -> list[Agent]:
    """
    Raises
    ------
    AgentError
        The file of agents is broken.
    """
    path = registry_path()
    if not path.exists():
        return []
    try:
        return [Agent(name=name, **fields) for name, fields in sorted(json.loads(path.read_text()).items())]
    except (ValueError, TypeError, AttributeError) as error:
        raise AgentError("cannot be read", where=path, mend="remove it and add the agents again") from error


def find_agent(name: str) -> Agent:
    """
    Raises
    ------
    AgentError
        No agent goes by this name.
    """
    agents = {agent.name: agent for agent in list_agents()}
    if name not in agents:
        mend = nearest(name, agents) if agents else "add it: edgetune agents add NAME https://ADDRESS:8765"
        raise AgentError(f"there is no agent {name!r}", mend=mend)
    return agents[name]


def find_agents(names: str) -> list[Agent]:
    """Agents by their names, separated by commas, each once; see :func:`find_agent`."""
    return [find_agent(name) for name in dict.fromkeys(name.strip() for name in names.split(","))]


def add_agent(agent: Agent) -> None:
    """Keeps an agent, in place of one of the same name."""
    check_name(agent.name)
    with one_at_a_time(registry_path().parent):
        _write([other for other in list_agents() if other.name != agent.name] + [agent])


def remove_agent(name: str) -> None:
    """
    Raises
    ------
    AgentError
        No agent goes by this name.
    """
    find_agent(name)
    with one_at_a_time(registry_path().parent):
        _write([agent for agent in list_agents() if agent.name != name])


def _write(agents: list[Agent]) -> None:
    fields = {agent.name: asdict(agent) for agent in agents}
    for values in fields.values():
        del values["name"]
    write_secret(registry_path(), json.dumps(fields, indent=1).encode())
