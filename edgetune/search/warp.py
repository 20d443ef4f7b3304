"""From figures to nearly normal, standardised targets and back."""

from __future__ import annotations

import numpy as np

EARLY = 20  # trials, from before a search narrows down, whose quartiles say what is typical
FENCE = 3.0  # interquartile ranges above the upper quartile: Tukey's outer fence, beyond which a figure is hopeless


class Warp:
    """A monotone map of one figure (smaller is better): linear up to the typical figure, logarithmic beyond.

    So the bad ones stand close together, and how far the best may still be improved is not bounded. Hopeless figures,
    such as those of networks that do not train, are cut off first: how bad they are says nothing about the front.

    Parameters
    ----------
    figures
        Float (n), at least one, all finite.

    Attributes
    ----------
    worst
        The worst figure that counts.
    cap
        What hopeless ones count as.
    """

    def __init__(self, figures: np.ndarray) -> None:
        low, self.typical, high = (float(figure) for figure in np.quantile(figures[:EARLY], [0.25, 0.5, 0.75]))
        self.best = float(figures.min())
        self.span = (self.typical - self.best) or float(np.ptp(figures)) or abs(self.best) or 1.0
        self.worst = max(high + FENCE * (high - low), self.typical + self.span)
        self.cap = self.worst + (self.worst - self.best)  # clear of the worst that counts, or luck would seem to help
        self.mean, self.scale = 0.0, 1.0
        bent = self.forward(figures)
        self.mean, self.scale = float(bent.mean()), float(bent.std()) or 1.0

    def forward(self, figures: np.ndarray) -> np.ndarray:
        places = self._places(np.minimum(figures, self.cap))
        return (_bent(places) - self.mean) / self.scale

    def backward(self, warped: np.ndarray) -> np.ndarray:
        bent = warped * self.scale + self.mean
        return self.best + self.span * np.where(bent < 1, bent, np.exp(np.maximum(bent, 1) - 1))

    def shortfall(self, bounds: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        """By how much figures lie below bounds on average, above ones counting 0.

        Parameters
        ----------
        bounds
            Float (bounds).
        mean, deviation
            Of the normally distributed warped figures, float (n) each.

        Returns
        -------
        Float (n, bounds), in the figures' unit.
        """
        from scipy.special import ndtr

        centre, spread = (mean * self.scale + self.mean)[:, None], (deviation * self.scale)[:, None]
        places = self._places(bounds)
        low = (np.minimum(places, 1.0) - centre) / spread
        below = ndtr(low)
        linear = (places - centre) * below + spread * np.exp(-0.5 * low**2) / np.sqrt(2 * np.pi)
        high = (_bent(places) - centre) / spread
        typical = np.exp(np.minimum(centre - 1 + 0.5 * spread**2, 50.0))  # mean of a log-normal figure
        beyond = places * (ndtr(high) - below) - typical * (ndtr(high - spread) - ndtr(low - spread))
        return np.asarray(self.span * np.maximum(linear + np.where(places > 1, beyond, 0.0), 0.0))

    def _places(self, figures: np.ndarray) -> np.ndarray:
        """0 for the best figure, 1 for the typical one."""
        return (figures - self.best) / self.span


def _bent(places: np.ndarray) -> np.ndarray:
    return np.where(places < 1, places, 1 + np.log(np.maximum(places, 1)))
