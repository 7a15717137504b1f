"""The pulls of subscribed data: 3004 quote, 3006 K-line, 3008 time-share, 3010 ticker, 3012 order
book, 3014 broker queue. Each needs its subscription on the same connection."""

from __future__ import annotations

from futukit.messages import (
    qot_common,
    qot_get_basic_qot,
    qot_get_broker,
    qot_get_kl,
    qot_get_order_book,
    qot_get_rt,
    qot_get_ticker,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_rows
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles
from futukit.sim.subscriptions import Subscription, Topic
from futukit.sim.topics import KL_SUB_TYPES

__all__ = ["basic_quote", "broker_queue", "klines", "order_book", "tickers", "time_share"]

_SubType = qot_common.SubType


@handles(3004)
def basic_quote(call: Call, c2s: qot_get_basic_qot.C2S) -> qot_get_basic_qot.S2C:
    """The quotes of several securities."""
    if not c2s.security_list:
        raise RefusalError("a security is needed")
    keys = [_subscribed(call, security, _SubType.BASIC)[0] for security in c2s.security_list]
    quotes = tuple(call.opend.market.basic_qot(key) for key in keys)
    return qot_get_basic_qot.S2C(basic_qot_list=quotes)


@handles(3006)
def klines(call: Call, c2s: qot_get_kl.C2S) -> qot_get_kl.S2C:
    """The last K-lines of one security, oldest first."""
    check_rows(call.proto_id, c2s.req_num, "reqNum")
    sub_type = KL_SUB_TYPES.get(c2s.kl_type)
    if sub_type is None:
        raise RefusalError(f"there is no K-line of type {int(c2s.kl_type)}")
    key, _ = _subscribed(call, c2s.security, sub_type)
    rows = call.opend.market.klines(key, c2s.kl_type, c2s.rehab_type, c2s.req_num)
    return qot_get_kl.S2C(security=c2s.security, name=_name(call, key), kl_list=rows)


@handles(3008)
def time_share(call: Call, c2s: qot_get_rt.C2S) -> qot_get_rt.S2C:
    """The day's minutes so far."""
    key, _ = _subscribed(call, c2s.security, _SubType.RT)
    rows = call.opend.market.rt(key)
    return qot_get_rt.S2C(security=c2s.security, name=_name(call, key), rt_list=rows)


@handles(3010)
def tickers(call: Call, c2s: qot_get_ticker.C2S) -> qot_get_ticker.S2C:
    """The last trades of the sessions that are subscribed, oldest first."""
    check_rows(call.proto_id, c2s.max_ret_num, "maxRetNum")
    key, subscription = _subscribed(call, c2s.security, _SubType.TICKER)
    rows = call.opend.publisher.tickers(key, c2s.max_ret_num, subscription.session)
    return qot_get_ticker.S2C(security=c2s.security, name=_name(call, key), ticker_list=rows)


@handles(3012)
def order_book(call: Call, c2s: qot_get_order_book.C2S) -> qot_get_order_book.S2C:
    """The best levels of both sides."""
    check_rows(call.proto_id, c2s.num, "num")
    odd = c2s.order_book_type == qot_common.OrderBookType.ODD
    wanted = _SubType.ORDER_BOOK_ODD if odd else _SubType.ORDER_BOOK
    key, subscription = _subscribed(call, c2s.security, wanted)
    view = call.opend.market.order_book(key, c2s.num, subscription.detail)
    return qot_get_order_book.S2C(
        security=c2s.security,
        name=_name(call, key),
        order_book_ask_list=view.asks,
        order_book_bid_list=view.bids,
        svr_recv_time_bid=view.bid_time,
        svr_recv_time_bid_timestamp=view.bid_timestamp,
        svr_recv_time_ask=view.ask_time,
        svr_recv_time_ask_timestamp=view.ask_timestamp,
        order_book_type=qot_common.OrderBookType.NORMAL,
    )


@handles(3014)
def broker_queue(call: Call, c2s: qot_get_broker.C2S) -> qot_get_broker.S2C:
    """The brokers waiting at the best levels."""
    key, _ = _subscribed(call, c2s.security, _SubType.BROKER)
    view = call.opend.market.brokers(key)
    return qot_get_broker.S2C(
        security=c2s.security,
        name=_name(call, key),
        broker_ask_list=view.asks,
        broker_bid_list=view.bids,
    )


def _subscribed(
    call: Call, security: qot_common.Security, sub_type: int
) -> tuple[str, Subscription]:
    key = call.key_of(security)
    topic = Topic(key, int(sub_type))
    return key, call.opend.book.require(call.peer.connection_id, topic)


def _name(call: Call, key: str) -> str:
    return call.opend.market.instrument(key).name
