"""Price tables: a price is an integer in thousandths of the currency, or a count of price steps.

The number of a step counts from zero over all bands of the table, so a book or a random walk can
add and compare step numbers and never rounds.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SCALE", "Grid"]

SCALE: Final = 1000
"""Price units in one unit of currency."""


class Grid:
    """The price steps of one table. ``rows`` is [from this price on, step] in currency units."""

    def __init__(self, rows: list[list[float]]) -> None:
        bands: list[tuple[int, int, int]] = []
        first = 0
        for number, (start_price, step_price) in enumerate(rows):
            start, step = round(start_price * SCALE), round(step_price * SCALE)
            if number:
                last_start, last_step, _ = bands[-1]
                first += (start - last_start) // last_step
            bands.append((start, step, first))
        self._bands = tuple(reversed(bands))

    def price(self, step_number: int) -> int:
        """The price of a step."""
        for start, step, first in self._bands:
            if step_number >= first:
                return start + (step_number - first) * step
        raise ValueError(f"negative price step {step_number}")

    def number(self, price: float) -> int:
        """The step at or below a price, at least 1."""
        for start, step, first in self._bands:
            if price >= start:
                return max(1, first + int((price - start) // step))
        return 1

    def nearest(self, price: float) -> int:
        """The step nearest to a price, at least 1."""
        below = self.number(price)
        low, high = self.price(below), self.price(below + 1)
        return below + 1 if price - low > high - price else below

    def rounded(self, price: float) -> int:
        """The price of the nearest step."""
        return self.price(self.nearest(price))

    def step_at(self, price: int) -> int:
        """The step's width at a price."""
        for start, step, _ in self._bands:
            if price >= start:
                return step
        return self._bands[-1][1]

    def prices(self, low: int, high: int) -> list[int]:
        """The prices of all steps from ``low`` to ``high``, both included."""
        for start, step, first in self._bands:
            if low >= first:
                begin = start + (low - first) * step
                end = start + (high - first) * step
                if self._bands[0][0] == start or end <= self._next_start(start):
                    return list(range(begin, end + 1, step))
                break
        return [self.price(number) for number in range(low, high + 1)]

    def _next_start(self, start: int) -> int:
        return min(other for other, _, _ in self._bands if other > start)

    def holds(self, price: int) -> bool:
        """Whether a price lies on a step."""
        return price > 0 and self.price(self.number(price)) == price
