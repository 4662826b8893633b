"""Several processes agree on a stop soon, and all after the same step."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.training.signals import Stop, StopAgreement, steps_a_second  # noqa: E402


class Group:
    """A process of two, the other of which asks for nothing and is as fast."""

    world_size = 2
    device = "cpu"

    def __init__(self) -> None:
        self.asked = 0
        self.other = 0.0

    def sum(self, flat: Any) -> Any:
        self.asked += 1
        return flat + torch.tensor([self.other, float(flat[1])])


def run(seconds: list[float], stops_after: int, *, other: bool = False) -> tuple[int, int]:
    """(step after which the run stops, exchanges) if the steps take so long each."""
    group, stop, now = Group(), Stop(), [0.0]
    agreement = StopAgreement(group, stop, lambda: now[0])  # type: ignore[arg-type]
    for step, duration in enumerate(seconds, 1):
        now[0] += duration
        if step == stops_after:
            group.other = float(other)
            stop.asked = not other
        if agreement.reached():
            return step, group.asked
    raise AssertionError("never stopped")


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("duration", [0.01, 0.2, 0.4, 0.9, 1.0, 30.0])
@pytest.mark.parametrize("at", [1, 7, 23])
def test_it_is_a_second_or_a_step(duration: float, at: int, other: bool) -> None:
    """It was ten steps, five minutes where one takes half of one."""
    stopped, _ = run([duration] * 60, at, other=other)
    assert (stopped - at) * duration <= max(1.0, duration)


def test_fast_steps_are_not_slowed_down() -> None:
    _, exchanges = run([0.001] * 1000, 990)
    assert exchanges <= 101


def test_steps_that_slow_down_are_noticed() -> None:
    stopped, _ = run([0.01] * 20 + [5.0] * 40, 33)
    assert stopped == 33


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.0, 10), (1e-9, 10), (0.3, 3), (1.0, 1), (60.0, 1)]
)
def test_steps_a_second(seconds: float, steps: int) -> None:
    assert steps_a_second(seconds) == steps
