"""From what the market did to pushes: who gets what, in which shape.

Everything that several clients want in the same shape is made and encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.core.push import Push
from futukit.messages import (
    common,
    qot_common,
    qot_update_basic_qot,
    qot_update_broker,
    qot_update_kl,
    qot_update_order_book,
    qot_update_rt,
    qot_update_ticker,
)
from futukit.sim.market import Change, Event
from futukit.sim.subscriptions import Subscription, Topic
from futukit.sim.topics import KINDS, KL_TYPES, covers

if TYPE_CHECKING:
    from futukit.sim.app import OpenD
    from futukit.sim.trading.desk import News

__all__ = ["BOOK_LEVELS", "FIRST_PUSH_TICKERS", "Publisher"]

BOOK_LEVELS: Final = 10
"""How many levels of each side an order book push has."""

FIRST_PUSH_TICKERS: Final = 20
"""How many past tickers come with the first push."""

_SUCCEED: Final = common.RetType.SUCCEED
_SubType = qot_common.SubType


class _Shape(NamedTuple):
    """What tells the pushes of one topic apart: clients of one shape get the same bytes."""

    rehab_type: int
    session: int
    detail: bool


class Publisher:
    """Makes the pushes of one OpenD."""

    def __init__(self, opend: OpenD) -> None:
        self._opend = opend
        self._market = opend.market
        self._chains: dict[str, str | None] = {}
        self._makers: dict[int, Callable[[str, _Shape, Change | None], Push | None]] = {
            _SubType.BASIC: self._basic,
            _SubType.ORDER_BOOK: self._order_book,
            _SubType.TICKER: self._ticker,
            _SubType.RT: self._rt,
            _SubType.BROKER: self._broker,
        }

    def publish(self, events: Iterable[Event]) -> None:
        """Push what changed to everybody who registered for it."""
        for event in events:
            if isinstance(event, Change):
                self._publish_change(event)

    def publish_orders(self, news: Iterable[News]) -> None:
        """Push orders and fills to the connections that asked for their account's."""
        for acc_id, proto_id, message in news:
            followers = self._opend.trading.access.followers(acc_id)
            if followers:
                self._opend.push(followers, Push(proto_id, message))

    def first_push(
        self, connection_id: int, topic: Topic, rehab_type: int, subscription: Subscription
    ) -> None:
        """Push what is there already to one connection."""
        shape = _shape(topic.sub_type, rehab_type, subscription)
        push = self._make(topic, shape, None)
        if push is not None:
            self._opend.push((connection_id,), push)

    def chain_of(self, key: str) -> str | None:
        """The underlying of an option, ``None`` for every other security."""
        if key not in self._chains:
            self._chains[key] = self._find_chain(key)
        return self._chains[key]

    def _find_chain(self, key: str) -> str | None:
        if not self._market.instrument(key).is_option:
            return None
        option = self._market.static_info(key).option_ex_data
        return None if option is None else self._market.key_of(option.owner)

    def _publish_change(self, change: Change) -> None:
        kinds = int(change.kinds)
        for sub_type in self._opend.book.types_pushed(change.key):
            if not KINDS[sub_type] & kinds:
                continue
            topic = Topic(change.key, sub_type)
            made: dict[_Shape, Push | None] = {}
            for connection_id, rehab_type, subscription in self._opend.book.receivers(topic):
                shape = _shape(sub_type, rehab_type, subscription)
                if shape not in made:
                    made[shape] = self._make(topic, shape, change)
                push = made[shape]
                if push is not None:
                    self._opend.push((connection_id,), push)

    def _make(self, topic: Topic, shape: _Shape, change: Change | None) -> Push | None:
        """The push of a topic: what ``change`` brought, or all there is when it is ``None``."""
        if topic.sub_type in KL_TYPES:
            return self._kl(topic, shape, change)
        return self._makers[topic.sub_type](topic.security, shape, change)

    def _named(self, key: str) -> tuple[qot_common.Security, str]:
        return self._market.security(key), self._market.instrument(key).name

    def _basic(self, key: str, _shape: _Shape, _change: Change | None) -> Push:
        s2c = qot_update_basic_qot.S2C(basic_qot_list=(self._market.basic_qot(key),))
        return Push(3005, qot_update_basic_qot.Response(ret_type=_SUCCEED, s2c=s2c))

    def _kl(self, topic: Topic, shape: _Shape, change: Change | None) -> Push | None:
        kl_type = KL_TYPES[topic.sub_type]
        rehab_type = qot_common.RehabType(shape.rehab_type)
        if change is None:
            rows = self._market.klines(topic.security, kl_type, rehab_type, 1)
        else:
            rows = self._market.changed_klines(change, kl_type, rehab_type)
        if not rows:
            return None
        security, name = self._named(topic.security)
        s2c = qot_update_kl.S2C(
            rehab_type=rehab_type, kl_type=kl_type, security=security, name=name, kl_list=rows
        )
        return Push(3007, qot_update_kl.Response(ret_type=_SUCCEED, s2c=s2c))

    def _rt(self, key: str, _shape: _Shape, change: Change | None) -> Push | None:
        rows = self._market.rt(key)[-1:] if change is None else self._market.changed_rt(change)
        if not rows:
            return None
        security, name = self._named(key)
        s2c = qot_update_rt.S2C(security=security, name=name, rt_list=rows)
        return Push(3009, qot_update_rt.Response(ret_type=_SUCCEED, s2c=s2c))

    def _ticker(self, key: str, shape: _Shape, change: Change | None) -> Push | None:
        if change is None:
            rows = self.tickers(key, FIRST_PUSH_TICKERS, shape.session)
        else:
            extended = [row.ticker for row in change.extended if covers(shape.session, row.session)]
            rows = _merge(change.tickers, extended)
        if not rows:
            return None
        security, name = self._named(key)
        s2c = qot_update_ticker.S2C(security=security, name=name, ticker_list=rows)
        return Push(3011, qot_update_ticker.Response(ret_type=_SUCCEED, s2c=s2c))

    def tickers(self, key: str, num: int, session: int) -> tuple[qot_common.Ticker, ...]:
        """The last ``num`` tickers of the sessions that a subscription covers, oldest first."""
        extended = [
            row.ticker
            for row in self._market.extended_tickers(key, num)
            if covers(session, row.session)
        ]
        return _merge(self._market.tickers(key, num), extended)[-num:]

    def _order_book(self, key: str, shape: _Shape, _change: Change | None) -> Push:
        view = self._market.order_book(key, BOOK_LEVELS, shape.detail)
        security, name = self._named(key)
        s2c = qot_update_order_book.S2C(
            security=security,
            name=name,
            order_book_ask_list=view.asks,
            order_book_bid_list=view.bids,
            svr_recv_time_bid=view.bid_time,
            svr_recv_time_bid_timestamp=view.bid_timestamp,
            svr_recv_time_ask=view.ask_time,
            svr_recv_time_ask_timestamp=view.ask_timestamp,
            order_book_type=qot_common.OrderBookType.NORMAL,
        )
        return Push(3013, qot_update_order_book.Response(ret_type=_SUCCEED, s2c=s2c))

    def _broker(self, key: str, _shape: _Shape, _change: Change | None) -> Push:
        view = self._market.brokers(key)
        security, name = self._named(key)
        s2c = qot_update_broker.S2C(
            security=security, name=name, broker_ask_list=view.asks, broker_bid_list=view.bids
        )
        return Push(3015, qot_update_broker.Response(ret_type=_SUCCEED, s2c=s2c))


def _shape(sub_type: int, rehab_type: int, subscription: Subscription) -> _Shape:
    """Only what matters for the type, so that clients share as many pushes as can be."""
    return _Shape(
        rehab_type if sub_type in KL_TYPES else 0,
        subscription.session if sub_type == _SubType.TICKER else 0,
        subscription.detail and sub_type == _SubType.ORDER_BOOK,
    )


def _merge(
    regular: tuple[qot_common.Ticker, ...], extended: list[qot_common.Ticker]
) -> tuple[qot_common.Ticker, ...]:
    if not extended:
        return regular
    return tuple(sorted((*regular, *extended), key=lambda row: (row.time, row.sequence)))
