"""Runs the agent: TLS, one process, and connections that have to say something in time."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgetune.agent.app import DEFAULT, Settings, make_app
from edgetune.agent.discovery import announced
from edgetune.agent.home import Certificate, Token, own_folder
from edgetune.agent.listener import listen
from edgetune.agent.measure import Request, measure
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import DEFAULT_PORT
from edgetune.agent.yardstick import Yardstick
from edgetune.errors import AgentError, EdgetuneError

EVERYWHERE = ("0.0.0.0", "::")
HEADER_SECONDS = 10.0
IDLE_SECONDS = 30


@dataclass(frozen=True)
class Place:
    """Where an agent listens, and which command starts its measurements."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    python: Sequence[str] = (sys.executable,)


class PromptProtocol(H11Protocol):
    """Closes connections whose request headers take too long, as those of a slow loris do."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """The time runs while no request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self.deadline is None:
            seconds = HEADER_SECONDS + (IDLE_SECONDS if self.cycle is not None else 0)
            self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _forget(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class Server(uvicorn.Server):
    """Listens at `place`, and calls `on_start` with the port once connections are taken."""

    def __init__(self, config: uvicorn.Config, place: Place, on_start: Callable[[int], object]) -> None:
        super().__init__(config)
        self.listeners: list[socket.socket] = [*listen(place.host, place.port)]
        self.on_start = on_start
        self.problem: EdgetuneError | None = None

    def run(self, sockets: Any = None) -> None:
        super().run(sockets or self.listeners)

    async def startup(self, sockets: Any = None) -> None:
        loop = asyncio.get_running_loop()
        # uvicorn has no setting for the handshake's time, and asyncio leaves a minute
        loop.create_server = partial(loop.create_server, ssl_handshake_timeout=HEADER_SECONDS)  # type: ignore[method-assign]
        await super().startup(sockets)
        if self.started:
            port = self.listeners[0].getsockname()[1]
            try:
                await asyncio.to_thread(self.on_start, port)  # which may wait for the network
            except EdgetuneError as error:
                self.problem, self.should_exit = error, True


def make_server(
    folder: Path, place: Place, settings: Settings = DEFAULT, *, on_start: Callable[[int], object] = int
) -> Server:
    """An agent that is ready to `run()`."""
    run = partial(_measure, tuple(place.python), yardstick_of(folder))
    certificate = Certificate(folder)
    certificate.ensure(place.python)
    config = uvicorn.Config(
        make_app(folder, run, settings),
        http=PromptProtocol,
        ws="none",
        loop="asyncio",
        backlog=128,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=2**14,
        ssl_certfile=certificate.certificate,
        ssl_keyfile=certificate.key,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )
    try:
        config.load()
    except ssl.SSLError as error:
        mend = "remove it and certificate.pem, and start again"
        raise AgentError("not the certificate's key", where=certificate.key, mend=mend) from error
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return Server(config, place, on_start)


def serve(folder: Path, place: Place, settings: Settings, *, on_start: Callable[[int], object]) -> None:
    """Runs until it is stopped.

    Raises
    ------
    AgentError
        The port is taken, or the address is none of this machine's.
    EdgetuneError
        What `on_start` raised.
    """
    server = make_server(folder, place, settings, on_start=on_start)
    server.run()
    if server.problem is not None:
        raise server.problem


def run_agent(
    folder: Path, place: Place, settings: Settings, *, announce: bool = False, say: Callable[[str], object] = print
) -> None:
    """The whole agent: makes what it needs at the first start, tells how to reach it, serves until it is stopped.

    Raises
    ------
    AgentError
        See :func:`serve`.
    """
    own_folder(folder)
    token = Token(folder)
    print_of = Certificate(folder).ensure(place.python)
    threading.Thread(target=yardstick_of(folder).survey, args=(place.python,), daemon=True).start()
    with contextlib.ExitStack() as stack:

        def tell(port: int) -> None:
            fresh = None if token.exists() else token.renew()  # not before it can be told
            if announce:
                stack.enter_context(announced(place.host, port))
            address = platform.node() if place.host in EVERYWHERE else place.host
            say(f"address      https://{address}:{port}")
            say(f"fingerprint  {print_of}")
            say(f"token        {fresh or 'as printed before; `edgetune agent token` makes a new one'}")
            say("on the host  edgetune agents add NAME ADDRESS --token TOKEN --fingerprint FINGERPRINT")

        serve(folder, place, settings, on_start=tell)


def yardstick_of(folder: Path) -> Yardstick:
    return Yardstick(folder / "yardstick.json")


def _measure(
    python: Sequence[str], yardstick: Yardstick, model: Path, request: Request, cancelled: threading.Event
) -> Measurement:
    return measure(model, request, python=python, cancelled=cancelled, yardstick=yardstick)
