"""The yardstick: kept at its best, compared with the like alone, and what it says of a measurement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.agent.board import read_info
from edgetune.agent.measure import SLOWDOWN, measure
from edgetune.agent.yardstick import Yardstick, clock
from tests.agent.conftest import Running
from tests.agent.models import QUICK_REQUEST

INFO = read_info()


@given(st.lists(st.floats(0.01, 100), min_size=1))
def test_a_slowdown_is_against_the_best_so_far(tmp_path_factory: pytest.TempPathFactory, times: list[float]) -> None:
    yardstick = Yardstick(tmp_path_factory.mktemp("y") / "yardstick.json")
    found = [yardstick.slowdown(INFO, [1], ms) for ms in times]
    assert found == pytest.approx(np.array(times) / np.minimum.accumulate(times))


def test_other_cores_and_other_boards_are_no_measure(tmp_path: Path) -> None:
    yardstick = Yardstick(tmp_path / "yardstick.json")
    yardstick.slowdown(INFO, [1], 1.0)
    assert yardstick.slowdown(INFO, [2], 3.0) == 1
    assert yardstick.slowdown(replace(INFO, model="another"), [1], 3.0) == 1
    assert Yardstick(yardstick.path).slowdown(INFO, [1], 3.0) == 3, "it is kept for the next start"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": null}', '{"a": "x"}'])
def test_a_broken_file_is_begun_anew(tmp_path: Path, content: str) -> None:
    yardstick = Yardstick(tmp_path / "yardstick.json")
    yardstick.path.write_text(content)
    assert yardstick.slowdown(INFO, [1], 1.0) == 1
    assert yardstick.slowdown(INFO, [1], 2.0) == 2


def test_a_full_disk_fails_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Yardstick(tmp_path / "file" / "yardstick.json").slowdown(INFO, [1], 1.0) == 1


def test_the_clock_is_numpys_product_of_two_matrices() -> None:
    assert 1e-4 < clock() < 1e3


def test_a_survey_gives_the_first_model_something_to_be_held_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yardstick = Yardstick(tmp_path / "yardstick.json")
    assert not yardstick.known()
    yardstick.survey()
    assert yardstick.known()
    (ms,) = json.loads(yardstick.path.read_text()).values()
    assert ms > 0


def test_a_machine_that_was_faster_before_makes_a_measurement_slowed(model: Path, tmp_path: Path) -> None:
    yardstick = Yardstick(tmp_path / "yardstick.json")
    first = measure(model, QUICK_REQUEST, yardstick=yardstick)
    assert first.slowdown == 1
    yardstick.slowdown(first.board, first.job.cores, first.job.yardstick_ms / 10)
    again = measure(model, QUICK_REQUEST, yardstick=yardstick)
    assert again.slowdown > SLOWDOWN
    assert "slowed" in again.marks
    assert not again.steady


def test_an_agent_keeps_its_yardstick(here: Running, model: Path) -> None:
    with here.client() as client:
        found = client.measure(model, QUICK_REQUEST)
    known = json.loads((here.folder / "yardstick.json").read_text())
    assert min(known.values()) <= found.job.yardstick_ms
    assert found.slowdown >= 1
