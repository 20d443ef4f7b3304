from __future__ import annotations

import signal
import subprocess
import sys
import threading

from edgetune.export.tuning.ctrl_c import ctrl_c_noted

TWICE = """
import os, signal
from edgetune.export.tuning.ctrl_c import ctrl_c_noted
with ctrl_c_noted() as stopped:
    os.kill(os.getpid(), signal.SIGINT)
    print(stopped(), flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never")
"""


def test_it_is_noted_and_what_runs_goes_on() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c_noted() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_one_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "True\n")


def test_in_another_thread_nothing_is_changed() -> None:
    def look() -> None:
        with ctrl_c_noted() as stopped:
            seen.append(stopped())

    seen: list[bool] = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [False]
