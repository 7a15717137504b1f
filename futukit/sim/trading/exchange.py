"""The way into the simulated order books: prices, sessions, placing and cancelling."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from futukit.messages.common import Session
from futukit.messages.qot_common import OrderBook, QotMarketState
from futukit.messages.trd_common import TimeInForce
from futukit.sim.market import Fill as Match
from futukit.sim.market import Instrument, Market
from futukit.sim.market.calendar import SECOND_US, Calendar, Phase, calendars, phase_of
from futukit.sim.market.grid import SCALE
from futukit.sim.trading.orders import Order
from futukit.sim.trading.rules import ENDS_THE_DAY, PAUSES

__all__ = ["Exchange"]

_LEVELS: Final = 100
_PHASES: Final[dict[Session, frozenset[Phase]]] = {
    Session.RTH: frozenset((Phase.REGULAR,)),
    Session.ETH: frozenset((Phase.REGULAR, Phase.PRE, Phase.AFTER)),
    Session.ALL: frozenset((Phase.REGULAR, Phase.PRE, Phase.AFTER, Phase.OVERNIGHT)),
    Session.OVERNIGHT: frozenset((Phase.OVERNIGHT,)),
}


class Exchange:
    """A market as its orders see it. Prices are in price units."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._calendars = calendars()

    # Prices.

    def last(self, inst: Instrument) -> int:
        """The last traded price of any session."""
        return round(self._market.basic_qot(inst.key).cur_price * SCALE)

    def last_close(self, inst: Instrument) -> int:
        """The close of the day before."""
        return round(self._market.basic_qot(inst.key).last_close_price * SCALE)

    def reach(self, order: Order) -> tuple[int, int]:
        """(quantity there is, price of the last of it) on the side that an order takes from.

        Counts levels from the best on, up to the order's quantity and within its limit.
        """
        found = worst = 0
        for level in self._opposite(order):
            price = round(level.price * SCALE)
            beyond = price > order.price if order.buys else price < order.price
            if found >= order.left or (order.price and beyond):
                break
            found, worst = found + level.volume, price
        return found, worst

    def _opposite(self, order: Order) -> Iterable[OrderBook]:
        view = self._market.order_book(order.inst.key, _LEVELS)
        return view.asks if order.buys else view.bids

    # Time.

    @property
    def now(self) -> float:
        """The simulated time, epoch seconds."""
        return self._market.now

    def calendar(self, inst: Instrument) -> Calendar:
        """The calendar of the market that an instrument trades in."""
        return self._calendars[inst.market]

    def day(self, inst: Instrument, time: float | None = None) -> int:
        """The day number of a time (default: now) where an instrument trades."""
        at = self.now if time is None else time
        return self.calendar(inst).ordinal(round(at * SECOND_US))

    def settled_on(self, inst: Instrument, day: int, trading_days: int) -> int:
        """The day number that lies so many trading days after a day."""
        calendar = self.calendar(inst)
        for _ in range(trading_days):
            day += 1
            while not calendar.trades(day):
                day += 1
        return day

    def next_change(self, venue: str) -> float:
        """When the calendar changes the state of a market next, epoch seconds."""
        return self._calendars[venue].next_change(round(self.now * SECOND_US))[0] / SECOND_US

    def state(self, inst: Instrument) -> QotMarketState:
        """The state of the market that an instrument trades in."""
        return self._market.market_state(inst.key)

    def expired(self, inst: Instrument) -> bool:
        """Whether an instrument trades no more, ever."""
        derivative = inst.derivative
        return derivative is not None and 0 < derivative.expires < self.day(inst)

    def expiry(self, inst: Instrument) -> str:
        """The last day of an instrument that expires."""
        return date.fromordinal(inst.derivative.expires).isoformat() if inst.derivative else ""

    def open_to(self, order: Order) -> bool:
        """Whether an order can trade now."""
        phase = phase_of(self.state(order.inst))
        if phase is not Phase.REGULAR and not order.inst.extended:
            return False
        return phase in _PHASES[order.session] and not self.expired(order.inst)

    def may_wait(self, order: Order) -> bool:
        """Whether an order that cannot trade now may wait until it can."""
        if order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD):
            return True
        return self.state(order.inst) in PAUSES and order.session != Session.OVERNIGHT

    def over_for(self, order: Order) -> bool:
        """Whether the state that a market is in now ends an order for the day."""
        if order.time_in_force != TimeInForce.DAY:
            return False
        state = self.state(order.inst)
        if state == QotMarketState.AFTER_HOURS_BEGIN:
            return order.session == Session.RTH
        return state in ENDS_THE_DAY

    # Orders.

    def place(self, order: Order, price: int) -> None:
        """Let what is left of an order into the book at a price; the fills wait in ``take``."""
        side = 1 if order.buys else 2
        placed = self._market.place(
            order.inst.key, side, price / SCALE, order.left, owner=order.order_id_ex
        )
        order.book_id = placed.order_id if placed.remaining else None

    def cancel(self, order: Order) -> None:
        """Take an order out of the book, if it rests there."""
        if order.book_id is not None:
            self._market.cancel(order.inst.key, order.book_id)
            order.book_id = None

    def take(self) -> list[Match]:
        """The trades of orders from here since the last call, in time order."""
        return self._market.take_fills()

    def take_ended(self) -> set[int]:
        """The book numbers of orders that their market's day has taken out of the book."""
        return {book_id for _, book_id in self._market.take_expired()}
