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
    """The target that `--on` names.

    Raises
    ------
    ConfigError
        An unknown name.
    MissingDependencyError
        An emulated board without the checkout's tools, or without QEMU.
    """
    from edgetune.export.verify import this_host

    if name == HOST:
        return this_host()
    if name == EMULATED:
        return tool("tools.pi_userland").PiUserland.ready().target
    raise ConfigError(f"no place is called {name!r}", where="--on", mend=nearest(name, [HOST, EMULATED]))


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
