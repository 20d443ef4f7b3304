from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from edgetune.latency.cost_model import NOISE, Array, Prior, Residual, SizedResidual, fit_cost_model, shares
from edgetune.latency.features import FEATURES, PRIOR_MEAN

COUNT = len(FEATURES)


def networks(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((n, COUNT)) ** 3


def errors_of(features: Array) -> Array:
    """A smooth law of what networks are made of."""
    return 0.2 * np.sin(6 * shares(features)[:, 0]) + 0.1 * shares(features)[:, 1]


def scikit_learn(features: Array, error: Array, new: Array) -> Array:
    kernel = ConstantKernel(Residual.SPREAD**2) * RBF(Residual.LENGTH)
    process = GaussianProcessRegressor(kernel, alpha=NOISE**2, optimizer=None)
    expected: Array = process.fit(shares(features), error).predict(shares(new))
    return expected


def test_a_residual_of_few_networks_is_the_gaussian_process_of_scikit_learn() -> None:
    features, new = networks(Residual.ANCHORS), networks(50, seed=1)
    error = errors_of(features)
    np.testing.assert_allclose(
        Residual.fit(features, error)(new), scikit_learn(features, error, new), rtol=1e-4, atol=1e-6
    )


def test_a_residual_of_many_networks_is_near_it_with_few_anchors() -> None:
    """Networks of two kinds of parts, as the cells of one space are alike in the rest."""
    features, new = networks(600), networks(200, seed=1)
    features[:, 2:], new[:, 2:] = 0.3, 0.3
    error = errors_of(features)
    residual = Residual.fit(features, error)
    assert len(residual.anchors) <= Residual.ANCHORS
    np.testing.assert_allclose(residual(new), scikit_learn(features, error, new), atol=0.002)


def test_a_sized_residual_tells_a_long_network_from_a_short_one_of_the_same_parts() -> None:
    """The Gaussian process of scikit-learn, its lengths an e-fold of the latency and 0.3 of the shares."""
    features = networks(1) * np.geomspace(0.1, 100, 30)[:, None]
    new = np.vstack([networks(1) * np.array([[0.3], [30.0]]), networks(20, seed=1)])

    def points(features: Array) -> Array:
        return np.column_stack([np.log(features @ np.exp(PRIOR_MEAN)), shares(features) / 0.3])

    error = 0.1 * np.tanh(points(features)[:, 0] - 3)
    process = GaussianProcessRegressor(ConstantKernel(0.01) * RBF(1.0), alpha=0.05**2, optimizer=None)
    expected = process.fit(points(features), error).predict(points(new))
    found = SizedResidual.fit(features, error)(new)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found[0] < -0.05 and found[1] > 0.05


def test_a_network_measured_twice_is_one_anchor() -> None:
    features = networks(5)
    twice = Residual.fit(np.vstack([features, features]), np.zeros(10))
    assert len(twice.anchors) == 5


@pytest.mark.parametrize("seed", range(3))
def test_factors_are_found_although_a_measurement_was_disturbed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, features = rng.normal(0, 0.5, COUNT), networks(100, seed)
    latency = features @ np.exp(truth)
    latency[0] *= 3
    fit = fit_cost_model(features, latency, Prior(np.zeros(COUNT), np.eye(COUNT)))
    predicted = np.exp(fit.predict(features)[0])
    assert np.abs(predicted / latency - 1)[1:].max() < 0.02
