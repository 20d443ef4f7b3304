"""A real agent in the emulated Raspberry Pi, reached from this machine over TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgetune.agent.client import Client
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import Agent, parse_url
from tests.agent.models import QUICK_REQUEST
from tools.pi_userland import PiUserland
from tools.pi_userland.agent_site import agent_site

ROOT = Path(__file__).parents[2]
WORDS = ("address", "fingerprint", "token")


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    userland = PiUserland.ready()
    path = os.pathsep.join([str(ROOT), str(agent_site()), userland.environment["PYTHONPATH"]])
    folder = tmp_path_factory.mktemp("pi")
    command = userland.command([ROOT / "tests/agent/serving.py", folder, *userland.command([])])
    environment = userland.environment | {"PYTHONPATH": path}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = dict(line.split(maxsplit=1) for line in (process.stdout.readline() for _ in WORDS) if line)
        assert set(told) == set(WORDS)
        host, port = parse_url(told["address"].strip())
        yield Agent("pi", host, port, told["token"].strip(), told["fingerprint"].strip())
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def measured(pi: Agent, model: Path) -> Measurement:
    with Client(pi, patience=60) as client:
        return client.measure(model, replace(QUICK_REQUEST, protocol=replace(QUICK_REQUEST.protocol, min_runs=5)))


def test_the_board_is_a_raspberry_pi(pi: Agent) -> None:
    with Client(pi, patience=60) as client:
        body = client.board()
    assert body.board.machine == "aarch64"
    assert body.board.emulated
    assert "onnxruntime" in body.runtimes


def test_a_network_runs_there_and_its_time_is_called_emulated(measured: Measurement) -> None:
    assert measured.kind == "emulated"
    assert measured.board.machine == "aarch64"
    assert measured.latency_ms > 0
    assert measured.job.timing.runs >= 5
    assert ", emulated, " in str(measured)
