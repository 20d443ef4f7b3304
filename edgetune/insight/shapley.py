"""Shapley values of a model's choices, by sampling orders (Castro 2009; Štrumbelj and Kononenko 2014)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgetune.search.encoding import INACTIVE, Encoding

ORDERS = 32  # each walked forwards and backwards, which cancels much of the noise


def shapley_values(
    predict: Callable[[np.ndarray], np.ndarray],
    encoding: Encoding,
    row: np.ndarray,
    *,
    orders: int = ORDERS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """What each choice of `row` adds to the prediction, against random samples of the space.

    Parameters
    ----------
    predict
        From encoded rows, float (n, parameters), to figures, float (n, figures).
    row
        An encoded sample, float (parameters). What is not active in it has the value 0 in the game.
    orders
        How many random orders are walked, each both ways with a random sample of its own to start from.

    Returns
    -------
    The values, float (parameters, figures), and the mean figures of the samples started from, float (figures);
    the values add up to the prediction for `row` less those means, exactly.
    """
    rng = np.random.default_rng(seed)
    n = len(row)
    known = row != INACTIVE
    starts = encoding.draw(orders, rng)
    walks, permutations = [], []
    for start in starts:
        order = rng.permutation(n)
        for permutation in (order, order[::-1]):
            # Step k has the first k choices of the order from `row`, the rest from the random sample.
            taken = np.argsort(permutation)[None] < np.arange(n + 1)[:, None]
            walks.append(np.where(taken & known, row, start))
            permutations.append(permutation)
    figures = predict(encoding.masked(np.vstack(walks))).reshape(len(walks), n + 1, -1)
    values = np.zeros((n, figures.shape[2]))
    for permutation, walk in zip(permutations, figures, strict=True):
        values[permutation] += np.diff(walk, axis=0)
    return values / len(walks), figures[:, 0].mean(axis=0)
