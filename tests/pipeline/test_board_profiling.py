"""A profile from an agent's measurements: this machine's own, over TLS."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from edgetune.agent import pool
from edgetune.agent.client import Client
from edgetune.agent.measure import Request, measure
from edgetune.agent.measurement import Mark, Measurement
from edgetune.agent.registry import Agent
from edgetune.agent.wire import BoardBody
from edgetune.device.host import host_sheet, read_host
from edgetune.errors import AgentError
from edgetune.pipeline import board_profiling
from edgetune.pipeline.board_profiling import Clocking, Journal, profile_board
from edgetune.reporter import Reporter
from tests.agent.conftest import running
from tests.agent.models import QUICK_REQUEST, convolution

POOL = tuple(f"mobile-small-28-random-{i}" for i in range(6))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data sheet of this machine, among the user's own."""
    monkeypatch.setenv("EDGETUNE_DEVICES", str(tmp_path / "devices"))
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(board_profiling, "POOL", POOL)
    monkeypatch.setattr(board_profiling, "REQUEST", QUICK_REQUEST)
    monkeypatch.setattr(board_profiling, "VISITS", 1)  # however busy this machine is
    folder = tmp_path / "devices" / "desk"
    folder.mkdir(parents=True)
    sheet = host_sheet(read_host(), runtime="onnxruntime", threads=1, gmacs_per_s=30.0, stream_gb_per_s=10.0)
    (folder / "profile.toml").write_text(sheet)
    return folder


def test_a_board_is_clocked_and_calibrated_and_a_stopped_run_goes_on(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "agent") as here:
        monkeypatch.setattr(board_profiling, "BATCH", 2)
        with pytest.raises(ZeroDivisionError):
            profile_board("desk", [here.agent], networks=4, reporter=StopsAt(2))
        (journal,) = (tmp_path / "cache" / "profiling").iterdir()
        boards = {here.agent.name: here.agent.fingerprint}
        assert len(Journal(journal, boards).found) == 2
        assert not Journal(journal, {"another": 64 * "0"}).found
        with monkeypatch.context() as tomorrow:
            tomorrow.setattr(board_profiling, "LASTS", -1.0)
            assert not Journal(journal, boards).found
        with journal.open("a") as file:
            file.write('{"network": "cut of')
        (model,) = profile_board("desk", [here.agent], networks=4)
    jobs = (tmp_path / "agent" / "audit.log").read_text().count('"event": "job",')
    assert jobs == 4, "what was clocked is not clocked again"
    assert not journal.exists()
    assert (model.runtime, model.threads, model.measured.networks) == ("onnxruntime", 1, 4)
    rows = (board / "measurements.csv").read_text().splitlines()
    assert len(rows) == 5
    assert (board / "model.json").is_file()


def test_what_was_disturbed_is_clocked_again_when_all_have_been(
    board: Path, tmp_path: Path, model_measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One network twice, one for ever, whose lowest figure then counts."""
    visits: list[str] = []
    marks: dict[str, list[tuple[Mark, ...]]] = {
        POOL[1]: [("loaded", "slowed"), ("loaded",), ()],
        POOL[2]: [("loaded",), ("loaded",), ("loaded",)],
    }
    slow = {POOL[1]: [3.0, 4.0, 2.0], POOL[2]: [3.0, 2.0, 4.0]}

    class Made(Client):
        def measure(self, model: Path, request: Request = QUICK_REQUEST) -> Measurement:
            turn = visits.count(model.stem)
            visits.append(model.stem)
            timing = replace(model_measured.job.timing, p50_ms=slow.get(model.stem, [1.0])[turn])
            job = replace(model_measured.job, timing=timing)
            return replace(model_measured, job=job, marks=marks.get(model.stem, [()])[turn])

    monkeypatch.setattr(pool, "Client", Made)
    monkeypatch.setattr(board_profiling, "VISITS", 3)
    monkeypatch.setattr(board_profiling, "BATCH", 2)
    with running(tmp_path / "agent") as here:
        profile_board("desk", [here.agent], networks=len(POOL))
    assert sorted(visits[: len(POOL)]) == sorted(POOL)
    assert sorted(visits[len(POOL) :]) == sorted(2 * [POOL[1], POOL[2]])
    rows = csv.DictReader((board / "measurements.csv").read_text().splitlines())
    assert {row["network"]: float(row["latency_ms"]) for row in rows} == {n: 2.0 if n in slow else 1.0 for n in POOL}


def test_a_journal_keeps_how_often_a_network_was_visited(tmp_path: Path, model_measured: Measurement) -> None:
    boards = {"desk": 64 * "a"}
    journal = Journal(tmp_path / "journal.jsonl", boards)
    for mark in ("loaded", "throttled"):
        journal.add("loud", "desk", replace(model_measured, marks=(mark,)))
    journal.add("calm", "desk", replace(model_measured, marks=()))
    again = Journal(journal.path, boards)
    assert again.found == journal.found and again.found["loud"]["visits"] == 2
    assert again.left(["loud", "calm", "new"]) == ["new", "loud"]


class StopsAt(Reporter):
    """As if Ctrl-C were pressed."""

    def __init__(self, done: int) -> None:
        self.done = done

    def progress(self, stage: str, done: int, total: int) -> None:
        if done >= self.done:
            raise ZeroDivisionError


def test_a_board_of_another_architecture_is_refused(board: Path, tmp_path: Path) -> None:
    sheet = (board / "profile.toml").read_text()
    other = "x86_64" if read_host().machine == "aarch64" else "aarch64"
    (board / "profile.toml").write_text(sheet.replace(f"{read_host().machine}-", f"{other}-"))
    with running(tmp_path / "agent") as here, pytest.raises(AgentError, match="its processor is "):
        profile_board("desk", [here.agent])


def test_a_board_that_was_busy_should_be_profiled_again(tmp_path: Path, model_measured: Measurement) -> None:
    journal = Journal(tmp_path / "journal.jsonl", {"desk": 64 * "a"})
    for i in range(8):
        journal.add(f"quiet-{i}", "desk", replace(model_measured, marks=()))
    assert board_profiling._disturbed(journal) is None
    journal.add("loud", "desk", replace(model_measured, marks=("loaded",)))
    assert board_profiling._disturbed(journal) == "note: 1 of 9 networks were clocked while disturbed"
    for i in range(2):
        journal.add(f"hot-{i}", "desk", replace(model_measured, marks=("loaded", "throttled")))
    words = board_profiling._disturbed(journal)
    assert words and words.startswith("warning: 3 of 11 networks")
    assert "(loaded, throttled)" in words and "again" in words


def body_of(agent: Agent, model: str) -> BoardBody:
    with Client(agent) as client:
        body = client.board()
    machine = "aarch64" if "Pi" in model else body.board.machine
    return body.model_copy(update={"board": replace(body.board, model=model, machine=machine)})


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (("Raspberry Pi 5 Model B Rev 1.0",), "it is a Raspberry Pi 5 Model B, not a Raspberry Pi 4 Model B"),
        (("Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 5 Model B Rev 1.0"), "several kinds"),
    ],
)
def test_boards_of_another_kind_or_of_several_are_refused(
    start_agent: Agent, models: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {f"pi-{i}": body_of(start_agent, model) for i, model in enumerate(models)}

    class Known(Client):
        def board(self) -> BoardBody:
            return bodies[self.agent.name]

    monkeypatch.setattr(board_profiling, "Client", Known)
    with pytest.raises(AgentError, match=words) as error:
        profile_board("rpi4", [replace(start_agent, name=name) for name in bodies])
    assert len(models) > 1 or error.value.mend == "--device rpi5"


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[Agent]:
    with running(tmp_path / "agent") as here:
        yield here.agent


def test_what_an_agent_that_dies_had_to_do_the_other_does(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed when two networks are clocked, and not asked again in the next batches."""
    monkeypatch.setattr(board_profiling, "BATCH", 2)
    monkeypatch.setattr(pool, "PATIENCE_OF_MANY", 1.0)
    monkeypatch.setattr(pool, "DISAGREES", 100.0)  # both are this machine, which is busy
    said: list[str] = []
    with running(tmp_path / "stays", name="stays") as stays, contextlib.ExitStack() as until_killed:
        dies = until_killed.enter_context(running(tmp_path / "dies", name="dies"))

        class Kills(Reporter):
            def progress(self, stage: str, done: int, total: int) -> None:
                if done >= 2:
                    until_killed.close()

            def say(self, text: str) -> None:
                said.append(text)

        (model,) = profile_board("desk", [stays.agent, dies.agent], networks=6, reporter=Kills())
    assert model.measured.networks == 6
    assert len([text for text in said if "dies was left out" in text]) == 1
    jobs = {one.folder.name: (one.folder / "audit.log").read_text().count('"event": "job",') for one in (stays, dies)}
    assert jobs["stays"] == 6 and jobs["dies"] <= 3, "only the first batch is measured on both, to compare them"


def test_what_a_bad_unit_clocked_calibrates_nothing(
    tmp_path: Path, model_measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third board is 40 % slower; of two that disagree neither is believed."""

    class Made(Client):
        def measure(self, model: Path, request: Request = QUICK_REQUEST) -> Measurement:
            p50_ms = len(model.stem) * (1.4 if self.agent.name == "slow" else 1.0)
            timing = replace(model_measured.job.timing, p50_ms=p50_ms)
            return replace(model_measured, job=replace(model_measured.job, timing=timing), marks=())

    monkeypatch.setattr(pool, "Client", Made)
    said: list[str] = []
    one, two, slow = (
        Agent(name, "pi", 1, "t", 64 * letter) for name, letter in (("one", "a"), ("two", "b"), ("slow", "c"))
    )
    clocking = Clocking([one, two, slow], QUICK_REQUEST, tmp_path, journal_of(tmp_path, one, two, slow), 12, Says(said))
    clocking.clock(POOL)
    assert [agent.name for agent in clocking.agents] == ["one", "two"]
    assert {entry["board"][0] for entry in clocking.journal.found.values()} <= {"a", "b"}
    assert any("slow is 40% slower" in text for text in said)
    pair = Clocking([one, slow], QUICK_REQUEST, tmp_path, journal_of(tmp_path / "pair", one, slow), 12, Says(said))
    with pytest.raises(AgentError, match="no board is left whose figures can be trusted"):
        pair.clock(POOL)
    assert not pair.journal.found


class Says(Reporter):
    def __init__(self, said: list[str]) -> None:
        self.said = said

    def say(self, text: str) -> None:
        self.said.append(text)


def journal_of(folder: Path, *agents: Agent) -> Journal:
    return Journal(folder / "journal.jsonl", {agent.name: agent.fingerprint for agent in agents})


def test_emulated_timings_calibrate_nothing(board: Path, tmp_path: Path, model_measured: Measurement) -> None:
    journal = Journal(tmp_path / "journal.jsonl", {"desk": 64 * "a"})
    with pytest.raises(AgentError, match="emulated"):
        journal.add("x", "desk", replace(model_measured, kind="emulated"))
    assert not journal.found
    assert not journal.path.exists()


@pytest.fixture
def model_measured(tmp_path: Path) -> Measurement:
    onnx.save(convolution(), tmp_path / "model.onnx")
    return measure(tmp_path / "model.onnx", QUICK_REQUEST)


def test_an_agent_that_is_not_there_is_told(board: Path) -> None:
    nobody = Agent("nobody", "127.0.0.1", 1, "x", 64 * "0")
    with pytest.raises(AgentError, match="cannot be reached"):
        Client(nobody, patience=0.1).board()
