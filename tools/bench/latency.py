"""How good the latency predictions are, beside simpler predictors on the same splits.

    python -m tools.bench.latency [networks] [floor] [joint] [settings] [boards] [cells] [speed] [--draws 5]
    python -m tools.bench.latency host

`host` clocks this machine, which `edgetune profile` has to have seen. Everything else is computed from the profiles'
measurements. What is held out is never seen by the model that predicts it, and the distribution over boards is learned
without the board in question.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgetune.device.profile import shipped_profiles
from edgetune.latency.cost_model import Array, Prior, fit_cost_model
from edgetune.latency.design import informative_networks
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.fit import (
    MOST,
    Data,
    as_known,
    conformal_quantile,
    cross_predict,
    few_quantile,
    gather,
    scores,
    splits,
)
from edgetune.latency.known import FEWEST
from edgetune.latency.measurements import board_measurements, by_setting
from edgetune.latency.population import learn_population
from edgetune.latency.setting import version_key
from edgetune.latency.transfer import Known, deviation, transfer
from tools.bench.host_latency import host
from tools.bench.peers import Additive, boosted, one_hot_ridge

COLUMNS = "MAPE, within 10 %, within 5 %, rank correlation, coverage"

CELLS = 1500
"""The first so many of a table of NAS-Bench-201's: the bench ends sooner."""

Boards = dict[str, list[Data]]


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--draws", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.parts == ["host"]:
        host()
        return
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}, and host by itself")
    boards: Boards = {}
    for profile in shipped_profiles():
        groups = by_setting(board_measurements(profile.folder)).items()
        boards[profile.name] = [gather(profile, s, group[:CELLS]) for s, group in groups if len(group) >= FEWEST]
    for part in arguments.parts:
        PARTS[part](boards, arguments.draws)


def prior_without(boards: Boards, name: str) -> Prior:
    others = [first(data) for board, group in boards.items() if board != name for data in group]
    return learn_population([(data.features, data.latency) for data in others])


def first(data: Data) -> Data:
    """So many of its networks as the profiles use of a setting."""
    return replace(data, features=data.features[:MOST], latency=data.latency[:MOST])


def networks(boards: Boards, _: int) -> None:
    """The Pi 4's MLPerf networks, a width or a family out; the peer is an additive non-negative least squares fit."""
    prior = prior_without(boards, "rpi4")
    print(f"Raspberry Pi 4, whole networks held out: {COLUMNS} | additive fit")
    for data in boards["rpi4"]:
        if not 20 <= len(data.names) <= 100:
            continue
        ours = {n: cross_predict(data.features, data.latency, g, alone(prior)) for n, g in splits(data).items()}
        quantile = conformal_quantile(np.concatenate([scores(data.latency, p, s) for p, s in ours.values()]))
        for name, groups in splits(data).items():
            peer, _spread = cross_predict(data.features, data.latency, groups, additive)  # type: ignore[arg-type]
            row(f"{data.setting.label}, a {name} out", data.latency, *ours[name], quantile, peer)


def floor(boards: Boards, _: int) -> None:
    """What the Pi 4's tables differ by between neighbouring versions of a runtime, a common factor removed.

    Noise of two measurements and whatever the versions (and clocks, where they differ) changed: a spread s between
    them means that each is known to s/√2, and the mean absolute error of a model that knows the truth is √(2/π) of
    that. Then, for all boards, how far a model is from the very networks that it was fitted to, and from one when all
    others of the table are known.
    """
    print("Raspberry Pi 4, networks in two versions of a runtime: spread of the ratio, so MAPE of a perfect model")
    groups = [d for d in boards["rpi4"] if 20 <= len(d.names) <= 100]
    for a in groups:
        for b in groups:
            x, y = a.setting, b.setting
            if version_key(x.version) < version_key(y.version) and (x.runtime, x.precision) == (y.runtime, y.precision):
                other = dict(zip(b.names, b.latency, strict=True))
                pairs = [(t, other[n]) for n, t in zip(a.names, a.latency, strict=True) if n in other]
                ratios = np.array([np.log(first / second) for first, second in pairs])
                spread = 100 * float(np.std(ratios, ddof=1))
                perfect = spread / np.sqrt(np.pi)
                print(f"{x.label} and {y.label} ({len(pairs)}): {spread:.1f} %, {perfect:.1f} %", flush=True)
    print("MAPE of a model of all networks on these networks themselves, with one network out | of the additive fit")
    for board, group in boards.items():
        prior = prior_without(boards, board)
        for data in group:
            if 20 <= len(data.names) <= 100:
                cells = [scatter(data, fitter) for fitter in (alone(prior), additive)]
                print(f"{board} {data.setting.label:40s} {' | '.join(cells)}", flush=True)


def scatter(data: Data, fitter: Callable[[Array, Array], Ensemble | Additive]) -> str:
    seen = fitter(data.features, data.latency).predict(data.features)[0]
    unseen = cross_predict(data.features, data.latency, data.names, fitter)[0]  # type: ignore[arg-type]
    return ", ".join(f"{figures(data.latency, predicted)[0]:5.1f} %" for predicted in (seen, unseen))


def joint(boards: Boards, draws: int) -> None:
    """One model for small and large pictures on the Pi 4: 32-pixel cells and FBNet's networks with MLPerf's.

    The posterior of the small networks' factors, widened by what settings differ by, is multiplied into the prior of
    the large ones'. FBNet's figures are sums over a table of blocks: how well they fit says nothing about a predictor.
    """
    print(f"Raspberry Pi 4, a model of both 32-pixel networks and MLPerf's: {COLUMNS} | without the small ones")
    prior = prior_without(boards, "rpi4")
    small = next(d for d in boards["rpi4"] if any(name.startswith("|") for name in d.names))
    kept = np.random.default_rng(0).permutation(len(small.names))[:MOST]
    kept = np.union1d(kept, [i for i, name in enumerate(small.names) if name.startswith("fbnet")])
    x, y = small.features[kept], small.latency[kept]
    predicted, spread = cross_predict(x, y, [str(i % 6) for i in range(len(y))], alone(prior))
    quantile = conformal_quantile(scores(y, predicted, spread))
    is_cell = np.array([small.names[i].startswith("|") for i in kept])
    folds = [str(i % 6) for i in range(int(is_cell.sum()))]
    cells_alone = {
        "cells": cross_predict(x[is_cell], y[is_cell], folds, alone(prior))[0],
        "FBNet's sums": alone(prior)(x[is_cell], y[is_cell]).predict(x[~is_cell])[0],
    }
    for (what, peer), rows in zip(cells_alone.items(), (is_cell, ~is_cell), strict=True):
        row(f"{what}, a sixth out | cells alone", y[rows], predicted[rows], spread[rows], quantile, peer)
    fit = fit_cost_model(x, y, prior)
    both = Prior.of(fit.log_factors, fit.covariance + deviation()).times(prior)
    for data in boards["rpi4"]:
        if (data.setting.runtime, data.setting.precision) == ("tflite", "fp32") and 20 <= len(data.names) <= 100:
            for name, groups in splits(data).items():
                ours = cross_predict(data.features, data.latency, groups, alone(both))
                peer = cross_predict(data.features, data.latency, groups, alone(prior))[0]
                quantile = conformal_quantile(scores(data.latency, *ours))
                row(f"{data.setting.label}, a {name} out", data.latency, *ours, quantile, peer)


def alone(prior: Prior) -> Callable[[Array, Array], Ensemble]:
    return lambda features, latency: Ensemble.of(fit_cost_model(features, latency, prior), "")


def additive(features: Array, latency: Array) -> Additive:
    return Additive(features, latency)


def new_settings(boards: Boards, draws: int) -> None:
    """A runtime, a precision or a clock of the Pi 4, never seen but for eight networks: random ones, or those that
    the design chooses."""
    prior = prior_without(boards, "rpi4")
    print(f"Raspberry Pi 4, a setting never seen but for 8 networks: {COLUMNS} | additive fit")
    known = [as_known(b, d, prior) for b, g in boards.items() for d in g if len(d.names) <= 100]
    unseen: dict[str, Callable[[Data], Callable[[Known], bool]]] = {
        "runtime": lambda d: lambda k: k.setting.runtime != d.setting.runtime,
        "precision": lambda d: lambda k: k.setting.precision != d.setting.precision,
        "clock": lambda d: lambda k: k.device != "rpi4" or k.setting.cpu_mhz != d.setting.cpu_mhz,
    }
    for what, keep in unseen.items():
        for data in boards["rpi4"]:
            if 20 <= len(data.names) <= 100:
                sources = [k for k in known if keep(data)(k)]
                order = np.random.default_rng(0)
                picks = [order.permutation(len(data.names))[:8] for _ in range(draws)]
                few_row(f"{what}: {data.setting.label}, random", data, picks, sources, prior)
                chosen = [np.array(informative_networks(data.features, prior, 8))]
                few_row(f"{what}: {data.setting.label}, chosen", data, chosen, sources, prior)


def few_row(name: str, data: Data, picks: Sequence[NDArray[np.int64]], known: Sequence[Known], prior: Prior) -> Array:
    """Prints the row of predictions from few networks, several draws of them; returns the standardised errors."""
    parts = []
    for few in picks:
        rest = np.setdiff1d(np.arange(len(data.names)), few)
        x, y = data.features[few], data.latency[few]

        def fitter(features: Array, latency: Array) -> Ensemble:
            return transfer(features, latency, data.setting, known, prior)

        held_out = cross_predict(x, y, [str(i) for i in range(len(few))], fitter)
        quantile = few_quantile(scores(y, *held_out))
        predicted, spread = fitter(x, y).predict(data.features[rest])
        peer = Additive(x, y).predict(data.features[rest])[0]
        parts.append((data.latency[rest], predicted, spread, spread * quantile, peer))
    truth, predicted, spread, width, peer = (np.concatenate(column) for column in zip(*parts, strict=True))
    row(name, truth, predicted, width, 1.0, peer)
    off: Array = np.log(predicted / truth) / spread
    return off


def new_boards(boards: Boards, draws: int) -> None:
    """Each setting of a board that is new but for six networks; the peer is the additive fit to those six."""
    print(f"A board never seen but for 6 networks: {COLUMNS} | additive fit")
    rng, scores = np.random.default_rng(0), []
    for board, group in boards.items():
        prior = prior_without(boards, board)
        known = [as_known(b, d, prior) for b, g in boards.items() if b != board for d in g if len(d.names) <= 100]
        for data in group:
            if not 9 <= len(data.names) <= 100:
                continue
            picks = [rng.permutation(len(data.names))[:6] for _ in range(draws)]
            scores.append(few_row(f"{board} {data.setting.label}", data, picks, known, prior))
    middle = np.median(np.abs(np.concatenate(scores)))
    print(f"the scale of the standardised errors, by their median under Student's t: {middle / 0.741:.2f}")


def cells(boards: Boards, draws: int) -> None:
    """NAS-Bench-201 on the Pi 4: unseen cells after 10, 100, 900; the peers are ridge on one-hot operators and
    gradient boosting on the same."""
    from sklearn.preprocessing import OneHotEncoder

    from edgetune.latency.reference.nasbench201 import parse_cell

    print(f"NAS-Bench-201 cells on the Pi 4, unseen: {COLUMNS} | one-hot ridge; boosting")
    table = next(d for d in boards["rpi4"] if any(name.startswith("|") for name in d.names))
    own = np.array([name.startswith("|") for name in table.names])
    names = [name for name in table.names if name.startswith("|")]
    data = replace(table, names=tuple(names), features=table.features[own], latency=table.latency[own])
    prior = prior_without(boards, "rpi4")
    pixel3 = [as_known("pixel3", first(d), prior) for d in boards["pixel3"]]
    one_hot = OneHotEncoder().fit_transform([parse_cell(name) for name in data.names]).toarray()
    for count in (10, 100, 900):
        truth, predicted, spread, ridge, trees, quantiles = [], [], [], [], [], []
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(len(data.names))
            seen, rest = order[:count], order[count:]
            x, y = data.features[seen], data.latency[seen]
            fitter = alone(prior) if count > 10 else lambda a, b: transfer(a, b, data.setting, pixel3, prior)
            folds = [str(i % 5) for i in range(count)]
            p, s = cross_predict(x, y, folds, fitter)
            quantiles.append(conformal_quantile(scores(y, p, s)))
            p, s = fitter(x, y).predict(data.features[rest])
            truth.append(data.latency[rest])
            predicted.append(p)
            spread.append(s * quantiles[-1])
            ridge.append(one_hot_ridge(one_hot[seen], y, one_hot[rest]))
            trees.append(boosted(one_hot[seen], y, one_hot[rest]))
        t, p, s, r, b = (np.concatenate(part) for part in (truth, predicted, spread, ridge, trees))
        row(f"{count} cells, mean of {draws} draws", t, p, s, 1.0, r)
        row(f"{count} cells, beside boosting", t, p, s, 1.0, b)


def speed(boards: Boards, _: int) -> None:
    """Samples and ONNX files a second of processor time, one core."""
    from edgetune.latency.batch import BatchPredictor
    from edgetune.latency.from_onnx import read_onnx
    from edgetune.latency.predictor import Predictor
    from edgetune.latency.reference import reference_graph
    from edgetune.latency.to_onnx import to_onnx
    from edgetune.space.mobile import MOBILE_SMALL

    rng = np.random.default_rng(0)
    batch = BatchPredictor(Predictor.load("rpi4"), MOBILE_SMALL, channels=1, resolution=28, classes=10)
    samples = [MOBILE_SMALL.space.draw(rng) for _ in range(4000)]
    batch.predict(samples[:2000])
    start = time.process_time()
    batch.predict(samples)
    print(f"{len(samples) / (time.process_time() - start):.0f} Samples/s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mobilenet.onnx"
        path.write_bytes(to_onnx(reference_graph("mobilenet-v2-1.0-224")).SerializeToString())
        start, predictor = time.process_time(), Predictor.load("rpi4")
        for _ in range(100):
            predictor.predict(read_onnx(path))
        print(
            f"{100 / (time.process_time() - start):.0f} ONNX files/s (MobileNet v2, {path.stat().st_size / 1e6:.0f} MB)"
        )


def row(name: str, truth: Array, predicted: Array, spread: Array, quantile: float, peer: Array) -> None:
    covered = np.mean(np.abs(np.log(predicted / truth)) <= quantile * spread)
    ours, theirs = figures(truth, predicted), figures(truth, peer)
    print(
        f"{name:48s} {ours[0]:5.1f} % {ours[1]:4.0f} % {ours[2]:4.0f} %  ρ {ours[3]:.4f}  {100 * covered:3.0f} %"
        f" | {theirs[0]:5.1f} % {theirs[1]:4.0f} % {theirs[2]:4.0f} %  ρ {theirs[3]:.4f} | {theirs[0] / ours[0]:.1f}×",
        flush=True,
    )


def figures(truth: Array, predicted: Array) -> Sequence[float]:
    from scipy.stats import spearmanr

    error = np.abs(predicted / truth - 1)
    within = [100 * float(np.mean(error <= limit)) for limit in (0.1, 0.05)]
    return (100 * float(error.mean()), *within, float(spearmanr(truth, predicted).statistic))


PARTS: dict[str, Callable[[Boards, int], None]] = {
    "networks": networks,
    "floor": floor,
    "joint": joint,
    "settings": new_settings,
    "boards": new_boards,
    "cells": cells,
    "speed": speed,
}


if __name__ == "__main__":
    main()
