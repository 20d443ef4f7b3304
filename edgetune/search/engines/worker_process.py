"""A worker as the search sees it: a child process that evaluates one trial at a time and may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from edgetune.errors import EngineError
from edgetune.search.engines.base import EvaluatorSource, Job, Outcome
from edgetune.search.engines.worker import READY


@dataclass(frozen=True)
class Limits:
    """What one trial may take: wall-clock seconds, and bytes of memory of its worker that no file backs."""

    seconds: float | None = None
    memory_bytes: int | None = None


NO_LIMITS = Limits()


class WorkerProcess:
    """A fresh interpreter: neither a fork of a process with threads nor an import of the user's script.

    Parameters
    ----------
    threads
        Of its numeric libraries, unless the environment says how many.
    """

    def __init__(self, source: EvaluatorSource, limits: Limits, *, threads: int) -> None:
        self.limits = limits
        self.job: Job | None = None
        self._ready = False
        self._began = time.monotonic()
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgetune.search.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OMP_NUM_THREADS": str(threads), **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is the search's business
        )
        self._send(source.to_json())

    def fileno(self) -> int:
        """Readable when there is something to :meth:`read`."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self, job: Job) -> None:
        self.job = job
        self._began = time.monotonic()
        self._send(job.to_json())

    def read(self) -> Outcome | None:
        """The outcome of its job, if that is what has come. It may be that the worker died of it.

        Raises
        ------
        EngineError
            The worker could not get ready.
        """
        chunk = os.read(self.fileno(), 1 << 16)
        if not chunk:
            return self._died()
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            if self._ready:
                self.job = None
                return Outcome.from_json(line.decode())
            if (said := json.loads(line)) != READY:
                raise EngineError(f"a worker could not get ready: {said}", mend="see what it printed")
            self._ready = True
            self._began = time.monotonic()  # loading is not the first trial's time
        return None

    def overdrawn(self) -> Outcome | None:
        """The outcome of a job that took more than it may; its worker is then dead."""
        if self.job is None or not self._ready:
            return None
        seconds = time.monotonic() - self._began
        limits = self.limits
        if limits.seconds is not None and seconds > limits.seconds:
            error = f"took longer than {limits.seconds:g} s"
        elif limits.memory_bytes is not None and (used := self._memory()) > limits.memory_bytes:
            error = f"took {used / 1e6:,.0f} MB of memory, the limit is {limits.memory_bytes / 1e6:,.0f} MB"
        else:
            return None
        self.kill()
        self.job = None
        return Outcome(error=error, seconds=seconds)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the worker and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a dead worker is noticed when it is read
            self._process.stdin.write(text.encode() + b"\n")
            self._process.stdin.flush()

    def _died(self) -> Outcome | None:
        code = self._process.wait()
        died = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL:
            died += "; is the machine out of memory?"
        if not self._ready:
            raise EngineError(f"a worker {died} while it got ready", mend="see what it printed")
        job, self.job = self.job, None
        return Outcome(error=f"the worker {died}", seconds=time.monotonic() - self._began) if job else None

    def _memory(self) -> int:
        """Resident bytes without those of files, such as pictures that are mapped into memory."""
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = psutil.Process(self._process.pid).memory_info()
            return int(memory.rss - getattr(memory, "shared", 0))
        return 0
