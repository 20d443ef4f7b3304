"""Why each finalist is what it is: a surrogate's account of its choices, checked by changing some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgetune.insight.shapley import shapley_values
from edgetune.report.explanation import Attribution, Difference, Explanation, Flip, Insight, Neighbour
from edgetune.search.importance import Model, importance
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Sample, Value

TOP1, LATENCY = "top1", "latency_ms"
FLIPPED = 3  # choices of each finalist that are changed: those that add or cost most top-1
HELD_OUT = 3  # every third trial is kept from the surrogate that is judged
CHEAPER = 0.95  # a neighbour counts as cheaper below this part of the latency

Judge = Callable[[Sample], Mapping[str, float]]


def insight_of(problem: Problem, trials: Sequence[Trial], chosen: Sequence[Trial], judge: Judge | None) -> Insight:
    """What the trials of a search of `top1` against `latency_ms` tell.

    Parameters
    ----------
    chosen
        The finalists' trials.
    judge
        Evaluates one sample as the trials were evaluated; without it the flips are not judged.
    """
    usable = [trial for trial in trials if trial.values is not None]
    found = importance(problem, trials)
    if found is None:
        return Insight(explanations=tuple(_plain_neighbours(trial, usable) for trial in chosen))
    model = Model(problem, usable)
    views = found.to_json()
    del views["trials"]
    return Insight(
        importance=views,
        rank_correlation=rank_correlation(problem, usable),
        explanations=tuple(explain(model, trial, usable, judge) for trial in chosen),
    )


def rank_correlation(problem: Problem, trials: Sequence[Trial]) -> dict[str, float]:
    """Kendall's τ on every third trial, of a surrogate that saw the others."""
    from scipy.stats import kendalltau

    unseen = [trial for i, trial in enumerate(trials) if i % HELD_OUT == HELD_OUT - 1]
    seen = [trial for i, trial in enumerate(trials) if i % HELD_OUT != HELD_OUT - 1]
    model = Model(problem, seen)
    expected = model.predict(model.encoding.rows([trial.sample for trial in unseen]))
    found = {
        name: float(kendalltau(values, [trial.values[name] for trial in unseen if trial.values]).statistic)
        for name, values in expected.items()
    }
    return {name: tau for name, tau in found.items() if np.isfinite(tau)}


def explain(model: Model, trial: Trial, trials: Sequence[Trial], judge: Judge | None = None) -> Explanation:
    """One network's choices."""
    (row,) = model.encoding.rows([trial.sample])

    def predict(rows: np.ndarray) -> np.ndarray:
        expected = model.predict(rows)
        return np.column_stack([expected[TOP1], expected[LATENCY]])

    values, base = shapley_values(predict, model.encoding, row)
    attributions = [
        Attribution(parameter.label, trial.sample[parameter.label], float(top1), float(ms))
        for parameter, (top1, ms) in zip(model.encoding.parameters, values, strict=True)
        if parameter.label in trial.sample.values
    ]
    attributions.sort(key=lambda found: -abs(found.top1))
    flips = [_flip(model, trial, found.label, judge) for found in attributions[:FLIPPED]]
    return Explanation(
        trial=trial.number,
        base_top1=float(base[0]),
        base_ms=float(base[1]),
        attributions=tuple(attributions),
        flips=tuple(flip for flip in flips if flip is not None),
        cheaper=nearest_cheaper(trial, trials),
        better=nearest_better(trial, trials),
    )


def _flip(model: Model, trial: Trial, label: str, judge: Judge | None) -> Flip | None:
    """The choice becomes its smaller neighbour, or its larger one where there is none smaller."""
    parameter = model.problem.space.by_label[label]
    if not isinstance(parameter, Choice) or len(parameter.options) < 2:
        return None
    value = trial.sample[label]
    place = parameter.options.index(value)
    other = parameter.options[place - 1 if place else 1]
    column = model.encoding.parameters.index(parameter)
    (row,) = model.encoding.rows([trial.sample])
    flipped, columns = model.flips(row)
    (changed,) = flipped[(columns == column) & (flipped[:, column] == parameter.options.index(other))]
    expected = model.predict(np.vstack([row, changed]))
    sample = model.encoding.sample(changed)
    known = model.problem.cheap_values(sample)
    judged = judge(sample) if judge else {}
    before = trial.values or {}
    return Flip(
        label=label,
        value=value,
        other=other,
        expected_top1=float(np.diff(expected[TOP1])[0]),
        expected_ms=float(np.diff(expected[LATENCY])[0]),
        judged_top1=judged[TOP1] - before[TOP1] if TOP1 in judged else None,
        latency_ms=known[LATENCY] - before[LATENCY] if LATENCY in known else None,
    )


def _plain_neighbours(trial: Trial, trials: Sequence[Trial]) -> Explanation:
    """What can be said without a surrogate."""
    return Explanation(
        trial.number, 0.0, 0.0, (), cheaper=nearest_cheaper(trial, trials), better=nearest_better(trial, trials)
    )


def nearest_cheaper(trial: Trial, trials: Sequence[Trial]) -> Neighbour | None:
    """The trial at least 5 % faster that differs in the fewest choices; of equally near ones the most accurate."""
    latency = _figures(trial)[1]
    faster = [other for other in trials if other.state == "done" and _figures(other)[1] < CHEAPER * latency]
    nearest = min(faster, key=lambda other: (len(differences(trial, other)), -_figures(other)[0]), default=None)
    return None if nearest is None else _neighbour(trial, nearest)


def nearest_better(trial: Trial, trials: Sequence[Trial]) -> Neighbour | None:
    """The more accurate trial that differs in the fewest choices; of equally near ones the fastest."""
    top1 = _figures(trial)[0]
    better = [other for other in trials if other.state == "done" and _figures(other)[0] > top1]
    nearest = min(better, key=lambda other: (len(differences(trial, other)), _figures(other)[1]), default=None)
    return None if nearest is None else _neighbour(trial, nearest)


def differences(trial: Trial, other: Trial) -> list[Difference]:
    """The labels whose values differ, in the order of the space."""
    labels = dict.fromkeys([*trial.sample.values, *other.sample.values])
    pairs = [(label, _get(trial, label), _get(other, label)) for label in labels]
    return [Difference(label, mine, theirs) for label, mine, theirs in pairs if mine != theirs]


def _neighbour(trial: Trial, other: Trial) -> Neighbour:
    (top1, latency), (other_top1, other_latency) = _figures(trial), _figures(other)
    return Neighbour(other.number, other_top1 - top1, other_latency - latency, tuple(differences(trial, other)))


def _get(trial: Trial, label: str) -> Value | None:
    return trial.sample.values.get(label)


def _figures(trial: Trial) -> tuple[float, float]:
    assert trial.values is not None
    return trial.values[TOP1], trial.values[LATENCY]
