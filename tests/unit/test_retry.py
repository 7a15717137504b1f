"""Backoff with jitter."""

from __future__ import annotations

from collections.abc import Callable

from futukit.core.retry import Backoff


def steps(backoff: Backoff, count: int) -> list[float]:
    return [backoff.failed() for _ in range(count)]


def constant(value: float) -> Callable[[], float]:
    return lambda: value


def test_waits_double_up_to_the_longest() -> None:
    assert steps(Backoff(1, 10, constant(1.0)), 6) == [1, 2, 4, 8, 10, 10]


def test_chance_shortens_a_wait_to_half_at_most() -> None:
    assert steps(Backoff(1, 10, constant(0.0)), 6) == [0.5, 1, 2, 4, 5, 5]
    assert steps(Backoff(1, 10, constant(0.5)), 2) == [0.75, 1.5]


def test_a_connection_that_lived_starts_over_and_one_that_did_not_does_not() -> None:
    backoff = Backoff(1, 10, constant(1.0))
    steps(backoff, 3)
    backoff.lived(0.1)
    assert backoff.failed() == 8
    backoff.lived(60)
    assert backoff.failed() == 1
