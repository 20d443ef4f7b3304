"""A short fuzz of the agent, of which tools/fuzz_agent.py runs the long one."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.agent.models import convolution, endless
from tools.fuzz_agent import fuzz_models, fuzz_requests


def test_damaged_requests_are_answered_and_let_nobody_in(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    statuses = asyncio.run(fuzz_requests(600, random.Random(0), folder))
    assert {200, 201, 404, 405, 422} & set(statuses)
    assert statuses[401] > 10
    assert statuses[500] == 0


def test_damaged_models_leave_nothing_behind() -> None:
    seeds = [convolution().SerializeToString(), endless().SerializeToString()[:400]]
    ends = fuzz_models(seeds, 200, random.Random(0))
    assert ends["refused"] > 50
    assert sum(ends.values()) == 200
