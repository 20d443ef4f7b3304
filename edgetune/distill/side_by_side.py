"""Several trainings at once, each on its share of the cores: a small network gains little from a second thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import torch

from edgetune.distill.loop import Progress


class Stopped(Exception):
    """Another training failed, or the person stopped the run."""


def side_by_side(
    trainings: Sequence[Callable[[Progress], None]],
    device: torch.device,
    *,
    shares: int,
    progress: Progress | None = None,
) -> None:
    """Runs trainings, in the order given where they wait for a core; each is handed what it reports its progress to.

    What a training computes does not depend on its neighbours. The first that fails ends the others at their next
    batch, and so does Ctrl-C. A GPU takes one at a time.

    Parameters
    ----------
    shares
        Into how many the cores are divided, at most; a training that is left alone keeps its share, so that a resumed
        run computes the same bits.

    Raises
    ------
    EdgetuneError
        What the first failing training raised.
    """
    if not trainings:
        return
    threads = torch.get_num_threads()
    workers = at_once(device, shares=shares)
    stop = threading.Event()

    def told(stage: str, done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        if progress:
            progress(stage, done, total)

    def run(training: Callable[[Progress], None]) -> None:
        torch.set_num_threads(max(1, threads // workers))
        training(told)

    with ThreadPoolExecutor(workers, thread_name_prefix="training") as pool:
        futures = [pool.submit(run, training) for training in trainings]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)


def at_once(device: torch.device, *, shares: int) -> int:
    """How many trainings run at the same time."""
    return min(torch.get_num_threads(), shares) if device.type == "cpu" else 1
