"""Trading as clients see it: the lock, the queries, the pushes, replayed packets."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from futukit import sync
from futukit.errors import ServerError
from futukit.messages import (
    common,
    keep_alive,
    qot_get_order_book,
    trd_flow_summary,
    trd_get_acc_list,
    trd_get_funds,
    trd_modify_order,
    trd_place_combo_order,
    trd_place_order,
    trd_sub_acc_push,
    trd_unlock_trade,
    trd_update_order,
    trd_update_order_fill,
)
from futukit.messages.trd_common import (
    Currency,
    ModifyOrderOp,
    OrderStatus,
    OrderType,
    SecurityFirm,
    TrdAcc,
    TrdCategory,
    TrdEnv,
    TrdFilterConditions,
    TrdHeader,
    TrdMarket,
    TrdSide,
)
from futukit.sim import SimulatedOpenD, refusal
from tests.unit.sim.raw_client import RawClient, security

MD5 = hashlib.md5(b"123456").hexdigest()
HK, US = TrdMarket.HK, TrdMarket.US


def header_of(account: TrdAcc, market: TrdMarket | None = None) -> TrdHeader:
    return TrdHeader(
        trd_env=account.trd_env,
        acc_id=account.acc_id,
        trd_market=market or account.trd_market_auth_list[0],
    )


class Trader:
    """A raw client that trades; its packets carry its own connection and rising serials."""

    def __init__(self, raw: RawClient, env: TrdEnv = TrdEnv.SIMULATE) -> None:
        self.raw = raw
        c2s = trd_get_acc_list.C2S(user_id=0, need_general_sec_account=True)
        accounts = raw.ask(2001, c2s).acc_list
        self.account = next(a for a in accounts if a.trd_env == env)
        self.header = header_of(self.account)
        self.serial = 0

    def packet(self) -> common.PacketID:
        self.serial += 1
        return common.PacketID(conn_id=self.raw.welcome.conn_id, serial_no=self.serial)

    def order(self, price: float, qty: float = 100.0, **changed: Any) -> trd_place_order.C2S:
        chosen: dict[str, Any] = {
            "packet_id": self.packet(),
            "header": self.header,
            "trd_side": TrdSide.BUY,
            "order_type": OrderType.NORMAL,
            "code": "00700",
            **changed,
        }
        return trd_place_order.C2S(qty=qty, price=price, **chosen)

    def modify(self, order_id_ex: str, op: ModifyOrderOp, **changed: Any) -> trd_modify_order.C2S:
        return trd_modify_order.C2S(
            packet_id=self.packet(),
            header=self.header,
            order_id=0,
            order_id_ex=order_id_ex,
            modify_order_op=op,
            **changed,
        )

    def pushed(self) -> list[tuple[int, Any]]:
        """(proto id, row) of the pushes so far."""
        return [
            (
                frame.proto_id,
                getattr(frame.read().s2c, "order", None) or frame.read().s2c.order_fill,
            )
            for frame in self.raw.sync()
            if frame.proto_id in (2208, 2218)
        ]


def test_accounts_by_category_and_universal_ones_when_asked_for(opend: SimulatedOpenD) -> None:
    with sync.connect(opend.url) as client:
        plain = client.trade.get_acc_list().acc_list
        every = client.trade.get_acc_list(need_general_sec_account=True).acc_list
        assert len(every) == len(plain) + 1
        universal = next(a for a in every if a not in plain)
        assert universal.trd_market_auth_list == (HK, US, TrdMarket.HKCC)
        assert universal.security_firm == SecurityFirm.FUTU_SECURITIES
        assert universal.uni_card_num
        futures = client.trade.get_acc_list(trd_category=TrdCategory.FUTURE).acc_list
        assert {a.trd_market_auth_list for a in futures} == {
            (TrdMarket.FUTURES,),
            (TrdMarket.FUTURES_SIMULATE_HK,),
            (TrdMarket.FUTURES_SIMULATE_US,),
        }
        assert client.trade.get_acc_list(trd_category=TrdCategory.CRYPTO).acc_list == ()
        papers = [a for a in plain if a.trd_env == TrdEnv.SIMULATE]
        assert all(a.security_firm is None and a.card_num is None for a in papers)


def test_real_accounts_are_locked_until_one_connection_unlocks_for_all(
    opend: SimulatedOpenD,
) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port) as other:
        trader, neighbour = Trader(raw, TrdEnv.REAL), Trader(other, TrdEnv.REAL)
        locked = raw.call(2202, trader.order(500.0))
        assert (locked.ret_type, locked.err_code) == (-1, refusal.LOCKED)
        assert "locked" in locked.ret_msg
        for md5 in ("0" * 32, MD5[:-1], "", None, "é"):
            wrong = raw.call(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=md5))
            assert (wrong.ret_type, wrong.err_code) == (-1, refusal.WRONG_PASSWORD)
        firm = SecurityFirm.FUTU_INC
        raw.ask(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=MD5, security_firm=firm))
        assert other.call(2202, neighbour.order(500.0)).err_code == refusal.LOCKED
        raw.ask(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=MD5.upper()))
        placed = other.ask(2202, neighbour.order(500.0))
        raw.ask(2005, trd_unlock_trade.C2S(unlock=False))
        cancel = neighbour.modify(placed.order_id_ex, ModifyOrderOp.CANCEL)
        assert other.call(2205, cancel).err_code == refusal.LOCKED
        nobody = trd_unlock_trade.C2S(unlock=False, security_firm=SecurityFirm.FUTU_JP)
        assert "no account at" in raw.refused(2005, nobody)


def test_the_password_is_set_and_never_shown() -> None:
    with SimulatedOpenD(freeze=True, trade_password="geheim") as opend:
        assert "geheim" not in repr(opend.opend.settings)
        md5 = hashlib.md5(b"geheim").hexdigest()
        with RawClient(opend.port) as raw:
            raw.refused(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=MD5))
            raw.ask(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=md5))


def test_an_order_is_there_before_its_answer_and_pushed_after_it(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port) as other:
        trader, stranger = Trader(raw), Trader(other)
        raw.ask(2008, trd_sub_acc_push.C2S(acc_id_list=(trader.account.acc_id,)))
        raw.subscribe(("HK.00700",), 2)
        book = raw.ask(3012, qot_get_order_book.C2S(security=security("HK.00700"), num=2))
        best, second = book.order_book_ask_list
        qty = best.volume + 100.0
        placed = raw.ask(2202, trader.order(best.price, qty, remark="mine"))
        rows = opend.trading.accounts[trader.account.acc_id].orders
        assert list(rows) == [placed.order_id_ex]
        raw.call(1004, keep_alive.C2S(time=0))
        frames = [f for f in raw.pushes if f.proto_id == 3013]
        asks = frames[-1].read().s2c.order_book_ask_list
        assert asks[0].price == second.price
        pushed = trader.pushed()
        statuses = [row.order_status.name for proto_id, row in pushed if proto_id == 2208]
        assert statuses[:2] == ["SUBMITTING", "SUBMITTED"]
        assert set(statuses[2:]) == {"FILLED_PART"}
        fills = [row for proto_id, row in pushed if proto_id == 2218]
        assert sum(row.qty for row in fills) == best.volume
        assert {row.order_id_ex for row in fills} == {placed.order_id_ex}
        assert pushed[-2][1].remark == "mine"
        assert stranger.pushed() == []
        raw.ask(2205, trader.modify(placed.order_id_ex, ModifyOrderOp.CANCEL))
        assert [row.order_status for _, row in trader.pushed()] == [OrderStatus.CANCELLED_PART]
        assert "is CANCELLED_PART" in raw.refused(
            2205, trader.modify(placed.order_id_ex, ModifyOrderOp.CANCEL)
        )


def test_pushes_end_with_the_connection_or_another_list(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        trader = Trader(raw)
        unknown = raw.call(2008, trd_sub_acc_push.C2S(acc_id_list=(1,)))
        assert unknown.err_code == refusal.UNKNOWN_ACCOUNT
        raw.ask(2008, trd_sub_acc_push.C2S(acc_id_list=(trader.account.acc_id,)))
        raw.ask(2202, trader.order(500.0))
        assert len(trader.pushed()) == 2
        raw.ask(2008, trd_sub_acc_push.C2S())
        raw.ask(2202, trader.order(500.0))
        assert trader.pushed() == []
        raw.ask(2008, trd_sub_acc_push.C2S(acc_id_list=(trader.account.acc_id,)))
    with RawClient(opend.port) as raw:
        again = Trader(raw)
        raw.ask(2202, again.order(500.0))
        assert again.pushed() == []


def test_a_packet_counts_once_and_on_its_own_connection(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port) as other:
        trader = Trader(raw)
        order = trader.order(500.0)
        raw.ask(2202, order)
        again = raw.call(2202, order)
        assert (again.ret_type, again.err_code) == (-1, refusal.REPLAYED)
        assert "used before" in again.ret_msg
        assert "this connection is" in other.refused(2202, trader.order(500.0))
        replayed = trader.modify("x", ModifyOrderOp.CANCEL)
        assert raw.call(2205, replayed).err_code == refusal.UNKNOWN_ORDER
        assert raw.call(2205, replayed).err_code == refusal.REPLAYED
        combo = trd_place_combo_order.C2S(
            packet_id=replayed.packet_id,
            header=trader.header,
            qty=1.0,
            order_type=OrderType.NORMAL,
        )
        assert raw.call(2227, combo).err_code == refusal.REPLAYED


def test_a_session_of_our_own_client(opend: SimulatedOpenD) -> None:
    """Place, be filled as the market moves, change, cancel all, look back."""
    with sync.connect(opend.url) as client:
        account = next(
            a for a in client.trade.get_acc_list().acc_list if a.trd_env == TrdEnv.SIMULATE
        )
        header = header_of(account)
        client.trade.sub_acc_push(acc_id_list=[account.acc_id])
        orders = client.pushes(trd_update_order.Response)
        fills = client.pushes(trd_update_order_fill.Response)
        snapshot = opend.opend.market.order_book("HK.00700", 1)
        common_terms: dict[str, Any] = {
            "header": header,
            "order_type": OrderType.NORMAL,
            "code": "00700",
        }
        buy = client.trade.place_order(
            trd_side=TrdSide.BUY, qty=100, price=snapshot.bids[0].price, **common_terms
        )
        sell = client.trade.place_order(trd_side=TrdSide.SELL, qty=300, price=700.0, **common_terms)
        opend.advance(120)
        while (row := next(orders).order).order_status != OrderStatus.FILLED_ALL:
            pass
        assert (row.order_id_ex, row.fill_avg_price) == (buy.order_id_ex, row.price)
        assert next(fills).order_fill.order_id_ex == buy.order_id_ex
        client.trade.modify_order(
            header=header,
            order_id=sell.order_id or 0,
            modify_order_op=ModifyOrderOp.NORMAL,
            qty=200,
            price=690.0,
        )
        (waiting,) = client.trade.get_order_list(
            header=header, filter_status_list=[OrderStatus.SUBMITTED]
        ).order_list
        assert (waiting.qty, waiting.price, waiting.order_id_ex) == (200, 690.0, sell.order_id_ex)
        client.trade.modify_order(
            header=header,
            order_id=0,
            modify_order_op=ModifyOrderOp.CANCEL,
            for_all=True,
            trd_market=HK,
        )
        with pytest.raises(ServerError, match="is CANCELLED_ALL"):
            client.trade.modify_order(
                header=header,
                order_id=0,
                order_id_ex=sell.order_id_ex,
                modify_order_op=ModifyOrderOp.CANCEL,
            )
        today = TrdFilterConditions(begin_time="2026-03-02", end_time="2026-03-02")
        past = client.trade.get_history_order_list(header=header, filter_conditions=today)
        assert [row.order_id_ex for row in past.order_list] == [sell.order_id_ex, buy.order_id_ex]
        deals = client.trade.get_order_fill_list(header=header).order_fill_list
        assert (
            deals
            == client.trade.get_history_order_fill_list(
                header=header, filter_conditions=today
            ).order_fill_list
        )
        with pytest.raises(ServerError, match="beginTime and endTime"):
            client.trade.get_history_order_list(
                header=header, filter_conditions=TrdFilterConditions()
            )
        (fee,) = client.trade.get_order_fee(
            header=header, order_id_ex_list=[buy.order_id_ex or "", "unknown"]
        ).order_fee_list
        assert fee.fee_amount == pytest.approx(sum(item.value or 0 for item in fee.fee_list))
        flows = client.trade.flow_summary(
            header=header,
            clearing_date="2026-03-02",
            cash_flow_direction=trd_flow_summary.TrdCashFlowDirection.OUT,
        ).flow_summary_info_list
        spent = sum(flow.cash_flow_amount or 0 for flow in flows)
        funds = client.trade.get_funds(header=header).funds
        assert funds is not None
        assert funds.cash == pytest.approx(1_000_000 + spent)
        assert funds.frozen_cash == 0
        (held, *_) = client.trade.get_position_list(header=header).position_list
        assert (held.qty, held.td_buy_qty, held.can_sell_qty) == (1100, 100, 1100)


def test_orders_are_filtered_by_everything(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, sync.connect(opend.url) as client:
        trader = Trader(raw)
        one = raw.ask(2202, trader.order(500.0))
        two = raw.ask(2202, trader.order(480.0))

        def found(**conditions: Any) -> list[str]:
            wanted = TrdFilterConditions(**conditions)
            rows = client.trade.get_order_list(header=trader.header, filter_conditions=wanted)
            return [row.order_id_ex for row in rows.order_list]

        both = [two.order_id_ex, one.order_id_ex]
        assert found() == found(code_list=("00700",)) == found(filter_market=HK) == both
        assert found(filter_market=TrdMarket.UNKNOWN) == both
        assert found(code_list=("00388",)) == found(filter_market=US) == []
        assert found(id_list=(one.order_id,)) == [one.order_id_ex]
        assert found(order_id_ex_list=(two.order_id_ex,)) == [two.order_id_ex]
        assert found(end_time="2026-03-01") == found(begin_time="2026-03-03") == []
        assert found(begin_time="2026-03-02 10:15:00") == both


def test_funds_and_quantities_of_a_universal_account(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, sync.connect(opend.url) as client:
        header = Trader(raw, TrdEnv.REAL).header
        in_hkd = client.trade.get_funds(header=header, currency=Currency.HKD).funds
        in_usd = client.trade.get_funds(header=header, currency=Currency.USD).funds
        assert in_hkd is not None
        assert in_usd is not None
        assert in_hkd.cash == 2_000_000 + 200_000 * 7.8 + 500_000 * 1.08
        assert in_usd.total_assets == pytest.approx(in_hkd.total_assets / 7.8, abs=0.01)
        assert {row.currency for row in in_hkd.cash_info_list} == {1, 2, 3}
        assert [row.trd_market for row in in_hkd.market_info_list] == [1, 2, 4]
        assert in_hkd.total_assets == pytest.approx(in_hkd.cash + in_hkd.market_val)
        most = client.trade.get_max_trd_qtys(
            header=header, order_type=OrderType.NORMAL, code="00700", price=500.0
        ).max_trd_qtys
        assert most is not None
        assert most.max_cash_buy == 3900
        assert most.max_position_sell == 1000
        assert (most.max_cash_and_margin_buy or 0) > most.max_cash_buy
        assert most.max_sell_short == 0
        raw.ask(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=MD5))
        trader = Trader(raw, TrdEnv.REAL)
        assert "not enough funds" in raw.refused(
            2202, trader.order(500.0, (most.max_cash_and_margin_buy or 0) + 100)
        )
        raw.ask(2202, trader.order(500.0, most.max_cash_and_margin_buy or 0))
        frozen = client.trade.get_funds(header=header, currency=Currency.HKD).funds
        assert frozen is not None
        assert frozen.power < 500.0 * 100 / 0.25
        assert frozen.frozen_cash > 500.0 * (most.max_cash_and_margin_buy or 0)
        rows = client.trade.get_margin_ratio(
            header=header, security_list=["HK.00700", "HK.28123"]
        ).margin_ratio_info_list
        assert [(row.is_long_permit, row.im_long_ratio) for row in rows] == [
            (True, 30.0),
            (False, 100.0),
        ]


def test_positions_by_code_market_and_profit(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw, sync.connect(opend.url) as client:
        header = Trader(raw, TrdEnv.REAL).header

        def found(**conditions: Any) -> list[str]:
            rows = client.trade.get_position_list(header=header, **conditions).position_list
            return [row.code for row in rows]

        every = found()
        assert every == ["00700", "00005", "AAPL", "600519"]
        assert found(filter_conditions=TrdFilterConditions(code_list=("AAPL",))) == ["AAPL"]
        chinese = TrdFilterConditions(filter_market=TrdMarket.HKCC)
        assert found(filter_conditions=chinese) == ["600519"]
        gains = found(filter_pl_ratio_min=0.0)
        losses = found(filter_pl_ratio_max=0.0)
        assert sorted([*gains, *losses]) == sorted(every)
        assert found(filter_pl_ratio_min=10.0) == []


def test_a_request_about_the_wrong_account_is_refused(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        trader = Trader(raw)
        for header, err_code in (
            (TrdHeader(trd_env=TrdEnv.SIMULATE, acc_id=7, trd_market=HK), 8),
            (TrdHeader(trd_env=TrdEnv.REAL, acc_id=trader.account.acc_id, trd_market=HK), 9),
            (TrdHeader(trd_env=TrdEnv.SIMULATE, acc_id=trader.account.acc_id, trd_market=US), 9),
        ):
            answer = raw.call(2101, trd_get_funds.C2S(header=header))
            assert (answer.ret_type, answer.err_code) == (-1, err_code)
