"""What the official SDK shows for a pull is what our own clients got for the same request."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from futukit.messages.qot_common import KLType, RehabType, SubType
from futukit.sim import SimulatedOpenD
from tests.interop import columns
from tests.interop.columns import Columns, assert_rows, enums_of
from tests.interop.faces import Subscribed, ask
from tests.interop.modes import Mode
from tests.interop.official import Official

ONE_OF_EACH = (
    "HK.00700",  # stock
    "US.AAPL",
    "SH.600519",
    "SZ.000001",
    "HK.02800",  # fund
    "HK.800000",  # index
    "US..DJI",
    "HK.28123",  # warrants
    "HK.60123",
    "HK.TCH260330C520000",  # options
    "US.AAPL260320P260000",
    "HK.HSImain",  # future
)
WITH_BOOK = tuple(code for code in ONE_OF_EACH if code not in ("HK.800000", "US..DJI"))

# The SDK's words for K-line types: pulls with every one that can be subscribed.
KLINES = {
    "K_1M": (SubType.KL_1MIN, KLType.K_1MIN),
    "K_3M": (SubType.KL_3MIN, KLType.K_3MIN),
    "K_5M": (SubType.KL_5MIN, KLType.K_5MIN),
    "K_15M": (SubType.KL_15MIN, KLType.K_15MIN),
    "K_30M": (SubType.KL_30MIN, KLType.K_30MIN),
    "K_60M": (SubType.KL_60MIN, KLType.K_60MIN),
    "K_DAY": (SubType.KL_DAY, KLType.DAY),
    "K_WEEK": (SubType.KL_WEEK, KLType.WEEK),
    "K_MON": (SubType.KL_MONTH, KLType.MONTH),
    "K_QUARTER": (SubType.KL_QURATER, KLType.QUARTER),
    "K_YEAR": (SubType.KL_YEAR, KLType.YEAR),
}
REHABS = {"None": RehabType.NONE, "qfq": RehabType.FORWARD, "hfq": RehabType.BACKWARD}


@pytest.fixture(autouse=True)
def after_some_trades(sim: SimulatedOpenD) -> None:
    """Every market has traded a little before anybody looks."""
    sim.advance(90)


def subscribe(official: Official, codes: tuple[str, ...], sub_type: str) -> None:
    official.ok(
        "subscribe",
        code_list=list(codes),
        subtype_list=[sub_type],
        subscribe_push=False,
        is_first_push=False,
    )


@pytest.mark.every_mode
def test_global_state(sim: SimulatedOpenD, official: Official) -> None:
    shown = official.ok("get_global_state", enums=enums_of(columns.STATE))
    state = ask(sim.url, "system.get_global_state")
    assert columns.differences(columns.STATE, shown, state, state) == []


@pytest.mark.every_mode
def test_quotes_of_every_kind_of_security(sim: SimulatedOpenD, official: Official) -> None:
    subscribe(official, ONE_OF_EACH, "QUOTE")
    shown = official.ok(
        "get_stock_quote", code_list=list(ONE_OF_EACH), enums=enums_of(columns.QUOTE)
    )
    answer = ask(
        sim.url,
        "quote.get_basic_qot",
        Subscribed(ONE_OF_EACH, [SubType.BASIC]),
        security_list=ONE_OF_EACH,
    )
    assert [row["code"] for row in shown] == list(ONE_OF_EACH)
    assert_rows(columns.QUOTE, shown, answer.basic_qot_list, answer)


@pytest.mark.every_mode
def test_snapshots_of_every_kind_of_security(sim: SimulatedOpenD, official: Official) -> None:
    codes = (*ONE_OF_EACH, "HK.BK1001")  # and a plate
    shown = official.ok(
        "get_market_snapshot", code_list=list(codes), enums=enums_of(columns.SNAPSHOT)
    )
    answer = ask(sim.url, "quote.get_security_snapshot", security_list=codes)
    assert [row["code"] for row in shown] == list(codes)
    assert_rows(columns.SNAPSHOT, shown, answer.snapshot_list, answer)


@pytest.mark.parametrize("word", KLINES)
def test_klines_of_every_type(sim: SimulatedOpenD, official: Official, word: str) -> None:
    sub_type, kl_type = KLINES[word]
    subscribe(official, ("HK.00700",), word)
    shown = official.ok("get_cur_kline", code="HK.00700", num=50, ktype=word, autype="qfq")
    answer = ask(
        sim.url,
        "quote.get_kl",
        Subscribed(["HK.00700"], [sub_type]),
        security="HK.00700",
        kl_type=kl_type,
        rehab_type=RehabType.FORWARD,
        req_num=50,
    )
    assert shown
    assert_rows(columns.KLINE, shown, answer.kl_list, answer)


@pytest.mark.parametrize("word", REHABS)
def test_klines_of_every_adjustment(sim: SimulatedOpenD, official: Official, word: str) -> None:
    subscribe(official, ("HK.00700",), "K_WEEK")
    shown = official.ok("get_cur_kline", code="HK.00700", num=200, ktype="K_WEEK", autype=word)
    answer = ask(
        sim.url,
        "quote.get_kl",
        Subscribed(["HK.00700"], [SubType.KL_WEEK]),
        security="HK.00700",
        kl_type=KLType.WEEK,
        rehab_type=REHABS[word],
        req_num=200,
    )
    assert len(shown) == 200
    assert_rows(columns.KLINE, shown, answer.kl_list, answer)


class Pull(NamedTuple):
    """A pull of one security: the SDK's method, ours, the table and the rows of our answer."""

    theirs: str
    their_arguments: dict[str, int]
    word: str
    ours: str
    our_arguments: dict[str, int]
    sub_type: SubType
    table: Columns
    rows: str


BY_SECURITY = {
    "time-share": Pull(
        "get_rt_data", {}, "RT_DATA", "quote.get_rt", {}, SubType.RT, columns.TIME_SHARE, "rt_list"
    ),
    "tickers": Pull(
        "get_rt_ticker",
        {"num": 100},
        "TICKER",
        "quote.get_ticker",
        {"max_ret_num": 100},
        SubType.TICKER,
        columns.TICKER,
        "ticker_list",
    ),
}


@pytest.mark.every_mode
@pytest.mark.parametrize("kind", BY_SECURITY)
def test_pulls_by_security(sim: SimulatedOpenD, official: Official, kind: str) -> None:
    pull = BY_SECURITY[kind]
    subscribe(official, WITH_BOOK, pull.word)
    seen = 0
    for code in WITH_BOOK:
        shown = official.ok(
            pull.theirs, code=code, enums=enums_of(pull.table), **pull.their_arguments
        )
        subscribed = Subscribed([code], [pull.sub_type])
        answer = ask(sim.url, pull.ours, subscribed, security=code, **pull.our_arguments)
        assert_rows(pull.table, shown, getattr(answer, pull.rows), answer)
        seen += len(shown)
    assert seen > 50


@pytest.mark.every_mode
def test_order_books(sim: SimulatedOpenD, official: Official) -> None:
    subscribe(official, WITH_BOOK, "ORDER_BOOK")
    for code in WITH_BOOK:
        shown = official.ok(
            "get_order_book", code=code, num=10, enums={"order_book_type": "OrderBookType"}
        )
        answer = ask(
            sim.url,
            "quote.get_order_book",
            Subscribed([code], [SubType.ORDER_BOOK]),
            security=code,
            num=10,
        )
        assert shown == columns.order_book(answer)
    assert shown["Bid"]
    assert shown["Ask"]


@pytest.mark.every_mode
def test_broker_queues(sim: SimulatedOpenD, official: Official) -> None:
    subscribe(official, ("HK.00700", "HK.00005"), "BROKER")
    for code in ("HK.00700", "HK.00005"):
        bids, asks = official.ok("get_broker_queue", code=code)
        answer = ask(
            sim.url,
            "quote.get_broker",
            Subscribed([code], [SubType.BROKER]),
            security=code,
        )
        assert bids
        assert asks
        assert_rows(columns.BROKER_BID, bids, answer.broker_bid_list, answer)
        assert_rows(columns.BROKER_ASK, asks, answer.broker_ask_list, answer)


@pytest.mark.every_mode
def test_history_over_several_pages(sim: SimulatedOpenD, official: Official, mode: Mode) -> None:
    """The SDK's own paging, our page requests and our iteration give the same bars."""
    begin, end = "2025-01-01", "2026-02-27"
    shown: list[dict[str, object]] = []
    pages = 0
    key = None
    while True:
        table, key = official.ok(
            "request_history_kline",
            code="HK.00700",
            start=begin,
            end=end,
            ktype="K_DAY",
            autype="qfq",
            max_count=100 if mode.reads_bytes else 1000,
            page_req_key=key,
        )
        shown += table
        pages += 1
        if key is None:
            break
    assert pages == (3 if mode.reads_bytes else 1)
    whole = ask(
        sim.url,
        "quote.request_history_kl",
        security="HK.00700",
        kl_type=KLType.DAY,
        rehab_type=RehabType.FORWARD,
        begin_time=begin,
        end_time=end,
        max_ack_kl_num=1000,
    )
    assert whole.next_req_key is None
    assert_rows(columns.HISTORY, shown, whole.kl_list, whole)


def test_the_sdk_pages_by_itself_through_a_long_history(
    sim: SimulatedOpenD, official: Official
) -> None:
    shown, key = official.ok(
        "request_history_kline",
        code="US.AAPL",
        start="2026-02-23",
        end="2026-02-27",
        ktype="K_1M",
        max_count=None,
    )
    assert key is None
    assert len(shown) == 5 * 390
    assert sim.stats().requests[3103] == 2
    times = [row["time_key"] for row in shown]
    assert times == sorted(set(times))
