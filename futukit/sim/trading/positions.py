"""What an account holds of one security, and what became of it today."""

from __future__ import annotations

from dataclasses import dataclass, field

from futukit.sim.market import Instrument

__all__ = ["Position", "Today"]


@dataclass(slots=True)
class Today:
    """What was traded on one day (a day number); money in units."""

    day: int
    bought: int = 0
    bought_for: int = 0
    sold: int = 0
    sold_for: int = 0


@dataclass(slots=True, eq=False)
class Position:
    """One holding: ``qty`` below 0 is short. Money in thousandths of the currency.

    ``cost`` is what the quantity held was opened for (always positive), ``spent`` what was paid
    less what was received since the holding began, ``realized`` the profit of what was closed.
    """

    position_id: int
    inst: Instrument
    qty: int = 0
    cost: int = 0
    spent: int = 0
    realized: int = 0
    today: Today = field(default_factory=lambda: Today(0))

    def value(self, price: int) -> int:
        """What it is worth at a price in price units; negative when short."""
        return self.qty * price * self.inst.multiplier

    def unrealized(self, price: int) -> int:
        """The profit that closing it at a price would bring."""
        return self.value(price) - (self.cost if self.qty >= 0 else -self.cost)

    def on(self, day: int) -> Today:
        """What was traded on a day."""
        return self.today if self.today.day == day else Today(day)

    def trade(self, change: int, price: int, day: int) -> int:
        """Buy (above 0) or sell (below 0) at a price; returns the profit that was realised."""
        amount = abs(change) * price * self.inst.multiplier
        self._count(change, amount, day)
        closing = min(abs(change), abs(self.qty)) if change * self.qty < 0 else 0
        profit = self._close(closing, price) if closing else 0
        opening = abs(change) - closing
        if opening:
            if not self.qty:
                self.spent = 0
            part = opening * price * self.inst.multiplier
            self.qty += opening if change > 0 else -opening
            self.cost += part
            self.spent += part if change > 0 else -part
        return profit

    def _close(self, closing: int, price: int) -> int:
        part = self.cost * closing // abs(self.qty)
        amount = closing * price * self.inst.multiplier
        long = self.qty > 0
        profit = amount - part if long else part - amount
        self.cost -= part
        self.spent -= amount if long else -amount
        self.qty += -closing if long else closing
        self.realized += profit
        return profit

    def _count(self, change: int, amount: int, day: int) -> None:
        self.today = self.on(day)
        if change > 0:
            self.today.bought += change
            self.today.bought_for += amount
        else:
            self.today.sold -= change
            self.today.sold_for += amount
