import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.errors import ConfigError
from edgetune.search.objective import Objective

finite = st.floats(-1e6, 1e6)


@given(limit=finite, value=finite)
def test_violation_is_zero_exactly_when_the_limit_holds(limit: float, value: float) -> None:
    assert (Objective("a", "minimize", limit).violation(value) == 0) == (value <= limit)
    assert (Objective("a", "maximize", limit).violation(value) == 0) == (value >= limit)


def test_violation_is_a_fraction_of_the_limit() -> None:
    assert Objective("latency", limit=5.0).violation(6.0) == pytest.approx(0.2)
    assert Objective("accuracy", "maximize", limit=0.8).violation(0.6) == pytest.approx(0.25)


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_holds_no_limit(value: float, limit: float | None) -> None:
    for direction in ("minimize", "maximize"):
        assert Objective("a", direction, limit).violation(value) == math.inf


@pytest.mark.parametrize(
    "bad", [{"direction": "min"}, {"limit": math.nan}, {"limit": math.inf}, {"limit": "5"}, {"limit": [5]}]
)
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Objective("a", **bad)  # type: ignore[arg-type]
