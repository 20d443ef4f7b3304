"""Samples as rows of numbers, so that thousands of candidates are bred and compared at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from edgetune.search.cheap import REMEMBERED
from edgetune.search.genetic import MUTATION_ETA, from_unit, is_ordinal, to_unit
from edgetune.space.parameters import Choice, Range, Sample, Space, Value

INACTIVE = -1.0


class Encoding:
    """Rows hold for each parameter the option's place, or 0 to 1 within a range; -1 where it is not active."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.parameters = space.parameters
        self.options = np.array([len(p.options) if isinstance(p, Choice) else 0 for p in self.parameters])
        self.ordinal = np.array([isinstance(p, Choice) and is_ordinal(p) for p in self.parameters])
        self._samples: dict[bytes, Sample] = {}
        self._column = {parameter.label: i for i, parameter in enumerate(self.parameters)}
        self._places = [
            {(type(option), option): place for place, option in enumerate(p.options)} if isinstance(p, Choice) else {}
            for p in self.parameters
        ]

    def rows(self, samples: Sequence[Sample]) -> np.ndarray:
        """Float (samples, parameters)."""
        rows = np.full((len(samples), len(self.parameters)), INACTIVE)
        for row, sample in zip(rows, samples, strict=True):
            for label, value in sample.values.items():
                column = self._column[label]
                row[column] = self._place(column, value)
        return rows

    def sample(self, row: np.ndarray) -> Sample:
        """The sample that a row of :meth:`masked` stands for; the same object for the same row, as a search asks for
        its candidates again and again and a sample knows its hash."""
        key = row.tobytes()
        if key not in self._samples:
            if len(self._samples) >= REMEMBERED:
                self._samples.clear()
            active = np.flatnonzero(row != INACTIVE)
            self._samples[key] = Sample({self.parameters[i].label: self._value(int(i), row[i]) for i in active})
        return self._samples[key]

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random rows with every column filled, float (n, parameters)."""
        places = rng.random((n, len(self.parameters)))
        return np.where(self.options > 0, np.floor(places * self.options), places)

    def spread(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """A Latin hypercube, float (n, parameters), masked: values are used as evenly as `n` rows allow."""
        columns = len(self.parameters)
        order = np.array([rng.permutation(n) for _ in range(columns)]).reshape(columns, n).T
        places = (order + rng.random((n, columns))) / max(n, 1)
        return self.masked(np.where(self.options > 0, np.floor(places * self.options), places))

    def masked(self, filled: np.ndarray) -> np.ndarray:
        """The rows with -1 where the conditions do not hold."""
        rows = filled.copy()
        for i, parameter in enumerate(self.parameters):
            for condition in parameter.conditions:
                column = self._column[condition.label]
                possible = [value for value in condition.values if self.parameters[column].holds(value)]
                holds = np.isin(rows[:, column], [self._place(column, value) for value in possible])
                rows[~holds, i] = INACTIVE
        return rows

    def children(self, parents: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Crossed and mutated rows, float (n, parameters), masked."""
        mothers, fathers = (parents[rng.integers(len(parents), size=n)] for _ in range(2))
        children = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
        children = np.where(children == INACTIVE, np.where(mothers == INACTIVE, fathers, mothers), children)
        children = self._filled(children, rng)
        chosen = rng.random(children.shape) < 1 / children.shape[1]
        chosen[np.arange(n), rng.integers(children.shape[1], size=n)] = True
        return self.masked(np.where(chosen, self._moved(children, rng), children))

    def neighbours(self, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Every row that differs in one choice, and two steps along each range; masked."""
        filled = self._filled(row[None], rng)[0]
        changed = []
        for i in np.flatnonzero(row != INACTIVE):
            if self.options[i]:
                places = np.delete(np.arange(self.options[i]), int(row[i])).astype(float)
            else:
                places = np.clip(row[i] + rng.normal(0, [0.02, 0.1]), 0, 1)
            for place in places:
                other = filled.copy()
                other[i] = place
                changed.append(other)
        return self.masked(np.array(changed).reshape(-1, len(filled)))

    def parameter_features(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns for a distance, float (n, columns), and the parameter each belongs to, int (columns).

        Texts become one column an option, numbers their place. Each parameter is scaled so that two random values
        are at a squared distance of 1 on average; what is not active lies in the middle.
        """
        blocks, owners = [], []
        for i, options in enumerate(self.options):
            column = rows[:, i]
            active = column != INACTIVE
            if options and not self.ordinal[i]:
                block = np.where(active[:, None], column[:, None] == np.arange(options), 1 / options)
                block = block / np.sqrt(2 * (1 - 1 / options) or 1.0)
            else:
                places = column / max(options - 1, 1) if options else column
                spread = 2 * np.var(np.linspace(0, 1, options)) if options else 1 / 6
                block = (np.where(active, places, 0.5) / np.sqrt(spread or 1.0))[:, None]
            blocks.append(block)
            owners += [i] * block.shape[1]
        return np.hstack(blocks), np.array(owners)

    def option_columns(self) -> np.ndarray:
        """For each column of :meth:`parameter_features`, the option that it stands for, int (columns); -1 for none.

        Parameters that share their options share the numbers; a parameter whose options are its own has none.
        """
        starts, total = {}, 0
        for members in self._alike:
            if not self.ordinal[members[0]]:
                starts.update(dict.fromkeys(members, total))
                total += self.options[members[0]]
        blocks = []
        for i, options in enumerate(self.options):
            size = options if options and not self.ordinal[i] else 1
            blocks.append(starts[i] + np.arange(size) if i in starts else np.full(size, -1))
        return np.concatenate(blocks).astype(int)

    def aggregate_features(self, rows: np.ndarray) -> np.ndarray:
        """How often each option occurs among the parameters that share their options, float (n, columns).

        In a space of layers or edges that choose from the same operators, this says what a network is made of.
        """
        columns = [
            (rows[:, members] == option).sum(axis=1)
            for members in self._alike
            for option in range(self.options[members[0]])
        ]
        return np.array(columns, dtype=float).reshape(len(columns), len(rows)).T

    @cached_property
    def _alike(self) -> list[list[int]]:
        """Groups of two or more parameters with the same options."""
        groups: dict[tuple[Value, ...], list[int]] = defaultdict(list)
        for i, parameter in enumerate(self.parameters):
            if isinstance(parameter, Choice):
                groups[parameter.options].append(i)
        return [members for members in groups.values() if len(members) > 1]

    def _filled(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What a change may make active is drawn at random."""
        return np.where(rows == INACTIVE, self.draw(len(rows), rng), rows)

    def _moved(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Every column changed: another option, often the next one when they are numbers; a step along a range."""
        options = np.maximum(self.options, 1)
        step = rng.integers(1, np.maximum(options, 2), size=rows.shape)
        other = (rows + step) % options
        near = rows + rng.choice([-1, 1], size=rows.shape)
        near = np.where((near < 0) | (near >= options), other, near)
        choices = np.where(self.ordinal & (rng.random(rows.shape) < 0.5), near, other)
        spread = rng.choice([1 / MUTATION_ETA, 4 / MUTATION_ETA], size=rows.shape)
        return np.where(self.options > 0, choices, np.clip(rows + rng.normal(0, spread), 0, 1))

    def _place(self, column: int, value: Value) -> float:
        parameter = self.parameters[column]
        if isinstance(parameter, Range):
            return to_unit(parameter, float(value))
        return self._places[column][type(value), value]

    def _value(self, column: int, place: float) -> Value:
        parameter = self.parameters[column]
        return from_unit(parameter, float(place)) if isinstance(parameter, Range) else parameter.options[int(place)]
