"""Times scheduled kernels: in this process, or on a board where TVM's RPC server listens.

TVM's RPC server runs whatever it is sent by whoever reaches it. It belongs on the board's loopback interface, at the
end of an SSH tunnel.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from edgetune.errors import ConfigError, DeviceError, last_line
from edgetune.export.linker import shared_library_linker
from edgetune.export.tuning.tasks import TuningTask
from edgetune.export.tvm_tile import Tile
from edgetune.files import scratch_folder

REPEATS, REPEAT_MS = 5, 4
"""A tile is timed so often, so long each time; the best counts, since disturbances only ever add."""
COLD_FROM, FLUSHED = 256 * 1024, 4 * 1024 * 1024
"""Bytes of weights that do not wait in the cache from one inference to the next, and bytes written to displace them."""
COLD_REPEATS = 15
ONE_THREAD = {"TVM_NUM_THREADS": "1", "TVM_BIND_THREADS": "0"}
"""TVM reads these when its first kernel runs in a process; unbound, a thread stays on the cores it was given."""
ROOM = 20_000_000
"""Bytes that compiling a batch takes in the temporary folder."""
SESSION_SECONDS = 120
SERVER = "TVM_NUM_THREADS=1 python -m tvm.exec.rpc_server --host 127.0.0.1 --port 9090"


class Runner:
    """Compiles for a target and times on a `tvm.rpc` session.

    Parameters
    ----------
    tvm_target
        What is compiled for.
    address
        `host:port` of an RPC server; None times here.

    Raises
    ------
    ConfigError
        The address is none.
    DeviceError
        Nobody answers there.
    MissingDependencyError
        No linker for the target.
    """

    def __init__(self, tvm_target: Mapping[str, Any], address: str | None = None) -> None:
        self.target = dict(tvm_target)
        self.link = shared_library_linker(tvm_target["mtriple"])
        self.where = address or "this host"
        os.environ.update(ONE_THREAD)
        self.session = _connect(address)
        self._batches = 0

    def time(self, task: TuningTask, tiles: Sequence[Tile]) -> list[float]:
        """Milliseconds of a kernel with each of these tiles, on one thread.

        Raises
        ------
        DeviceError
            The board cannot run what is compiled for the target, or stopped answering.
        """
        import tvm

        self._batches += 1
        named = {f"tile{i}": task.scheduled(tile) for i, tile in enumerate(tiles)}
        module = tvm.IRModule({name: f.with_attr("global_symbol", name) for name, f in named.items()})
        file = f"batch{self._batches}.so"
        with scratch_folder(room=ROOM) as scratch:
            library = scratch / file
            tvm.compile(module, tvm.target.Target(self.target)).export_library(str(library), fcompile=self.link)
            try:
                self.session.upload(str(library))
                loaded = self.session.load_module(file)
                times = [self._best_ms(loaded, name, function) for name, function in named.items()]
                self.session.remove(file)
            except (RuntimeError, OSError) as error:
                raise DeviceError(
                    f"it cannot run kernels for {self.target['mcpu']}: {last_line(str(error))}",
                    where=self.where,
                    mend="give the RPC server of the board that is tuned for",
                ) from error
        return times

    def _best_ms(self, library: Any, name: str, function: Any) -> float:
        import tvm

        device = self.session.cpu()
        shapes = [[int(extent) for extent in parameter.shape] for parameter in function.params]
        rng = np.random.default_rng(0)
        values = [rng.random(shape, dtype=np.float32) for shape in shapes]
        arguments = [tvm.runtime.tensor(value, device=device) for value in values]
        cold = len(shapes) > 2 and 4 * prod(shapes[1]) >= COLD_FROM
        settings = (
            {"number": 1, "repeat": COLD_REPEATS, "cache_flush_bytes": FLUSHED}
            if cold
            else {"number": 1, "repeat": REPEATS, "min_repeat_ms": REPEAT_MS}
        )
        seconds = library.time_evaluator(name, device, **settings)(*arguments).results
        return 1e3 * float(min(seconds))


def _connect(address: str | None) -> Any:
    from tvm import rpc

    logging.getLogger("RPCServer").setLevel(logging.WARNING)  # it announces every library
    if address is None:
        return rpc.LocalSession()
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"{address!r} is no address", where="--runner", mend="write HOST:PORT, such as localhost:9090"
        )
    try:
        return rpc.connect(host, int(port), session_timeout=SESSION_SECONDS)
    except (RuntimeError, OSError) as error:
        raise DeviceError(
            f"no TVM RPC server answers: {last_line(str(error))}", where=address, mend=f"on the board, run {SERVER}"
        ) from error
