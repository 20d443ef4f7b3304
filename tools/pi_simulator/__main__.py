"""python -m tools.pi_simulator run | fit | count"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edgetune.errors import EdgetuneError
from tools.pi_simulator.constants import fit, left_out, read_networks
from tools.pi_simulator.networks import count_networks, published
from tools.pi_simulator.simulate import simulate


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.pi_simulator",
        description=sys.modules["tools.pi_simulator"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="simulate one model file")
    run.add_argument("model", type=Path)
    run.set_defaults(do=lambda options: _run(options.model))
    commands.add_parser("fit", help="fit the constants to networks.csv").set_defaults(do=lambda options: _fit())
    counting = commands.add_parser("count", help="count ncnn's benchmark networks into networks.csv")
    counting.add_argument("params", type=Path, help="ncnn's benchmark/models")
    counting.add_argument("figures", type=Path, help="a table with device, threads, runtime, precision, model, ms")
    counting.set_defaults(do=lambda options: count_networks(options.params, published(options.figures)))
    options = parser.parse_args()
    try:
        options.do(options)
    except EdgetuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(model: Path) -> None:
    simulation = simulate(model)
    counts, work = simulation.counts, simulation.work
    print(simulation.prediction)
    print(f"{counts.instructions / 1e6:.1f} M instructions, {work.core_cycles / 1e6:.1f} M cycles without misses")
    print(f"{counts.loads / 1e6:.1f} M loads, {counts.stores / 1e6:.1f} M stores")
    print(
        f"misses: L1 data {counts.l1d_misses:,}, L1 code {counts.l1i_misses:,}, "
        f"L2 {counts.l2_misses:,} ({counts.streamed:,} in streams), TLB {counts.tlb_misses:,}"
    )


def _fit() -> None:
    networks = read_networks()
    print("| network | published, ms | simulated, left out, ms | error |\n|---|---|---|---|")
    for network, simulated in zip(networks, left_out(networks), strict=True):
        error = simulated / network.measured_ms - 1
        print(f"| {network.name} | {network.measured_ms:.1f} | {simulated:.1f} | {error:+.1%} |")
    errors = [abs(s / n.measured_ms - 1) for n, s in zip(networks, left_out(networks), strict=True)]
    constants = fit(networks)
    constants.save()
    print(f"mean {np.mean(errors):.1%}, median {np.median(errors):.1%}, largest {max(errors):.1%}; {constants}")


sys.exit(main())
