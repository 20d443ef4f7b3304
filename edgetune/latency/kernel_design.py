"""Which networks to clock where their kernels are clocked too: what each would teach about factors and residual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.latency.cost_model import Array, CostModel, Prior
from edgetune.latency.design import choose, observe
from edgetune.latency.farthest import farthest
from edgetune.latency.features import Machine, kernel_matrix
from edgetune.latency.graph import Graph
from edgetune.latency.kernel_residual import NOISE, points_of, similarity

INDUCING = 16
"""Points a kind that stand for the residual's Gaussian process (Nyström's approximation)."""


class KernelDesign:
    """Networks as linear observations of the log-factors and of the residual at its inducing points."""

    def __init__(self, pool: Sequence[Graph], machine: Machine, prior: Prior) -> None:
        self.machine, self.prior = machine, prior
        self.inducing: dict[str, Array] = {}
        self.whitening: dict[str, Array] = {}
        for kind in dict.fromkeys(k.kind for graph in pool for k in graph.kernels):
            points = np.unique(points_of([k for graph in pool for k in graph.kernels if k.kind == kind]), axis=0)
            points = points[farthest(points, INDUCING)]
            covariance = similarity(points, points) + 1e-6 * np.eye(len(points))
            self.inducing[kind] = points
            self.whitening[kind] = np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.float64)
        self.weights = len(prior.mean) + sum(len(points) for points in self.inducing.values())

    def choose(self, pool: Sequence[Graph], seen: Sequence[Graph], model: CostModel, count: int) -> list[int]:
        """Positions in `pool` of the networks that, after those `seen`, tell most about the pool's latencies."""
        observed, targets = zip(*(self._rows(graph, model) for graph in pool), strict=True)
        known = np.eye(self.weights)
        known[: len(self.prior.mean), : len(self.prior.mean)] = self.prior.covariance
        for graph in seen:
            known = observe(known, self._rows(graph, model)[0], NOISE)
        return choose(observed, np.array(targets), known, count, noise=NOISE)

    def _rows(self, graph: Graph, model: CostModel) -> tuple[Array, Array]:
        """Each kernel's sensitivities, (kernels, weights), and the network's, (weights,)."""
        parts = kernel_matrix(graph, self.machine) * np.exp(model.log_factors)
        times = parts.sum(axis=1)
        residual = np.zeros((len(graph.kernels), self.weights - parts.shape[1]))
        points, start = points_of(graph.kernels), 0
        kinds = np.array([kernel.kind for kernel in graph.kernels])
        for kind, inducing in self.inducing.items():
            own = kinds == kind
            stop = start + len(inducing)
            residual[own, start:stop] = similarity(points[own], inducing) @ self.whitening[kind].T
            start = stop
        rows: Array = np.hstack([parts / times[:, None], residual])
        return rows, times @ rows / times.sum()
