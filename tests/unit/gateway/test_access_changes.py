"""Changes of orders: what may be done to which, and the memory of orders that were placed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from futukit.enums import (
    ModifyOrderOp,
    OptionStrategyType,
    OrderStatus,
    OrderType,
    TrdEnv,
    TrdMarket,
    TrdSecMarket,
    TrdSide,
)
from futukit.gateway.access import Access
from futukit.gateway.orders import MOST_NOTES, Act, Ledger
from futukit.gateway.refusals import Refused
from futukit.messages import (
    trd_common,
    trd_get_order_list,
    trd_modify_order,
    trd_place_combo_order,
    trd_place_order,
)
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
)

TRADE = ("trade:simulate",)
RISING = (ModifyOrderOp.NORMAL, ModifyOrderOp.ENABLE)
FALLING = (ModifyOrderOp.CANCEL, ModifyOrderOp.DISABLE, ModifyOrderOp.DELETE)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys.json")


def placed(ring: Keyring, c2s: Any = None, order_id: int = 5, order_id_ex: str = "E5") -> None:
    """Check an order and tell of its success."""
    c2s = c2s or place()
    passes(ring, 2202, c2s)
    s2c = trd_place_order.S2C(header=c2s.header, order_id=order_id, order_id_ex=order_id_ex)
    ring.access.note_order(ring.grant, 2202, c2s, s2c)


NAMED_LIMITS: list[dict[str, Any]] = [
    {"markets": ("HK",)},
    {"symbols": ("HK.00700",)},
    {"sides": ("buy",)},
]
NET = "the price of a combo is the net of its legs"
STRANGER = "this key has not placed the order through the gateway, and lacks acc:read"


@pytest.mark.parametrize("limits", NAMED_LIMITS, ids=lambda limits: next(iter(limits)))
def test_only_an_order_that_was_placed_here_is_changed(
    ring: Keyring, limits: dict[str, Any]
) -> None:
    ring.make(scopes=TRADE, **limits)
    changes = [(2205, modify(op)) for op in RISING] + [(2237, reconfirm())]
    for proto_id, c2s in changes:
        assert STRANGER in denied(ring, proto_id, c2s)
    placed(ring)
    for proto_id, c2s in changes:
        passes(ring, proto_id, c2s)
    for op in FALLING:
        passes(ring, 2205, modify(op, order_id=6))


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({"order_id": 5}, True),
        ({"order_id": 5, "order_id_ex": "E5"}, True),
        ({"order_id": 0, "order_id_ex": "E5"}, True),
        ({"order_id": 0}, False),
        ({"order_id": 0, "order_id_ex": ""}, False),
        ({"order_id": 6}, False),
        ({"order_id": 5, "order_id_ex": "E6"}, False),  # one of each: which would OpenD take?
        ({"order_id": 5, "order_id_ex": "E7"}, False),
        ({"header": header(acc_id=2)}, False),
        ({"header": header(env=TrdEnv.REAL)}, False),
        ({"header": header(market=TrdMarket.US)}, True),  # the SDK: the account's first market
    ],
)
def test_an_order_is_known_by_all_its_ids_on_its_account(
    ring: Keyring, fields: dict[str, Any], known: bool
) -> None:
    ring.make(scopes=("trade:simulate", "trade:real"), symbols=("HK.00700",))
    placed(ring)
    placed(ring, order_id=7, order_id_ex="E7")
    if known:
        passes(ring, 2205, modify(**fields))
    else:
        assert STRANGER in denied(ring, 2205, modify(**fields))


def test_a_change_obeys_the_limits_of_today(ring: Keyring) -> None:
    ring.make(scopes=TRADE)
    placed(ring)
    for limits, reason in (
        ({"symbols": ("HK.00001",)}, "HK.00700"),
        ({"markets": ("US",)}, "market HK"),
        ({"sides": ("sell",)}, "may not buy"),
    ):
        ring.change(**{"symbols": (), "markets": (), "sides": ()} | limits)
        for op in RISING:
            assert reason in denied(ring, 2205, modify(op))
        assert reason in denied(ring, 2237, reconfirm())
        passes(ring, 2205, modify(ModifyOrderOp.CANCEL))


@pytest.mark.parametrize("op", [ModifyOrderOp.UNKNOWN, ModifyOrderOp(9), ModifyOrderOp(-1)])
def test_an_unknown_change_is_refused_to_everybody(ring: Keyring, op: ModifyOrderOp) -> None:
    ring.make(scopes=TRADE)
    assert "is not known" in denied(ring, 2205, modify(op))


def test_for_all_is_for_what_reduces_risk(ring: Keyring) -> None:
    ring.make(scopes=TRADE, markets=("HK",))
    for op in RISING:
        assert "forAll" in denied(ring, 2205, modify(op, for_all=True))
        ring.change(markets=())
    for op in FALLING:
        passes(ring, 2205, modify(op, 0, for_all=True, trd_market=TrdMarket.US))


def test_cancels_are_limited_by_scope_and_account_only(ring: Keyring) -> None:
    ring.make(
        scopes=TRADE,
        markets=("US",),
        symbols=("US.AAPL",),
        sides=("buy",),
        max_order_value=Decimal(1),
        orders_per_minute=1,
        accounts=(1,),
    )
    for op in FALLING:
        passes(ring, 2205, modify(op))
        assert "account 2" in denied(ring, 2205, modify(op, header=header(acc_id=2)))
        real = modify(op, header=header(env=TrdEnv.REAL))
        assert "trade:real" in denied(ring, 2205, real)


def test_a_known_order_keeps_its_type_and_value(ring: Keyring) -> None:
    ring.make(scopes=TRADE)
    placed(ring, place(order_type=OrderType.MARKET), 1, "E1")
    placed(ring, place(), 2, "E2")
    ring.change(max_order_value=Decimal(30000))
    # Its price is not read, whatever the change says.
    assert "no known value" in denied(ring, 2205, modify(order_id=1))
    assert "no known value" in denied(ring, 2205, modify(ModifyOrderOp.ENABLE, 1))
    for c2s in (modify(ModifyOrderOp.ENABLE, 9), modify(ModifyOrderOp.NORMAL, 9)):
        reason = denied(ring, 2205, c2s)
        assert "no known value" in reason
        assert STRANGER in reason
    assert STRANGER in denied(ring, 2237, reconfirm(9))
    passes(ring, 2205, modify(order_id=2))
    passes(ring, 2205, modify(ModifyOrderOp.ENABLE, 2))
    passes(ring, 2237, reconfirm(2))
    ring.change(max_order_value=Decimal(29999))
    assert "worth 30000" in denied(ring, 2237, reconfirm(2))


def test_a_change_is_remembered_under_all_ids(ring: Keyring) -> None:
    ring.make(scopes=TRADE, symbols=("HK.00700",))
    placed(ring)
    change = modify(qty=200.0)
    passes(ring, 2205, change)
    s2c = trd_modify_order.S2C(header=header(), order_id=5, order_id_ex="E8")
    ring.access.note_order(ring.grant, 2205, change, s2c)
    ring.change(max_order_value=Decimal(30000))
    for ids in ({"order_id_ex": "E5"}, {"order_id_ex": "E8"}, {"order_id": 0, "order_id_ex": "E5"}):
        c2s = modify(ModifyOrderOp.ENABLE, **ids)
        assert "worth 60000" in denied(ring, 2205, c2s)


def test_what_is_not_an_order_placed_is_not_remembered(ring: Keyring) -> None:
    ring.make(scopes=TRADE, symbols=("HK.00700",))
    s2c = trd_modify_order.S2C(header=header(), order_id=5, order_id_ex="E5")
    for proto_id, c2s in (
        (2205, modify()),
        (2205, modify(ModifyOrderOp.CANCEL)),
        (2237, reconfirm()),
        (3004, None),
    ):
        ring.access.note_order(ring.grant, proto_id, c2s, s2c)
    assert STRANGER in denied(ring, 2205, modify())
    access = Access(None)
    access.note_order(access.authenticate(None, NOW), 2202, place(), s2c)
    assert access._ledgers == {}


def test_a_combo_is_remembered_by_its_text_id(ring: Keyring) -> None:
    ring.make(scopes=TRADE, symbols=("HK.00700", "HK.00001"))
    c2s = combo(leg(), leg("00001"))
    passes(ring, 2227, c2s)
    s2c = trd_place_combo_order.S2C(header=header(), order_id_ex="E5")
    ring.access.note_order(ring.grant, 2227, c2s, s2c)
    passes(ring, 2205, modify(order_id=0, order_id_ex="E5"))
    ring.change(symbols=("HK.00700",))
    assert "HK.00001" in denied(ring, 2205, modify(order_id=0, order_id_ex="E5"))
    ring.change(symbols=(), max_order_value=Decimal(30000))
    for op in RISING:
        assert NET in denied(ring, 2205, modify(op, 0, order_id_ex="E5"))


def test_the_orders_of_one_key_are_unknown_to_another(ring: Keyring) -> None:
    ring.make(scopes=TRADE, symbols=("HK.00700",))
    placed(ring)
    ring.make(scopes=TRADE, symbols=("HK.00700",))
    assert STRANGER in denied(ring, 2205, modify())


def test_the_memory_of_orders_is_bounded() -> None:
    ledger, act = Ledger(), Act((), (), "", None)
    for number in range(1, MOST_NOTES + 3):
        ledger.add(header(), (number,), act._replace(value=Decimal(number)))
    assert len(ledger._notes) == MOST_NOTES
    assert ledger.find(header(), (2,)) is None
    found = ledger.find(header(), (3,))
    assert found is not None
    assert found.value == 3


def test_an_id_that_is_used_again_stands_for_the_new_order(ring: Keyring) -> None:
    ring.make(scopes=TRADE)
    placed(ring, place(), 5, "E5")
    placed(ring, place(code="00001"), 5, "E6")
    ring.change(symbols=("HK.00700",))
    assert "HK.00001" in denied(ring, 2205, modify(order_id=5))
    passes(ring, 2205, modify(order_id=0, order_id_ex="E5"))


# OpenD is asked.

LOOKING = (*TRADE, "acc:read")
UNLISTED = "OpenD lists no such order, nor has this key placed it"
UNTOLD = "OpenD does not say what the order is"
NOT_ONE = "its ids are not those of one order"
VALUED = [(2205, modify(ModifyOrderOp.ENABLE)), (2237, reconfirm())]


def order(**fields: Any) -> trd_common.Order:
    """Order 5 as OpenD lists it: buy 100 of HK.00700 at 300."""
    default: dict[str, Any] = {
        "trd_side": TrdSide.BUY,
        "order_type": OrderType.NORMAL,
        "order_status": OrderStatus.SUBMITTED,
        "order_id": 5,
        "order_id_ex": "E5",
        "code": "00700",
        "name": "Tencent",
        "qty": 100.0,
        "price": 300.0,
        "create_time": "2027-01-15 10:00:00",
        "update_time": "2027-01-15 10:00:00",
    }
    return trd_common.Order(**default | fields)


def listed(*orders: trd_common.Order) -> trd_get_order_list.S2C:
    """What OpenD answers."""
    return trd_get_order_list.S2C(header=header(), order_list=orders)


def question(ring: Keyring, c2s: Any, proto_id: int = 2205) -> Any:
    """The question before a change."""
    return ring.access.order_in_question(ring.grant, proto_id, c2s, NOW)


def test_the_question_names_the_order_by_its_ids(ring: Keyring) -> None:
    ring.make(scopes=LOOKING, sides=("buy",))
    for c2s, fields in (
        (modify(order_id=0, order_id_ex="E5"), {"order_id_ex_list": ("E5",)}),
        (modify(), {"id_list": (5,)}),
    ):
        asked = question(ring, c2s)
        assert asked.header == header()
        assert asked.filter_conditions == trd_common.TrdFilterConditions(**fields)
        assert not asked.refresh_cache


def test_nothing_is_asked_where_no_limit_needs_it(ring: Keyring) -> None:
    for limits in ({}, {"orders_per_minute": 1}, {"accounts": (1,)}):
        ring.make(scopes=LOOKING, **limits)
        assert question(ring, modify()) is None
    ring.make(scopes=LOOKING, sides=("buy",), max_order_value=Decimal(30000))
    for c2s in (modify(order_id=0), *(modify(op) for op in FALLING)):
        assert question(ring, c2s) is None
    assert question(ring, place(), 2202) is None
    placed(ring)
    assert question(ring, modify()) is None  # it brings its value along


def test_nothing_is_asked_for_who_may_not_trade(ring: Keyring) -> None:
    for scopes, limits in ((("trade:real", "acc:read"), {}), (LOOKING, {"accounts": (2,)})):
        ring.make(scopes=scopes, sides=("buy",), **limits)
        with pytest.raises(Refused):
            question(ring, modify())


def test_nothing_is_asked_for_who_may_not_read_accounts(ring: Keyring) -> None:
    ring.make(scopes=TRADE, max_order_value=Decimal(30000))
    for proto_id, c2s in VALUED:
        assert question(ring, c2s, proto_id) is None
        assert STRANGER in denied(ring, proto_id, c2s)
    placed(ring)
    for proto_id, c2s in VALUED:
        assert question(ring, c2s, proto_id) is None
        passes(ring, proto_id, c2s)  # by memory


def test_what_opend_lists_holds_for_one_check(ring: Keyring) -> None:
    ring.make(scopes=LOOKING, sides=("buy",))
    s2c = trd_modify_order.S2C(header=header(), order_id=5, order_id_ex="E5")
    for _ in range(2):
        assert question(ring, modify()) is not None
        passes(ring, 2205, modify(), listed=listed(order()))
        ring.access.note_order(ring.grant, 2205, modify(), s2c)
        assert UNTOLD in denied(ring, 2205, modify())


def test_the_worth_of_an_order_is_opends_to_say(ring: Keyring) -> None:
    """Another key may have changed it meanwhile, or the app."""
    ring.make(scopes=LOOKING, max_order_value=Decimal(30000))
    placed(ring)
    alias = trd_modify_order.S2C(header=header(), order_id=5, order_id_ex="E8")
    ring.access.note_order(ring.grant, 2205, modify(), alias)
    for proto_id, c2s in VALUED:
        assert question(ring, c2s, proto_id) is not None
        assert "worth 30300" in denied(ring, proto_id, c2s, listed(order(qty=101.0)))
        assert UNTOLD in denied(ring, proto_id, c2s)  # it did not answer
        passes(ring, proto_id, c2s, listed=listed())  # so new that it is not listed yet
        passes(ring, proto_id, c2s, listed=listed(order()))
    both = modify(ModifyOrderOp.ENABLE, order_id_ex="E8")
    assert NOT_ONE in denied(ring, 2205, both, listed(order(qty=101.0)))
    ring.change(max_order_value=None, sides=("buy",))
    for proto_id, c2s in VALUED:
        assert question(ring, c2s, proto_id) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"sec_market": TrdSecMarket.HK, "trd_market": TrdMarket.HK}, None),
        ({"strategy_type": OptionStrategyType.SINGLE_OPTION}, None),
        ({"trd_market": TrdMarket.US}, "US.00700"),
        ({"trd_market": TrdMarket.HK, "sec_market": TrdSecMarket.US}, "cannot be told"),
        ({"code": "00001"}, "HK.00001"),
        ({"trd_side": TrdSide.SELL}, "may not sell"),
        ({"trd_side": TrdSide.UNKNOWN}, "side cannot be told"),
        ({"combo_legs": (leg(),)}, NET),
        ({"combo_legs": (leg(), leg("00001"))}, "HK.00001"),
        ({"combo_legs": (leg(side=TrdSide.SELL),)}, "may not sell"),
        ({"strategy_type": OptionStrategyType.SPREAD}, "security cannot be told"),
        ({"order_type": OrderType.MARKET}, "no known value"),
        ({"qty": 101.0}, "worth 30300"),
        ({"price": None}, "no known value"),
        ({"price": 0.0}, "no known value"),
        ({"qty": 0.0}, "no known value"),
        ({"order_amount": 30001.0}, "worth 30001"),
        ({"order_id": 6}, UNLISTED),
        ({"order_id": 6, "order_id_ex": "5"}, UNLISTED),
    ],
)
def test_an_order_that_opend_lists_is_held_to_the_limits(
    ring: Keyring, fields: dict[str, Any], reason: str | None
) -> None:
    limits = {"symbols": ("HK.00700",), "sides": ("buy",), "max_order_value": Decimal(30000)}
    ring.make(scopes=LOOKING, **limits)
    change = modify(ModifyOrderOp.ENABLE)
    if reason is None:
        passes(ring, 2205, change, listed=listed(order(**fields)))
    else:
        assert reason in denied(ring, 2205, change, listed(order(**fields)))


def test_an_order_for_money_keeps_its_amount(ring: Keyring) -> None:
    ring.make(scopes=LOOKING, max_order_value=Decimal(30000))
    change = modify(qty=1.0, price=1.0)
    passes(ring, 2205, change, listed=listed(order(order_amount=30000.0)))
    assert "worth 30001" in denied(ring, 2205, change, listed(order(order_amount=30001.0)))
    # A quantity of 0 leaves that of another change.
    zero = modify(qty=0.0)
    assert "no known value" in denied(ring, 2205, zero, listed(order(order_amount=1.0)))


def test_ids_that_are_not_of_one_order_are_of_none(ring: Keyring) -> None:
    ring.make(scopes=LOOKING, sides=("buy",))
    two = listed(order(), order(order_id_ex="E6"))
    assert NOT_ONE in denied(ring, 2205, modify(), two)
    assert NOT_ONE in denied(ring, 2205, modify(order_id_ex="E6"), listed(order()))
    passes(ring, 2205, modify(order_id_ex="E5"), listed=listed(order()))
