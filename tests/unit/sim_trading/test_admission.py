"""What an order must be: every refusal has its reason and its number."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.messages.common import Session
from futukit.messages.qot_common import QotMarketState
from futukit.messages.trd_common import (
    OrderStatus,
    OrderType,
    TimeInForce,
    TrailType,
    TrdMarket,
    TrdSecMarket,
    TrdSide,
)
from futukit.sim import refusal
from futukit.sim.refusal import RefusalError
from futukit.sim.trading import Account, Terms
from tests.unit.sim_trading.floor import BUY, SELL, TENCENT, THIN, Floor

PAPER = "paper hong kong"


@pytest.fixture(scope="module")
def floor() -> Floor:
    return Floor()


def terms(**changed: Any) -> Terms:
    """A purchase of one lot of Tencent that is fine but for what is changed."""
    fine: dict[str, Any] = {
        "trd_market": TrdMarket.HK,
        "side": BUY,
        "order_type": OrderType.NORMAL,
        "code": "00700",
        "qty": 100.0,
        "price": 500.0,
    }
    return Terms(**(fine | changed))


@pytest.mark.parametrize(
    ("changed", "err_code", "text"),
    [
        ({"code": "99999"}, refusal.UNKNOWN_SECURITY, "unknown security HK.99999"),
        ({"code": "HK.00700"}, refusal.UNKNOWN_SECURITY, "unknown security"),
        ({"sec_market": TrdSecMarket.US}, refusal.UNKNOWN_SECURITY, "secMarket 2"),
        ({"code": "800000"}, refusal.BAD_PARAMETER, "index or a plate"),
        ({"code": "TCH260330C520000"}, refusal.WRONG_ACCOUNT, "does not trade options"),
        ({"trd_market": TrdMarket.US, "code": "AAPL"}, refusal.WRONG_ACCOUNT, "trdMarket US"),
        ({"trd_market": TrdMarket.SG}, refusal.NOT_SIMULATED, "trdMarket SG"),
        ({"qty": 0.0}, refusal.BAD_QUANTITY, "not 0"),
        ({"qty": -100.0}, refusal.BAD_QUANTITY, "not -100"),
        ({"qty": 50.0}, refusal.BAD_QUANTITY, "whole lots of 100"),
        ({"qty": float("nan")}, refusal.BAD_QUANTITY, "nan"),
        ({"qty": 1e18}, refusal.BAD_QUANTITY, "1 to 100000000"),
        ({"price": None}, refusal.BAD_PRICE, "price is needed"),
        ({"price": 0.0}, refusal.BAD_PRICE, "above 0"),
        ({"price": float("inf")}, refusal.BAD_PRICE, "above 0"),
        ({"price": 512.31}, refusal.BAD_PRICE, "price steps"),
        ({"price": 512.31, "adjust": 1e-9}, refusal.BAD_PRICE, "cannot be moved"),
        ({"price": 9999.0}, refusal.BAD_PRICE, "price steps"),
        ({"price": 9000.0}, refusal.BAD_PRICE, "out of bounds"),
        ({"price": 50.0}, refusal.BAD_PRICE, "out of bounds"),
        ({"qty": 5000.0}, refusal.NO_FUNDS, "not enough funds"),
        ({"side": SELL, "qty": 1100.0}, refusal.NO_POSITION, "1000 of HK.00700 can be sold"),
        ({"side": SELL, "code": "00005", "qty": 400.0, "price": 118.0}, 13, "no position"),
        ({"side": TrdSide.SELL_SHORT}, refusal.BAD_PARAMETER, "BUY or SELL"),
        ({"side": TrdSide(0)}, refusal.BAD_PARAMETER, "BUY or SELL"),
        ({"order_type": OrderType.AUCTION}, refusal.NOT_SIMULATED, "AUCTION"),
        ({"order_type": OrderType.TWAP_LIMIT}, refusal.NOT_SIMULATED, "TWAP"),
        ({"order_type": OrderType.STOP}, refusal.BAD_PRICE, "auxPrice"),
        ({"order_type": OrderType.TRAILING_STOP}, refusal.BAD_PRICE, "trailType"),
        (
            {
                "order_type": OrderType.TRAILING_STOP,
                "trail_type": TrailType.RATIO,
                "trail_value": 0.001,
            },
            refusal.BAD_PRICE,
            "too small",
        ),
        (
            {
                "order_type": OrderType.TRAILING_STOP_LIMIT,
                "trail_type": TrailType.RATIO,
                "trail_value": 5.0,
            },
            refusal.BAD_PRICE,
            "trailSpread",
        ),
        ({"remark": "é" * 33}, refusal.BAD_PARAMETER, "64 bytes"),
        ({"time_in_force": TimeInForce(9)}, refusal.BAD_PARAMETER, "timeInForce"),
        ({"time_in_force": TimeInForce.GTD}, refusal.BAD_PARAMETER, "expireTime is needed"),
        (
            {"time_in_force": TimeInForce.GTD, "expire_time": "2020-01-01"},
            refusal.BAD_PARAMETER,
            "is over",
        ),
        (
            {"time_in_force": TimeInForce.GTD, "expire_time": "soon"},
            refusal.BAD_PARAMETER,
            "bad time",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    floor: Floor, changed: dict[str, Any], err_code: int, text: str
) -> None:
    account = floor.account(PAPER)
    with pytest.raises(RefusalError, match=text) as refused:
        floor.desk.place(account, terms(**changed))
    assert refused.value.err_code == err_code
    assert not account.orders
    assert floor.desk.take_news() == []


def test_prices_move_to_a_step_where_that_is_wanted(floor: Floor) -> None:
    account = floor.account(PAPER)
    up = floor.desk.draft(account, terms(price=450.01, adjust=0.015))
    down = floor.desk.draft(account, terms(price=450.01, adjust=-0.015))
    assert (up.price, down.price) == (450_200, 450_000)


def test_decimals_of_quantity_and_price_are_cut_off(floor: Floor) -> None:
    order = floor.desk.draft(floor.account(PAPER), terms(qty=100.9, price=450.0009))
    assert (order.qty, order.price) == (100, 450_000)


def test_china_has_daily_limits_and_no_sale_on_the_day_of_purchase() -> None:
    floor = Floor(intensity=THIN)
    account = floor.account("paper china")
    close = floor.desk.exchange.last_close(floor.market.instrument("SZ.000001")) / 1000
    with pytest.raises(RefusalError, match="out of bounds"):
        floor.place(account, "SZ.000001", BUY, 100, price=round(close * 1.11, 2))
    bought = floor.place(account, "SZ.000858", BUY, 100, order_type=OrderType.MARKET)
    assert bought.status == OrderStatus.FILLED_ALL
    with pytest.raises(RefusalError, match="no position: 0 of"):
        floor.place(account, "SZ.000858", SELL, 100, order_type=OrderType.MARKET)
    floor.advance(24 * 3600)
    sold = floor.place(account, "SZ.000858", SELL, 100, order_type=OrderType.MARKET)
    assert sold.status == OrderStatus.FILLED_ALL


def test_a_closed_market_takes_nothing_but_what_is_good_for_longer() -> None:
    floor = Floor()
    account = floor.account(PAPER)
    floor.state("HK", QotMarketState.CLOSED)
    for order_type in (OrderType.NORMAL, OrderType.MARKET):
        with pytest.raises(RefusalError, match="is closed") as refused:
            floor.place(account, TENCENT, BUY, 100, price=500.0, order_type=order_type)
        assert refused.value.err_code == refusal.MARKET_CLOSED
    kept = floor.place(account, TENCENT, BUY, 100, price=500.0, time_in_force=TimeInForce.GTC)
    assert kept.status == OrderStatus.WAITING_SUBMIT
    floor.state("HK", QotMarketState.REST)
    waits = floor.place(account, TENCENT, BUY, 100, price=500.0)
    assert waits.status == OrderStatus.WAITING_SUBMIT
    floor.state("HK", None)
    assert (kept.status, waits.status) == (OrderStatus.SUBMITTED,) * 2


def test_an_expired_contract_is_over() -> None:
    floor = Floor(intensity=THIN / 50)
    floor.advance(35 * 24 * 3600)
    account = floor.account("paper hong kong futures")
    with pytest.raises(RefusalError, match="expired on 2026-03-30"):
        floor.place(account, "HK.HSI2603", BUY, 1, price=26_000.0)


def test_us_sessions(floor: Floor) -> None:
    """The market of the floor stands in the American night."""
    account: Account = floor.account("paper united states")
    price = floor.last("US.AAPL") // 10 / 100
    waits = floor.place(account, "US.AAPL", BUY, 10, price=price)
    assert waits.status == OrderStatus.WAITING_SUBMIT
    day_and_late = floor.place(account, "US.AAPL", BUY, 10, price=price, outside_hours=True)
    assert day_and_late.status == OrderStatus.WAITING_SUBMIT
    best = floor.asks("US.AAPL")[0].price
    night = floor.place(account, "US.AAPL", BUY, 1, price=best, session=Session.ALL)
    assert night.status == OrderStatus.FILLED_ALL
    with pytest.raises(RefusalError, match="is closed"):
        floor.place(account, "US.AAPL", BUY, 10, order_type=OrderType.MARKET)
