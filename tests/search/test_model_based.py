from __future__ import annotations

from threadpoolctl import threadpool_info

from edgetune.search.model_based import _one_thread


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_proposals_use_one_thread_and_leave_the_others_as_they_were() -> None:
    with _one_thread():
        pass  # loads the library that is to be limited
    before = threads()
    with _one_thread():
        assert set(threads()) == {1}
    assert threads() == before
