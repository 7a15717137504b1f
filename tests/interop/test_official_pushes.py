"""What the official SDK's handlers receive is what our own clients receive."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from futukit.messages import (
    qot_update_basic_qot,
    qot_update_broker,
    qot_update_kl,
    qot_update_order_book,
    qot_update_rt,
    qot_update_ticker,
)
from futukit.messages.qot_common import SubType
from futukit.sim import SimulatedOpenD
from tests.interop import columns
from tests.interop.columns import Columns, assert_rows, enums_of
from tests.interop.faces import Subscribed, both_pushed
from tests.interop.official import Official

CODES = ("HK.00700", "HK.00005")
RECEIVERS = 3  # the SDK and both of our faces


class Push(NamedTuple):
    """A kind of push: its proto id, our class, the table that the SDK makes of it."""

    proto_id: int
    message: type[Any]
    rows: str
    table: Columns
    kind: str


QUOTE = Push(3005, qot_update_basic_qot.Response, "basic_qot_list", columns.QUOTE, "quote")
KLINE = Push(3007, qot_update_kl.Response, "kl_list", columns.KLINE_PUSH, "kline")
RT = Push(3009, qot_update_rt.Response, "rt_list", columns.TIME_SHARE, "rt")
TICKER = Push(3011, qot_update_ticker.Response, "ticker_list", columns.TICKER_PUSH, "ticker")

TABLES = {
    "QUOTE": (QUOTE, SubType.BASIC),
    "RT_DATA": (RT, SubType.RT),
    "TICKER": (TICKER, SubType.TICKER),
    "K_1M": (KLINE, SubType.KL_1MIN),
}
LONGER_KLINES = {
    "K_15M": (KLINE, SubType.KL_15MIN),
    "K_DAY": (KLINE, SubType.KL_DAY),
    "K_WEEK": (KLINE, SubType.KL_WEEK),
}


class Stage:
    """One subscription on the SDK and on both faces, and a market that moves."""

    def __init__(self, sim: SimulatedOpenD, official: Official) -> None:
        self.sim = sim
        self.official = official

    def pushed(self, word: str, sub_type: SubType, proto_id: int, message: type[Any]) -> list[Any]:
        """All pushes of 70 s, first push included, as our faces got them."""
        self.official.ok("subscribe", code_list=list(CODES), subtype_list=[word])

        def move() -> int:
            self.sim.advance(70)  # over the end of a minute
            count, rest = divmod(self.sim.stats().pushes[proto_id], RECEIVERS)
            assert rest == 0
            return count

        return both_pushed(self.sim.url, message, Subscribed(CODES, [sub_type]), move)


@pytest.fixture
def stage(sim: SimulatedOpenD, official: Official) -> Stage:
    sim.advance(5)
    return Stage(sim, official)


def same_tables(stage: Stage, word: str, push: Push, sub_type: SubType) -> None:
    ours = stage.pushed(word, sub_type, push.proto_id, push.message)
    shown = stage.official.pushed(push.kind, len(ours), enums=enums_of(push.table))
    assert len(ours) > 10
    for table, s2c in zip(shown, ours, strict=True):
        assert_rows(push.table, table, getattr(s2c, push.rows), s2c)


@pytest.mark.every_mode
@pytest.mark.parametrize("word", TABLES)
def test_tables(stage: Stage, word: str) -> None:
    same_tables(stage, word, *TABLES[word])


@pytest.mark.parametrize("word", LONGER_KLINES)
def test_klines_of_longer_types(stage: Stage, word: str) -> None:
    same_tables(stage, word, *LONGER_KLINES[word])


@pytest.mark.every_mode
def test_order_books(stage: Stage) -> None:
    ours = stage.pushed("ORDER_BOOK", SubType.ORDER_BOOK, 3013, qot_update_order_book.Response)
    enums = {"order_book_type": "OrderBookType"}
    shown = stage.official.pushed("order_book", len(ours), enums=enums)
    assert len(ours) > 10
    assert shown == [columns.order_book(s2c) for s2c in ours]


@pytest.mark.every_mode
def test_broker_queues(stage: Stage) -> None:
    ours = stage.pushed("BROKER", SubType.BROKER, 3015, qot_update_broker.Response)
    assert len(ours) > 10
    for (code, (bids, asks)), s2c in zip(
        stage.official.pushed("broker", len(ours)), ours, strict=True
    ):
        assert code == f"HK.{s2c.security.code}"
        assert_rows(columns.BROKER_BID, bids, s2c.broker_bid_list, s2c)
        assert_rows(columns.BROKER_ASK, asks, s2c.broker_ask_list, s2c)


def test_no_pushes_without_registration(sim: SimulatedOpenD, official: Official) -> None:
    official.ok("subscribe", code_list=["HK.00700"], subtype_list=["TICKER"], subscribe_push=False)
    assert sim.advance(30).pushes == 0


def test_no_first_push_if_none_is_wanted(sim: SimulatedOpenD, official: Official) -> None:
    sim.advance(5)
    official.ok("subscribe", code_list=["HK.00700"], subtype_list=["TICKER"], is_first_push=False)
    assert sim.stats().pushes == {}
    moved = sim.step(100)
    assert moved.pushes > 0
    for row, *_ in official.pushed("ticker", moved.pushes):
        assert row["code"] == "HK.00700"


# What the simulator is told to announce, and what the SDK's handler makes of it.
NOTICES: dict[str, tuple[dict[str, object], list[object]]] = {
    "conn_status": (
        {"qot_logined": False, "trd_logined": True},
        ["CONN_STATUS", None, {"qot_logined": False, "trd_logined": True}],
    ),
    "gtw_event": (
        {"event_type": "KICKED_OUT", "desc": "elsewhere"},
        ["GTW_EVENT", "KickedOut", "elsewhere"],
    ),
    "program_status": (
        {"status": "READY", "desc": "all is well"},
        ["PROGRAM_STATUS", "READY", "all is well"],
    ),
}


@pytest.mark.every_mode
@pytest.mark.parametrize("kind", NOTICES)
def test_notices(sim: SimulatedOpenD, official: Official, kind: str) -> None:
    fields, shown = NOTICES[kind]
    assert sim.notify(kind, **fields) == 1
    assert official.pushed("notify", 1) == [shown]
