"""Clocks and turns: how two things are timed against each other.

See the package's docstring for the rules that this module carries out.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["FULL", "QUICK", "Effort", "alternate", "inputs_frozen"]

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a run spends: alternating rounds, and about how long one side's turn takes.

    ``rounds`` is for figures whose turns take ``turn`` seconds; ``middle_rounds`` for turns of
    some tenths of a second (streams of pushes), ``long_rounds`` for longer ones (the official
    SDK, process starts).
    """

    rounds: int
    middle_rounds: int
    long_rounds: int
    turn: float
    quick: bool


FULL = Effort(rounds=61, middle_rounds=21, long_rounds=9, turn=0.01, quick=False)
QUICK = Effort(rounds=3, middle_rounds=3, long_rounds=1, turn=0.002, quick=True)


@contextmanager
def inputs_frozen() -> Iterator[None]:
    """Take everything that exists out of the collector's sight, with the collector on."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        gc.unfreeze()
        if not was_enabled:
            gc.disable()


def alternate(
    ours: Callable[[int], C], theirs: Callable[[int], C], rounds: int
) -> list[tuple[C, C]]:
    """Run both sides in turns; gives one ``(ours, theirs)`` pair of costs per round.

    Each side gets the round's number and returns its cost. The order changes every round, so
    that neither always runs into the other's warm caches. A first round is thrown away.
    """
    ours(0)
    theirs(0)
    pairs = []
    for turn in range(1, rounds + 1):
        if turn % 2:
            first = ours(turn)
            pairs.append((first, theirs(turn)))
        else:
            second = theirs(turn)
            pairs.append((ours(turn), second))
    return pairs
