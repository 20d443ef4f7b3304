"""What is known of a sample without a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from edgetune.space.parameters import Sample

Figures: TypeAlias = Mapping[str, float]
Cheap: TypeAlias = Callable[[Sample], Figures]

REMEMBERED = 1 << 16


@runtime_checkable
class Batched(Protocol):
    """A cheap function that is faster for many samples at once."""

    def __call__(self, sample: Sample) -> Figures: ...

    def many(self, samples: Sequence[Sample]) -> Sequence[Figures]:
        """The same figures, in the samples' order."""
        ...


class Remembered:
    """A cheap function that is asked once for each sample, in one call where it is batched."""

    def __init__(self, cheap: Cheap) -> None:
        self.cheap = cheap
        self._known: dict[str, Figures] = {}

    def __call__(self, sample: Sample) -> Figures:
        return self.many([sample])[0]

    def many(self, samples: Sequence[Sample]) -> list[Figures]:
        new = {sample.hash: sample for sample in samples if sample.hash not in self._known}
        if len(self._known) + len(new) > REMEMBERED:
            self._known.clear()
            new = {sample.hash: sample for sample in samples}
        self._known.update(zip(new, self._ask(list(new.values())), strict=True))
        return [self._known[sample.hash] for sample in samples]

    def _ask(self, samples: Sequence[Sample]) -> Sequence[Figures]:
        if not samples:
            return []
        return self.cheap.many(samples) if isinstance(self.cheap, Batched) else [self.cheap(s) for s in samples]
