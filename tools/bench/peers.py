"""Simpler predictors that the latency benchmark sets beside edgetune's, on the same data in the same run."""

from __future__ import annotations

import numpy as np

from edgetune.latency.cost_model import Array


class Additive:
    """Non-negative least squares of the relative error on the same features: no prior, no robustness, no interval."""

    def __init__(self, features: Array, latency: Array) -> None:
        from scipy.optimize import nnls

        self.weights = nnls(features / latency[:, None], np.ones(len(latency)))[0]

    def predict(self, features: Array) -> tuple[Array, Array]:
        return np.maximum(features @ self.weights, 1e-6), np.ones(len(features))


def boosted(features: Array, latency: Array, new: Array) -> Array:
    """Gradient-boosted trees (scikit-learn) on logarithms of the features and of the latency."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(n_estimators=300, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=0)
    model.fit(np.log(features + 1e-6), np.log(latency))
    predicted: Array = np.exp(model.predict(np.log(new + 1e-6)))
    return predicted


def one_hot_ridge(one_hot: Array, latency: Array, new: Array) -> Array:
    """Ridge regression of the logarithm of the latency on one-hot operators."""
    from sklearn.linear_model import Ridge

    predicted: Array = np.exp(Ridge(1.0).fit(one_hot, np.log(latency)).predict(new))
    return predicted
