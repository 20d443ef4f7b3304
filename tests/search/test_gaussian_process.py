import numpy as np
import pytest

from edgetune.search.gaussian_process import GaussianProcess

RNG = np.random.default_rng(0)
GROUPS, OPTIONS = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, -1])
COLUMNS = RNG.normal(size=(30, 5)) / np.sqrt(2)
TARGETS = RNG.normal(size=30)


def process() -> GaussianProcess:
    return GaussianProcess(GROUPS, OPTIONS, np.full(3, 0.5))


def test_prediction_agrees_with_scikit_learns() -> None:
    from sklearn import gaussian_process
    from sklearn.gaussian_process import kernels

    model = process()
    model.theta_ = np.log([0.8, 0.2, 1.5, 2.0, 0.5, 0.7, 0.1])
    points = RNG.normal(size=(6, 5))
    model.condition(COLUMNS, TARGETS)
    mean, deviation = model.predict(points)
    lengths = 1 / np.sqrt([0.8 * 2.0, 0.8 * 0.5, 0.2 * 2.0, 0.2 * 0.5, 1.5])
    kernel = 0.7 * kernels.Matern(length_scale=lengths, nu=2.5)
    peer = gaussian_process.GaussianProcessRegressor(kernel, alpha=0.1 + 1e-6, optimizer=None).fit(COLUMNS, TARGETS)
    peer_mean, peer_deviation = peer.predict(points, return_std=True)
    assert mean == pytest.approx(peer_mean, abs=1e-6)
    assert deviation == pytest.approx(peer_deviation, abs=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    from scipy.optimize import approx_fprime

    model = process()
    steps = RNG.normal(size=len(model.prior)) / 3
    numeric = approx_fprime(steps, lambda t: model._loss(t, COLUMNS, TARGETS)[0], 1e-6)
    assert model._loss(steps, COLUMNS, TARGETS)[1] == pytest.approx(numeric, abs=1e-3)


def test_tuning_finds_which_columns_matter() -> None:
    columns = RNG.uniform(-1, 1, size=(60, 3)) * np.sqrt(1.5)
    model = GaussianProcess(np.arange(3), np.full(3, -1), np.full(3, 0.5))
    model.tune(columns, np.sin(3 * columns[:, 1]) * np.sqrt(2))
    weights = np.exp(model.theta_[:3])
    assert weights[1] > 5 * max(weights[0], weights[2])


def test_an_option_is_learnt_for_all_the_places_where_it_may_be_used() -> None:
    places = RNG.integers(3, size=(40, 2))  # two parameters, three options, of which the third alone matters
    columns = np.hstack([np.eye(3)[places[:, i]] for i in range(2)]) / np.sqrt(4 / 3)
    model = GaussianProcess(np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), np.full(2, 0.75))
    model.tune(columns, (places == 2).sum(axis=1) - 0.7)
    assert np.argmax(model.theta_[2:5]) == 2


def test_it_interpolates_and_is_unsure_far_away() -> None:
    model = process()
    model.tune(COLUMNS, TARGETS)
    model.theta_[-1] = np.log(1e-8)
    model.condition(COLUMNS, TARGETS)
    mean, deviation = model.predict(COLUMNS)
    assert mean == pytest.approx(TARGETS, abs=1e-2)
    assert deviation.max() < 0.05 < model.predict(COLUMNS + 5)[1].min()
