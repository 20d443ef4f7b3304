"""An encoder of architectures learnt without labels, against the columns that the surrogate has.

A small network is shown cells of NAS-Bench-201 with some operators and cheap quantities hidden, and predicts them all
from the rest: operators, parameters, and of what lies on a way from input to output the parameters, convolutions and
depth. No accuracy is seen. Its hidden layer is the embedding. The question is whether a Gaussian process or a ridge
regression on it ranks CIFAR-10 accuracies better after few trials than on what the house's surrogate is given
(one column an option, and how often each option occurs), or with both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional

from edgetune.latency.reference.nasbench201 import CONVS, EDGES, OPERATORS
from edgetune.search.encoding import Encoding
from edgetune.search.gaussian_process import GaussianProcess
from edgetune.space.parameters import Choice, Sample, Space
from tools.bench.nasbench201 import LABELS, Cell, cell_of, read_rows

TRIALS = (10, 25, 50, 100)
HELD_OUT = 2000  # of the cells that were not tried
HIDDEN, EMBEDDING, STEPS, BATCH = 128, 16, 3000, 256
WEIGHTS = {name: kernel**2 for name, kernel in CONVS.items()}
"""Parameters of an operator, in those of a 1 × 1 convolution."""

Columns = tuple[np.ndarray, np.ndarray, np.ndarray]  # values, groups, options: see GaussianProcess


def cheap_quantities(cell: Cell) -> list[float]:
    """Parameters; then parameters, convolutions and depth of what lies on a way from input to output."""
    joined = [(ends, operator) for ends, operator in zip(EDGES, cell, strict=True) if operator != "none"]
    reached, leading = {0}, {3}
    for (start, end), _ in sorted(joined):
        reached |= {end} if start in reached else set()
    for (start, end), _ in sorted(joined, reverse=True):
        leading |= {start} if end in leading else set()
    alive = [(ends, operator) for ends, operator in joined if ends[0] in reached and ends[1] in leading]
    depth = dict.fromkeys(range(4), 0)
    for (start, end), operator in sorted(alive, key=lambda edge: edge[0][1]):
        depth[end] = max(depth[end], depth[start] + (operator in WEIGHTS))
    sizes = [WEIGHTS.get(operator, 0) for _, operator in alive]
    whole = sum(WEIGHTS.get(operator, 0) for operator in cell)
    return [float(whole), float(sum(sizes)), float(sum(size > 0 for size in sizes)), float(depth[3])]


class Encoder(nn.Module):
    """Operators and quantities, each beside a flag that says whether it is hidden, to an embedding, to all of them."""

    def __init__(self, quantities: int) -> None:
        super().__init__()
        width = len(EDGES) * (len(OPERATORS) + 1) + 2 * quantities
        self.body = nn.Sequential(
            nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, EMBEDDING)
        )
        self.head = nn.Sequential(
            nn.GELU(), nn.Linear(EMBEDDING, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, len(EDGES) * len(OPERATORS))
        )
        self.cheap = nn.Linear(EMBEDDING, quantities)

    def forward(self, places: Tensor, quantities: Tensor, hidden: Tensor, hidden_too: Tensor) -> Tensor:
        shown = functional.one_hot(places.masked_fill(hidden, len(OPERATORS)), len(OPERATORS) + 1).flatten(1)
        return self.body(torch.hstack([shown, quantities.masked_fill(hidden_too, 0), hidden_too]).float())


def embedding(places: np.ndarray, quantities: np.ndarray, seed: int) -> np.ndarray:
    """Trains an encoder on all cells and gives their embedding, standardised, float (cells, EMBEDDING)."""
    torch.manual_seed(seed)
    encoder = Encoder(quantities.shape[1])
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    cells, known = torch.from_numpy(places), torch.from_numpy(quantities)
    for _ in range(STEPS):
        batch = torch.randint(len(cells), (BATCH,))
        hidden, hidden_too = torch.rand(BATCH, len(EDGES)) < 0.3, torch.rand(BATCH, known.shape[1]) < 0.3
        found = encoder(cells[batch], known[batch], hidden, hidden_too)
        logits = encoder.head(found).view(BATCH, len(EDGES), len(OPERATORS))
        operators = functional.cross_entropy(logits.flatten(0, 1), cells[batch].flatten())
        loss = operators + functional.mse_loss(encoder.cheap(found), known[batch].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        nothing = torch.zeros_like(cells, dtype=torch.bool), torch.zeros_like(known, dtype=torch.bool)
        found = encoder(cells, known, *nothing).numpy()
    return (found - found.mean(axis=0)) / np.sqrt(2 * found.var(axis=0).sum())  # two are at a squared distance of 1


def gaussian_process(columns: Columns, tried: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    values, groups, options = columns
    weights = np.full(int(groups.max()) + 1, 1.5 / (groups.max() + 1))
    model = GaussianProcess(groups, options, weights)
    model.tune(values[tried], targets)
    model.condition(values[tried], targets)
    return model.predict(values[asked])[0]


def ridge(columns: Columns, tried: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Its strength is chosen by generalised cross-validation, which scikit-learn does by leaving one out."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(np.logspace(-3, 3, 13)).fit(columns[0][tried], targets)
    return np.asarray(model.predict(columns[0][asked]))


def own(values: np.ndarray) -> Columns:
    """Each column a group of its own."""
    return values, np.arange(values.shape[1]), np.full(values.shape[1], -1)


def joined(*parts: Columns) -> Columns:
    first, groups = 0, []
    for _, owners, _ in parts:
        groups.append(owners + first)
        first += int(owners.max()) + 1
    return np.hstack([part[0] for part in parts]), np.concatenate(groups), np.concatenate([part[2] for part in parts])


def bench_encoder(seeds: Sequence[int], table: Path) -> None:
    """Spearman's ρ between expected and true CIFAR-10 accuracy of untried cells, by columns, model and trials."""
    accuracies = {cell_of(row): float(row["cifar10_test_top1_pct"]) for row in read_rows(table)}
    cells = [cell for cell in product(OPERATORS, repeat=len(EDGES)) if cell in accuracies]
    truth = np.array([accuracies[cell] for cell in cells])
    places = np.array([[OPERATORS.index(operator) for operator in cell] for cell in cells])
    quantities = np.array([cheap_quantities(cell) for cell in cells])
    quantities = (quantities - quantities.mean(axis=0)) / quantities.std(axis=0)
    encoding = Encoding(Space("nasbench201", tuple(Choice(label, OPERATORS) for label in LABELS)))
    rows = encoding.rows([Sample(dict(zip(LABELS, cell, strict=True))) for cell in cells])
    values, owners = encoding.parameter_features(rows)
    counts = encoding.aggregate_features(rows)
    plain = joined((values, owners, encoding.option_columns()), own(counts / counts.std(axis=0) / np.sqrt(2)))
    cheap = own(quantities / np.sqrt(2))
    found: dict[tuple[str, str, int], list[float]] = {}
    for seed in seeds:
        axes = embedding(places, quantities, seed)
        one_group = np.zeros(EMBEDDING, dtype=int)  # its axes mean nothing one by one
        learnt = axes, one_group, np.full(EMBEDDING, -1)
        arms = {
            "one-hot": plain,
            "one-hot, cheap": joined(plain, cheap),
            "embedding": learnt,
            "one-hot, embedding": joined(plain, learnt),
            "one-hot, cheap, embedding": joined(plain, cheap, learnt),
        }
        order = np.random.default_rng(seed).permutation(len(cells))
        asked = order[TRIALS[-1] :][:HELD_OUT]
        for (name, columns), trials in product(arms.items(), TRIALS):
            tried = order[:trials]
            ranks = np.argsort(np.argsort(truth[tried])).astype(float)  # accuracies are skewed; their order counts
            targets = (ranks - ranks.mean()) / ranks.std()
            for predict in (gaussian_process, ridge):
                expected = predict(columns, tried, targets, asked)
                found.setdefault((predict.__name__, name, trials), []).append(spearmanr(expected, truth[asked])[0])
        print(f"seed {seed} done", flush=True)
    print(f"Spearman's ρ on {HELD_OUT} untried cells, {len(seeds)} seeds, after {TRIALS} trials: mean ± standard error")
    for model, name in dict.fromkeys(key[:2] for key in found):
        results = [np.array(found[model, name, trials]) for trials in TRIALS]
        shown = "  ".join(f"{rho.mean():.3f} ± {rho.std() / np.sqrt(len(rho)):.3f}" for rho in results)
        print(f"{model:16s} {name:26s} {shown}")
