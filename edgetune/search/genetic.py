"""Crossover and mutation of conditional samples.

Choices cross uniformly; numbers by simulated binary crossover and polynomial mutation (Deb and Agrawal 1995, Deb 2001),
on the logarithm where a range is logarithmic. What a change of depth or kind makes appear is drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgetune.space.parameters import Choice, Parameter, Range, Sample, Space, Value

CROSSOVER_RATE = 0.9
CROSSOVER_ETA = 15.0  # distribution indices of pymoo's NSGA-II
MUTATION_ETA = 20.0
NEIGHBOUR_RATE = 0.5  # how often a numeric choice moves to the next option rather than to any other


def offspring(space: Space, mother: Sample, father: Sample, rng: np.random.Generator) -> Sample:
    """A child of two samples that differs from both."""
    values = crossover(space, mother, father, rng) if rng.random() < CROSSOVER_RATE else dict(mother.values)
    child = mutate(space, values, rng)
    return mutant(space, child, rng) if child in (mother, father) else child


def mutant(space: Space, parent: Sample, rng: np.random.Generator) -> Sample:
    """The parent with at least one label changed."""
    return mutate(space, dict(parent.values), rng, at_least=1)


def crossover(space: Space, mother: Sample, father: Sample, rng: np.random.Generator) -> dict[str, Value]:
    """Values of a child; a label that only one parent has comes from that parent."""
    child = {**father.values, **mother.values}
    shared = [label for label in mother.values if label in father.values and mother[label] != father[label]]
    for label, from_father in zip(shared, rng.random(len(shared)) < 0.5, strict=True):
        parameter = space.by_label[label]
        if from_father and isinstance(parameter, Range):
            child[label] = _between(parameter, float(mother[label]), float(father[label]), rng)
        elif from_father:
            child[label] = father[label]
    return child


def mutate(space: Space, values: Mapping[str, Value], rng: np.random.Generator, *, at_least: int = 0) -> Sample:
    """Changes each label with probability 1 / number of labels, `at_least` that many, and completes the sample."""
    labels = list(values)
    chosen = rng.random(len(labels)) < 1 / len(labels)
    if chosen.sum() < at_least:
        chosen[rng.choice(len(labels), size=at_least, replace=False)] = True
    changed = {
        label: _moved(space.by_label[label], values[label], rng)
        for label, hit in zip(labels, chosen, strict=True)
        if hit
    }
    return space.complete({**values, **changed}, rng)


def to_unit(parameter: Range, value: float) -> float:
    """Place of a value within its range, 0 to 1, on the logarithm where the range is logarithmic."""
    low, high, value = (math.log(x) if parameter.log else x for x in (parameter.low, parameter.high, value))
    return (value - low) / (high - low) if high > low else 0.0


def from_unit(parameter: Range, place: float) -> float:
    """The value at a place between 0 and 1."""
    low, high = (math.log(x) if parameter.log else x for x in (parameter.low, parameter.high))
    value = low + min(max(place, 0.0), 1.0) * (high - low)
    return min(max(math.exp(value) if parameter.log else value, parameter.low), parameter.high)


def _between(parameter: Range, a: float, b: float, rng: np.random.Generator) -> float:
    """One of the two children of a simulated binary crossover, kept within the range."""
    x, y = to_unit(parameter, a), to_unit(parameter, b)
    u, exponent = rng.random(), 1 / (CROSSOVER_ETA + 1)
    spread = (2 * u) ** exponent if u <= 0.5 else (1 / (2 * (1 - u))) ** exponent
    side = 1 if rng.random() < 0.5 else -1
    return from_unit(parameter, 0.5 * (x + y) + side * 0.5 * spread * (x - y))


def _moved(parameter: Parameter, value: Value, rng: np.random.Generator) -> Value:
    if isinstance(parameter, Choice):
        return _other(parameter, value, rng)
    u, exponent, place = rng.random(), 1 / (MUTATION_ETA + 1), to_unit(parameter, float(value))
    if u < 0.5:
        step = (2 * u + (1 - 2 * u) * (1 - place) ** (MUTATION_ETA + 1)) ** exponent - 1
    else:
        step = 1 - (2 * (1 - u) + (2 * u - 1) * place ** (MUTATION_ETA + 1)) ** exponent
    return from_unit(parameter, place + step)


def _other(parameter: Choice, value: Value, rng: np.random.Generator) -> Value:
    """Another option: often the next one when the options are numbers."""
    options = parameter.options
    if len(options) == 1:
        return value
    here = options.index(value)
    if is_ordinal(parameter) and rng.random() < NEIGHBOUR_RATE:
        neighbours = [place for place in (here - 1, here + 1) if 0 <= place < len(options)]
        return options[neighbours[int(rng.integers(len(neighbours)))]]
    place = int(rng.integers(len(options) - 1))
    return options[place if place < here else place + 1]


def is_ordinal(parameter: Choice) -> bool:
    """Whether the options are numbers, so that neighbours are alike."""
    return all(isinstance(option, int | float) and not isinstance(option, bool) for option in parameter.options)
