"""Subscriptions, pulls and pushes, as a client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.messages import (
    common,
    qot_common,
    qot_get_basic_qot,
    qot_get_broker,
    qot_get_kl,
    qot_get_order_book,
    qot_get_rt,
    qot_get_sub_info,
    qot_get_ticker,
    qot_reg_qot_push,
    qot_sub,
)
from futukit.sim import SimulatedOpenD
from futukit.sim.topics import KL_TYPES
from tests.unit.sim.raw_client import SUB, RawClient, securities, security

BASIC, BOOK, TICKER, RT, BROKER, KL_1MIN, KL_DAY = 1, 2, 4, 5, 14, 11, 6
TENCENT = "HK.00700"
FORWARD = qot_common.RehabType.FORWARD
K_1MIN = qot_common.KLType.K_1MIN

PULLS: list[tuple[int, int, Any]] = [
    (3004, BASIC, qot_get_basic_qot.C2S(security_list=securities(TENCENT))),
    (
        3006,
        KL_1MIN,
        qot_get_kl.C2S(rehab_type=FORWARD, kl_type=K_1MIN, security=security(TENCENT), req_num=10),
    ),
    (3008, RT, qot_get_rt.C2S(security=security(TENCENT))),
    (3010, TICKER, qot_get_ticker.C2S(security=security(TENCENT), max_ret_num=10)),
    (3012, BOOK, qot_get_order_book.C2S(security=security(TENCENT), num=10)),
    (3014, BROKER, qot_get_broker.C2S(security=security(TENCENT))),
]


@pytest.mark.parametrize(("proto_id", "sub_type", "c2s"), PULLS)
def test_a_pull_needs_its_subscription_on_this_connection(
    opend: SimulatedOpenD, proto_id: int, sub_type: int, c2s: Any
) -> None:
    with RawClient(opend.port) as raw, RawClient(opend.port) as other:
        assert other.subscribe((TENCENT,), sub_type).ret_type == 0
        why = raw.refused(proto_id, c2s)
        assert f"{TENCENT} type {sub_type} is not subscribed" in why
        assert raw.subscribe((TENCENT,), sub_type).ret_type == 0
        assert raw.ask(proto_id, c2s) is not None


def test_what_is_pulled_is_what_was_pushed(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), BASIC, BOOK, TICKER, RT, KL_1MIN, KL_DAY, BROKER)
        opend.advance(30)
        last = {frame.proto_id: frame.read().s2c for frame in raw.sync()}
        answers = {proto_id: raw.ask(proto_id, c2s) for proto_id, _, c2s in PULLS}
        assert last[3005].basic_qot_list == answers[3004].basic_qot_list
        assert last[3009].rt_list[-1] == answers[3008].rt_list[-1]
        assert last[3011].ticker_list[-1] == answers[3010].ticker_list[-1]
        assert last[3013].order_book_bid_list == answers[3012].order_book_bid_list
        assert last[3013].order_book_ask_list == answers[3012].order_book_ask_list
        assert last[3015].broker_bid_list == answers[3014].broker_bid_list
        day = qot_get_kl.C2S(
            rehab_type=FORWARD,
            kl_type=qot_common.KLType.DAY,
            security=security(TENCENT),
            req_num=1,
        )
        (bar,) = raw.ask(3006, day).kl_list
        quote = answers[3004].basic_qot_list[0]
        assert (bar.volume, bar.close_price) == (quote.volume, quote.cur_price)


def test_tickers_are_pushed_once_each_and_in_order(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), TICKER)
        opend.advance(60)
        rows = [row for frame in raw.sync() for row in frame.read().s2c.ticker_list]
        sequences = [row.sequence for row in rows]
        assert sequences == sorted(set(sequences))
        pulled = raw.ask(3010, qot_get_ticker.C2S(security=security(TENCENT), max_ret_num=1000))
        assert pulled.ticker_list[-len(rows) :] == tuple(rows)


def test_the_first_push_follows_the_answer(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), BASIC, BOOK, TICKER, BROKER, KL_1MIN, RT, is_first_push=True)
        assert raw.pushes == []
        assert [frame.proto_id for frame in raw.sync()] == [3005, 3013, 3011, 3015, 3007, 3009]


def test_the_first_push_is_the_default_and_can_be_declined(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), BASIC, is_first_push=None)
        assert len(raw.sync()) == 1
        raw.subscribe((TENCENT,), BOOK, is_first_push=False)
        assert raw.sync() == []


def test_without_registering_nothing_is_pushed(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), BASIC, TICKER, is_reg_or_un_reg_push=None)
        opend.advance(30)
        assert raw.sync() == []
        register = qot_reg_qot_push.C2S(
            security_list=securities(TENCENT),
            sub_type_list=(qot_common.SubType.TICKER,),
            is_reg_or_un_reg=True,
            is_first_push=False,
        )
        raw.ask(3002, register)
        opend.advance(30)
        assert {frame.proto_id for frame in raw.sync()} == {3011}
        raw.ask(
            3002,
            qot_reg_qot_push.C2S(
                security_list=securities(TENCENT),
                sub_type_list=(qot_common.SubType.TICKER,),
                is_reg_or_un_reg=False,
            ),
        )
        opend.advance(30)
        assert raw.sync() == []
        assert "not subscribed" in raw.refused(
            3002,
            qot_reg_qot_push.C2S(
                security_list=securities("HK.00005"),
                sub_type_list=(qot_common.SubType.TICKER,),
                is_reg_or_un_reg=True,
            ),
        )


def test_klines_are_pushed_in_each_registered_adjustment(opend: SimulatedOpenD) -> None:
    kinds = (qot_common.RehabType.NONE, qot_common.RehabType.BACKWARD)
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), KL_DAY, reg_push_rehab_type_list=kinds)
        opend.advance(10)
        pushed = {frame.read().s2c.rehab_type for frame in raw.sync()}
        assert pushed == set(kinds)


def test_every_type_of_kline_can_be_subscribed_pulled_and_is_pushed(
    opend: SimulatedOpenD,
) -> None:
    with RawClient(opend.port) as raw:
        assert raw.subscribe((TENCENT,), *KL_TYPES).ret_type == 0
        for kl_type in KL_TYPES.values():
            c2s = qot_get_kl.C2S(
                rehab_type=FORWARD, kl_type=kl_type, security=security(TENCENT), req_num=5
            )
            assert 1 <= len(raw.ask(3006, c2s).kl_list) <= 5
        opend.advance(10)
        pushed = {frame.read().s2c.kl_type for frame in raw.sync()}
        assert pushed == set(KL_TYPES.values())


def test_two_clients_of_one_topic_get_the_same_bodies(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as one, RawClient(opend.port) as other:
        for raw in (one, other):
            raw.subscribe((TENCENT,), BOOK, TICKER)
        opend.advance(20)
        bodies = [[frame.body for frame in raw.sync()] for raw in (one, other)]
        assert bodies[0] == bodies[1] != []


def test_nothing_can_be_unsubscribed_within_a_minute(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), BASIC)
        opend.advance(59)
        raw.sync()
        response = raw.unsubscribe((TENCENT,), BASIC)
        assert (response.ret_type, "in 1.0 seconds" in response.ret_msg) == (-1, True)
        everything = qot_sub.C2S(is_sub_or_un_sub=False, is_unsub_all=True)
        assert "less than a minute ago" in raw.refused(SUB, everything)
        opend.advance(1)
        assert raw.unsubscribe((TENCENT,), BASIC).ret_type == 0
        raw.sync()
        opend.advance(30)
        assert raw.sync() == []


def test_unsubscribe_all_ends_pushes_and_frees_quota(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT, "HK.00005"), BASIC, TICKER)
        assert opend.stats().used_quota == 4
        opend.advance(60)
        raw.sync()
        raw.ask(SUB, qot_sub.C2S(is_sub_or_un_sub=False, is_unsub_all=True))
        assert opend.stats().used_quota == 0
        opend.advance(10)
        assert raw.sync() == []


def test_quota_is_shared_and_its_end_is_an_error() -> None:
    with (
        SimulatedOpenD(freeze=True, quota=3) as opend,
        RawClient(opend.port) as one,
        RawClient(opend.port) as other,
    ):
        assert one.subscribe((TENCENT,), BASIC, TICKER).ret_type == 0
        assert other.subscribe((TENCENT,), BASIC, TICKER).ret_type == 0
        response = other.subscribe((TENCENT,), BOOK, RT)
        assert response.ret_type == -1
        assert "2 needed, 1 of 3 left" in response.ret_msg
        info = other.ask(3003, qot_get_sub_info.C2S())
        assert (info.total_used_quota, info.remain_quota) == (2, 1)
        opend.advance(60)
        assert one.unsubscribe((TENCENT,), BASIC, TICKER).ret_type == 0
        assert other.subscribe((TENCENT,), BOOK, RT).ret_type == -1
        assert other.unsubscribe((TENCENT,), TICKER).ret_type == 0
        assert other.subscribe((TENCENT,), BOOK, RT).ret_type == 0


def test_sub_info_tells_own_and_all_connections(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as one, RawClient(opend.port) as other:
        one.subscribe((TENCENT, "US.AAPL"), BASIC)
        other.subscribe((TENCENT,), TICKER)
        mine = one.ask(3003, qot_get_sub_info.C2S()).conn_sub_info_list
        assert [(row.is_own_conn_data, row.used_quota) for row in mine] == [(True, 2)]
        (row,) = mine[0].sub_info_list
        assert row.sub_type == BASIC
        assert row.security_list == securities(TENCENT, "US.AAPL")
        both = one.ask(3003, qot_get_sub_info.C2S(is_req_all_conn=True))
        assert [row.is_own_conn_data for row in both.conn_sub_info_list] == [True, False]
        assert both.total_used_quota == 3


def test_subscribing_the_impossible_is_refused_whole(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        for keys, types, why in (
            (("HK.99999",), (BASIC,), "HK.99999"),
            (("HK.800000",), (TICKER,), "index or a plate"),
            (("US.AAPL",), (BROKER,), "broker queue"),
            ((TENCENT,), (3,), "type 3 cannot be subscribed"),
            ((TENCENT,), (0,), "type 0 cannot be subscribed"),
            ((), (BASIC,), "a security and a subscription type"),
            ((TENCENT,), (), "a security and a subscription type"),
        ):
            response = raw.subscribe((TENCENT, *keys) if keys else (), *types)
            assert response.ret_type == -1
            assert why in response.ret_msg
        assert opend.stats().used_quota == 0


def test_an_unknown_adjustment_is_refused_and_the_connection_kept(opend: SimulatedOpenD) -> None:
    unknown = (FORWARD, qot_common.RehabType(77))
    with RawClient(opend.port) as raw:
        response = raw.subscribe(
            (TENCENT,), KL_1MIN, reg_push_rehab_type_list=unknown, is_first_push=True
        )
        assert "no adjustment of type 77" in response.ret_msg
        assert opend.stats().used_quota == 0
        raw.subscribe((TENCENT,), KL_1MIN, is_reg_or_un_reg_push=False)
        register = qot_reg_qot_push.C2S(
            security_list=securities(TENCENT),
            sub_type_list=(qot_common.SubType.KL_1MIN,),
            rehab_type_list=unknown,
            is_reg_or_un_reg=True,
        )
        assert "no adjustment of type 77" in raw.refused(3002, register)
        opend.advance(60)
        assert raw.sync() == []


def test_sessions_decide_which_us_tickers_come(opend: SimulatedOpenD) -> None:
    session = common.Session
    with (
        RawClient(opend.port) as regular,
        RawClient(opend.port) as extended,
        RawClient(opend.port) as everything,
    ):
        assert regular.subscribe(("US.AAPL",), TICKER).ret_type == 0
        assert extended.subscribe(("US.AAPL",), TICKER, extended_time=True).ret_type == 0
        assert everything.subscribe(("US.AAPL",), TICKER, session=session.ALL).ret_type == 0
        assert regular.subscribe(("US.AAPL",), TICKER, session=session.OVERNIGHT).ret_type == -1
        clients = (regular, extended, everything)

        def receive(state: str) -> list[bool]:
            opend.set_market_state("US", state)
            opend.advance(120)
            return [bool(raw.sync()) for raw in clients]

        assert receive("PRE_MARKET_BEGIN") == [False, True, True]
        assert receive("OVERNIGHT") == [False, False, True]
        assert receive("MORNING") == [True, True, True]
        assert receive("CLOSED") == [False, False, False]

        c2s = qot_get_ticker.C2S(security=security("US.AAPL"), max_ret_num=1000)
        counts = [len(raw.ask(3010, c2s).ticker_list) for raw in clients]
        assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("num", [0, -1, 1001])
def test_pulls_have_bounds(opend: SimulatedOpenD, num: int) -> None:
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), TICKER, KL_1MIN)
        c2s = qot_get_ticker.C2S(security=security(TENCENT), max_ret_num=num)
        assert "maxRetNum" in raw.refused(3010, c2s)
        bars = qot_get_kl.C2S(
            rehab_type=FORWARD, kl_type=K_1MIN, security=security(TENCENT), req_num=num
        )
        assert "reqNum" in raw.refused(3006, bars)
