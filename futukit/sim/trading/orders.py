"""The record of an order and of its fills; what may follow what in an order's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from futukit.messages.common import Session
from futukit.messages.trd_common import OrderStatus, OrderType, TimeInForce, TrailType, TrdSide
from futukit.sim.market import Instrument

__all__ = [
    "LIVE",
    "TRIGGERED",
    "Fill",
    "Kind",
    "Order",
    "Trigger",
    "is_trailing",
    "kind_of",
    "trigger_of",
]

_S = OrderStatus

LIVE: Final = frozenset((_S.WAITING_SUBMIT, _S.SUBMITTING, _S.SUBMITTED, _S.FILLED_PART))
"""States in which an order can still be filled."""


class Kind(Enum):
    """What an order does once it is let into the book."""

    LIMIT = "limit"
    MARKET = "market"
    TAKE = "take what is there at the limit or better, drop the rest"
    ALL_OR_NOTHING = "all at once at the limit or better, or nothing"


_T = OrderType
_KINDS: Final[dict[OrderType, Kind]] = {
    _T.NORMAL: Kind.LIMIT,
    _T.MARKET: Kind.MARKET,
    _T.SPECIAL_LIMIT: Kind.TAKE,
    _T.SPECIAL_LIMIT_ALL: Kind.ALL_OR_NOTHING,
    _T.STOP: Kind.MARKET,
    _T.STOP_LIMIT: Kind.LIMIT,
    _T.MARKETIF_TOUCHED: Kind.MARKET,
    _T.LIMITIF_TOUCHED: Kind.LIMIT,
    _T.TRAILING_STOP: Kind.MARKET,
    _T.TRAILING_STOP_LIMIT: Kind.LIMIT,
}
TRIGGERED: Final = frozenset(
    (
        _T.STOP,
        _T.STOP_LIMIT,
        _T.MARKETIF_TOUCHED,
        _T.LIMITIF_TOUCHED,
        _T.TRAILING_STOP,
        _T.TRAILING_STOP_LIMIT,
    )
)
"""Types that wait for a price before they go to the exchange."""
_TRAILING: Final = frozenset((_T.TRAILING_STOP, _T.TRAILING_STOP_LIMIT))
_TOUCHED: Final = frozenset((_T.MARKETIF_TOUCHED, _T.LIMITIF_TOUCHED))


def kind_of(order_type: OrderType) -> Kind | None:
    """What an order of a type does in the book; ``None`` for types that are not simulated."""
    return _KINDS.get(order_type)


@dataclass(slots=True)
class Trigger:
    """When a stop, if-touched or trailing order goes to the exchange. Prices are in price units.

    ``level`` is the price that sets it off, upwards when ``rises``. A trailing one follows the
    price at ``trail`` (price units, or hundredths of a percent with ``by_ratio``).
    """

    level: int
    rises: bool
    trail: int = 0
    by_ratio: bool = False
    fired: bool = False

    def see(self, price: int) -> None:
        """Take note of a traded price."""
        if self.trail:
            self._follow(price)
        if price >= self.level if self.rises else price <= self.level:
            self.fired = True

    def _follow(self, price: int) -> None:
        away = price * self.trail // 10_000 if self.by_ratio else self.trail
        if self.rises:
            self.level = min(self.level, price + away)
        else:
            self.level = max(self.level, price - away)


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One order. Prices and money in thousandths of the currency, times in epoch seconds.

    ``price`` is the limit, 0 for orders without one; ``worst`` the worst price that a market order
    may trade at, known once it goes to the exchange; ``traded`` the sum of price × quantity of its
    fills; ``fees`` what was charged so far, by title; ``book_id`` the number under which it rests
    in the book, ``None`` when it does not.
    """

    order_id: int
    order_id_ex: str
    inst: Instrument
    side: TrdSide
    order_type: OrderType
    qty: int
    price: int
    created: float
    updated: float
    time_in_force: TimeInForce = TimeInForce.DAY
    session: Session = Session.RTH
    outside_hours: bool = False
    remark: str | None = None
    expires: float | None = None
    expire_time: str | None = None
    aux_price: int | None = None
    trail_type: TrailType | None = None
    trail_value: float | None = None
    trail_spread: int | None = None
    trigger: Trigger | None = None
    worst: int = 0
    status: OrderStatus = OrderStatus.WAITING_SUBMIT
    filled: int = 0
    traded: int = 0
    fees: dict[str, int] = field(default_factory=dict)
    error: str = ""
    book_id: int | None = None

    @property
    def buys(self) -> bool:
        """Whether it buys (or buys back)."""
        return self.side in (TrdSide.BUY, TrdSide.BUY_BACK)

    @property
    def left(self) -> int:
        """The quantity that is not filled yet."""
        return self.qty - self.filled

    @property
    def live(self) -> bool:
        """Whether it can still be filled."""
        return self.status in LIVE

    @property
    def kind(self) -> Kind:
        """What it does in the book."""
        kind = _KINDS[self.order_type]
        if kind is Kind.LIMIT and self.time_in_force == TimeInForce.IOC:
            return Kind.TAKE
        return kind

    @property
    def waits_for_price(self) -> bool:
        """Whether its trigger has not fired yet."""
        return self.trigger is not None and not self.trigger.fired

    @property
    def amount(self) -> int:
        """What its fills have turned over, in units of money."""
        return self.traded * self.inst.multiplier

    @property
    def fee(self) -> int:
        """All fees charged so far."""
        return sum(self.fees.values())

    @property
    def hold_price(self) -> int:
        """The price that money is set aside at while it waits."""
        if self.price or self.worst:
            return self.price or self.worst
        return self.trigger.level if self.trigger is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of an order; ``price`` in price units, ``time`` in epoch seconds."""

    fill_id: int
    fill_id_ex: str
    order: Order
    qty: int
    price: int
    time: float


def trigger_of(
    order_type: OrderType, *, buys: bool, last: int, aux: int, trail: int, by_ratio: bool
) -> Trigger:
    """The trigger of an order of a triggered type; ``last`` is the last traded price."""
    if order_type in _TRAILING:
        away = last * trail // 10_000 if by_ratio else trail
        level = last + away if buys else last - away
        return Trigger(level, rises=buys, trail=trail, by_ratio=by_ratio)
    rises = buys is not (order_type in _TOUCHED)
    trigger = Trigger(aux, rises=rises)
    trigger.see(last)
    return trigger


def is_trailing(order_type: OrderType) -> bool:
    """Whether the trigger of a type follows the price."""
    return order_type in _TRAILING
