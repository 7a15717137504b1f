"""A limit order book: price levels of individual orders, matched by price, then by time.

Prices are step numbers of the security's grid. The book takes orders from anybody: the random
flow's carry no owner and come and go; an order with an ``owner`` stays until it is filled or
cancelled.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final, NamedTuple

__all__ = ["ASK", "BID", "Book", "Match", "Order"]

BID: Final = 0
ASK: Final = 1


class Order:
    """A resting order: ``left`` is the volume not traded yet, ``step`` its price's step number."""

    __slots__ = ("broker", "left", "order_id", "owner", "side", "step")

    def __init__(
        self, order_id: int, side: int, step: int, left: int, broker: int, owner: str
    ) -> None:
        self.order_id = order_id
        self.side = side
        self.step = step
        self.left = left
        self.broker = broker
        self.owner = owner


class Match(NamedTuple):
    """One trade: ``resting`` is the order that waited in the book."""

    step: int
    volume: int
    resting: Order


class Book:
    """Both sides of one security. ``steps[side]`` are its price steps, ascending."""

    __slots__ = ("counts", "levels", "next_id", "orders", "steps")

    def __init__(self, first_id: int) -> None:
        self.levels: tuple[dict[int, list[Order]], dict[int, list[Order]]] = ({}, {})
        self.steps: tuple[list[int], list[int]] = ([], [])
        self.counts = [0, 0]
        self.orders: dict[int, Order] = {}
        self.next_id = first_id

    @property
    def best_bid(self) -> int | None:
        """The highest bid's step."""
        return self.steps[BID][-1] if self.steps[BID] else None

    @property
    def best_ask(self) -> int | None:
        """The lowest ask's step."""
        return self.steps[ASK][0] if self.steps[ASK] else None

    def submit(
        self, side: int, step: int, volume: int, broker: int, owner: str = "", rest: bool = True
    ) -> tuple[Order, list[Match]]:
        """Match an order at ``step`` or better; what is left rests, unless ``rest`` is false."""
        order = Order(self.next_id, side, step, volume, broker, owner)
        self.next_id += 1
        matches: list[Match] = []
        against = self.steps[1 - side]
        while order.left and against:
            best = against[0] if side == BID else against[-1]
            if best > step if side == BID else best < step:
                break
            self._take(order, best, matches)
        if order.left and rest:
            self._rest(order)
        return order, matches

    def _take(self, order: Order, best: int, matches: list[Match]) -> None:
        side = 1 - order.side
        queue = self.levels[side][best]
        taken = 0
        for resting in queue:
            volume = resting.left if resting.left < order.left else order.left
            resting.left -= volume
            order.left -= volume
            matches.append(Match(best, volume, resting))
            if resting.left:
                break
            taken += 1
            del self.orders[resting.order_id]
            if not order.left:
                break
        self.counts[side] -= taken
        if taken == len(queue):
            del self.levels[side][best]
            self.steps[side].pop(0 if side == ASK else -1)
        elif taken:
            del queue[:taken]

    def _rest(self, order: Order) -> None:
        levels = self.levels[order.side]
        queue = levels.get(order.step)
        if queue is None:
            levels[order.step] = [order]
            insort(self.steps[order.side], order.step)
        else:
            queue.append(order)
        self.orders[order.order_id] = order
        self.counts[order.side] += 1

    def cancel(self, order: Order) -> None:
        """Take a resting order out."""
        levels = self.levels[order.side]
        queue = levels[order.step]
        queue.remove(order)
        if not queue:
            del levels[order.step]
            steps = self.steps[order.side]
            del steps[bisect_left(steps, order.step)]
        del self.orders[order.order_id]
        self.counts[order.side] -= 1

    def clear(self) -> list[Order]:
        """Empty the book; returns the orders that had an owner."""
        owned = [order for order in self.orders.values() if order.owner]
        for side in (BID, ASK):
            self.levels[side].clear()
            self.steps[side].clear()
            self.counts[side] = 0
        self.orders.clear()
        return owned

    def depth(self, side: int, levels: int) -> list[tuple[int, list[Order]]]:
        """The best ``levels`` price levels, best first, each with its queue."""
        steps = self.steps[side]
        best = steps[::-1][:levels] if side == BID else steps[:levels]
        rows = self.levels[side]
        return [(step, rows[step]) for step in best]
