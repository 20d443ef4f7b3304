"""Models and agents for the tests of this room."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from edgetune.agent.app import Settings
from edgetune.agent.client import Client
from edgetune.agent.home import Certificate, Token
from edgetune.agent.measure import Limits
from edgetune.agent.registry import Agent
from edgetune.agent.serve import Place, make_server
from tests.agent.models import convolution


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    onnx.save(convolution(), path)
    return path


@dataclass
class Running:
    """An agent that runs in a thread of the tests, and what its host knows of it."""

    agent: Agent
    folder: Path

    def client(self, patience: float = 10.0) -> Client:
        return Client(self.agent, patience=patience)


@contextlib.contextmanager
def running(folder: Path, settings: Settings | None = None, *, port: int = 0, name: str = "here") -> Iterator[Running]:
    started, ports = threading.Event(), []

    def on_start(port: int) -> None:
        ports.append(port)
        started.set()

    secret = Token(folder).renew()
    limits = Limits(seconds=60, memory_bytes=2**31)
    server = make_server(
        folder, Place(port=port), settings or Settings(job=limits, largest_model=10**6), on_start=on_start
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield Running(Agent(name, "127.0.0.1", ports[0], secret, Certificate(folder).fingerprint()), folder)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("agent")) as one:
        yield one


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts agents that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name="here", **options: stack.enter_context(running(tmp_path / name, name=name, **options))
