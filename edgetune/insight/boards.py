"""The boards that a search clocks on, looked at every quarter of a minute beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edgetune.agent.board import BoardState
from edgetune.agent.client import Client
from edgetune.agent.registry import Agent
from edgetune.errors import AgentError

EVERY = 15.0  # seconds; one question is a few milliseconds of the board's time
PATIENCE = 5.0

States = Callable[[], dict[str, BoardState | None]]


@contextmanager
def watched(agents: Sequence[Agent]) -> Iterator[States]:
    """Asks each agent in a thread of its own while the block runs, so that a board that is off delays nobody.

    Gives a function that tells the last state of each board by its agent's name; None for one that does not answer.
    """
    states: dict[str, BoardState | None] = {agent.name: None for agent in agents}
    over = threading.Event()

    def watch(agent: Agent) -> None:
        with Client(agent, patience=PATIENCE) as client:
            while not over.is_set():
                try:
                    states[agent.name] = client.board().state
                except AgentError:
                    states[agent.name] = None
                over.wait(EVERY)

    threads = [threading.Thread(target=watch, args=[agent], daemon=True) for agent in agents]
    for thread in threads:
        thread.start()
    try:
        yield lambda: dict(states)
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=1)
