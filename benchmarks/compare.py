"""Comparisons of two functions on one thread over many bodies."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from benchmarks.clock import Effort, alternate, inputs_frozen

__all__ = ["Side", "batch_size", "compare", "for_each", "fresh", "grouped", "taken_in_turns"]

_GROUP_BYTES: Final = 64 * 1024

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Side(Generic[A]):
    """One contender: ``prepare`` makes its argument from bodies outside the clock.

    Bodies go through in groups of a socket read's size, each prepared right before it runs: as
    in life, what is worked on was made a moment ago and is still near the processor.
    """

    prepare: Callable[[list[bytes]], A]
    run: Callable[[A], object]

    def cost(self, bodies: list[bytes]) -> float:
        """Seconds of this thread's processor time for one body."""
        clock = time.thread_time
        spent = 0.0
        gc.collect()
        for group in grouped(bodies):
            argument = self.prepare(group)
            started = clock()
            self.run(argument)
            spent += clock() - started
        return spent / len(bodies)


def grouped(bodies: list[bytes]) -> Iterator[list[bytes]]:
    """The bodies in groups of about 64 KiB, at least one in each."""
    group: list[bytes] = []
    size = 0
    for body in bodies:
        group.append(body)
        size += len(body)
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def fresh(bodies: list[bytes]) -> list[bytes]:
    """Copies, as if just received."""
    return [bytes(memoryview(body)) for body in bodies]


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
