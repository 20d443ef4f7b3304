"""A space that adapts: what is settled is frozen, what is useless dropped, pools at their edge widened.

Along a stretch of the front more is settled than along all of it, so that most proposals keep to what their stretch
has, once the surrogate has shown that it knows. Guided by a surrogate of the trials so far, and by nothing else; a
share of the proposals ignores all of it, so that what was judged wrongly can come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgetune.search.expected_front import ExpectedFront
from edgetune.search.feasibility import Nearest, find_feasible
from edgetune.search.genetic import mutant
from edgetune.search.importance import Model
from edgetune.search.narrowing import Action, Change, moved_into, narrowed, options_of, widened
from edgetune.search.pareto import front, non_dominated
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.search.wrapping import Wrapping
from edgetune.space.parameters import Choice, Parameter, Sample, Space, Value

FIRST, EVERY = 40, 20  # trials before the first change, and between looks at the trials
EXPLORE = 0.1  # share of the proposals that ignore the changes
FREEZE_BELOW = 0.2  # of an average share in the variation of every objective, at
PATIENCE = 2  # looks in a row, a parameter is frozen,
THAWED = 2.0  # and comes back above so many times that
TRIED = 4  # trials of an option before it can be dropped
FOCUS = 0.8  # of the proposals, times what the surrogate has earned, keep to their stretch of the front
NEW = 0.25  # of the proposals after a pool was widened, draw its value anew
OPTIMISM = 2.5  # standard deviations by which an option may be better than it looks
TRIES = 64  # mutants, before a wider part of the space is looked at


class AdaptiveSpace(Wrapping):
    """Moves the proposals of another strategy into the part of the space that still matters.

    The changes follow from the first 40, 60, 80 … trials alone: told the same trials, it makes the same changes.

    Parameters
    ----------
    inner
        A new strategy over the whole space.
    explore
        Share of its proposals that are taken as they are.
    freeze_below
        A parameter with less than this part of an average share in the variation of every objective is frozen.
    pools
        Options by label, in a row, or two bounds of a range, that the search begins with; a pool whose edge the front
        reaches is widened, as far as the space declares. Until then nothing is tried outside, unless all inside was.
    on_change
        Told each change.
    on_focus
        Told after how many trials which share of the proposals begins to keep to their stretch of the front.
    """

    def __init__(
        self,
        inner: Strategy,
        *,
        explore: float = EXPLORE,
        freeze_below: float = FREEZE_BELOW,
        pools: Mapping[str, tuple[Value, ...]] | None = None,
        on_change: Callable[[Change], None] = lambda change: None,
        on_focus: Callable[[int, float], None] = lambda trials, share: None,
    ) -> None:
        super().__init__(inner)
        self.explore, self.freeze_below = explore, freeze_below
        self.on_change, self.on_focus = on_change, on_focus
        self.allowed: dict[str, tuple[Value, ...]] = {}
        self.pools = dict(pools or {})
        self.changes: list[Change] = []
        self._idle: Counter[str] = Counter()
        self._settled: set[str] = set()  # frozen for their small share, and for nothing else
        self.trials: list[Trial] = []
        self.expected: ExpectedFront | None = None
        self.focus = 0.0
        for label, pool in self.pools.items():
            self._change("begin", label, pool, "the search begins here, and may go as far as the space declares")

    def _learn(self, trials: Sequence[Trial]) -> None:
        super()._learn(trials)
        for trial in trials:
            self.trials.append(trial)
            if len(self.trials) >= FIRST and len(self.trials) % EVERY == 0:
                self._adapt()

    def _next(self, rng: np.random.Generator) -> Sample | None:
        proposed, designed = self._from_inner(), len(self.known) < self._inside[-1].initial
        if proposed is None:
            return None
        for allowed in self._allowed_for(proposed, rng):
            sample = self._new_within(narrowed(self.problem.space, allowed), proposed, rng, anew=designed)
            if sample is not None:
                return self._instead(sample, proposed)
        left = self._left_in_pools(proposed, rng)
        return proposed if left is None else self._instead(left, proposed)

    def _allowed_for(self, proposed: Sample, rng: np.random.Generator) -> list[Mapping[str, tuple[Value, ...]]]:
        """Where to look for a sample in the place of the proposed one, the narrowest first; nowhere: it is taken."""
        if rng.random() < self.explore:
            return [self.pools] if self.pools else []
        spaces: list[Mapping[str, tuple[Value, ...]]] = [self.allowed] if self.allowed else []
        if self.expected is not None and rng.random() < self.focus:
            stretch = dict(self.allowed)
            for label, options in self.expected.around(proposed).items():
                left = self.allowed.get(label, options)
                stretch[label] = tuple(value for value in options if value in left) or left
            return [stretch, *spaces]
        return spaces

    def _left_in_pools(self, proposed: Sample, rng: np.random.Generator) -> Sample | None:
        """A new sample within the pools, looked for at length; None where all of them were tried."""
        pools = narrowed(self.problem.space, self.pools)
        if all(pools.by_label[label].holds(value) for label, value in proposed.values.items()):
            return proposed
        return find_feasible(Nearest(replace(self.problem, space=pools)), self.known, rng)

    def _new_within(self, space: Space, proposed: Sample, rng: np.random.Generator, *, anew: bool) -> Sample | None:
        sample = moved_into(space, proposed, rng, anew=anew)
        new = {label for label in self._widened if rng.random() < NEW}
        if new:
            sample = space.complete({label: v for label, v in sample.values.items() if label not in new}, rng)
        for _ in range(TRIES):
            if self._is_new(sample):
                return sample
            sample = mutant(space, sample, rng)
        return None

    def _adapt(self) -> None:
        usable = [trial for trial in self.trials if trial.values is not None]
        members = front(self.problem, usable)
        if len(usable) < FIRST // 2 or not members:
            return
        model = Model(self.problem, usable)
        self._look_at(model, usable)
        self._widen(members)
        views = model.variance().values()
        shares = {p.label: max(of_one[p.label] for of_one in views) for p in self.problem.space.parameters}
        for parameter in self.problem.space.parameters:
            self._freeze_or_thaw(parameter, shares[parameter.label], members)
        self._drop(model, usable, members)

    def _look_at(self, model: Model, usable: Sequence[Trial]) -> None:
        """Believes in the front that the surrogate expects as far as the last one ranked the trials since."""
        if self.expected is not None:
            share = FOCUS * self.expected.ranks([t for t in self.trials[-EVERY:] if t.values is not None])
            if share != self.focus:
                self.focus = share
                self.on_focus(len(self.trials), share)
        self.expected = ExpectedFront(model, usable, seed=len(self.trials))

    @property
    def _widened(self) -> list[str]:
        """Pools that were widened at the last look."""
        last = len(self.trials) - len(self.trials) % EVERY
        return [change.label for change in self.changes if (change.action, change.trials) == ("widen", last)]

    @property
    def _threshold(self) -> float:
        return self.freeze_below / len(self.problem.space.parameters)

    def _widen(self, members: Sequence[Trial]) -> None:
        """Only pools that began smaller than the space declares, and that have not turned out not to matter."""
        for label in [label for label in self.pools if label not in self._settled]:
            used = [trial.sample[label] for trial in members if label in trial.sample.values]
            wider = widened(self.problem.space.by_label[label], self.pools[label], used)
            if wider != self.pools[label]:
                self.pools[label] = wider
                self._change("widen", label, wider, "the front sits on the edge of what was tried")

    def _freeze_or_thaw(self, parameter: Parameter, share: float, members: Sequence[Trial]) -> None:
        label, threshold = parameter.label, self._threshold
        frozen = len(self.allowed.get(label, options_of(parameter))) == 1
        idle = self._idle[label] = self._idle[label] + 1 if share < threshold else 0
        if label in self._just_changed:
            return
        if not frozen and idle >= PATIENCE:
            values = Counter(trial.sample[label] for trial in members if label in trial.sample.values)
            if values:
                reason = f"its share in the variation is {share:.2%} at most, less than {threshold:.2%}"
                self._change("freeze", label, (values.most_common(1)[0][0],), reason)
                self._settled.add(label)
        elif label in self._settled and share > THAWED * threshold:
            options = self.pools.get(label, options_of(parameter))
            self._change("thaw", label, options, f"its share in the variation has become {share:.2%}")

    @property
    def _just_changed(self) -> set[str]:
        """What was thawed or widened at this look is tried before it is judged again, at the next one."""
        return {change.label for change in self.changes if change.trials == len(self.trials)}

    def _drop(self, model: Model, trials: Sequence[Trial], members: Sequence[Trial]) -> None:
        """Options that no member of the front has, and that would put none on the front however lucky they are."""
        hopeful = self._hopeful(model, members)
        on_front = {(label, value) for trial in members for label, value in trial.sample.values.items()}
        tried = Counter((label, value) for trial in trials for label, value in trial.sample.values.items())
        for parameter in self.problem.space.parameters:
            label = parameter.label
            if not isinstance(parameter, Choice) or not any(label in trial.sample.values for trial in members):
                continue  # what no member of the front has was not compared with anything
            if label in self._just_changed | self._settled:
                continue
            pool = self.pools.get(label, parameter.options)
            now = self.allowed.get(label, pool)
            back = [value for value in pool if value not in now and (label, value) in on_front]
            if back:
                options = tuple(v for v in pool if v in now or v in back)
                self._change("thaw", label, options, f"the front has {', '.join(map(str, back))}")
                continue
            kept = tuple(
                value
                for value in now
                if (label, value) in on_front or (label, value) in hopeful or tried[label, value] < TRIED
            )
            if kept and len(kept) < len(now):
                gone = ", ".join(str(value) for value in now if value not in kept)
                action: Action = "freeze" if len(kept) == 1 else "drop"
                self._change(action, label, kept, f"{gone}: not on the front, and not expected there")

    def _hopeful(self, model: Model, members: Sequence[Trial]) -> set[tuple[str, Value]]:
        """Options that, put into some member of the front, might not be dominated by the front."""
        points = self.problem.points(members)
        hopeful: set[tuple[str, Value]] = set()
        surrogate, names = model.surrogate, [target.name for target in self.problem.targets]
        floor = np.column_stack([surrogate.warps_[n].forward(p) for n, p in zip(names, points.T, strict=True)])
        for row in model.encoding.rows([trial.sample for trial in members]):
            rows, columns = model.flips(row)
            expected = surrogate.predict(rows)
            lucky = np.column_stack([expected[name][0] - OPTIMISM * expected[name][1] for name in names])
            for i, point in enumerate(lucky):
                if non_dominated(np.vstack([floor, point]), keep_equal=True)[-1]:
                    label = self.problem.space.parameters[columns[i]].label
                    hopeful.add((label, model.encoding.sample(rows[i])[label]))
        return hopeful

    def _change(self, action: Action, label: str, options: tuple[Value, ...], reason: str) -> None:
        self.allowed[label] = options
        self._settled.discard(label)
        change = Change(len(self.trials), action, label, options, reason)
        self.changes.append(change)
        self.on_change(change)
