"""Sends an agent models and requests that were damaged at random.

    python -m tools.fuzz_agent --models 20000 --requests 20000 --seed 0

Damaged models go through the check that every measurement begins with, in processes of their own with its limits; one
that passes is measured. Damaged requests go to a running application. What must hold: the agent answers to the end, no
answer is a 500, nobody without the token gets more than an error, no file appears outside the agent's folder.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgetune.agent.app import make_app
from edgetune.agent.guard import FailedTokens
from edgetune.agent.home import Token
from edgetune.agent.measure import Request
from edgetune.errors import MeasurementError

CHECK = """
import os, sys
from pathlib import Path
answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr  # what onnxruntime prints is not an answer
from edgetune.agent.model_check import check_onnx
from edgetune.agent.runtimes import OnnxRuntime
from edgetune.errors import EdgetuneError
for line in sys.stdin:
    path = Path(line.strip())
    try:
        check_onnx(path)
        OnnxRuntime.load(path, 1)()
        print("runs", file=answers, flush=True)
    except EdgetuneError:
        print("refused", file=answers, flush=True)
    except Exception as error:
        print(type(error).__name__, file=answers, flush=True)
"""
MEMORY = 4 * 2**30


def damaged(content: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or put in."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        place = dice.randrange(len(data) or 1)
        length = dice.choice((1, 1, 2, 4, 64))
        match dice.randrange(5):
            case 0 if data:
                data[place] ^= 1 << dice.randrange(8)
            case 1:
                data[place : place + length] = dice.randbytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case _:
                data[place:place] = dice.choice((b"\xff" * 9 + b"\x01", b"\x00", b"../../etc/passwd", b"\x80" * length))
    return bytes(data)


class Checker:
    """A process that checks and runs files, and is replaced when one of them ends it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def check(self, path: Path, seconds: float = 60.0) -> str:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHECK],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        timer.cancel()
        if answer:
            return answer
        self.process = None
        return f"the process ended ({process.wait()})"

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def fuzz_models(seeds: list[bytes], count: int, dice: random.Random) -> Counter[str]:
    """How damaged models end; every end but a file that appears is one that the agent survives."""
    ends: Counter[str] = Counter()
    checker = Checker()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for _ in range(count):
            path.write_bytes(damaged(dice.choice(seeds), dice))
            ends[checker.check(path)] += 1
            assert [file.name for file in Path(folder).iterdir()] == [path.name], "a file appeared"
    checker.close()
    return ends


def _refuse(model: Path, request: Request, cancelled: threading.Event) -> Any:
    raise MeasurementError("not here", code="model_refused")


PATHS = (
    "/v1/board",
    "/v1/openapi.json",
    "/v1/models/{digest}",
    "/v1/jobs/{id}",
    "/v1/jobs/{id}?wait=0",
    "/v1/models/../../../etc/passwd",
    "/v2",
)
JOB = b'{"model": "%s", "runtime": "onnxruntime", "threads": 1, "protocol": {"min_runs": 1}, "attempts": 1}'


async def fuzz_requests(count: int, dice: random.Random, folder: Path) -> Counter[int]:
    """How damaged requests are answered, with the token and without."""
    secret = Token(folder).renew()
    app = make_app(folder, _refuse, failed=FailedTokens(clock=_far_apart()))
    statuses: Counter[int] = Counter()
    async with app.router.lifespan_context(app):
        for _ in range(count):
            knows = dice.random() < 0.9
            token = secret if knows else damaged(secret.encode(), dice).decode("latin-1")
            method = dice.choice(("GET", "PUT", "DELETE", "POST", "PATCH", "HEAD"))
            name = f"{dice.getrandbits(256):064x}"
            path = dice.choice(PATHS).format(digest=name, id=name[:32])
            if dice.random() < 0.3:
                path = damaged(path.encode(), dice).decode("latin-1")
            body = JOB % name.encode()
            body = damaged(body, dice) if dice.random() < 0.7 else body
            status = await ask(app, method, path, token, body)
            statuses[status] += 1
            assert status != 500, (method, path, body)
            assert knows or token == secret or status in (401, 429), "unauthorised"
    outside = [file for file in folder.parent.iterdir() if file != folder]
    assert not outside, outside
    return statuses


def _far_apart() -> Callable[[], float]:
    """A clock on which two looks are so far apart that nobody has to wait."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1000.0
        return now[0]

    return clock


async def ask(app: Any, method: str, path: str, token: str, body: bytes) -> int:
    """One request to an ASGI application; its status."""
    from urllib.parse import unquote

    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(bare),
        "raw_path": bare.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(b"authorization", b"Bearer " + token.encode("latin-1"))],
        "client": ("192.0.2.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])
    status = 0

    async def receive() -> Any:
        return next(sent, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


def seed_models() -> list[bytes]:
    """What is damaged: networks as this project writes them."""
    from edgetune.latency.reference import reference_graph
    from edgetune.latency.to_onnx import to_onnx

    return [to_onnx(reference_graph(f"mobile-small-28-random-{i}")).SerializeToString() for i in range(3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        agent = Path(folder) / "agent"
        agent.mkdir()
        print("requests:", dict(asyncio.run(fuzz_requests(options.requests, dice, agent))), flush=True)
    print("models:", dict(fuzz_models(seed_models(), options.models, dice)))
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
