"""Runs the agent: TLS, one process, and connections that have to say something in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
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
from edgetune.agent.home import Certificate, Token
from edgetune.agent.measure import Request, measure
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import DEFAULT_PORT
from edgetune.agent.yardstick import Yardstick
from edgetune.errors import AgentError, EdgetuneError

EVERYWHERE = ("0.0.0.0", "::")
CLIENTS = 64
"""Requests beyond are told to come back later."""
CONNECTIONS = 256
"""Those beyond are closed at once."""
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
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
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
    """Calls `on_start` with the port once connections are taken; keeps why there are none, which uvicorn only logs."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[int], object]) -> None:
        super().__init__(config)
        self.on_start = on_start
        self.problem: OSError | EdgetuneError | None = None

    async def startup(self, sockets: Any = None) -> None:
        log = logging.getLogger("uvicorn.error")
        log.addFilter(self._is_other)
        try:
            await super().startup(sockets)
        finally:
            log.removeFilter(self._is_other)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            try:
                await asyncio.to_thread(self.on_start, port)  # which may wait for the network
            except EdgetuneError as error:
                self.problem, self.should_exit = error, True

    def _is_other(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, OSError):
            self.problem = record.msg
        return not isinstance(record.msg, OSError)


def make_server(
    folder: Path, place: Place, settings: Settings = DEFAULT, *, on_start: Callable[[int], object] = int
) -> Server:
    """An agent that is ready to `run()`."""
    run = partial(_measure, tuple(place.python), yardstick_of(folder))
    certificate = Certificate(folder)
    certificate.ensure(place.python)
    config = uvicorn.Config(
        make_app(folder, run, settings),
        host=place.host,
        port=place.port,
        http=PromptProtocol,
        ws="none",
        loop="asyncio",
        limit_concurrency=CLIENTS,
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
    config.load()
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return Server(config, on_start)


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
    try:
        server.run()
    except SystemExit as error:
        why = str(getattr(server.problem, "strerror", None)).rpartition(": ")[2]
        raise AgentError(
            f"cannot listen at {place.host}:{place.port}: {why}",
            mend="take another --port or --host; is an agent running?",
        ) from error
    if isinstance(server.problem, EdgetuneError):
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
