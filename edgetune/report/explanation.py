"""Why the networks are what they are: plain values that the insight room works out and the page draws."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from edgetune.latency.roofline import Roofline
from edgetune.space.parameters import Value

PLAIN = ConfigDict(extra="forbid", allow_inf_nan=False)

Shares: TypeAlias = dict[str, dict[str, float]]  # objective, then label


@dataclass(frozen=True, config=PLAIN)
class Attribution:
    """What one choice adds to the expected figures, against a random network of the space (its Shapley value)."""

    label: str
    value: Value
    top1: float
    latency_ms: float


@dataclass(frozen=True, config=PLAIN)
class Flip:
    """One choice changed: what the surrogate expects of it, and what came of it.

    `judged_top1` is by the supernet's weights on the validation split, None where it was not judged; `latency_ms` is by
    the latency predictor. All are changes: after less before.
    """

    label: str
    value: Value
    other: Value
    expected_top1: float
    expected_ms: float
    judged_top1: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, config=PLAIN)
class Difference:
    """A label whose values differ; None where a network has none."""

    label: str
    value: Value | None
    other: Value | None


@dataclass(frozen=True, config=PLAIN)
class Neighbour:
    """Another trial, how its figures differ from the network's own trial, and by which choices."""

    trial: int
    top1: float
    latency_ms: float
    differs: tuple[Difference, ...]


@dataclass(frozen=True, config=PLAIN)
class Explanation:
    """One finalist, by the number of its trial. The attributions add up to its expected figures less the base's."""

    trial: int
    base_top1: float
    base_ms: float
    attributions: tuple[Attribution, ...]
    flips: tuple[Flip, ...] = ()
    cheaper: Neighbour | None = None
    better: Neighbour | None = None
    roofline: Roofline | None = None


@dataclass(frozen=True, config=PLAIN)
class Event:
    """What a threshold or the adaptive space did after so many trials, and why."""

    trials: int
    action: str
    what: str
    reason: str


@dataclass(frozen=True, config=PLAIN)
class Insight:
    """What the search has learnt.

    `importance` holds the views `ped_anova`, `variance` and `local`; `rank_correlation` Kendall's τ between the
    surrogate's expectations and the figures of trials that it did not see, by objective.
    """

    importance: dict[str, Shares] = Field(default_factory=dict)
    rank_correlation: dict[str, Annotated[float, Field(ge=-1, le=1)]] = Field(default_factory=dict)
    explanations: tuple[Explanation, ...] = ()
    events: tuple[Event, ...] = ()

    def of(self, trial: int) -> Explanation | None:
        return next((found for found in self.explanations if found.trial == trial), None)
