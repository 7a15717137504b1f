"""Input: bodies out of the simulated market, many and all different, over all codes.

Every set has at least :data:`FEWEST` distinct bodies and takes the codes in turns, so that
neither a repeated body nor a repeated code lets a cache win.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

import msgspec

from benchmarks import requests
from futukit import codec
from futukit.messages import (
    common,
    qot_common,
    qot_get_security_snapshot,
    qot_request_history_kl,
    qot_update_basic_qot,
    qot_update_kl,
    qot_update_order_book,
    qot_update_ticker,
)
from futukit.sim.market import MARKETS, Change, Kind, Market

__all__ = ["FEWEST", "KLINE_ROWS", "Bodies", "BodySet", "interleaved"]

FEWEST: Final = 1000
"""The least number of distinct bodies in a set."""

KLINE_ROWS: Final = 1000
"""Rows of a large K-line answer: the most that OpenD sends at once."""

_TRADES: Final = 20_000
_TICKERS_PER_CODE: Final = 1000
_VIEWS_PER_CODE: Final = 40
_BOOK_LEVELS: Final = 10
_COLD_BODIES: Final = 20_000
_HISTORY_ROWS: Final = 1300
_HISTORY_STEP: Final = 15
_SUCCEED: Final = common.RetType.SUCCEED
_KLType = qot_common.KLType
_RehabType = qot_common.RehabType

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BodySet:
    """Distinct bodies of one message; ``codes`` are the securities that they are about."""

    proto_id: int
    full_name: str
    cls: type[Any]
    bodies: list[bytes]
    codes: frozenset[str]

    def __post_init__(self) -> None:
        if len(self.bodies) < FEWEST or len(set(self.bodies)) < len(self.bodies):
            raise ValueError(
                f"{self.full_name}: {len(set(self.bodies))} distinct of {len(self.bodies)} bodies"
            )


@dataclass(slots=True)
class _Tape:
    """What was seen of one security while the market traded."""

    books: list[Any] = field(default_factory=list)
    quotes: list[Any] = field(default_factory=list)
    snapshots: list[Any] = field(default_factory=list)


def interleaved(groups: Iterable[Sequence[T]]) -> Iterator[T]:
    """One of each group in turns, until all are used up."""
    queues = [iter(group) for group in groups]
    while queues:
        left = []
        for queue in queues:
            for value in queue:
                yield value
                left.append(queue)
                break
        queues = left


def _body_set(proto_id: int, cls: type[Any], by_code: Mapping[str, Sequence[Any]]) -> BodySet:
    """Encode messages, one of each code in turns; equal bodies are taken once."""
    codes = frozenset(code for code, messages in by_code.items() if messages)
    bodies = [codec.encode(message) for message in interleaved(by_code.values())]
    full_name = codec.plan_of(cls).full_name
    return BodySet(proto_id, full_name, cls, list(dict.fromkeys(bodies)), codes)


class Bodies:
    """Body sets of one simulated market with a fixed seed; each is made when first asked for."""

    @cached_property
    def _market(self) -> Market:
        market = Market(seed=1)
        # A regular session everywhere at once, so that all codes trade.
        for name in MARKETS:
            market.set_market_state(name, qot_common.QotMarketState.MORNING)
        market.advance(0)
        return market

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return self._market.keys()

    @cached_property
    def _tapes(self) -> dict[str, _Tape]:
        """What happened until there were enough trades."""
        market = self._market
        tapes = {key: _Tape() for key in self._keys}
        trades = 0
        while trades < _TRADES:
            for event in market.advance(1.0):
                if isinstance(event, Change):
                    trades += len(event.tickers)
                    self._record(event, tapes[event.key])
        return tapes

    def _record(self, change: Change, tape: _Tape) -> None:
        market, key = self._market, change.key
        if change.kinds & Kind.BOOK and len(tape.books) < _VIEWS_PER_CODE:
            book = market.order_book(key, _BOOK_LEVELS)
            if len(book.asks) == len(book.bids) == _BOOK_LEVELS:
                tape.books.append(book)
        if change.kinds & Kind.QUOTE and len(tape.quotes) < _VIEWS_PER_CODE:
            tape.quotes.append(market.basic_qot(key))
            tape.snapshots.append(market.snapshot(key))

    @cached_property
    def codes(self) -> frozenset[str]:
        """Every code of the market."""
        return frozenset(self._keys)

    @cached_property
    def traded_codes(self) -> frozenset[str]:
        """The codes that have an order book and tickers."""
        market = self._market
        return frozenset(key for key in self._keys if market.instrument(key).has_book)

    def tickers(self, rows: int) -> BodySet:
        """Ticker pushes (3011) with ``rows`` trades each."""
        found = self._tickers.get(rows)
        if found is None:
            found = self._tickers[rows] = self._make_tickers(rows)
        return found

    @cached_property
    def _tickers(self) -> dict[int, BodySet]:
        return {}

    def _make_tickers(self, rows: int) -> BodySet:
        by_code = {}
        for key in self._tapes:
            if key in self.traded_codes:
                all_rows = self._market.tickers(key, _TICKERS_PER_CODE)
                # Half of a body's rows were in the one before, as after a reconnect.
                starts = range(0, len(all_rows) - rows + 1, max(1, rows // 2))
                by_code[key] = [self._ticker_push(key, all_rows[at : at + rows]) for at in starts]
        return _body_set(3011, qot_update_ticker.Response, by_code)

    def _ticker_push(self, key: str, rows: tuple[Any, ...]) -> Any:
        security, name = self._named(key)
        s2c = qot_update_ticker.S2C(security=security, name=name, ticker_list=rows)
        return qot_update_ticker.Response(ret_type=_SUCCEED, s2c=s2c)

    def _named(self, key: str) -> tuple[Any, str]:
        return self._market.security(key), self._market.instrument(key).name

    @cached_property
    def cold_tickers(self) -> BodySet:
        """Single-row ticker pushes in which no string ever comes again."""
        warm = self.tickers(1)
        numbers = itertools.count()
        bodies = [
            codec.encode(_with_fresh_strings(codec.decode(warm.cls, body), numbers))
            for body in itertools.islice(itertools.cycle(warm.bodies), _COLD_BODIES)
        ]
        return BodySet(warm.proto_id, warm.full_name, warm.cls, bodies, warm.codes)

    @cached_property
    def order_books(self) -> BodySet:
        """Order book pushes (3013) with ten levels on both sides."""
        by_code = {
            key: [self._book_push(key, book) for book in tape.books]
            for key, tape in self._tapes.items()
        }
        return _body_set(3013, qot_update_order_book.Response, by_code)

    def _book_push(self, key: str, book: Any) -> Any:
        security, name = self._named(key)
        s2c = qot_update_order_book.S2C(
            security=security,
            name=name,
            order_book_ask_list=book.asks,
            order_book_bid_list=book.bids,
            svr_recv_time_bid=book.bid_time,
            svr_recv_time_bid_timestamp=book.bid_timestamp,
            svr_recv_time_ask=book.ask_time,
            svr_recv_time_ask_timestamp=book.ask_timestamp,
            order_book_type=qot_common.OrderBookType.NORMAL,
        )
        return qot_update_order_book.Response(ret_type=_SUCCEED, s2c=s2c)

    @cached_property
    def basic_quotes(self) -> BodySet:
        """Basic quote pushes (3005) of one security each."""
        cls = qot_update_basic_qot.Response
        by_code = {
            key: [
                cls(ret_type=_SUCCEED, s2c=qot_update_basic_qot.S2C(basic_qot_list=(quote,)))
                for quote in tape.quotes
            ]
            for key, tape in self._tapes.items()
        }
        return _body_set(3005, cls, by_code)

    @cached_property
    def snapshots(self) -> BodySet:
        """Snapshot answers (3203) of one security each."""
        cls = qot_get_security_snapshot.Response
        by_code = {
            key: [
                cls(ret_type=_SUCCEED, s2c=qot_get_security_snapshot.S2C(snapshot_list=(row,)))
                for row in tape.snapshots
            ]
            for key, tape in self._tapes.items()
        }
        return _body_set(3203, cls, by_code)

    @cached_property
    def kline_pushes(self) -> BodySet:
        """K-line pushes (3007) of one bar each."""
        by_code = {}
        for key in self._tapes:
            rows = self._market.klines(key, _KLType.K_1MIN, _RehabType.NONE, 100)
            by_code[key] = [self._kline_push(key, row) for row in rows]
        return _body_set(3007, qot_update_kl.Response, by_code)

    def _kline_push(self, key: str, row: Any) -> Any:
        security, name = self._named(key)
        s2c = qot_update_kl.S2C(
            rehab_type=_RehabType.NONE,
            kl_type=_KLType.K_1MIN,
            security=security,
            name=name,
            kl_list=(row,),
        )
        return qot_update_kl.Response(ret_type=_SUCCEED, s2c=s2c)

    @cached_property
    def long_klines(self) -> BodySet:
        """Answers of 1000 bars each to history requests (3103)."""
        by_code = {
            key: [
                self._long_answer(key, rows) for rows in _windows(self._long_history(key, number))
            ]
            for number, key in enumerate(self._keys)
        }
        return _body_set(3103, qot_request_history_kl.Response, by_code)

    def _long_history(self, key: str, number: int) -> tuple[Any, ...]:
        """More than 1000 bars; the codes take changing types, new ones have only minutes."""
        kl_type = (_KLType.K_1MIN, _KLType.K_5MIN, _KLType.K_60MIN)[number % 3]
        rows: tuple[Any, ...] = self._market.klines(key, kl_type, _RehabType.NONE, _HISTORY_ROWS)
        if len(rows) < _HISTORY_ROWS:
            rows = self._market.klines(key, _KLType.K_1MIN, _RehabType.NONE, _HISTORY_ROWS)
        return rows

    def _long_answer(self, key: str, rows: tuple[Any, ...]) -> Any:
        security, name = self._named(key)
        s2c = qot_request_history_kl.S2C(
            security=security, name=name, kl_list=rows, next_req_key=b"next"
        )
        return qot_request_history_kl.Response(ret_type=_SUCCEED, s2c=s2c)

    @cached_property
    def subscriptions(self) -> BodySet:
        """Requests to subscribe (3001): one code with several types."""
        securities = {key: self._market.security(key) for key in self._keys}
        return _body_set(3001, *requests.subscriptions(securities))

    @cached_property
    def history_requests(self) -> BodySet:
        """Requests for K-line history (3103)."""
        securities = {key: self._market.security(key) for key in self._keys}
        return _body_set(3103, *requests.histories(securities))

    @cached_property
    def orders(self) -> BodySet:
        """Requests to place an order (2202) at the prices of real trades."""
        trades = {
            key: self._market.tickers(key, _VIEWS_PER_CODE)
            for key in self._tapes
            if key in self.traded_codes
        }
        return _body_set(2202, *requests.orders(trades))

    @cached_property
    def small_material(self) -> bytes:
        """Bodies of all the small sets, one after the other: material for frames of any size."""
        sets = (self.tickers(1), self.basic_quotes, self.order_books, self.snapshots)
        return b"".join(interleaved(kind.bodies for kind in sets))


def _windows(rows: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Answers to requests that begin a little later each time."""
    for at in range(0, len(rows) - KLINE_ROWS + 1, _HISTORY_STEP):
        yield rows[at : at + KLINE_ROWS]


def _with_fresh_strings(value: Any, numbers: Iterator[int]) -> Any:
    """The message with every string replaced by one of about its length that is used once."""
    if isinstance(value, str):
        return str(next(numbers)).zfill(max(6, len(value)))
    if isinstance(value, tuple):
        return tuple([_with_fresh_strings(item, numbers) for item in value])
    if isinstance(value, msgspec.Struct):
        changes = {
            name: _with_fresh_strings(getattr(value, name), numbers)
            for name in value.__struct_fields__
        }
        return msgspec.structs.replace(value, **changes)
    return value
