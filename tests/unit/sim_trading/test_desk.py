"""What happens to orders: fills, changes, ends of days, triggers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from futukit.messages.common import Session
from futukit.messages.qot_common import QotMarketState
from futukit.messages.trd_common import (
    ModifyOrderOp,
    OrderStatus,
    OrderType,
    TimeInForce,
    TrailType,
    TrdMarket,
    TrdSide,
)
from futukit.sim import refusal
from futukit.sim.refusal import RefusalError
from futukit.sim.trading.changes import Change
from tests.unit.sim_trading.floor import BUY, SELL, TENCENT, THIN, Floor, header

PAPER = "paper hong kong"
S = OrderStatus


@pytest.fixture
def floor() -> Floor:
    return Floor()


def below(floor: Floor, steps: int = 20, key: str = TENCENT) -> float:
    """A price some steps below the best bid."""
    grid = floor.market.instrument(key).grid
    best = round(floor.bids(key)[0].price * 1000)
    return grid.price(grid.number(best) - steps) / 1000


def test_a_buyer_takes_level_after_level_and_rests_with_what_is_left(floor: Floor) -> None:
    account = floor.account("universal")
    first, second = floor.asks()[:2]
    qty = first.volume + second.volume + 300
    order = floor.place(account, TENCENT, BUY, qty, price=second.price)
    assert (order.status, order.left) == (S.FILLED_PART, 300)
    paid = round(first.price * 1000) * first.volume + round(second.price * 1000) * second.volume
    assert order.traded == paid
    assert {fill.price / 1000 for fill in account.fills} == {first.price, second.price}
    told = floor.told()
    assert told[:2] == ["SUBMITTING", "SUBMITTED"]
    assert set(told[2::2]) == {"FILLED_PART"}
    assert sum(told[3::2]) == first.volume + second.volume
    assert floor.bids()[0].price == second.price
    assert floor.asks()[0].price > second.price


def test_a_resting_order_is_filled_when_the_market_comes(floor: Floor) -> None:
    account = floor.account(PAPER)
    order = floor.place(account, TENCENT, BUY, 200, price=floor.bids()[0].price)
    assert order.status == S.SUBMITTED
    floor.told()
    floor.advance_until(lambda: order.status == S.FILLED_ALL)
    assert order.updated == account.fills[-1].time < floor.market.now
    assert floor.told()[-2:-1] == ["FILLED_ALL"]


def test_the_same_orders_get_the_same_fills_however_time_is_cut() -> None:
    seen = []
    for pieces in (1, 60):
        floor = Floor(seed=5)
        account = floor.account(PAPER)
        floor.place(account, TENCENT, BUY, 500, price=floor.bids()[1].price)
        floor.place(
            account, TENCENT, SELL, 300, order_type=OrderType.STOP, aux_price=floor.bids()[2].price
        )
        for _ in range(pieces):
            floor.advance(120 / pieces)
        seen.append([(f.fill_id_ex, f.qty, f.price, f.time) for f in account.fills])
    assert seen[0] == seen[1] != []


def test_ids_are_the_seeds(floor: Floor) -> None:
    again, other = Floor(), Floor(seed=2)
    ids = [list(one.desk.accounts) for one in (floor, again, other)]
    assert ids[0] == ids[1] != ids[2]
    orders = [
        one.place(one.account(PAPER), TENCENT, BUY, 100, price=below(one))
        for one in (floor, again, other)
    ]
    assert orders[0].order_id_ex == orders[1].order_id_ex != orders[2].order_id_ex


def test_a_market_order_takes_what_is_there_and_drops_the_rest(floor: Floor) -> None:
    account = floor.account("universal")
    there = sum(level.volume for level in floor.bids("HK.00005"))
    order = floor.place(account, "HK.00005", SELL, 400, order_type=OrderType.MARKET)
    assert (order.status, order.price) == (S.FILLED_ALL, 0)
    assert there >= 400
    account.cash[account.currency] += 10**12
    all_of_it = sum(level.volume for level in floor.asks())
    big = floor.place(account, TENCENT, BUY, all_of_it + 100, order_type=OrderType.MARKET)
    assert (big.status, big.filled) == (S.CANCELLED_PART, all_of_it)
    assert "no more" in big.error


def test_immediate_or_cancel_and_all_or_nothing(floor: Floor) -> None:
    account = floor.account("universal")
    best = floor.asks()[0]
    some = floor.place(
        account,
        TENCENT,
        BUY,
        best.volume + 100,
        price=best.price,
        time_in_force=TimeInForce.IOC,
    )
    assert (some.status, some.filled) == (S.CANCELLED_PART, best.volume)
    best = floor.asks()[0]
    kind = OrderType.SPECIAL_LIMIT_ALL
    none = floor.place(account, TENCENT, BUY, best.volume + 100, price=best.price, order_type=kind)
    assert (none.status, none.filled) == (S.CANCELLED_ALL, 0)
    full = floor.place(account, TENCENT, BUY, best.volume, price=best.price, order_type=kind)
    assert full.status == S.FILLED_ALL


def test_orders_of_two_accounts_meet(floor: Floor) -> None:
    buyer, seller = floor.account(PAPER), floor.account("hong kong cash")
    grid = floor.market.instrument(TENCENT).grid
    between = grid.price(grid.number(round(floor.asks()[0].price * 1000)) - 1) / 1000
    bid = floor.place(buyer, TENCENT, BUY, 100, price=between)
    ask = floor.place(seller, TENCENT, SELL, 100, price=between)
    assert ask.status == S.FILLED_ALL
    assert bid.status in (S.FILLED_ALL, S.SUBMITTED)


def test_a_change_is_checked_before_anything_happens(floor: Floor) -> None:
    account = floor.account(PAPER)
    order = floor.place(account, TENCENT, BUY, 500, price=below(floor))
    for change, err_code in (
        (Change(qty=50.0), refusal.BAD_QUANTITY),
        (Change(qty=10_000.0), refusal.NO_FUNDS),
        (Change(price=1.234567), refusal.BAD_PRICE),
    ):
        with pytest.raises(RefusalError) as refused:
            floor.desk.modify(account, order, ModifyOrderOp.NORMAL, change)
        assert refused.value.err_code == err_code
        assert (order.qty, order.status) == (500, S.SUBMITTED)
        assert order.book_id is not None
    floor.desk.modify(account, order, ModifyOrderOp.NORMAL, Change(qty=300.0))
    assert (order.qty, order.left, order.status) == (300, 300, S.SUBMITTED)
    best = floor.asks()[0].price
    floor.desk.modify(account, order, ModifyOrderOp.NORMAL, Change(qty=100.0, price=best))
    assert order.status == S.FILLED_ALL
    with pytest.raises(RefusalError, match="is FILLED_ALL") as refused:
        floor.desk.modify(account, order, ModifyOrderOp.CANCEL)
    assert refused.value.err_code == refusal.ORDER_DONE


def test_cancel_disable_enable_delete(floor: Floor) -> None:
    account = floor.account(PAPER)
    frozen = floor.desk.margins.frozen
    order = floor.place(account, TENCENT, BUY, 500, price=below(floor))
    assert sum(frozen(account).values()) > 500 * order.price
    floor.desk.modify(account, order, ModifyOrderOp.DISABLE)
    assert (order.status, order.book_id, frozen(account)) == (S.DISABLED, None, {})
    floor.desk.modify(account, order, ModifyOrderOp.ENABLE)
    assert order.status == S.SUBMITTED
    with pytest.raises(RefusalError, match="DELETE is not possible"):
        floor.desk.modify(account, order, ModifyOrderOp.DELETE)
    floor.desk.modify(account, order, ModifyOrderOp.CANCEL)
    assert (order.status, frozen(account)) == (S.CANCELLED_ALL, {})
    floor.desk.modify(account, order, ModifyOrderOp.DELETE)
    assert S(order.status) == S.DELETED
    with pytest.raises(RefusalError):
        floor.desk.modify(account, order, ModifyOrderOp.ENABLE)
    with pytest.raises(RefusalError, match="no operation"):
        floor.desk.modify(account, order, ModifyOrderOp(0))


def test_cancel_all_keeps_to_its_market(floor: Floor) -> None:
    account = floor.account("universal")
    here = floor.place(account, TENCENT, BUY, 100, price=below(floor))
    there = floor.place(account, "US.AAPL", BUY, 1, price=200.0)
    floor.desk.cancel_all(account, TrdMarket.US)
    assert (here.status, there.status) == (S.SUBMITTED, S.CANCELLED_ALL)
    with pytest.raises(RefusalError, match="changed and cancelled only"):
        floor.desk.modify(account, there, ModifyOrderOp.DELETE)
    floor.desk.cancel_all(account, None)
    assert here.status == S.CANCELLED_ALL


def test_orders_for_the_day_end_with_it_and_others_come_back() -> None:
    floor = Floor(intensity=THIN)
    account = floor.account(PAPER)
    low = below(floor, 60)
    today = floor.place(account, TENCENT, BUY, 100, price=low)
    kept = floor.place(account, TENCENT, BUY, 100, price=low, time_in_force=TimeInForce.GTC)
    dated = floor.place(
        account,
        TENCENT,
        BUY,
        100,
        price=low,
        time_in_force=TimeInForce.GTD,
        expire_time="2026-03-03 11:00:00",
    )
    assert dated.expire_time == "2026-03-03 11:00:00"
    floor.advance(2 * 3600)
    assert today.status == S.SUBMITTED
    floor.advance(4 * 3600)
    ends = datetime(2026, 3, 2, 8, 10, tzinfo=UTC).timestamp()
    assert (today.status, today.updated) == (S.CANCELLED_ALL, ends)
    assert (kept.status, dated.status) == (S.WAITING_SUBMIT, S.WAITING_SUBMIT)
    floor.advance(18 * 3600)
    assert (kept.status, dated.status) == (S.SUBMITTED, S.SUBMITTED)
    opens = datetime(2026, 3, 3, 1, 30, tzinfo=UTC).timestamp()
    assert kept.updated == opens
    floor.advance(3600)
    assert dated.status == S.CANCELLED_ALL


def test_disabled_orders_end_with_their_day_or_date_too() -> None:
    floor = Floor(intensity=THIN)
    account = floor.account(PAPER)
    low = below(floor, 60)
    today = floor.place(account, TENCENT, BUY, 100, price=low)
    kept = floor.place(account, TENCENT, BUY, 100, price=low, time_in_force=TimeInForce.GTC)
    for order in (today, kept):
        floor.desk.modify(account, order, ModifyOrderOp.DISABLE)
    floor.advance(7 * 3600)
    assert (today.status, kept.status) == (S.CANCELLED_ALL, S.DISABLED)
    with pytest.raises(RefusalError):
        floor.desk.modify(account, today, ModifyOrderOp.ENABLE)
    floor.advance(18 * 3600)
    assert kept.status == S.DISABLED
    floor.desk.modify(account, kept, ModifyOrderOp.ENABLE)
    assert S(kept.status) == S.SUBMITTED


def test_us_orders_keep_to_their_sessions(floor: Floor) -> None:
    account = floor.account("paper united states")
    plain = floor.place(account, "US.KO", BUY, 10, price=60.0)
    late = floor.place(account, "US.KO", BUY, 10, price=60.0, outside_hours=True)
    always = floor.place(
        account, "US.KO", BUY, 10, price=60.0, session=Session.ALL, time_in_force=TimeInForce.GTC
    )
    assert [o.status for o in (plain, late, always)] == [
        S.WAITING_SUBMIT,
        S.WAITING_SUBMIT,
        S.SUBMITTED,
    ]
    floor.state("US", QotMarketState.PRE_MARKET_BEGIN)
    assert [o.status for o in (plain, late)] == [S.WAITING_SUBMIT, S.SUBMITTED]
    floor.state("US", QotMarketState.AFTERNOON)
    assert plain.status == S.SUBMITTED
    floor.state("US", QotMarketState.AFTER_HOURS_BEGIN)
    assert [o.status for o in (plain, late)] == [S.CANCELLED_ALL, S.SUBMITTED]
    floor.state("US", QotMarketState.AFTER_HOURS_END)
    assert [o.status for o in (late, always)] == [S.CANCELLED_ALL, S.WAITING_SUBMIT]
    floor.state("US", QotMarketState.OVERNIGHT)
    assert always.status == S.SUBMITTED


def test_a_stop_waits_for_its_price(floor: Floor) -> None:
    account = floor.account(PAPER)
    stop = floor.place(
        account,
        TENCENT,
        SELL,
        100,
        order_type=OrderType.STOP,
        aux_price=floor.bids()[1].price,
    )
    assert stop.status == S.WAITING_SUBMIT
    floor.advance_until(lambda: not stop.live)
    assert S(stop.status) == S.FILLED_ALL
    assert stop.created < account.fills[0].time == int(account.fills[0].time)


def test_a_stop_that_is_reached_already_goes_at_once(floor: Floor) -> None:
    account = floor.account(PAPER)
    over = floor.asks()[2].price
    stop = floor.place(account, TENCENT, SELL, 100, order_type=OrderType.STOP, aux_price=over)
    assert stop.status == S.FILLED_ALL


def test_a_limit_behind_a_trigger_and_its_change(floor: Floor) -> None:
    account = floor.account(PAPER)
    order = floor.place(
        account,
        TENCENT,
        BUY,
        100,
        order_type=OrderType.LIMITIF_TOUCHED,
        price=below(floor, 5),
        aux_price=below(floor, 40),
    )
    assert order.status == S.WAITING_SUBMIT
    floor.desk.modify(account, order, ModifyOrderOp.NORMAL, Change(aux_price=floor.asks()[0].price))
    assert (order.status, order.aux_price) == (S.SUBMITTED, round(floor.asks()[0].price * 1000))


@pytest.mark.parametrize("kind", [OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT])
def test_a_trailing_stop_follows_and_goes(floor: Floor, kind: OrderType) -> None:
    account = floor.account(PAPER)
    order = floor.place(
        account,
        TENCENT,
        SELL,
        100,
        order_type=kind,
        trail_type=TrailType.AMOUNT,
        trail_value=0.6,
        trail_spread=0.4,
    )
    assert order.trigger is not None
    first = order.trigger.level
    trigger = order.trigger
    floor.advance_until(lambda: trigger.fired)
    assert trigger.level >= first
    assert order.status in (S.FILLED_ALL, S.SUBMITTED)


def test_a_trigger_that_nobody_can_pay_any_more_fails(floor: Floor) -> None:
    account = floor.account(PAPER)
    order = floor.place(
        account, TENCENT, BUY, 100, order_type=OrderType.STOP, aux_price=floor.asks()[0].price
    )
    account.cash[account.currency] = 1
    floor.advance_until(lambda: not order.live)
    assert order.status == S.FAILED
    assert "not enough funds" in order.error


def test_selling_short_and_buying_back(floor: Floor) -> None:
    account = floor.account("universal")
    sold = floor.place(account, "HK.00388", SELL, 200, order_type=OrderType.MARKET)
    assert (sold.side, sold.status) == (TrdSide.SELL_SHORT, S.FILLED_ALL)
    assert account.held(sold.inst) == -200
    with pytest.raises(RefusalError, match="200 can be bought back"):
        floor.place(account, "HK.00388", BUY, 300, order_type=OrderType.MARKET)
    back = floor.place(account, "HK.00388", BUY, 200, order_type=OrderType.MARKET)
    assert (back.side, account.held(sold.inst)) == (TrdSide.BUY_BACK, 0)
    with pytest.raises(RefusalError, match="no position"):
        floor.place(floor.account("hong kong cash"), "HK.00388", SELL, 100, price=415.0)


def test_futures_go_both_ways_on_margin(floor: Floor) -> None:
    account = floor.account("futures")
    opened = floor.place(account, "HK.HSImain", SELL, 3, order_type=OrderType.MARKET)
    assert (opened.inst.key, opened.side) == ("HK.HSI2603", SELL)
    assert account.held(opened.inst) == -3
    needs = floor.desk.margins.needs(account)
    assert (needs.initial, needs.maintenance) == (360_000_000, 288_000_000)
    turned = floor.place(account, "HK.HSI2603", BUY, 5, order_type=OrderType.MARKET)
    assert (turned.status, account.held(turned.inst)) == (S.FILLED_ALL, 2)
    holding = account.positions["HK.HSI2603"]
    paid_in = account.flows[0].amount
    assert account.cash[account.currency] == paid_in + holding.realized - opened.fee - turned.fee
    with pytest.raises(RefusalError, match="not enough funds"):
        floor.place(account, "HK.HSI2606", BUY, 10, price=floor.last("HK.HSI2606") / 1000)


def test_an_account_is_named_rightly(floor: Floor) -> None:
    account = floor.account(PAPER)
    assert floor.desk.account(header(account)) is account
    right = header(account)
    for wrong, err_code in (
        ({"acc_id": 7}, refusal.UNKNOWN_ACCOUNT),
        ({"trd_env": type(right.trd_env)(1)}, refusal.WRONG_ACCOUNT),
        ({"trd_market": TrdMarket.US}, refusal.WRONG_ACCOUNT),
    ):
        fields = {name: getattr(right, name) for name in ("acc_id", "trd_env", "trd_market")}
        with pytest.raises(RefusalError) as refused:
            floor.desk.account(type(right)(**(fields | wrong)))
        assert refused.value.err_code == err_code
    with pytest.raises(RefusalError, match="unknown order 12"):
        floor.desk.order(account, 12, None)


def test_orders_that_others_put_into_the_market_are_not_the_desks(floor: Floor) -> None:
    floor.market.place(TENCENT, 1, floor.asks()[0].price, 100, owner="somebody else")
    floor.advance(1)
    assert floor.told() == []
