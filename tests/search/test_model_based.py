from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info

from edgetune.search.model_based import _one_thread
from edgetune.search.optimizer import Optimizer, cheap
from edgetune.space.parameters import Value


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_proposals_use_one_thread_and_leave_the_others_as_they_were() -> None:
    with _one_thread():
        pass  # loads the library that is to be limited
    before = threads()
    with _one_thread():
        assert set(threads()) == {1}
    assert threads() == before


@pytest.mark.parametrize(("parameters", "thousands"), [(6, True), (7, False)])
def test_a_free_figure_is_asked_of_thousands_where_all_can_be_remembered(parameters: int, thousands: bool) -> None:
    """5⁶ samples can, 5⁷ cannot."""
    asked = []

    def macs(sample: dict[str, Value]) -> float:
        asked.append(sample)
        return sum(float(value) for value in sample.values())

    space = {f"layer{i}": [1, 2, 3, 4, 5] for i in range(parameters)}
    optimizer = Optimizer(space, {"error": "minimize", "macs": cheap(macs)}, initial=4)
    first = optimizer.ask(4)
    optimizer.tell(first, [{"error": float(i)} for i in range(4)])
    known = len(asked)
    optimizer.ask(1)
    assert (len(asked) - known > 1000) == thousands
