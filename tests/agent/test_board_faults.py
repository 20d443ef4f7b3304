"""What goes wrong on a board itself, for real: its disk is full, its clock jumps."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from edgetune.agent.client import Client
from edgetune.agent.measure import sha256_of
from edgetune.agent.registry import Agent, parse_url
from edgetune.errors import AgentError
from tests.agent.models import QUICK_REQUEST, convolution

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def served(folder: Path, *before: str, python: str | Path = sys.executable) -> Iterator[tuple[Client, int]]:
    """An agent as a program of its own, which the words `before` start, and its process."""
    serving = [python, Path(__file__).with_name("serving.py"), folder, python]
    with subprocess.Popen([*before, *serving], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = dict(process.stdout.readline().rstrip().split(maxsplit=1) for _ in range(3))
        host, port = parse_url(told["address"])
        with Client(Agent("one", host, port, told["token"], told["fingerprint"]), patience=10) as client:
            yield client, process.pid
        process.kill()


def test_an_agent_whose_disk_is_full_measures_what_it_has(tmp_path: Path, model: Path) -> None:
    """Its folder is a disk of 400 kB, which is filled to the last byte by a model that is too large, and by others."""
    small_disk = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mounted = f"mount -t tmpfs -o size=400k tmpfs {shlex.quote(str(tmp_path))}"
    if subprocess.run([*small_disk, mounted], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    large, other = model.with_name("large.onnx"), model.with_name("other.onnx")
    onnx.save(convolution(32, layers=20), large)
    onnx.save(convolution(5), other)
    with served(tmp_path, *small_disk[:-1], "-c", f'{mounted} && exec "$@"', "sh") as (client, process):
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0
        with pytest.raises(AgentError, match="no room left"):
            client.measure(large, QUICK_REQUEST)
        inside = Path(f"/proc/{process}/root{tmp_path}")
        assert [path.name for path in (inside / "models").iterdir()] == [sha256_of(model)]
        fill(inside / "others")
        with pytest.raises(AgentError, match="no room left"):
            client.measure(other, QUICK_REQUEST)
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0
        (inside / "others").unlink()
        assert client.measure(other, QUICK_REQUEST).latency_ms > 0


def fill(path: Path) -> None:
    """Until nothing more goes onto its disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


JUMPING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long jump(void) {  // every tenth of a second a day back, or eleven years on: no certificate is valid then
    struct timespec now;
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_MONOTONIC, &now);
    return now.tv_nsec / 100000000 % 2 ? -86400L : 11 * 31557600L;
}
int clock_gettime(clockid_t which, struct timespec *out) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(which, out);
    if (which == CLOCK_REALTIME) out->tv_sec += jump();
    return done;
}
int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec, out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return out ? (*out = now.tv_sec) : now.tv_sec;
}
"""


def test_a_clock_that_jumps_changes_no_measurement_and_shuts_no_door(tmp_path: Path, model: Path) -> None:
    """As that of a board that learns the date from the network; here the host's and the measurement's jump too."""
    source, library, python = tmp_path / "jumping.c", tmp_path / "jumping.so", tmp_path / "python"
    source.write_text(JUMPING)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    python.write_text(f'#!/bin/sh\nLD_PRELOAD={library} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    dates = "import time; print(*(time.sleep(0.02) or time.time() for _ in range(20)))"
    shown = sorted(map(float, output(python, "-c", dates).split()))
    assert shown[-1] - shown[0] > 10 * 31_557_600, "it does jump"
    with served(tmp_path / "agent", python=python) as (client, _):
        agent = client.agent
        told: list[str | Path] = [agent.url, agent.token, agent.fingerprint, model]
        means = [float(ms) for ms in output(python, "-c", MEASURING, *told).split()]
    assert len(means) == 2 and all(0 < ms < 1000 for ms in means), "no jump of the clock is in any run"


MEASURING = """
import sys
from pathlib import Path
from edgetune.agent.client import Client
from edgetune.agent.registry import Agent, parse_url
from tests.agent.models import QUICK_REQUEST
url, token, fingerprint, model = sys.argv[1:]
with Client(Agent("one", *parse_url(url), token, fingerprint), patience=10) as client:
    print(*(client.measure(Path(model), QUICK_REQUEST).job.timing.mean_ms for _ in range(2)))
"""


def output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
