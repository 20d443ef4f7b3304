import itertools

import numpy as np
import pytest

from edgetune.search.encoding import Encoding
from edgetune.search.surrogate import Surrogate, scheduled
from edgetune.space.parameters import Choice, Space

SPACE = Space("edges", tuple(Choice(f"e{i}", ("none", "skip", "conv1", "conv3")) for i in range(5)))
COST = np.array([0.0, 0.2, 1.0, 3.0])
ENCODING = Encoding(SPACE)


def learnt(n: int, rng: np.random.Generator) -> tuple[Surrogate, np.ndarray]:
    rows = ENCODING.masked(ENCODING.draw(n, rng))
    surrogate = Surrogate(ENCODING)
    surrogate.fit(rows, {"latency": COST[rows.astype(int)].sum(axis=1)})
    return surrogate, rows


def test_an_additive_cost_is_learnt_from_few_samples() -> None:
    rng = np.random.default_rng(0)
    surrogate, _ = learnt(30, rng)
    unseen = ENCODING.masked(ENCODING.draw(200, rng))
    mean, _ = surrogate.predict(unseen)["latency"]
    expected = surrogate.warps_["latency"].backward(mean)
    assert np.corrcoef(expected, COST[unseen.astype(int)].sum(axis=1))[0, 1] > 0.97


def test_believing_makes_sure_without_changing_the_mean() -> None:
    rng = np.random.default_rng(0)
    surrogate, _ = learnt(15, rng)
    pending = ENCODING.masked(ENCODING.draw(2, rng))
    before = surrogate.predict(pending)["latency"]
    surrogate.believe(pending)
    after = surrogate.predict(pending)["latency"]
    assert after[0] == pytest.approx(before[0], abs=0.05)
    assert (after[1] < before[1]).all()


def test_what_is_known_for_free_helps() -> None:
    rng = np.random.default_rng(1)
    rows = ENCODING.masked(ENCODING.draw(60, rng))
    macs = 10 ** rng.uniform(3, 8, size=(60, 1))  # unrelated to the parameters, decisive for the figure
    accuracy = {"error": 1 / np.log10(macs[:, 0])}
    surrogate = Surrogate(ENCODING)
    surrogate.fit(rows[:30], {"error": accuracy["error"][:30]}, macs[:30])
    mean, _ = surrogate.predict(rows[30:], macs[30:])["error"]
    assert np.corrcoef(mean, accuracy["error"][30:])[0, 1] > 0.9


def test_a_figure_that_is_easily_learnt_helps_with_one_that_is_not() -> None:
    rng = np.random.default_rng(0)
    rows = ENCODING.masked(ENCODING.draw(300, rng))
    latency = COST[rows.astype(int)] @ [1.0, 2.0, 0.5, 1.5, 1.0]
    error = np.sin(latency) + 5

    def unexplained(figures: dict[str, np.ndarray]) -> float:
        surrogate = Surrogate(ENCODING)
        surrogate.fit(rows[:60], {name: column[:60] for name, column in figures.items()})
        mean, _ = surrogate.predict(rows[60:])["error"]
        return float(np.mean((surrogate.warps_["error"].backward(mean) - error[60:]) ** 2))

    assert unexplained({"error": error, "latency": latency}) < 0.5 * unexplained({"error": error})


def test_failed_trials_count_as_hopeless() -> None:
    rng = np.random.default_rng(0)
    rows = ENCODING.masked(ENCODING.draw(40, rng))
    error = np.where(rows[:, 0] == 0, np.nan, rng.random(40))
    surrogate = Surrogate(ENCODING)
    surrogate.fit(rows, {"error": error})
    mean, _ = surrogate.predict(rows)["error"]
    assert mean[rows[:, 0] == 0].min() > mean[rows[:, 0] != 0].max()


def test_hyperparameters_are_fitted_on_a_schedule_that_only_grows() -> None:
    counts = [scheduled(n) for n in range(1, 300)]
    assert all(a <= b for a, b in itertools.pairwise(counts))
    assert all(count <= n <= 1.3 * count + 1 for n, count in enumerate(counts, 1))
