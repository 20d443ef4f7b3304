"""A setting's model where single kernels were clocked too: physics by kernel, its residual, then whole networks.

The runtime's own profiler tells each kernel's time, distorted by its own cost; the networks' latencies, clocked without
it, are the truth that the sums have to meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from edgetune.device.profile import Profile
from edgetune.errors import MeasurementError
from edgetune.latency.cost_model import Array, CostModel, Prior, SizedResidual, fit_cost_model
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.features import FEATURES, INDEX, Machine, features_of, kernel_matrix, machine_of
from edgetune.latency.fit import FOLDS, Data, conformal_quantile, errors, extent, scores
from edgetune.latency.fitted import Fitted, FittedKernels, FittedMember
from edgetune.latency.graph import Graph, Kernel
from edgetune.latency.kernel_residual import KernelResidual
from edgetune.latency.setting import Setting

ORIGIN = "kernels of this machine"
SHORTEST = 3e-4
"""Milliseconds that a kernel is taken to last at least: a profiler's clock doesn't tell less."""
DISTURBED = 1.5
"""Between a network's latency and its profiled kernels' sum: beyond, other programs ran meanwhile."""
TICK = 5e-4
"""Milliseconds that a profiled kernel's time may be off."""
FOLLOWED = 0.15
"""How far the whole networks' residual follows a logarithm: what is farther off was disturbed."""
TIGHT, LOOSE = 0.2, 1.0
"""Spreads of the log-factors around what the kernels said: of rates; of overheads, which profiling distorts most."""


@dataclass(frozen=True)
class Clocked:
    """A network's latency, and what a profiler says of its kernels by position, all in milliseconds."""

    name: str
    graph: Graph
    latency_ms: float
    kernel_ms: Mapping[int, float]


@dataclass(frozen=True)
class KernelModel:
    """A cost model for features that are corrected kernel by kernel."""

    machine: Machine
    model: CostModel

    def predict(self, graphs: Sequence[Graph]) -> tuple[Array, Array]:
        """Milliseconds and spreads of their logarithms, shape (graphs,)."""
        features = features_of(graphs, self.machine)
        logarithm, spread = self.model.predict(features)
        return np.exp(logarithm), spread


def fit_kernel_model(machine: Machine, clocked: Sequence[Clocked], prior: Prior) -> KernelModel:
    kernels, features, times = _kernel_rows(machine, clocked)
    physics = fit_cost_model(features, times, prior)
    error = np.log(times) - np.log(features @ np.exp(physics.log_factors))
    corrected = replace(machine, correction=KernelResidual.fit(kernels, error, TICK / times))
    spread = np.full(len(FEATURES), TIGHT)
    overheads = [INDEX[name] for name in FEATURES if name == "network" or name.endswith(".call")]
    spread[overheads] = LOOSE
    mean = physics.log_factors.copy()
    mean[INDEX["network"]] = prior.mean[INDEX["network"]]
    rows = features_of((c.graph for c in clocked), corrected)
    latency = np.array([c.latency_ms for c in clocked])
    whole = fit_cost_model(rows, latency, Prior(mean, np.diag(spread**-2.0)))
    left = np.clip(np.log(latency) - whole.predict(rows)[0], -FOLLOWED, FOLLOWED)
    return KernelModel(corrected, replace(whole, residual=SizedResidual.fit(rows, left)))


def _kernel_rows(machine: Machine, clocked: Sequence[Clocked]) -> tuple[list[Kernel], Array, Array]:
    """Kernels long enough to be told, their features (kernels, features) and milliseconds (kernels,)."""
    cost = profiler_cost(clocked)
    kernels: list[Kernel] = []
    rows, times = [], []
    for network in clocked:
        matrix = kernel_matrix(network.graph, machine)
        own = {i: max(ms - cost, SHORTEST) for i, ms in network.kernel_ms.items()}
        # A machine that was slower while it was profiled was so for all kernels alike; much slower, it was disturbed.
        # Where the whole network was slower, that was: a kernel is short enough to be left alone at times.
        scale = network.latency_ms / max(sum(own.values()), 1e-6)
        if not 1 / DISTURBED < scale < DISTURBED:
            continue
        scale = min(scale, 1.0)
        for i, kernel in enumerate(network.graph.kernels):
            if matrix[i].any():  # a kernel without a time of its own was fused into another
                kernels.append(kernel)
                rows.append(matrix[i])
                times.append(own.get(i, SHORTEST) * scale)
    if not kernels:
        raise MeasurementError("no network's kernels add up to it", code="disturbed", mend="close other programs")
    return kernels, np.array(rows), np.array(times)


def profiler_cost(clocked: Sequence[Clocked]) -> float:
    """Milliseconds that profiling adds to a kernel: what the sums exceed the latencies by, where kernels are short."""
    excess = [
        (sum(c.kernel_ms.values()) - c.latency_ms) / len(c.kernel_ms)
        for c in clocked
        if c.kernel_ms and c.latency_ms / len(c.kernel_ms) < 0.03
    ]
    return float(np.clip(np.median(excess), 0.0, 0.01)) if excess else 0.0


def fit_clocked(profile: Profile, setting: Setting, clocked: Sequence[Clocked], prior: Prior) -> Fitted:
    """The model of one setting with its cross-validated errors: a sixth of the networks held out, kernels and all."""
    machine = machine_of(profile, setting)
    latency = np.array([c.latency_ms for c in clocked])
    predicted, spread = np.empty_like(latency), np.empty_like(latency)
    folds = np.random.default_rng(0).permutation(len(clocked)) % FOLDS
    for fold in range(FOLDS):
        held = folds == fold
        model = fit_kernel_model(machine, [c for c, out in zip(clocked, held, strict=True) if not out], prior)
        predicted[held], spread[held] = model.predict([c.graph for c, out in zip(clocked, held, strict=True) if out])
    quantile = conformal_quantile(scores(latency, predicted, spread))
    whole = fit_kernel_model(machine, clocked, prior)
    graphs = tuple(c.graph for c in clocked)
    features = features_of(graphs, whole.machine)
    data = Data(setting, tuple(c.name for c in clocked), graphs, features, latency)
    assert whole.machine.correction is not None
    return Fitted(
        **asdict(setting),
        members=[FittedMember.of(member) for member in Ensemble.of(whole.model, ORIGIN).members],
        quantile=round(quantile, 4),
        measured=extent(data),
        errors={"networks": errors(latency, predicted, spread, quantile)},
        kernels=FittedKernels.of(whole.machine.correction),
    )
