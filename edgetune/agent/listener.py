"""Where connections come in: so many in all and so many of one address, counted before they have said a word."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

from edgetune.agent.guard import network_of
from edgetune.errors import AgentError

CONNECTIONS = 512
CONNECTIONS_OF_ONE = 256
"""From one address; those beyond are closed at once, so that one host cannot keep the others out."""


class Listener(socket.socket):
    """A listening socket that lets go of connections beyond the limits before TLS begins."""

    def __init__(self, *place: Any) -> None:
        super().__init__(*place)
        self.open: Counter[str] = Counter()

    def accept(self) -> tuple[socket.socket, Any]:
        """
        Raises
        ------
        ConnectionAbortedError
            Too many, which asyncio takes for a client that went away.
        """
        plain, address = super().accept()
        network = network_of(address[0])
        if self.open.total() >= CONNECTIONS or self.open[network] >= CONNECTIONS_OF_ONE:
            plain.close()
            raise ConnectionAbortedError("too many connections")
        self.open[network] += 1
        return _Connection(self, network, plain.detach()), address


class _Connection(socket.socket):
    """One that is counted until it is closed."""

    def __init__(self, listener: Listener, network: str, handle: int) -> None:
        super().__init__(fileno=handle)
        self.listener, self.network = listener, network

    def close(self) -> None:
        if self.fileno() >= 0:
            self.listener.open[self.network] -= 1
        super().close()


def listen(host: str, port: int) -> list[Listener]:
    """A socket for each address that `host` names.

    Raises
    ------
    AgentError
        The port is taken, or the address is none of this machine's.
    """
    found: list[Listener] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = Listener(family, kind, protocol)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as error:
        for listener in found:
            listener.close()
        raise AgentError(
            f"cannot listen at {host}:{port}: {error.strerror}",
            mend="take another --port or --host; is an agent running?",
        ) from error
    return found
