"""Agents announce themselves in the local network by multicast DNS, where that is asked for; nothing secret is said."""

from __future__ import annotations

import contextlib
import ipaddress
import platform
import time
from collections.abc import Iterator
from typing import Any

from edgetune.errors import AgentError, MissingDependencyError

SERVICE = "_edgetune._tcp.local."


@contextlib.contextmanager
def announced(host: str, port: int) -> Iterator[None]:
    """Announces an agent while the block runs.

    Raises
    ------
    AgentError
        There is no network.
    """
    zeroconf = _zeroconf()
    name = platform.node().partition(".")[0] or "board"
    addresses = _own_addresses() if host in ("0.0.0.0", "::") else [host]
    info = zeroconf.ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=port,
        parsed_addresses=addresses,
        properties={"api": "v1"},
        server=f"{name}.local.",
    )
    speaker = _speaker(zeroconf, addresses)
    try:
        speaker.register_service(info, allow_name_change=True)
        yield
    finally:
        speaker.close()


def find(seconds: float = 3.0, *, interface: str | None = None) -> dict[str, str]:
    """Names and addresses of the agents that answer within so many seconds.

    Raises
    ------
    AgentError
        There is no network.
    """
    zeroconf = _zeroconf()
    found: dict[str, str] = {}

    class Listener(zeroconf.ServiceListener):  # type: ignore[misc, name-defined]
        def add_service(self, speaker: object, kind: str, name: str) -> None:
            info = listener.get_service_info(kind, name)
            if info is not None and info.parsed_addresses():
                address = info.parsed_addresses()[0]
                host = f"[{address}]" if ":" in address else address
                found[name.removesuffix(f".{SERVICE}")] = f"https://{host}:{info.port}"

        def update_service(self, *_: object) -> None: ...

        def remove_service(self, *_: object) -> None: ...

    listener = _speaker(zeroconf, [interface] if interface else zeroconf.InterfaceChoice.All)
    try:
        zeroconf.ServiceBrowser(listener, SERVICE, Listener())
        time.sleep(seconds)
    finally:
        listener.close()
    return found


def _own_addresses() -> list[str]:
    """Those of this machine that others can reach."""
    import ifaddr

    ips = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    outside = [ip for ip in ips if not ipaddress.ip_address(ip).is_loopback]
    return outside or ["127.0.0.1"]


def _speaker(zeroconf: Any, interfaces: Any) -> Any:
    try:
        return zeroconf.Zeroconf(interfaces=interfaces)
    except (OSError, RuntimeError) as error:
        raise AgentError(f"multicast DNS needs a network: {error}", mend="is it up?") from error


def _zeroconf() -> Any:
    try:
        import zeroconf
    except ModuleNotFoundError as error:
        raise MissingDependencyError("zeroconf is not installed", mend="run: pip install zeroconf") from error
    return zeroconf
