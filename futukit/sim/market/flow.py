"""The random order flow that feeds one book.

A value nobody sees wanders (or, for a derivative, follows its owner); buyers and sellers place
limit orders around it, cancel some and take the other side's best now and then. Everything is
drawn from the security's own generator, so what happens in one book does not depend on how time
was cut into calls, nor on the other securities (but for the owner's price).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from futukit.sim.market.book import ASK, BID, Book, Match
from futukit.sim.market.calendar import SECOND_US, Phase
from futukit.sim.market.draws import generator

if TYPE_CHECKING:
    from futukit.sim.market.instruments import Instrument

__all__ = ["Flow"]

_TAKE: Final = 0.24
_CANCEL: Final = 0.24
"""Parts of the arrivals that take from the other side, and that cancel; the rest add."""

_MOST_ORDERS: Final = 60
_LEAST_LEVELS: Final = 10
_MOST_LEVELS: Final = 16
_REACH: Final = 24
_REACH_OF_SWAY: Final = 6.0
"""Orders a side holds at most, price levels it should have, how many steps away they go, and how
many times the value's single move more (so that one move does not empty a side)."""

_SEED_LEVELS: Final = 12
_FOLLOW: Final = 0.3
"""Part of the way to its target that a derivative's value goes with each arrival: its owner's last
price jumps between bid and ask, and quotes that jumped along would trade themselves thin."""

_LIMIT: Final = 0.09
"""The hidden value stays within this part of the day's reference price."""

_PACE: Final = {
    Phase.REGULAR: 1.0,
    Phase.PRE: 0.08,
    Phase.AFTER: 0.08,
    Phase.OVERNIGHT: 0.04,
}


class Flow:
    """The order flow of one security. ``value`` is the hidden value as a (broken) step number."""

    __slots__ = (
        "_book",
        "_brokers",
        "_high",
        "_lots",
        "_low",
        "_mean_us",
        "_near",
        "_random",
        "_reach",
        "_sway",
        "_unit",
        "follows",
        "target",
        "value",
    )

    def __init__(
        self,
        inst: Instrument,
        book: Book,
        seed: int,
        intensity: float,
        brokers: tuple[int, ...],
    ) -> None:
        self._book = book
        self._random = generator(seed)
        self._brokers = brokers
        self._unit = inst.unit
        self._lots = 2.0 * inst.size
        self._mean_us = SECOND_US / (inst.rate * intensity)
        self.follows = inst.derivative is not None
        self.value = self.target = 0.0
        self._low, self._high = 1.0, 1e9
        arrivals = inst.rate * intensity * 5.0 * 3600.0
        # A day's uniform steps, each of deviation sway / sqrt(12), add up to the day's volatility.
        steps = inst.volatility * inst.base / inst.grid.step_at(inst.base) if inst.base else 0.0
        self._sway = steps * (12.0 / arrivals) ** 0.5
        self._reach = _REACH + _REACH_OF_SWAY * self._sway
        self._near = 1.0 + 0.5 * self._sway

    def gap_us(self, phase: Phase) -> int:
        """Microseconds to the next arrival."""
        return 1 + int(self._random.expovariate(1.0) * self._mean_us / _PACE[phase])

    def anchor(self, value: float, reference: float) -> None:
        """Set the hidden value, and the bounds of its walk around the day's reference step."""
        self.value = self.target = value
        self._low = max(1.0, reference * (1.0 - _LIMIT))
        self._high = reference * (1.0 + _LIMIT) + 1.0

    def sow(self) -> None:
        """Fill an empty book around the hidden value."""
        draw, book = self._random.random, self._book
        middle = int(self.value)
        for side in (BID, ASK):
            for away in range(_SEED_LEVELS):
                step = middle - away if side == BID else middle + 1 + away
                if step < 1:
                    break
                for _ in range(1 + int(draw() * 3)):
                    book.submit(side, step, self._volume(), self._broker())

    def arrive(self) -> tuple[int, list[Match]]:
        """One arrival: (side of the aggressor, trades it made)."""
        draw = self._random.random
        if self.follows:
            self.value += (self.target - self.value) * _FOLLOW
        else:
            value = self.value + self._sway * (draw() - 0.5)
            if value < self._low:
                value = self._low
            elif value > self._high:
                value = self._high
            self.value = value
        book = self._book
        side = BID if draw() < 0.5 else ASK
        kind = draw()
        if kind < _TAKE:
            return self._take()
        if book.counts[side] > _MOST_ORDERS:
            if len(book.steps[side]) > _MOST_LEVELS:
                self._prune(side)
            else:
                self._withdraw(side)
        elif kind < _TAKE + _CANCEL and len(book.steps[side]) > _LEAST_LEVELS:
            self._withdraw(side)
        else:
            return side, self._add(side)
        return side, []

    def _volume(self) -> int:
        draw = self._random.random
        return (1 + int(self._lots * draw() * draw() * 2.0)) * self._unit

    def _broker(self) -> int:
        brokers = self._brokers
        return brokers[int(self._random.random() * len(brokers))] if brokers else 0

    def _add(self, side: int) -> list[Match]:
        draw = self._random.random
        away = draw() * self._reach
        if len(self._book.steps[side]) > _LEAST_LEVELS:
            away *= draw() * draw()
        near = draw() * self._near
        if side == BID:
            step = int(self.value - near) - int(away)
        else:
            step = int(self.value + near) + 1 + int(away)
        if step < 1:
            step = 1
        return self._book.submit(side, step, self._volume(), self._broker())[1]

    def _take(self) -> tuple[int, list[Match]]:
        book, draw = self._book, self._random.random
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None:
            side = BID if bid is None else ASK
            return side, self._add(side)
        lean = (self.value + 0.5 - 0.5 * (bid + ask)) * 0.2
        side = BID if draw() < 0.5 + min(0.45, max(-0.45, lean)) else ASK
        best = ask if side == BID else bid
        reach = int(draw() * 2.0)
        step = best + reach if side == BID else max(1, best - reach)
        volume = max(1, int(self._lots * draw() * draw())) * self._unit
        return side, book.submit(side, step, volume, self._broker(), rest=False)[1]

    def _withdraw(self, side: int) -> None:
        draw, book = self._random.random, self._book
        steps = book.steps[side]
        levels = book.levels[side]
        queue = levels[steps[int(draw() * len(steps))]]
        other = levels[steps[int(draw() * len(steps))]]
        if len(other) > len(queue):
            queue = other
        order = queue[int(draw() * len(queue))]
        if not order.owner:
            book.cancel(order)

    def _prune(self, side: int) -> None:
        """Take the oldest orders of the level farthest from the market out."""
        book = self._book
        steps = book.steps[side]
        queue = book.levels[side][steps[0] if side == BID else steps[-1]]
        for order in queue[:4]:
            if not order.owner:
                book.cancel(order)
