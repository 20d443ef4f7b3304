"""The agent beside peers on the same model in the same run, and what it costs.

python -m tools.bench.agent medians model.onnx…    # beside a plain loop and onnxruntime's own profiler
python -m tools.bench.agent overhead model.onnx    # a job's time beyond its inferences; resident memory
python -m tools.bench.agent repeat model.onnx --times 20 --minutes 60   # idle and one core busy in turns, in an hour
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from edgetune.agent.client import Client
from edgetune.agent.measure import Request, measure
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import Agent, parse_url
from edgetune.agent.timing import Protocol
from edgetune.agent.yardstick import Yardstick

REQUEST = Request(attempts=1)
SHORT_COOLING = Request(cooldown_seconds=10)
PLAIN = """
import sys, time
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
node = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in node.shape]
feed = {node.name: np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)}
times = []
end = time.perf_counter() + 2.0
while time.perf_counter() < end or len(times) < 60:
    start = time.perf_counter()
    session.run(None, feed)
    times.append(time.perf_counter() - start)
times = sorted(times[len(times) // 10:])
print(1e3 * times[len(times) // 2])
"""
PROFILER = """
import json, os, sys
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.enable_profiling = True
options.profile_file_prefix = sys.argv[2]
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
node = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in node.shape]
feed = {node.name: np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)}
for _ in range(300):
    session.run(None, feed)
name = session.end_profiling()
times = sorted(e["dur"] for e in json.load(open(name)) if e["name"] == "model_run")
print(times[len(times) // 2] / 1e3)
"""


def peer(code: str, *arguments: str) -> float:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def medians(models: list[Path]) -> None:
    """Each three times, in turns, so that a busy spell hits all."""
    print("model, agent ms, plain loop ms, ratio, onnxruntime's profiler ms, ratio, the agent says")
    for model in models:
        ours, plain, profiler, marks = [], [], [], set()
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(3):
                found = measure(model, REQUEST)
                ours.append(found.latency_ms)
                marks |= set(found.marks)
                plain.append(peer(PLAIN, str(model)))
                profiler.append(peer(PROFILER, str(model), f"{folder}/profile"))
        a, b, c = (statistics.median(values) for values in (ours, plain, profiler))
        says = ", ".join(sorted(marks)) or "steady"
        print(f"{model.name}, {a:.4f}, {b:.4f}, {a / b:.3f}, {c:.4f}, {a / c:.3f}, {says}", flush=True)


@contextmanager
def agent_process() -> Iterator[tuple[Agent, int]]:
    """`edgetune agent` as a user starts it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("edgetune")), "agent", "--port", "0"]
        environment = os.environ | {"EDGETUNE_AGENT": folder}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = dict(process.stdout.readline().split(maxsplit=1) for _ in range(3))
            host, port = parse_url(told["address"].strip())
            yield Agent("bench", host, port, told["token"].strip(), told["fingerprint"].strip()), process.pid
            process.terminate()


def resident(pid: int) -> float:
    """Megabytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def overhead(model: Path, times: int) -> None:
    """A job's time on the host's clock, minus all inferences: the connection, the process, imports, check, loading."""
    with agent_process() as (agent, pid), Client(agent) as client:
        client.board()
        print(f"resident before the first model: {resident(pid):.1f} MB")
        extra = []
        for _ in range(times):
            start = time.perf_counter()
            found = client.measure(model, replace(REQUEST, protocol=Protocol(min_seconds=0.3)))
            wall, timing = time.perf_counter() - start, found.job.timing
            warm = (timing.warmup_runs - 1) * timing.p50_ms + timing.cold_start_ms
            extra.append(1e3 * (wall - timing.seconds) - warm)
        extra.sort()
        middle = statistics.median(extra)
        print(f"job minus inferences: median {middle:.0f} ms, {extra[0]:.0f} to {extra[-1]:.0f}, {times} jobs")
        print(f"resident after {times} jobs: {resident(pid):.1f} MB")


def _burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(10_000))


@contextmanager
def busy(core: int) -> Iterator[None]:
    """Keeps one core busy."""
    stop = multiprocessing.Event()
    process = multiprocessing.Process(target=_burn, args=(stop,), daemon=True)
    process.start()
    os.sched_setaffinity(process.pid or 0, {core})
    try:
        yield
    finally:
        stop.set()
        process.join()


def repeat(models: list[Path], times: int, minutes: float) -> None:
    """Medians by load, spread over so many minutes, tries as users have them: those called steady must agree."""
    rows: dict[Path, list[tuple[bool, Measurement]]] = {model: [] for model in models}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        yardstick = Yardstick(Path(folder) / "yardstick.json")
        yardstick.survey()
        for turn in range(times):
            time.sleep(max(0.0, began + 60 * minutes * turn / times - time.monotonic()))
            for model in models:
                with busy(turn // 2 % (os.cpu_count() or 1)) if turn % 2 else nullcontext():
                    found = measure(model, SHORT_COOLING, yardstick=yardstick)
                rows[model].append((bool(turn % 2), found))
                print(_line(began, turn, model, found), flush=True)
    for model in models:
        _judge(model, rows[model])


def _line(began: float, turn: int, model: Path, found: Measurement) -> str:
    job, load = found.job, "busy" if turn % 2 else "idle"
    why = f"slowdown {found.slowdown:.3f}, others {job.others_load:.2f}, waited {job.waited or 0:.3f}"
    says = ", ".join(found.marks) or "steady"
    at = (time.monotonic() - began) / 60
    return f"{at:.1f} min, {load}, {model.name}, {found.latency_ms:.4f} ms, {says} after {found.attempts} ({why})"


def _judge(model: Path, rows: list[tuple[bool, Measurement]]) -> None:
    steady = [found.latency_ms for _, found in rows if found.steady]
    marked = [found.latency_ms for _, found in rows if not found.steady]
    middle = statistics.median(steady) if steady else math.nan

    def farthest(latencies: list[float]) -> str:
        return f"{max((abs(x / middle - 1) for x in latencies), default=math.nan):.1%}"

    print(f"{model.name}: {len(steady)} steady, at most {farthest(steady)} from their median {middle:.4f} ms")
    print(f"{model.name}: {len(marked)} marked, at most {farthest(marked)} from it")
    print(f"{model.name}: {sum(busy and found.steady for busy, found in rows)} with a busy core called steady")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=("medians", "overhead", "repeat"))
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=0.0)
    options = parser.parse_args()
    if options.work == "medians":
        medians(options.models)
    elif options.work == "overhead":
        overhead(options.models[0], options.times)
    else:
        repeat(options.models, options.times, options.minutes)


if __name__ == "__main__":
    main()
