"""Comparisons of two functions on one thread over many bodies."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.clock import Effort, alternate, inputs_frozen, timed

__all__ = ["Side", "batch_size", "compare", "for_each", "taken_in_turns"]

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Side(Generic[A]):
    """One contender: ``prepare`` makes its argument from bodies outside the clock."""

    prepare: Callable[[list[bytes]], A]
    run: Callable[[A], object]

    def cost(self, bodies: list[bytes]) -> float:
        """Seconds of this thread's processor time for one body."""
        argument = self.prepare(bodies)
        return timed(lambda: self.run(argument), time.thread_time) / len(bodies)


def for_each(function: Callable[[T], object]) -> Callable[[list[T]], None]:
    """A loop that calls ``function`` on everything and drops each result at once."""

    def run(values: list[T]) -> None:
        for value in values:
            function(value)

    return run


def taken_in_turns(bodies: Sequence[bytes], size: int) -> Callable[[int], list[bytes]]:
    """Batches of ``size`` bodies: each round gets those after the last round's, cyclically."""

    def batch(turn: int) -> list[bytes]:
        start = turn * size % len(bodies)
        return list(itertools.islice(itertools.cycle(bodies), start, start + size))

    return batch


def batch_size(bodies: Sequence[bytes], side: Side[A], seconds: float) -> int:
    """How many bodies take the side about ``seconds``."""
    size = 8
    while True:
        spent = side.cost(taken_in_turns(bodies, size)(0)) * size
        if spent >= seconds / 4:
            return max(1, round(size * seconds / spent))
        size *= 4


def compare(
    bodies: Sequence[bytes], ours: Side[A], theirs: Side[T], effort: Effort
) -> list[tuple[float, float]]:
    """Costs in seconds per body of both sides, round by round, on the same bodies."""
    with inputs_frozen():
        batch = taken_in_turns(bodies, batch_size(bodies, theirs, effort.turn))
        return alternate(
            lambda turn: ours.cost(batch(turn)),
            lambda turn: theirs.cost(batch(turn)),
            effort.rounds,
        )
