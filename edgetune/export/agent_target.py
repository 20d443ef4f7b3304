"""A board with an agent on it, as a place where artefacts are verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgetune.agent.client import Client
from edgetune.agent.measure import Request
from edgetune.agent.registry import Agent
from edgetune.agent.runtimes import RUNTIMES
from edgetune.agent.timing import Protocol
from edgetune.agent.wire import BoardBody
from edgetune.errors import ExportError
from edgetune.export.verify import Target
from edgetune.files import scratch_folder

BRIEFLY = Protocol(min_runs=1, min_seconds=0.0, max_seconds=0.1, warmup_seconds=0.0)
"""An agent clocks whatever it runs; here nobody looks at the clock."""
PATIENCE = 30.0  # seconds without a link


def agent_target(agent: Agent) -> Target:
    """The board of `agent`, whose name then says what it is and which runtimes ran there.

    Raises
    ------
    AgentError
        It cannot be reached, refuses, or shows another certificate.
    """
    with Client(agent, patience=PATIENCE) as client:
        board = client.board()

    def logits(artefact: Path, pictures: np.ndarray) -> np.ndarray:
        return logits_of_agent(agent, artefact, pictures)

    return Target(_name(agent, board), board.board.machine, logits, _lacks(board))


def logits_of_agent(agent: Agent, artefact: Path, pictures: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), that `artefact` gives on the agent's board.

    Raises
    ------
    ExportError
        A kind of file that agents do not run.
    MeasurementError
        The board cannot run it; `code` says why.
    AgentError
        It cannot be reached, or refuses.
    """
    names = [name for name, runtime in RUNTIMES.items() if runtime.suffix == artefact.suffix]
    if not names:
        raise ExportError("no runtime for this kind of file", where=artefact)
    with scratch_folder() as folder, Client(agent, patience=PATIENCE) as client:
        given = folder / "pictures.npy"
        np.save(given, pictures)
        shape = (1, *pictures.shape[1:])
        request = Request(names[0], protocol=BRIEFLY, attempts=1, input_shape=shape, pictures=given)
        return np.asarray(client.measure(artefact, request).job.outputs, np.float32)


def _name(agent: Agent, body: BoardBody) -> str:
    runtimes = ", ".join(f"{name} {version}" for name, version in sorted(body.runtimes.items()))
    emulated = "emulated, " if body.board.emulated else ""
    return f"agent {agent.name} ({emulated}{body.board.model}; {runtimes})"


def _lacks(body: BoardBody) -> dict[str, str]:
    """By the suffix of its files, why the board does not run what."""
    lacks = {}
    for name, runtime in RUNTIMES.items():
        if name not in body.runtimes:
            lacks[runtime.suffix] = f"{name} is not installed there; pip install {runtime.package}"
        elif runtime.native and not body.native:
            lacks[runtime.suffix] = "the agent runs no machine code of others, unless started with --allow-native"
    return lacks
