"""How long to wait before the next try to connect: backoff with jitter."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Waits that double from ``first`` to ``longest`` seconds, each shortened by chance.

    ``chance`` gives numbers in [0, 1), like ``random.random``. A wait is between one half and
    the whole of its step, so that many clients of one OpenD do not come back together.
    """

    __slots__ = ("_chance", "_first", "_longest", "_step")

    def __init__(self, first: float, longest: float, chance: Callable[[], float]) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance
        self._step = first

    def failed(self) -> float:
        """A try failed or a connection was lost: the seconds to wait now."""
        wait = self._step * (0.5 + self._chance() / 2)
        self._step = min(self._step * 2, self._longest)
        return wait

    def lived(self, seconds: float) -> None:
        """A connection was ready for so long; one that outlived the wait starts over."""
        if seconds >= self._step:
            self._step = self._first
