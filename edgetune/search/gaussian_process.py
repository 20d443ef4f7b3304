"""Gaussian-process regression on few points with many columns (Rasmussen and Williams 2006).

A Matérn-5/2 kernel over all columns. Each group of columns has a weight (automatic relevance determination); columns of
different groups that stand for the same option share a second one, so that what an operator is like is learnt once for
all the places where it may be used. Hyper-parameters maximise the posterior under log-normal priors, which hold dozens
of weights in check where points are few.
"""

from __future__ import annotations

import numpy as np

FIT_POINTS = 128  # hyper-parameters are fitted to the last so many points
ITERATIONS = 40
JITTER = 1e-6
PRIOR_SCALE, PRIOR_NOISE = 2.0, 0.05  # of standardised targets; a figure spans more than the trials show
OPTION_SPREAD = 0.5  # standard deviation of the logarithm of an option's weight; 1 for all else


class GaussianProcess:
    """For standardised targets.

    Parameters
    ----------
    groups
        The group that each column belongs to, int (columns), from 0.
    options
        The option that each column stands for, int (columns), from 0; -1 for none.
    weights
        The typical weight of each group, float (groups): a squared distance counts so many times.
    """

    def __init__(self, groups: np.ndarray, options: np.ndarray, weights: np.ndarray) -> None:
        self.groups, self.options = groups, options
        self.sizes = len(weights), int(options.max(initial=-1)) + 1
        self.prior = np.concatenate([np.log(weights), np.zeros(self.sizes[1]), np.log([PRIOR_SCALE, PRIOR_NOISE])])
        self.spread = np.concatenate([np.ones(self.sizes[0]), np.full(self.sizes[1], OPTION_SPREAD), np.ones(2)])
        self.theta_ = self.prior

    def tune(self, columns: np.ndarray, targets: np.ndarray) -> float:
        """Fits weights, scale and noise to targets, float (n,); gives the negative log posterior reached."""
        from scipy.optimize import minimize

        arguments = columns[-FIT_POINTS:], targets[-FIT_POINTS:]
        start = np.zeros(len(self.prior))
        fit = minimize(self._loss, start, arguments, "L-BFGS-B", jac=True, options={"maxiter": ITERATIONS})
        self.theta_ = self.prior + self.spread * fit.x
        return float(fit.fun)

    def condition(self, columns: np.ndarray, targets: np.ndarray) -> None:
        """Takes the points to predict from; the hyper-parameters stay."""
        from scipy.linalg import cho_factor, cho_solve

        self.columns_ = columns
        covariance = self._kernel(columns, columns)
        covariance[np.diag_indices_from(covariance)] += self.noise + JITTER
        self.factor_ = cho_factor(covariance, lower=True)
        self.alpha_ = cho_solve(self.factor_, targets)

    def predict(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noiseless function at each point, float (n,) each."""
        from scipy.linalg import solve_triangular

        cross = self._kernel(self.columns_, columns)
        explained = solve_triangular(self.factor_[0], cross, lower=True, check_finite=False)
        left = np.exp(self.theta_[-2]) - (explained**2).sum(axis=0)
        return cross.T @ self.alpha_, np.sqrt(np.maximum(left, 1e-12))

    @property
    def noise(self) -> float:
        """Variance of a target around the function."""
        return float(np.exp(self.theta_[-1]))

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        stretch = np.sqrt(self._column_weights(self.theta_))
        a, b = a * stretch, b * stretch
        squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
        return np.exp(self.theta_[-2]) * _matern(np.maximum(squares, 0.0))[0]

    def _column_weights(self, theta: np.ndarray) -> np.ndarray:
        options = np.append(theta[self.sizes[0] : -2], 0.0)  # -1, no option, takes the last
        return np.exp(theta[self.groups] + options[self.options])

    def _loss(self, steps: np.ndarray, columns: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative log posterior and its gradient, by steps from the prior in its standard deviations."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        theta = self.prior + self.spread * steps
        n, weights, scale, noise = len(targets), self._column_weights(theta), np.exp(theta[-2]), np.exp(theta[-1])
        products = (columns * weights) @ columns.T
        lengths = np.diag(products)
        shape, slope = _matern(np.maximum(lengths[:, None] + lengths - 2 * products, 0.0))
        covariance = scale * shape
        covariance[np.diag_indices(n)] += noise + JITTER
        try:
            factor = cho_factor(covariance, lower=True, check_finite=False)
        except LinAlgError:
            return 1e10, np.zeros_like(steps)
        inverse = cho_solve(factor, np.eye(n), check_finite=False)
        alpha = inverse @ targets
        loss = 0.5 * targets @ alpha + np.log(np.diag(factor[0])).sum() + 0.5 * steps @ steps
        pull = 0.5 * (inverse - np.outer(alpha, alpha))
        by_square = scale * pull * slope  # of a pair; over all pairs, (a - b)² is a² + b² - 2ab
        by_column = 2 * weights * (by_square.sum(axis=0) @ columns**2 - (columns * (by_square @ columns)).sum(axis=0))
        by_group = np.bincount(self.groups, by_column, minlength=self.sizes[0])
        tied = self.options >= 0
        by_option = np.bincount(self.options[tied], by_column[tied], minlength=self.sizes[1])
        gradient = np.concatenate([by_group, by_option, [scale * (pull * shape).sum(), noise * np.trace(pull)]])
        return float(loss), gradient * self.spread + steps


def _matern(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matérn-5/2 correlation at squared distances, and its slope by them."""
    distance = np.sqrt(5.0 * squares)
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, -5 / 6 * (1 + distance) * decay
