"""Real times of real kernels, here and through TVM's RPC server."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tvm import rpc

from edgetune.errors import ConfigError, DeviceError
from edgetune.export.tuning.runner import Runner
from edgetune.export.tuning.tasks import TuningTask, tasks_of
from edgetune.export.tvm_library import host_target, registers_of
from edgetune.export.tvm_tile import Tile

PI = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = rpc.Server("127.0.0.1", port=9190, port_end=9290, silent=True)
    yield f"127.0.0.1:{server.port}"
    server.terminate()


def heaviest(model: Path, target: Mapping[str, Any]) -> TuningTask:
    return max(tasks_of(model, registers_of(target)), key=lambda task: task.kernel.macs)


def test_a_tile_of_one_takes_longer_than_the_tile_by_rule(hswish_onnx: Path, server: str) -> None:
    task = heaviest(hswish_onnx, host_target())
    single = Tile(1, 1, 1, task.default.lanes)
    assert single in task.tiles
    for runner in (Runner(host_target()), Runner(host_target(), server)):
        by_rule, slow = runner.time(task, [task.default, single])
        assert 0 < by_rule < slow


def test_a_server_of_another_processor_is_refused(hswish_onnx: Path, server: str) -> None:
    task = heaviest(hswish_onnx, PI)
    runner = Runner(PI, server)
    with pytest.raises(DeviceError, match="cannot run kernels for cortex-a72"):
        runner.time(task, [task.default])


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeviceError, match=r"no TVM RPC server answers.*rpc_server"):
        Runner(host_target(), f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":9090", "localhost:http"])
def test_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        Runner(host_target(), address)
