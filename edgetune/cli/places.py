"""Where `--on` lets artefacts run."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edgetune.errors import ConfigError, MissingDependencyError, nearest

if TYPE_CHECKING:
    from edgetune.export.verify import Target

HOST, EMULATED = "host", "emulated-rpi4"


def place(name: str) -> Target:
    """The target that `--on` names: this host, an emulated board, or an agent.

    Raises
    ------
    ConfigError
        An unknown name.
    AgentError
        The agent cannot be reached.
    MissingDependencyError
        An emulated board without the checkout's tools, or without QEMU.
    """
    from edgetune.agent.registry import list_agents
    from edgetune.export.agent_target import agent_target
    from edgetune.export.verify import this_host

    if name == HOST:
        return this_host()
    if name == EMULATED:
        return tool("tools.pi_userland").PiUserland.ready().target
    agents = {agent.name: agent for agent in list_agents()}
    if name in agents:
        return agent_target(agents[name])
    mend = f"{nearest(name, [HOST, EMULATED, *agents])}; boards are added with `edgetune agents add`"
    raise ConfigError(f"no place is called {name!r}", where="--on", mend=mend)


def tool(name: str) -> Any:
    """A module of `tools/`, which is in the checkout and not in the wheel.

    Raises
    ------
    MissingDependencyError
        edgetune was installed without its checkout.
    """
    if find_spec("tools") is None or find_spec(name) is None:
        raise MissingDependencyError(
            f"{name} comes with edgetune's checkout, not with its wheel", mend="pip install --editable the checkout"
        )
    return import_module(name)
