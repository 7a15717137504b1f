"""What a trading request would bring into the market, and the memory of orders that it needs.

A change of an order names nothing but the order's id, so the orders that a key has placed are
remembered: their securities, sides and type. The memory is bounded and ends with the process;
of an order that is not in it, OpenD is asked (2201). What OpenD lists is never remembered: others
may change the order at any time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from futukit.enums import ModifyOrderOp, OptionStrategyType, OrderType, TrdSide
from futukit.gateway.refusals import denied
from futukit.gateway.subjects import Named, in_trd_market, listed, names_of
from futukit.messages import trd_get_order_list
from futukit.messages.qot_common import ComboLeg
from futukit.messages.trd_common import Order, TrdFilterConditions, TrdHeader

__all__ = [
    "MOST_NOTES",
    "NOT_LISTED",
    "NOT_LOOKED_UP",
    "NOT_TOLD",
    "ORDER_IDS",
    "Act",
    "Ledger",
    "act_of",
    "found_in",
    "ids_of",
    "keeps_value",
    "note_order",
    "question_of",
]

ORDER_IDS: Final = (2202, 2205, 2227)
"""The requests whose success is to be noted."""

MOST_NOTES: Final = 8192
"""Ids of orders that are remembered for a key; most orders have two."""

Ids: TypeAlias = tuple[int | str, ...]

_SIDES: Final[dict[int, str]] = {
    TrdSide.BUY: "buy",
    TrdSide.BUY_BACK: "buy",
    TrdSide.SELL: "sell",
    TrdSide.SELL_SHORT: "sell",
}

# The types whose price bounds what is paid. OpenD does not read it for the others, and a trailing
# limit moves.
_PRICED: Final = frozenset(
    {
        OrderType.NORMAL,
        OrderType.ABSOLUTE_LIMIT,
        OrderType.AUCTION_LIMIT,
        OrderType.SPECIAL_LIMIT,
        OrderType.SPECIAL_LIMIT_ALL,
        OrderType.STOP_LIMIT,
        OrderType.LIMITIF_TOUCHED,
        OrderType.TWAP_LIMIT,
        OrderType.VWAP_LIMIT,
    }
)


class Act(NamedTuple):
    """What is checked of an order, new or changed.

    ``names`` are its securities, ``sides`` ``"buy"``, ``"sell"``, or ``""`` for one that cannot
    be told; ``value`` is price times quantity, None where it is not known. ``unpriced`` says why
    no price can tell the value, ``""`` of an order whose limit price does. ``amount`` is the money
    that the order is for, where it is (event contracts). ``counted``: it uses up the rate.
    ``unknown`` says why nothing is known of the order, where that is so.
    """

    names: tuple[Named, ...]
    sides: tuple[str, ...]
    unpriced: str
    value: Decimal | None
    amount: Decimal | None = Decimal(0)
    counted: bool = True
    unknown: str = ""


def _stranger(why: str) -> Act:
    return Act(names=(), sides=(), unpriced=why, value=None, unknown=why)


NOT_LISTED: Final = _stranger(
    "OpenD lists no such order, nor has this key placed it through the gateway"
)
NOT_TOLD: Final = _stranger("OpenD does not say what the order is")
NOT_LOOKED_UP: Final = _stranger(
    "this key has not placed the order through the gateway, and lacks acc:read for the gateway "
    "to look it up"
)
_NOT_ONE: Final = _stranger("its ids are not those of one order that OpenD lists")

_NO_LIMIT_PRICE: Final = "it needs a type with a limit price"
_NET_PRICE: Final = "the price of a combo is the net of its legs"

_SINGLE: Final = (None, OptionStrategyType.UNKNOWN, OptionStrategyType.SINGLE_OPTION)


class _Note:
    """A remembered order. All its ids lead to one note, so that a change is seen under each."""

    __slots__ = ("act",)

    def __init__(self, act: Act) -> None:
        self.act = act


class Ledger:
    """What is remembered of one key: the times of its latest orders, and the orders themselves.

    Changing the limits of the key does not clear it.
    """

    __slots__ = ("_notes", "times")

    def __init__(self) -> None:
        self.times: deque[float] = deque()
        self._notes: dict[tuple[int, int, int | str], _Note] = {}

    def add(self, header: TrdHeader, ids: Ids, act: Act) -> None:
        """Remember a new order; ids that stood for an older one stand for this one now."""
        self._put(header, ids, _Note(act))

    def change(self, header: TrdHeader, ids: Ids, more: Ids, act: Act) -> None:
        """Remember what an order has become, and under which other ids it goes as well."""
        note = self._note(header, ids)
        if note is not None:
            note.act = act
            self._put(header, (*ids, *more), note)

    def find(self, header: TrdHeader, ids: Ids) -> Act | None:
        """The order that all these ids stand for on the header's account, None where unknown."""
        note = self._note(header, ids)
        return None if note is None else note.act

    def _note(self, header: TrdHeader, ids: Ids) -> _Note | None:
        notes = [self._notes.get(_place(header, each)) for each in ids]
        return notes[0] if notes and all(note is notes[0] for note in notes) else None

    def _put(self, header: TrdHeader, ids: Ids, note: _Note) -> None:
        for each in ids:
            self._notes.pop(_place(header, each), None)
            self._notes[_place(header, each)] = note
        while len(self._notes) > MOST_NOTES:
            del self._notes[next(iter(self._notes))]


def _place(header: TrdHeader, order_id: int | str) -> tuple[int, int, int | str]:
    # Ids are unique within an account at best, and paper accounts have their own.
    return int(header.trd_env), header.acc_id, order_id


def ids_of(message: Any) -> Ids:
    """The ids by which a C2S or S2C calls an order: OpenD's number and the server's text."""
    ids = (getattr(message, "order_id", None), getattr(message, "order_id_ex", None))
    return tuple(each for each in ids if each)


def note_order(ledger: Ledger, proto_id: int, c2s: Any, s2c: Any) -> None:
    """Remember the order of a call that OpenD has accepted; other calls change nothing."""
    if proto_id not in ORDER_IDS:
        return
    act = act_of(proto_id, c2s, ledger.find(c2s.header, ids_of(c2s)) or NOT_LISTED)
    if act is None:
        return
    if proto_id == 2205:
        ledger.change(c2s.header, ids_of(c2s), ids_of(s2c), act)
    else:
        ledger.add(c2s.header, ids_of(s2c), act)


def question_of(c2s: Any) -> trd_get_order_list.C2S:
    """What to ask OpenD (2201) about the order that a change (2205, 2237) names.

    Its cache answers, which counts against no limit of frequency.
    """
    other = getattr(c2s, "order_id_ex", None)
    named = TrdFilterConditions(
        id_list=(c2s.order_id,) if c2s.order_id else (), order_id_ex_list=(other,) if other else ()
    )
    return trd_get_order_list.C2S(header=c2s.header, filter_conditions=named)


def found_in(c2s: Any, listed: trd_get_order_list.S2C) -> Act | None:
    """The order that a change names as OpenD lists it, None where it does not."""
    named = set(ids_of(c2s))
    orders = [order for order in listed.order_list if named & set(ids_of(order))]
    if not orders:
        return None
    if len(orders) > 1 or not named <= set(ids_of(orders[0])):
        return _NOT_ONE  # which of them OpenD would take is not known
    return _found(orders[0], c2s.header)


def _found(order: Order, header: TrdHeader) -> Act:
    """An order as OpenD lists it; its market is its own, whatever the request's header says."""
    market = order.trd_market or header.trd_market
    if order.combo_legs or order.strategy_type not in _SINGLE:
        return _combo(order.combo_legs, market)
    name = listed(order.code, market, order.sec_market)
    return _plain(name, order, order.order_amount)


def keeps_value(proto_id: int, c2s: Any) -> bool:
    """Whether a trading request brings an order into the market for what it is worth already."""
    return proto_id == 2237 or (proto_id == 2205 and c2s.modify_order_op == ModifyOrderOp.ENABLE)


def act_of(proto_id: int, c2s: Any, known: Act) -> Act | None:
    """What a trading request would bring into the market; None for one that only takes away.

    ``known`` is the order that a change names. Raises Refused for a request of which it cannot be
    said.
    """
    read = _ACTS.get(proto_id)
    if read is None:
        raise denied(f"what the trading request {proto_id} does is not known, so it is refused")
    return read(c2s, known)


def _placed(c2s: Any, _known: Act) -> Act:
    return _plain(listed(c2s.code, c2s.header.trd_market, c2s.sec_market), c2s, c2s.amount)


def _combined(c2s: Any, _known: Act) -> Act:
    return _combo(c2s.combo_legs, c2s.header.trd_market)


def _plain(name: Named, order: Any, money: float | None) -> Act:
    """An order of one security, new or listed."""
    unpriced = "" if order.order_type in _PRICED else _NO_LIMIT_PRICE
    amount = _number(money or 0.0)
    value = None if unpriced else _value(order, amount)
    return Act((name,), (_side(order.trd_side),), unpriced, value, amount)


def _combo(legs: tuple[ComboLeg, ...], trd_market: int) -> Act:
    names, sides = _legs(legs, trd_market)
    return Act(names, sides, _NET_PRICE, None)


def _legs(legs: tuple[ComboLeg, ...], trd_market: int) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """The securities of a combo's legs, as far as the market covers them, and their sides."""
    covered = in_trd_market(trd_market)
    names = (Named(each.markets & covered, each.code) for leg in legs for each in names_of(leg))
    return tuple(names), tuple(_side(leg.side) for leg in legs)


def _side(side: int | None) -> str:
    return "" if side is None else _SIDES.get(side, "")


def _modified(c2s: Any, known: Act) -> Act | None:
    read = _CHANGES.get(c2s.modify_order_op)
    if read is None:
        raise denied(f"what modifyOrderOp {int(c2s.modify_order_op)} does to an order is not known")
    return read(c2s, known)


def _taken_away(_c2s: Any, _known: Act) -> None:
    """A cancel, with forAll too: to reduce risk is always allowed."""


def _changed(c2s: Any, known: Act) -> Act:
    _check_one(c2s)
    # A price or quantity of 0 leaves what was, so it tells nothing.
    value = None if known.unpriced or not c2s.qty else _value(c2s, known.amount)
    return known._replace(value=value, counted=True)


def _brought_back(c2s: Any, known: Act) -> Act:
    """An order enabled again comes into the market as it was."""
    _check_one(c2s)
    return known._replace(counted=True)


def _confirmed(_c2s: Any, known: Act) -> Act:
    # Counted when it was placed.
    return known._replace(counted=False)


def _check_one(c2s: Any) -> None:
    if c2s.for_all:
        raise denied("forAll is for cancels; a change names one order")


_CHANGES: Final[dict[int, Callable[[Any, Act], Act | None]]] = {
    ModifyOrderOp.NORMAL: _changed,
    ModifyOrderOp.CANCEL: _taken_away,
    ModifyOrderOp.DISABLE: _taken_away,
    ModifyOrderOp.ENABLE: _brought_back,
    ModifyOrderOp.DELETE: _taken_away,
}

_ACTS: Final[dict[int, Callable[[Any, Act], Act | None]]] = {
    2202: _placed,
    2205: _modified,
    2227: _combined,
    2237: _confirmed,
}


def _value(c2s: Any, amount: Decimal | None) -> Decimal | None:
    """The largest value that the message tells, None where it does not tell one.

    An order for an amount of money may have no quantity; of one that has both, the larger counts.
    """
    price, qty = _worst_price(c2s), _number(c2s.qty)
    if not price or qty is None or amount is None:
        return None
    return max(price * qty, amount) or None


def _worst_price(c2s: Any) -> Decimal | None:
    """The price, with the room that the request gives OpenD to raise it."""
    price = _number(c2s.price)
    room = getattr(c2s, "adjust_side_and_limit", None) or 0.0
    if price is None or not getattr(c2s, "adjust_price", None) or room <= 0.0:
        return price
    raised = _number(room)
    return None if raised is None else price * (1 + raised)


def _number(value: float | None) -> Decimal | None:
    """A number as it is written, so that 3 times 0.1 is 0.3; None for one that is no amount."""
    if value is None or not math.isfinite(value) or value < 0:
        return None
    return Decimal(repr(float(value)))
