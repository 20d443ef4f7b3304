import numpy as np
import pytest

from edgetune.search.gaussian_process import GaussianProcess

RNG = np.random.default_rng(0)
GROUPS = [np.array([0, 1, 1]), np.array([0, 1])]
PARTS = [RNG.normal(size=(30, 3)) / np.sqrt(2), RNG.normal(size=(30, 2)) / np.sqrt(2)]
TARGETS = RNG.normal(size=30)


def test_prediction_agrees_with_scikit_learns() -> None:
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    kernels = gaussian_process.kernels
    model = GaussianProcess([np.array([0, 0, 0]), np.zeros(0, dtype=int)])
    model.theta_ = np.log([0.8, 0.7, 1e-12, 1e-12, 0.1])
    parts = [PARTS[0], np.zeros((30, 0))]
    points = [RNG.normal(size=(5, 3)), np.zeros((5, 0))]
    model.condition(parts, TARGETS)
    mean, deviation = model.predict(points)
    kernel = 0.7 * kernels.RBF(length_scale=np.sqrt(0.5 / 0.8))
    peer = gaussian_process.GaussianProcessRegressor(kernel, alpha=0.1 + 1e-6, optimizer=None).fit(PARTS[0], TARGETS)
    peer_mean, peer_deviation = peer.predict(points[0], return_std=True)
    assert mean == pytest.approx(peer_mean, abs=1e-6)
    assert deviation == pytest.approx(peer_deviation, abs=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    from scipy.optimize import approx_fprime

    model = GaussianProcess(GROUPS)
    arguments = model.fit_arguments(PARTS, TARGETS)
    theta = model.prior + RNG.normal(size=len(model.prior)) / 3
    numeric = approx_fprime(theta, lambda t: model._loss(t, *arguments)[0], 1e-6)
    assert model._loss(theta, *arguments)[1] == pytest.approx(numeric, abs=1e-3)


def test_tuning_finds_which_columns_matter() -> None:
    columns = RNG.uniform(-1, 1, size=(60, 3)) * np.sqrt(1.5)
    model = GaussianProcess([np.arange(3), np.zeros(0, dtype=int)])
    model.tune([columns, np.zeros((60, 0))], np.sin(3 * columns[:, 1]) * np.sqrt(2))
    weights = model._unpacked(model.theta_)[0][0]
    assert weights[1] > 5 * max(weights[0], weights[2])


def test_it_interpolates_and_is_unsure_far_away() -> None:
    model = GaussianProcess(GROUPS)
    model.tune(PARTS, TARGETS)
    model.theta_[-1] = np.log(1e-8)
    model.condition(PARTS, TARGETS)
    mean, deviation = model.predict(PARTS)
    far = model.predict([part + 5 for part in PARTS])[1]
    assert mean == pytest.approx(TARGETS, abs=1e-2)
    assert deviation.max() < 0.05 < far.min()
