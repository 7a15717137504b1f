"""What is due later, by the simulated clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Timetable"]


class Timetable:
    """Callbacks and the simulated times they are due at; of equal times, first set, first run."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._set = 0

    def at(self, time: float, callback: Callable[[], None]) -> None:
        """Run ``callback`` when the simulated clock reaches ``time`` (epoch seconds)."""
        self._set += 1
        heapq.heappush(self._due, (time, self._set, callback))

    @property
    def next(self) -> float | None:
        """When the next callback is due, ``None`` if nothing is."""
        return self._due[0][0] if self._due else None

    def run(self, now: float) -> None:
        """Run what is due by ``now``, and what those callbacks make due by then."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
