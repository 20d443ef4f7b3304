"""Finalists on boards: what is said of a prediction and a measurement, and what is kept."""

from __future__ import annotations

import csv
import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgetune.agent.measure import measure
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import add_agent
from edgetune.config import SearchConfig
from edgetune.device.profile import load_profile
from edgetune.errors import AgentError, ConfigError
from edgetune.latency.prediction import Prediction
from edgetune.pipeline import measured
from edgetune.pipeline.measured import check_agents, compare, measure_finalists, missed, teaches
from edgetune.pipeline.search import start
from edgetune.report.summary import Artefact, Finalist
from edgetune.reporter import Reporter
from tests.agent.conftest import Running, running
from tests.agent.models import QUICK_REQUEST, convolution
from tests.report.conftest import make_finalist, make_trial

RPI4 = load_profile("rpi4")
LIKE_THIS_HOST = RPI4.model_copy(
    update={"target": RPI4.target.model_copy(update={"triple": f"{platform.machine()}-linux-gnu"})}
)
PREDICTED = Prediction("net", 1.0, (0.5, 2.0), "calibrated", "rpi4", "onnxruntime", "1.32.0", "fp32", 1, 1800)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    path = tmp_path_factory.mktemp("m") / "model.onnx"
    onnx.save(convolution(), path)
    return measure(path, QUICK_REQUEST)


def with_latency(found: Measurement, ms: float) -> Measurement:
    return replace(found, job=replace(found.job, timing=replace(found.job.timing, p50_ms=ms)))


def test_an_interval_that_was_missed_is_said(found: Measurement) -> None:
    assert "within the predicted 1 ms" in compare(PREDICTED, with_latency(found, 1.9), LIKE_THIS_HOST)[1]
    assert "MISSED" in compare(PREDICTED, with_latency(found, 2.1), LIKE_THIS_HOST)[1]
    assert "MISSED" in compare(PREDICTED, with_latency(found, 0.4), LIKE_THIS_HOST)[1]


def test_what_cannot_be_compared_is_not(found: Measurement) -> None:
    other = compare(replace(PREDICTED, runtime="tflite"), with_latency(found, 9.0), LIKE_THIS_HOST)
    assert "another runtime" in other[1]
    emulated = compare(PREDICTED, replace(with_latency(found, 9.0), kind="emulated"), LIKE_THIS_HOST)
    assert "says nothing" in emulated[1]
    stranger = replace(found.board, machine="riscv64")
    elsewhere = compare(PREDICTED, replace(with_latency(found, 9.0), board=stranger), LIKE_THIS_HOST)
    assert "riscv64" in elsewhere[1]
    assert not any("MISSED" in line for line in other + emulated + elsewhere)


def test_only_what_is_undisturbed_and_of_the_board_teaches(found: Measurement) -> None:
    steady = replace(found, kind="measured", marks=())
    assert teaches(steady, LIKE_THIS_HOST)
    assert not teaches(replace(steady, marks=("loaded",)), LIKE_THIS_HOST)
    assert not teaches(replace(steady, kind="emulated"), LIKE_THIS_HOST)
    assert not teaches(replace(steady, board=replace(found.board, machine="riscv64")), LIKE_THIS_HOST)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("EDGETUNE_AGENTS", str(tmp_path / "agents.json"))
    monkeypatch.setattr(measured, "Request", lambda threads: replace(QUICK_REQUEST, threads=threads))
    with running(tmp_path / "agent") as here:
        add_agent(here.agent)
        yield here


def finalist(name: str, folder: Path, width: int) -> Finalist:
    onnx.save(convolution(width, pixels=32), folder / f"{name}.onnx")
    trial, sample = make_trial(0, np.random.default_rng(0))
    made = make_finalist(name, trial, sample, measured=False)
    artefact = Artefact(format="onnx", path=f"{name}.onnx", size_bytes=1, sha256=64 * "0")
    return replace(made, latencies=(replace(PREDICTED, network=name, device="rpi4"),), artefacts=(artefact,))


def test_finalists_get_what_a_real_agent_measured(agent: Running, tmp_path: Path) -> None:
    check_agents("here")
    said: list[str] = []
    before = [finalist(f"net-{width}", tmp_path, width) for width in (4, 8, 16)]
    after = measure_finalists(before, "here", LIKE_THIS_HOST, tmp_path, said.append)
    found = [one.latencies[1] for one in after]
    assert [one.latency for one in after] == [one.latency for one in before]
    for one in found:
        assert (one.kind, one.runtime, one.threads, one.device) == ("measured", "onnxruntime", 1, "rpi4")
        assert one.interval_ms[0] <= one.latency_ms <= one.interval_ms[1]
    assert sum("predicted 1 ms" in line for line in said) == 3
    steady = [name.name for name, one in zip(after, found, strict=True) if not one.warnings]
    table = tmp_path / "measured.csv"
    rows = list(csv.DictReader(table.open())) if table.is_file() else []
    assert [Path(row["network"]).stem for row in rows] == steady
    calibrated = len(steady) == 3  # a loaded machine calibrates nothing
    assert (tmp_path / "device" / "rpi4" / "model.json").is_file() == calibrated
    assert any("calibrated on them" in line for line in said) == calibrated


def test_what_another_kind_of_board_measured_is_not_the_boards(agent: Running, tmp_path: Path) -> None:
    other = "riscv64-linux-gnu"
    profile = RPI4.model_copy(update={"target": RPI4.target.model_copy(update={"triple": other})})
    said: list[str] = []
    (after,) = measure_finalists([finalist("net", tmp_path, 4)], "here", profile, tmp_path, said.append)
    assert after.latencies[1].device != "rpi4" and missed([after]) == []
    assert not (tmp_path / "measured.csv").exists() and not (tmp_path / "device").exists()
    assert any("another board" in line for line in said)


def test_an_agent_that_is_not_known_stops_a_search_before_it_begins(agent: Running) -> None:
    check_agents(None)
    with pytest.raises(AgentError, match="did you mean here"):
        check_agents("her")


def test_agents_need_a_file_that_they_can_clock(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add onnx"):
        start(SearchConfig(data="digits", agent="here", formats="tvm"), tmp_path / "run", Reporter())
    assert not (tmp_path / "run").exists()
