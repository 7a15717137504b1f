"""Fields → values as programs know them: one function each."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import pytest

from futukit.futu import conversions
from futukit.futu._enums import KLType
from futukit.futu.conversions import (
    LACKING,
    MISSING,
    clock,
    code,
    code_or_text,
    codes,
    combo_legs,
    day,
    enums,
    fee_details,
    integer,
    lacking,
    levels,
    listing_date,
    local_timestamp,
    percent,
    pick,
    present,
    security_code,
    sizes,
    text,
    trade_code,
    trading_hours,
    winning_numbers,
)
from futukit.messages import qot_common, trd_common
from futukit.messages.qot_common import OrderBook, OrderBookDetail, QotMarket, Security

TENCENT = Security(market=QotMarket.HK_SECURITY, code="00700")


def row(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**fields)


def test_securities_are_texts() -> None:
    assert code(TENCENT) == "HK.00700"
    assert code(Security(market=QotMarket.US_SECURITY, code=".DJI")) == "US..DJI"
    assert code(Security(market=QotMarket(77), code="x")) == "N/A.x"
    assert codes((TENCENT, TENCENT)) == ["HK.00700", "HK.00700"]
    assert code_or_text(TENCENT) == "HK.00700"
    assert code_or_text("as it is") == "as it is"
    assert security_code(0, "x") == "N/A.x"


@pytest.mark.parametrize("market", list(trd_common.TrdSecMarket))
def test_a_market_of_trading_has_the_prefix_of_its_quote_market(
    market: trd_common.TrdSecMarket,
) -> None:
    number = conversions.QUOTE_MARKETS.get(market, 0)
    assert trade_code(row(sec_market=market, code="1")) == security_code(number, "1")
    assert (number == 0) == (market == trd_common.TrdSecMarket.UNKNOWN)
    assert number in {*map(int, qot_common.QotMarket)}


def test_an_order_without_a_market_has_no_prefix() -> None:
    assert trade_code(row(sec_market=None, code="1")) == "N/A.1"


def test_scalars() -> None:
    assert text(5) == "5"
    assert percent(0.25) == 25.0
    assert present(0) is True
    assert integer(qot_common.KLType.DAY) == 2
    assert type(integer(qot_common.KLType.DAY)) is int
    assert enums([2, 99], KLType) == ["K_DAY", "N/A"]


@pytest.mark.parametrize(
    ("moment", "date", "of_day"),
    [
        ("2024-03-08 09:30:00", "2024-03-08", "09:30:00"),
        ("2024-03-08", "2024-03-08", ""),
        ("", "", ""),
    ],
)
def test_a_moment_has_a_day_and_a_time_of_day(moment: str, date: str, of_day: str) -> None:
    assert (day(moment), clock(moment)) == (date, of_day)


def test_only_an_option_has_no_listing_date() -> None:
    assert listing_date(row(list_time="2004-06-16", option_ex_data=None)) == "2004-06-16"
    assert listing_date(row(list_time="2004-06-16", option_ex_data=object())) == "N/A"
    basic = row(list_time="2004-06-16")
    assert listing_date(row(basic=basic, option_ex_data=None)) == "2004-06-16"


def test_winning_numbers_have_a_line_for_each_kind() -> None:
    rows = [row(winning_name="A", winning_info="1,2"), row(winning_name="B", winning_info="3")]
    assert winning_numbers(rows) == "A:1,2\nB:3"
    assert winning_numbers([]) == ""


def test_trading_hours_before_midnight_are_marked() -> None:
    hours = [row(begin=555.0, end=720.0), row(begin=1035.0, end=180.0)]
    assert trading_hours(hours) == "(09:15 - 12:00), (17:15 - 03:00)"
    assert trading_hours([row(begin=-405.0, end=None)]) == "(17:15(T-1) - 00:00)"
    assert trading_hours([]) == ""


def test_a_column_that_no_row_has_is_none() -> None:
    assert lacking([LACKING, LACKING]) == [None, None]
    column = lacking([1, LACKING])
    assert column[0] == 1
    assert column[1] is MISSING
    assert math.isnan(MISSING)
    assert lacking([]) == []


def test_the_last_row_of_a_kind_is_picked() -> None:
    rows = [row(kind=1, value="a"), row(kind=1, value="b"), row(kind=2, value=None)]
    assert pick(rows, "kind", 1, "value") == "b"
    assert pick(rows, "kind", 2, "value") == "N/A"
    assert pick(rows, "kind", 3, "value") == "N/A"


def test_levels_of_an_order_book() -> None:
    detail = OrderBookDetail(order_id=7, volume=100)
    side = [
        OrderBook(price=1.5, volume=200, oreder_count=3, detail_list=(detail,)),
        OrderBook(price=1.4, volume=1, oreder_count=1, hp_volume=0.5),
    ]
    assert levels(side) == [(1.5, 200, 3, {7: 100}), (1.4, 0.5, 1, {})]
    assert sizes([row(price=0.4, size=12.0)]) == [(0.4, 12.0)]


def test_legs_are_objects() -> None:
    (leg,) = combo_legs([row(security=TENCENT, side=1, qty_ratio=2.0, position_id=None)])
    told = (leg.code, leg.trd_side, leg.qty_ratio, leg.position_id)
    assert told == ("HK.00700", "BUY", 2.0, "N/A")
    (leg,) = combo_legs([row(security=TENCENT, side=99, qty_ratio=None, position_id=5)])
    assert (leg.trd_side, leg.qty_ratio, leg.position_id) == ("N/A", "N/A", 5)


def test_fees_have_a_title_and_an_amount() -> None:
    items = [row(title="Stamp", value=1.5), row(title=None, value=None)]
    assert fee_details(items) == [("Stamp", 1.5), ("", 0.0)]


def test_the_clock_of_a_server_that_does_not_tell_is_ours() -> None:
    assert local_timestamp(row(local_time=12.5)) == 12.5
    before = time.time()
    assert before <= local_timestamp(row(local_time=None)) <= time.time()
