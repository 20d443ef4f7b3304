from collections.abc import Sequence

from edgetune.search.cheap import Remembered
from edgetune.search.objective import Objective
from edgetune.search.optimizer import Optimizer, cheap
from edgetune.search.problem import Problem
from edgetune.space.parameters import Choice, Sample, Space, Value

SPACE = Space("s", (Choice("x", (1, 2, 3, 4)),))
SAMPLES = [SPACE.sample({"x": x}) for x in (1, 2, 3, 2)]


class Counted:
    """Doubles, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, sample: Sample) -> dict[str, float]:
        return self.many([sample])[0]

    def many(self, samples: Sequence[Sample]) -> list[dict[str, float]]:
        self.calls.append(len(samples))
        return [{"cost": 2.0 * float(sample["x"])} for sample in samples]


def test_many_samples_are_asked_for_in_one_call_and_once() -> None:
    counted = Counted()
    problem = Problem(SPACE, (Objective("loss"), Objective("cost", cheap=True)), counted)
    assert [figures["cost"] for figures in problem.cheap_figures(SAMPLES)] == [2, 4, 6, 4]
    assert problem.cheap_values(SAMPLES[1]) == {"cost": 4}
    assert counted.calls == [3]


def test_a_plain_function_is_asked_for_each() -> None:
    asked: list[Sample] = []
    remembered = Remembered(lambda sample: asked.append(sample) or {"cost": float(sample["x"])})  # type: ignore[func-returns-value]
    assert [figures["cost"] for figures in remembered.many(SAMPLES)] == [1, 2, 3, 2]
    assert asked == SAMPLES[:3]


def test_guided_asks_for_its_candidates_together() -> None:
    sizes: list[int] = []

    def many(samples: list[dict[str, Value]]) -> list[float]:
        sizes.append(len(samples))
        return [float(sample["x"]) + float(sample["y"]) for sample in samples]

    space = {"x": list(range(20)), "y": list(range(20))}
    cost = cheap(lambda sample: many([sample])[0], many=many)
    opt = Optimizer(space, {"loss": "minimize", "cost": cost}, limits={"cost": 30}, strategy="guided")
    for _ in range(15):
        samples = opt.ask()
        opt.tell(samples, [{"loss": abs(s["x"] - 7) + abs(s["y"] - 3)} for s in samples])  # type: ignore[operator]
    assert max(sizes) > 50 > len(sizes)
