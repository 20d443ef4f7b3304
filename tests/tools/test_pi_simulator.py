"""The simulator: counts that repeat, caches against a closed form, constants against themselves."""

from __future__ import annotations

import math
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from edgetune.errors import ExportError, MissingDependencyError, StorageError
from tools.pi_simulator import counts, pipelines
from tools.pi_simulator.constants import PRIOR, Constants, Network, Work, fit, left_out, read_networks, solve
from tools.pi_simulator.counts import Block, count
from tools.pi_userland import PiUserland

SIZE = 2_000_000  # floats: 8 MB, eight times the second-level cache
NUMPY = f"""
import numpy as np

def load(model):
    array = np.zeros({SIZE}, np.float32)
    def run(picture):
        array.sum()
    return run
"""


@pytest.fixture(scope="module")
def sum_of_floats(tmp_path_factory: pytest.TempPathFactory) -> counts.Counts:
    script = tmp_path_factory.mktemp("sum") / "runner.py"
    script.write_text(NUMPY)
    return count(PiUserland.ready(), script, script, np.zeros((1, 1, 1, 1), np.float32))


def test_a_sum_reads_each_line_of_memory_once_and_in_a_stream(sum_of_floats: counts.Counts) -> None:
    lines = SIZE * 4 / 64
    assert sum_of_floats.l1d_misses == pytest.approx(lines, rel=0.02)
    assert sum_of_floats.l2_misses == pytest.approx(lines, rel=0.02)
    assert sum_of_floats.streamed == pytest.approx(lines, rel=0.02)
    assert sum_of_floats.tlb_misses == pytest.approx(SIZE * 4 / 4096, rel=0.15)  # the interpreter has pages too


def test_a_vector_load_takes_one_to_four_floats(sum_of_floats: counts.Counts) -> None:
    assert SIZE / 4 <= sum_of_floats.loads <= 1.2 * SIZE
    assert sum_of_floats.instructions > sum_of_floats.loads


WHOLE = """blocks 2 loads 5 stores 4 l1i_misses 3 l1d_misses 2 l2_misses 1 streamed 1 tlb_misses 0
1000 7 d65f03c0
2000 9 4ea08400 d65f03c0
end
"""


def test_counts_are_read_only_when_they_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "counts.txt"
    with pytest.raises(StorageError, match="no room"):
        counts.parse(file)
    file.write_text(WHOLE)
    assert counts.parse(file).instructions == 7 + 2 * 9
    for end in range(len(WHOLE) - 1):
        file.write_text(WHOLE[:end])
        with pytest.raises(StorageError, match="no room"):
            counts.parse(file)


def test_a_disk_that_fills_under_the_plugin_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = counts._before_it_starts

    def little_room(folder: int) -> None:
        plain(folder)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    monkeypatch.setattr(counts, "_before_it_starts", little_room)
    script = tmp_path / "runner.py"
    script.write_text("def load(model):\n    return lambda picture: None\n")
    with pytest.raises(StorageError, match="no room"):
        count(PiUserland.ready(), script, script, np.zeros(1, np.float32), caches=False)


def test_a_model_that_fails_on_the_board_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "runner.py"
    script.write_text("def load(model):\n    raise ValueError('no such operator')\n")
    with pytest.raises(ExportError) as failed:
        count(PiUserland.ready(), script, script, np.zeros(1, np.float32), caches=False)
    assert failed.value.what == "failed on the emulated board: ValueError: no such operator"


def test_a_model_that_takes_too_long_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LIMIT", 0.1)
    script = tmp_path / "runner.py"
    script.write_text("def load(model):\n    while True: pass\n")
    with pytest.raises(ExportError, match=r"more than 0\.1 s"):
        count(PiUserland.ready(), script, script, np.zeros(1, np.float32), caches=False)


def test_multiply_accumulates_cost_what_the_optimisation_guide_says() -> None:
    # fmla v0.4s, v1.4s, v2.4s on itself: 3 cycles when only the accumulator is awaited (Cortex-A72 Software
    # Optimization Guide, 3.15, late forwarding); on twelve registers in turn the guide's two pipelines take half each.
    chain = Block(1, (0x4E22CC20,) * 4)
    spread = Block(1, tuple(0x4E3FCFC0 | register for register in range(12)))
    on_itself, in_turn = pipelines.cycles_of([chain, spread])
    assert 3 <= on_itself / 4 <= 7
    assert 0.5 <= in_turn / 12 <= 1


def test_without_llvm_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="apt install llvm"):
        pipelines.assembly([0x4E22CC20])


def test_without_qemu_or_a_compiler_there_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="qemu-user"):
        counts._qemu()
    with pytest.raises(MissingDependencyError, match="gcc"):
        counts._plugin()


def network(seed: int, cycles: np.ndarray) -> Network:
    rng = np.random.default_rng(seed)
    work = Work(float(rng.integers(10**7, 10**9)), *(int(n) for n in rng.integers(10**4, 10**6, 4)))
    return Network(str(seed), Constants(tuple(cycles), 1, 0).milliseconds(work), 1, work)


def test_the_fit_finds_the_constants_that_made_the_latencies() -> None:
    exact = [network(seed, PRIOR) for seed in range(12)]
    np.testing.assert_allclose(solve(exact), PRIOR, rtol=1e-6)
    assert fit(exact).band == pytest.approx(1)


def test_a_network_does_not_help_its_own_simulation() -> None:
    networks = [network(seed, PRIOR) for seed in range(12)]
    spoilt = Network("spoilt", 10 * networks[0].measured_ms, 1, networks[0].work)
    assert left_out([spoilt, *networks[1:]])[0] == pytest.approx(networks[0].measured_ms)


def test_the_shipped_constants_are_those_of_the_counted_networks() -> None:
    networks, shipped = read_networks(), Constants.load()
    again = fit(networks)
    assert len(networks) >= 12
    np.testing.assert_allclose(again.cycles, shipped.cycles, rtol=1e-6)
    assert again.band == pytest.approx(shipped.band)
    ratios = [simulated / network.measured_ms for simulated, network in zip(left_out(networks), networks, strict=True)]
    assert sum(1 / shipped.band <= ratio <= shipped.band for ratio in ratios) >= math.floor(0.9 * len(networks))
