"""What a key may do with orders: securities, sides, values and rates."""

from __future__ import annotations

import asyncio
import contextlib
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from futukit.enums import ModifyOrderOp, OrderType, TrdEnv, TrdMarket, TrdSecMarket, TrdSide
from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    FutukitError,
    GatewayError,
    RateLimited,
    RequestTimeout,
    ServerFailed,
    UsageError,
)
from futukit.gateway.refusals import UnreadableAnswer
from futukit.messages import trd_place_order
from futukit.messages.qot_common import ComboLeg
from tests.unit.gateway.keyring import (
    NOW,
    Keyring,
    combo,
    denied,
    header,
    leg,
    modify,
    passes,
    place,
    reconfirm,
    refused,
)

TRADE = ("trade:simulate",)
FALLING = (ModifyOrderOp.CANCEL, ModifyOrderOp.DISABLE, ModifyOrderOp.DELETE)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys.json")


# Securities and sides.


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ((leg(), leg("00001")), None),
        ((leg(), leg("09988")), "HK.09988"),
        ((), "the order names none"),
        ((leg(market=11),), "cannot be told"),  # the header says Hong Kong
        ((leg(market=777),), "cannot be told"),
    ],
)
def test_each_leg_must_be_allowed(
    ring: Keyring, legs: tuple[ComboLeg, ...], reason: str | None
) -> None:
    ring.make(scopes=TRADE, symbols=("HK.00700", "HK.00001"))
    if reason is None:
        passes(ring, 2227, combo(*legs))
    else:
        assert reason in denied(ring, 2227, combo(*legs))


def test_the_market_of_an_order_must_be_allowed(ring: Keyring) -> None:
    ring.make(scopes=TRADE, markets=("US",))
    assert "market HK" in denied(ring, 2202, place())
    assert "market HK" in denied(ring, 2227, combo(leg()))
    apple = place(code="AAPL", header=header(market=TrdMarket.US), sec_market=TrdSecMarket.US)
    passes(ring, 2202, apple)


@pytest.mark.parametrize(
    ("side", "word"),
    [
        (TrdSide.BUY, "buy"),
        (TrdSide.BUY_BACK, "buy"),
        (TrdSide.SELL, "sell"),
        (TrdSide.SELL_SHORT, "sell"),
        (TrdSide.UNKNOWN, None),
        (TrdSide(77), None),
        (None, None),
    ],
)
def test_sides_are_limited(ring: Keyring, side: Any, word: str | None) -> None:
    for allowed in ("buy", "sell"):
        ring.make(scopes=TRADE, sides=(allowed,))
        orders = [
            (2227, combo(leg(side=side))),
            (2227, combo(leg(side=allowed_side(allowed)), leg(side=side))),
        ]
        if side is not None:
            orders.append((2202, place(trd_side=side)))
        for proto_id, c2s in orders:
            if word == allowed:
                passes(ring, proto_id, c2s)
            elif word is None:
                assert "side cannot be told" in denied(ring, proto_id, c2s)
            else:
                assert f"may not {word}" in denied(ring, proto_id, c2s)
        assert "names none" in denied(ring, 2227, combo())
    ring.make(scopes=TRADE)
    if side is not None:
        passes(ring, 2202, place(trd_side=side))


def allowed_side(word: str) -> TrdSide:
    return TrdSide.BUY if word == "buy" else TrdSide.SELL


# Values.


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"qty": 100.1}, "worth 30030"),
        ({"qty": 0.1, "price": 0.3}, None),
        ({"qty": 30000.0, "price": 1.0}, None),
        ({"price": None}, "no known value"),
        ({"price": math.nan}, "no known value"),
        ({"price": math.inf}, "no known value"),
        ({"price": -1.0}, "no known value"),
        ({"price": 0.0, "qty": 1e9}, "a price and a quantity above 0"),
        ({"qty": 0.0, "price": 1e9}, "a price and a quantity above 0"),
        ({"qty": math.nan}, "no known value"),
        ({"qty": math.inf}, "no known value"),
        ({"qty": -100.0}, "no known value"),
        ({"qty": 0.0, "price": math.inf}, "no known value"),
        ({"price": 1e308, "qty": 1e308}, "worth"),
    ],
)
def test_the_value_of_an_order_is_limited(
    ring: Keyring, fields: dict[str, Any], reason: str | None
) -> None:
    ring.make(scopes=TRADE, max_order_value=Decimal(30000))
    # Of an order that nobody knows, the type and so the worth of its price are unknown.
    assert "no known value" in denied(ring, 2205, modify())
    ring.access.note_order(
        ring.grant, 2202, place(), trd_place_order.S2C(header=header(), order_id=5)
    )
    for proto_id, c2s in ((2202, place(**fields)), (2205, modify(**fields))):
        if reason is None:
            passes(ring, proto_id, c2s)
        else:
            assert reason in denied(ring, proto_id, c2s)


def test_values_are_multiplied_as_they_are_written(ring: Keyring) -> None:
    ring.make(scopes=TRADE, max_order_value=Decimal("0.3"))
    passes(ring, 2202, place(qty=3.0, price=0.1))  # in binary that is more than 0.3


@pytest.mark.parametrize("order_type", [*OrderType, OrderType(99)])
def test_only_a_limit_price_tells_a_value(ring: Keyring, order_type: OrderType) -> None:
    ring.make(scopes=TRADE, max_order_value=Decimal(30000))
    priced = order_type == OrderType.NORMAL or "LIMIT" in order_type.name
    if priced and order_type != OrderType.TRAILING_STOP_LIMIT:
        passes(ring, 2202, place(order_type=order_type))
    else:
        assert "a type with a limit price" in denied(ring, 2202, place(order_type=order_type))
    combined = combo(leg(), order_type=order_type)
    assert "the net of its legs" in denied(ring, 2227, combined)
    ring.make(scopes=TRADE)
    passes(ring, 2202, place(order_type=order_type, price=math.nan))
    passes(ring, 2227, combined)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"adjust_side_and_limit": 0.01}, None),  # not asked for
        ({"adjust_price": True, "adjust_side_and_limit": -0.5}, None),
        ({"adjust_price": True}, None),
        ({"adjust_price": True, "adjust_side_and_limit": 0.01}, "worth 30300"),
        ({"adjust_price": True, "adjust_side_and_limit": math.inf}, "no known value"),
        ({"adjust_price": True, "adjust_side_and_limit": math.nan}, "no known value"),
        ({"amount": 30000.0}, None),
        ({"amount": 30001.0}, "worth 30001"),
        ({"amount": math.nan}, "no known value"),
        ({"amount": -1.0}, "no known value"),
        ({"amount": 30001.0, "qty": 0.0}, "worth 30001"),
        ({"amount": 30000.0, "qty": 0.0}, None),
        ({"amount": 1.0, "price": 0.0}, "no known value"),
    ],
)
def test_what_raises_the_value_counts(
    ring: Keyring, fields: dict[str, Any], reason: str | None
) -> None:
    ring.make(scopes=TRADE, max_order_value=Decimal(30000))
    if reason is None:
        passes(ring, 2202, place(**fields))
    else:
        assert reason in denied(ring, 2202, place(**fields))


# Rates.


def test_orders_of_the_last_minute_are_counted(ring: Keyring) -> None:
    ring.make(scopes=TRADE, orders_per_minute=4)
    other = ring.access.authenticate(ring.text, NOW)  # another grant of the same key
    passes(ring, 2202, place(), NOW)
    ring.access.check(other, 2227, combo(leg()), NOW + 10)
    passes(ring, 2205, modify(), NOW + 20)
    passes(ring, 2205, modify(ModifyOrderOp.ENABLE), NOW + 20)
    for now in (NOW + 30, NOW + 59.75):
        error = refused(ring, 2202, place(), now)
        assert (error.status, error.retry_after) == ("RESOURCE_EXHAUSTED", NOW + 60 - now)
        assert "4 orders a minute" in error.reason
    passes(ring, 2202, place(), NOW + 60)
    assert refused(ring, 2205, modify(), NOW + 60).retry_after == 10


def test_what_reduces_risk_is_never_counted(ring: Keyring) -> None:
    ring.make(scopes=TRADE, orders_per_minute=1)
    passes(ring, 2202, place())
    for op in FALLING:
        passes(ring, 2205, modify(op))
        passes(ring, 2205, modify(op, for_all=True))
    passes(ring, 2237, reconfirm())  # counted when it was placed
    assert refused(ring, 2202, place()).status == "RESOURCE_EXHAUSTED"


def test_a_refused_order_uses_up_nothing(ring: Keyring) -> None:
    ring.make(
        scopes=TRADE,
        accounts=(1,),
        symbols=("HK.00700",),
        sides=("buy",),
        max_order_value=Decimal(30000),
        orders_per_minute=1,
    )
    for c2s in (
        place(header=header(acc_id=2)),
        place(code="00001"),
        place(trd_side=TrdSide.SELL),
        place(price=301.0),
        place(header=header(env=TrdEnv.REAL)),
    ):
        denied(ring, 2202, c2s)
    passes(ring, 2202, place())
    assert refused(ring, 2202, place()).status == "RESOURCE_EXHAUSTED"


GONE = (7,)


@pytest.mark.parametrize(
    ("error", "doubt", "is_counted"),
    [
        (RateLimited("RESOURCE_EXHAUSTED"), (), False),
        (ConnectionLost("not connected"), (), False),
        (ClientClosed("closed"), (), False),
        (UsageError("too large"), (), False),
        (asyncio.CancelledError(), (), False),
        (ConnectionLost("lost", requests_in_doubt=GONE), GONE, True),
        (ClientClosed("closed"), GONE, True),
        (RequestTimeout("no answer", requests_in_doubt=GONE), GONE, True),
        (GatewayError("INTERNAL", requests_in_doubt=GONE), GONE, True),
        (asyncio.CancelledError(), GONE, True),
        (asyncio.CancelledError(), None, True),
        (ServerFailed(-1), (), True),
        (UnreadableAnswer("nonsense"), (), True),
        (None, None, True),
    ],
    ids=repr,
)
def test_an_order_that_did_not_go_out_is_not_counted(
    ring: Keyring, error: Any, doubt: tuple[int, ...] | None, is_counted: bool
) -> None:
    ring.make(scopes=TRADE, orders_per_minute=2)
    passes(ring, 2202, place(), NOW)
    counted = passes(ring, 2202, place(), NOW + 1)
    if doubt is not None:
        error.requests_in_doubt = doubt
    with contextlib.suppress(FutukitError, asyncio.CancelledError), counted:
        if error is not None:
            raise error
    if is_counted:
        assert refused(ring, 2202, place(), NOW + 2).retry_after == 58
    else:
        passes(ring, 2202, place(), NOW + 2)
        assert refused(ring, 2202, place(), NOW + 3).retry_after == 57  # the first is still there


def test_only_what_was_counted_is_given_back(ring: Keyring) -> None:
    ring.make(scopes=TRADE, orders_per_minute=1)
    passes(ring, 2202, place())
    lost = ConnectionLost("not connected")
    for proto_id, c2s in ((2205, modify(ModifyOrderOp.CANCEL)), (2237, reconfirm())):
        with pytest.raises(ConnectionLost), passes(ring, proto_id, c2s):
            raise lost
    assert refused(ring, 2202, place()).status == "RESOURCE_EXHAUSTED"
    # Nothing is left to give back of what has left the minute.
    old = passes(ring, 2202, place(), NOW + 60)
    passes(ring, 2202, place(), NOW + 120)
    with pytest.raises(ConnectionLost), old:
        raise lost
    assert refused(ring, 2202, place(), NOW + 120).status == "RESOURCE_EXHAUSTED"


def test_the_checks_come_in_order(ring: Keyring) -> None:
    limits: dict[str, Any] = {"accounts": (1,), "markets": ("HK",), "symbols": ("HK.00700",)}
    limits |= {"sides": ("buy",), "max_order_value": Decimal(1), "orders_per_minute": 1}
    ring.make(scopes=(), **limits)
    us = TrdMarket.US
    wrong: dict[str, Any] = {"header": header(acc_id=2, market=us), "trd_side": TrdSide.SELL}
    reasons = [denied(ring, 2202, place(**wrong))]
    ring.change(scopes=TRADE)
    reasons.append(denied(ring, 2202, place(**wrong)))
    wrong["header"] = header(market=us)
    reasons.append(denied(ring, 2202, place(**wrong)))
    wrong["header"] = header()
    reasons.append(denied(ring, 2202, place(**wrong, code="00001")))
    reasons.append(denied(ring, 2202, place(**wrong)))
    reasons.append(denied(ring, 2202, place()))
    words = ("scope", "account 2", "market US", "symbols", "may not sell", "worth")
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


def test_a_changed_rate_takes_effect_and_keeps_the_count(ring: Keyring) -> None:
    ring.make(scopes=TRADE, orders_per_minute=3)
    for number in range(3):
        passes(ring, 2202, place(), NOW + number)
    ring.change(orders_per_minute=2)
    # Two of the three must have left the window before there is room for one more.
    assert refused(ring, 2202, place(), NOW + 3).retry_after == 58
    ring.change(orders_per_minute=4)
    passes(ring, 2202, place(), NOW + 3)


def test_a_clock_that_is_set_back_neither_frees_nor_blocks(ring: Keyring) -> None:
    ring.make(scopes=TRADE, orders_per_minute=1)
    passes(ring, 2202, place(), NOW + 3600)
    assert refused(ring, 2202, place(), NOW).retry_after == 60
    passes(ring, 2202, place(), NOW + 60)


def test_what_is_counted_of_a_key_goes_with_the_key(ring: Keyring) -> None:
    for _ in range(5):
        ring.make(scopes=TRADE, orders_per_minute=1)
        passes(ring, 2202, place())
    assert len(ring.access._ledgers) == 1
