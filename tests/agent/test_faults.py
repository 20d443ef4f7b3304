"""What goes wrong between a host and its boards, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from edgetune.agent.app import Settings
from edgetune.agent.audit import Audit
from edgetune.agent.cache import ModelCache
from edgetune.agent.client import Client
from edgetune.agent.home import Certificate, own_folder
from edgetune.agent.jobs import KEPT, JobQueue
from edgetune.agent.link import Answer, Link, LinkLost
from edgetune.agent.measure import Limits, Request, sha256_of
from edgetune.agent.pool import measure_on
from edgetune.agent.registry import Agent, parse_url
from edgetune.agent.serve import Place, run_agent
from edgetune.agent.wire import Refusal
from edgetune.errors import AgentError, ConfigError, EdgetuneError, MeasurementError, ModelFileError
from tests.agent.conftest import Running, running
from tests.agent.models import QUICK_REQUEST, convolution, endless

SLOW_REQUEST = replace(QUICK_REQUEST, protocol=replace(QUICK_REQUEST.protocol, min_seconds=2.0, max_seconds=3.0))


class Wire:
    """A line to an agent that can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self.target, self.cut = port, threading.Event()
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.cut.is_set():
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            self.open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(data)
        sink.close()

    def sever(self) -> None:
        self.cut.set()
        for stream in self.open:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()

    def mend(self) -> None:
        self.cut.clear()


@pytest.fixture
def wire(here: Running) -> Iterator[Wire]:
    line = Wire(here.agent.port)
    yield line
    line.sever()
    line.listener.close()


def test_a_job_goes_on_where_the_link_was_cut(here: Running, wire: Wire, model: Path) -> None:
    """The link is cut in the middle of the job for longer than the job lasts; it runs once."""
    threading.Timer(0.8, wire.sever).start()
    threading.Timer(4.0, wire.mend).start()
    with Client(replace(here.agent, port=wire.port), patience=60) as client:
        assert client.measure(model, SLOW_REQUEST).latency_ms > 0
    assert not wire.cut.is_set()
    log = (here.folder / "audit.log").read_text()
    assert log.count('"event": "job",') == log.count('"event": "job ended"') == 1


def test_a_link_that_stays_cut_is_told(here: Running, wire: Wire, model: Path) -> None:
    wire.sever()
    with pytest.raises(LinkLost, match="cannot be reached"):
        Client(replace(here.agent, port=wire.port), patience=1).measure(model, QUICK_REQUEST)


def test_a_minute_is_within_the_usual_patience() -> None:
    from edgetune.agent.pool import PATIENCE_OF_ONE

    assert inspect.signature(Link).parameters["patience"].default > 60
    assert PATIENCE_OF_ONE > 60


def test_a_link_that_is_cut_for_a_minute_costs_nothing(
    here: Running, wire: Wire, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that runs thirty times as fast; the host has the patience that it has with a single board."""
    began, fast = time.monotonic(), 30

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return fast * (time.monotonic() - began)

        @staticmethod
        def sleep(seconds: float) -> None:
            time.sleep(seconds / fast)

    monkeypatch.setattr("edgetune.agent.link.time", Clock)
    wire.sever()
    threading.Timer(60 / fast, wire.mend).start()
    results = measure_on([replace(here.agent, port=wire.port)], [model], QUICK_REQUEST)
    assert Clock.monotonic() > 60 and results.measurements[model]["here"].latency_ms > 0


def test_an_agent_that_was_started_anew_gets_the_job_again(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "agent"
    found: list[float] = []
    with running(folder) as first:
        agent = first.agent
        client = Client(agent, patience=60)
        thread = threading.Thread(target=lambda: found.append(client.measure(model, SLOW_REQUEST).latency_ms))
        thread.start()
        time.sleep(1.0)
    for stored in (folder / "models").iterdir():
        stored.unlink()
    with running(folder, port=agent.port) as second:
        client.link.agent = second.agent  # the token was renewed
        thread.join(60)
    assert found
    assert found[0] > 0


def jobs_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [c for c in children if "edgetune.agent.job" in Path(f"/proc/{c}/cmdline").read_text()]


def test_a_killed_job_is_told_and_the_agent_lives(here: Running, tmp_path: Path, model: Path) -> None:
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)

    def kill() -> None:
        deadline = time.monotonic() + 20
        while not (found := jobs_of(os.getpid())) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(found[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with here.client() as client:
        with pytest.raises(MeasurementError, match="SIGKILL"):
            client.measure(path, QUICK_REQUEST)
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0


def test_a_killed_agent_takes_its_job_along(tmp_path: Path) -> None:
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    command = [sys.executable, str(Path(__file__).with_name("serving.py")), str(tmp_path / "agent"), sys.executable]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = dict(process.stdout.readline().rstrip().split(maxsplit=1) for _ in range(3))
        host, port = parse_url(told["address"])
        client = Client(Agent("one", host, port, told["token"], told["fingerprint"]), patience=1)
        ended: list[bool] = []

        def ask() -> None:
            with pytest.raises(LinkLost):
                client.measure(path, QUICK_REQUEST)
            ended.append(True)

        thread = threading.Thread(target=ask)
        thread.start()
        deadline = time.monotonic() + 30
        while not (jobs := jobs_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        while Path(f"/proc/{jobs[0]}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{jobs[0]}").exists()
        thread.join(30)
        assert ended


def test_a_model_that_is_too_large_is_not_sent(here: Running, tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.write_bytes(bytes(2 * 10**6))
    with pytest.raises(ModelFileError, match="1000000"):
        here.client().measure(path, QUICK_REQUEST)


def test_a_model_travels_once(here: Running, model: Path) -> None:
    with here.client() as client:
        client.measure(model, QUICK_REQUEST)
        client.measure(model, QUICK_REQUEST)
    assert (here.folder / "audit.log").read_text().count(f'"sha256": "{sha256_of(model)}"') == 1


async def parts(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def digest_of(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def test_the_cache_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    needed: list[str] = []
    cache = ModelCache(tmp_path / "m", largest=100, most_bytes=250, in_use=lambda: needed)
    names = [digest_of(bytes([i]) * 100) for i in range(4)]
    for i in range(2):
        asyncio.run(cache.store(names[i], parts(bytes([i]) * 100)))
        time.sleep(0.01)
    assert cache.find(names[0])
    asyncio.run(cache.store(names[2], parts(bytes([2]) * 100)))
    assert [cache.path(name).exists() for name in names] == [True, False, True, False]
    needed += [names[0], names[2]]
    with pytest.raises(Refusal) as refusal:
        asyncio.run(cache.store(names[3], parts(bytes([3]) * 100)))
    assert refusal.value.problem.code == "cache_full"
    assert len(list((tmp_path / "m").iterdir())) == 2


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ModelCache(tmp_path / "m", largest=100, most_bytes=250)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Refusal) as refusal:
        asyncio.run(cache.store(digest_of(b"x"), parts(b"x")))
    assert (refusal.value.status, refusal.value.problem.code) == (507, "disk_full")
    assert not list((tmp_path / "m").iterdir())


def test_a_full_disk_does_not_stop_the_agent_for_want_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    audit = Audit(Path("/dev/full"))
    audit.write("something")
    assert "No space left" in capsys.readouterr().err


def test_half_an_upload_of_a_killed_agent_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".upload-x").write_bytes(b"half")
    ModelCache(tmp_path, largest=1, most_bytes=1)
    assert not list(tmp_path.iterdir())


def with_queue(measure: Callable[..., Any], body: Callable[[JobQueue], Awaitable[None]], folder: Path) -> None:
    async def run() -> None:
        queue = JobQueue(measure, Audit(folder / "audit.log"), longest=3)
        work = asyncio.create_task(queue.work())
        try:
            await body(queue)
        finally:
            work.cancel()

    asyncio.run(run())


def test_the_queue_is_in_order_bounded_and_forgets(tmp_path: Path) -> None:
    order: list[str] = []
    go = threading.Event()

    def measure(model: Path, request: Request, cancelled: threading.Event) -> None:
        go.wait(10)
        order.append(model.name)

    async def body(queue: JobQueue) -> None:
        for number in range(3):
            queue.put(f"{number:032x}", Path(str(number)), Request(), client="x")
        with pytest.raises(Refusal) as refusal:
            queue.put(f"{9:032x}", Path("9"), Request(), client="x")
        assert refusal.value.status == 503
        assert queue.put(f"{0:032x}", Path("0"), Request(), client="x").model == Path("0"), "the same, once"
        with pytest.raises(Refusal) as refusal:
            queue.put(f"{0:032x}", Path("1"), Request(), client="x")
        assert refusal.value.problem.code == "other_job"
        await asyncio.sleep(0.05)
        assert queue.status(f"{2:032x}").ahead == 2, "the running one and the next"
        queue.cancel(f"{1:032x}")
        go.set()
        assert (await queue.wait(f"{2:032x}", 10)).state == "done"
        assert queue.status(f"{1:032x}").state == "failed"
        for number in range(10, KEPT + 50):
            queue.put(f"{number:032x}", Path("x"), Request(), client="x")
            await queue.wait(f"{number:032x}", 10)
        assert len(queue.jobs) <= KEPT + 1
        with pytest.raises(Refusal):
            queue.get(f"{0:032x}")

    with_queue(measure, body, tmp_path)
    assert order[:2] == ["0", "2"]


def test_a_failure_of_the_agent_itself_costs_one_job(tmp_path: Path) -> None:
    def measure(model: Path, request: Request, cancelled: threading.Event) -> None:
        raise ZeroDivisionError("a bug")

    async def body(queue: JobQueue) -> None:
        for number in range(2):
            queue.put(f"{number:032x}", Path("x"), Request(), client="x")
            status = await queue.wait(f"{number:032x}", 10)
            assert status.error is not None
            assert status.error.code == "agent_failed"

    with_queue(measure, body, tmp_path)


def test_a_job_is_given_the_agents_limits(start: Callable[..., Running], tmp_path: Path) -> None:
    one = start(settings=Settings(job=Limits(seconds=1.5, memory_bytes=2**31)))
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    with pytest.raises(MeasurementError) as error:
        one.client().measure(path, QUICK_REQUEST)
    assert error.value.code == "out_of_time"


def test_an_agent_that_speaks_of_another_model_is_not_believed(
    here: Running, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = here.client()
    real = client.link.ask

    def ask(method: str, path: str, body: bytes | None = None, *, file: str | None = None) -> Answer:
        answer = real(method, path, body, file=file)
        if answer.body.get("measurement"):
            answer.body["measurement"]["model_sha256"] = secrets.token_hex(32)
        return answer

    monkeypatch.setattr(client.link, "ask", ask)
    with pytest.raises(AgentError, match="another model"):
        client.measure(model, QUICK_REQUEST)


def test_a_wide_network_is_measured_slower_than_a_narrow_one(here: Running, tmp_path: Path) -> None:
    latencies = []
    with here.client() as client:
        for width in (4, 32):
            path = tmp_path / f"{width}.onnx"
            onnx.save(convolution(width, layers=4, pixels=48), path)
            latencies.append(client.measure(path, QUICK_REQUEST).latency_ms)
    assert latencies[1] > 2 * latencies[0]


def test_a_model_that_ends_the_agent_each_time_is_given_up(
    here: Running, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that takes all of the board's memory: an agent that was started anew has never heard of the job."""
    client, asked = here.client(), []
    digest, queued = sha256_of(model), {"id": 32 * "0", "state": "queued"}

    def ask(method: str, path: str, body: bytes | None = None, **options: object) -> Answer:
        asked.append(method)
        if "/models/" in path:
            return Answer(200, {"sha256": digest, "bytes": 1})
        return Answer(404, {}) if method == "GET" else Answer(202, queued)

    monkeypatch.setattr(client.link, "ask", ask)
    with pytest.raises(MeasurementError, match="anew 3 times") as error:
        client.measure(model, QUICK_REQUEST)
    assert error.value.code == "agent_ended" and asked.count("PUT") == 3


def test_a_damaged_model_in_the_cache_is_sent_again(start: Callable[..., Running], model: Path) -> None:
    """As a power cut leaves it: the name is there, the content is not."""
    one = start()
    with one.client() as client:
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0
        for content in (b"", b"something else"):
            (one.folder / "models" / sha256_of(model)).write_bytes(content)
            assert client.measure(model, QUICK_REQUEST).latency_ms > 0


def test_who_waits_for_another_is_told_so(start: Callable[..., Running], model: Path, tmp_path: Path) -> None:
    """The other's model would never end: the word itself ends it."""
    one, said = start(), list[str]()
    onnx.save(endless(), tmp_path / "endless.onnx")
    other = one.client()

    def clock() -> None:
        with pytest.raises(MeasurementError, match="cancelled"):
            other.measure(tmp_path / "endless.onnx", QUICK_REQUEST)

    def say(text: str) -> None:
        said.append(text)
        other.cancel()

    thread = threading.Thread(target=clock)
    thread.start()
    while '"event": "job",' not in (one.folder / "audit.log").read_text():
        time.sleep(0.01)
    with Client(one.agent, say=say) as client:
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0
    thread.join()
    assert said == ["here clocks 1 other model first"]


def test_what_no_agent_gives_is_refused_in_one_line(here: Running, model: Path) -> None:
    with here.client() as client, pytest.raises(ConfigError) as error:
        client.measure(model, replace(QUICK_REQUEST, threads=65))
    assert str(error.value) == "threads: Input should be less than or equal to 64 (stay within it)"


def test_a_host_that_is_stopped_leaves_no_job_behind(
    here: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    with here.client() as client:
        ask = client.link.ask

        def interrupted(method: str, path: str, body: bytes | None = None, *, file: str | None = None) -> Answer:
            if "?wait=" in path:
                raise KeyboardInterrupt
            return ask(method, path, body, file=file)

        monkeypatch.setattr(client.link, "ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.measure(path, QUICK_REQUEST)
    assert_idle(here)


def test_a_job_that_nobody_asks_about_ends(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host was killed."""
    monkeypatch.setattr("edgetune.agent.jobs.FORGOTTEN", 0.5)
    one, path = start(), tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    with one.client() as client:
        digest = sha256_of(path)
        client.send(path, digest)
        body = json.dumps({"model": digest}).encode()
        assert client.link.ask("PUT", f"/v1/jobs/{secrets.token_hex(16)}", body).status == 202
    assert_idle(one)


def assert_idle(one: Running) -> None:
    until = time.monotonic() + 20
    with one.client() as client:
        while client.board().jobs and time.monotonic() < until:
            time.sleep(0.1)
        assert client.board().jobs == 0


@pytest.mark.parametrize("spoilt", ["folder", "models", "audit.log", "key.pem"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, spoilt: str) -> None:
    folder = tmp_path / "agent"
    Certificate(folder).ensure()
    if spoilt == "folder":
        folder = tmp_path / "file"
        folder.write_text("")
    elif spoilt == "audit.log":
        (folder / spoilt).mkdir()
    else:
        (folder / spoilt).write_text("spoilt")
    with pytest.raises(EdgetuneError) as error:
        run_agent(folder, Place(port=0), Settings(), say=lambda text: pytest.fail("it started"))
    assert spoilt in str(error.value) or spoilt == "folder"


def test_an_agents_folder_becomes_its_users_own(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    own_folder(tmp_path)
    Audit(tmp_path / "audit.log").close()
    assert tmp_path.stat().st_mode & 0o077 == 0 and (tmp_path / "audit.log").stat().st_mode & 0o077 == 0
