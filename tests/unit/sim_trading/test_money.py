"""Amounts, the fee schedule, holdings: all whole thousandths."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futukit.messages.trd_common import Currency
from futukit.sim.market import Market
from futukit.sim.trading.fees import fees_of
from futukit.sim.trading.money import convert, price_units, rounded_to_cents, units
from futukit.sim.trading.positions import Position
from futukit.sim.trading.rules import rules

MARKET = Market(1)
TENCENT = MARKET.instrument("HK.00700")
HSI = MARKET.instrument("HK.HSI2603")


@pytest.mark.parametrize(
    ("price", "found"),
    [(512.2, 512_200), (0.0019, 1), (1e13, None), (float("nan"), None), (float("inf"), None)],
)
def test_a_price_is_cut_to_thousandths(price: float, found: int | None) -> None:
    assert price_units(price) == found


def test_money_is_rounded_half_up_to_a_cent() -> None:
    assert [rounded_to_cents(Decimal(text)) for text in ("14.9", "15", "4.9")] == [10, 20, 0]
    assert units(0.1) == 100


def test_conversion_is_at_the_documented_rates_and_rounds_towards_nothing() -> None:
    rates = rules().rates
    assert convert(1000, Currency.USD, Currency.HKD, rates) == 7800
    assert convert(7800, Currency.HKD, Currency.USD, rates) == 1000
    assert convert(-1001, Currency.HKD, Currency.USD, rates) == -128
    assert convert(5, Currency.CNH, Currency.CNH, rates) == 5


def test_the_fees_of_a_hong_kong_purchase() -> None:
    # 100 shares at 500: 50 000 dollars.
    fees = {name: fee / 1000 for name, fee in fees_of(TENCENT, 50_000_000, 100, buys=True).items()}
    assert fees == {
        "Commission": 15.0,
        "Platform Fees": 15.0,
        "Trading Fees": 2.83,
        "SFC Levy": 1.35,
        "AFRC Levy": 0.08,
        "Settlement Fees": 2.1,
        "Stamp Duty": 50.0,
    }


def test_fees_of_one_side_and_bounds() -> None:
    apple = MARKET.instrument("US.AAPL")
    bought = fees_of(apple, 260_000, 1, buys=True)
    sold = fees_of(apple, 260_000 * 10**6, 10**6, buys=False)
    assert bought["Commission"] == 990
    assert bought["SEC Fees"] == 0
    assert sold["Trading Activity Fees"] == 8300
    assert not sum(fees_of(apple, 0, 0, buys=True).values())


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=20), st.booleans())
def test_fees_never_fall_when_more_is_filled(parts: list[int], buys: bool) -> None:
    last: dict[str, int] = {}
    quantity = 0
    for part in parts:
        quantity += part
        fees = fees_of(TENCENT, quantity * 7_150, quantity, buys=buys)
        assert all(fee >= last.get(name, 0) and fee % 10 == 0 for name, fee in fees.items())
        last = fees


def test_a_holding_keeps_its_mean_cost_and_realises_the_rest() -> None:
    held = Position(1, TENCENT)
    held.trade(300, 100_000, day=1)
    held.trade(100, 140_000, day=1)
    assert (held.qty, held.cost) == (400, 44_000_000)
    assert held.trade(-100, 150_000, day=2) == 4_000_000
    assert (held.cost, held.realized, held.spent) == (33_000_000, 4_000_000, 29_000_000)
    assert held.unrealized(100_000) == -3_000_000
    assert (held.on(2).sold, held.on(2).bought, held.on(3).sold) == (100, 0, 0)


def test_a_futures_position_turns_over_through_nothing() -> None:
    held = Position(1, HSI)
    held.trade(2, 26_000_000, day=1)
    assert held.trade(-5, 26_100_000, day=1) == 2 * 100_000 * 50
    assert (held.qty, held.cost) == (-3, 3 * 26_100_000 * 50)
    assert held.unrealized(26_000_000) == 3 * 100_000 * 50
    assert held.trade(3, 26_000_000, day=1) == 3 * 100_000 * 50
    assert (held.qty, held.cost) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(-500, 500).filter(bool), st.integers(1, 10**6)),
        min_size=1,
        max_size=30,
    )
)
def test_cash_and_value_of_a_holding_add_up(trades: list[tuple[int, int]]) -> None:
    held, cash, realized = Position(1, TENCENT), 0, 0
    for change, price in trades:
        cash -= change * price
        realized += held.trade(change, price, day=1)
    price = trades[-1][1]
    assert held.qty == sum(change for change, _ in trades)
    assert cash + held.value(price) == realized + held.unrealized(price)
    assert held.realized == realized
