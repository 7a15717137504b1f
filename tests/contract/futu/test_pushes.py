"""Handlers of pushes: which one is called, with what, and what it may do."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import pandas
import pytest

from futukit.futu import (
    RET_ERROR,
    RET_OK,
    ContextStatus,
    OpenFutureTradeContext,
    OpenQuoteContext,
    OpenSecTradeContext,
    RspHandlerBase,
    StockQuoteHandlerBase,
    SubType,
    SysConfig,
    SysNotifyHandlerBase,
    TickerHandlerBase,
    TradeDealHandlerBase,
    TradeOrderHandlerBase,
    TrdEnv,
    TrdSide,
)
from futukit.messages import qot_update_ticker
from futukit.sim import SimulatedOpenD
from tests.contract.futu.conftest import SECONDS, Open, threads, until

CONTEXTS = [OpenQuoteContext, OpenSecTradeContext, OpenFutureTradeContext]


@pytest.fixture(autouse=True)
def daemons(settings: None) -> None:
    """A test that fails must not keep the tests' process alive."""
    del settings
    SysConfig.set_all_thread_daemon(True)


class Notices(SysNotifyHandlerBase):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.seen: queue.Queue[Any] = queue.Queue()

    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        self.seen.put(super().on_recv_rsp(rsp_pb))


class Tickers(TickerHandlerBase):
    """Keeps what comes, as it came and as a table."""

    def __init__(self) -> None:
        self.seen: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        self.seen.put((rsp_pb, super().on_recv_rsp(rsp_pb)))


def subscribe(ctx: OpenQuoteContext) -> None:
    assert ctx.subscribe("HK.00700", SubType.TICKER, is_first_push=False) == (RET_OK, None)


def test_a_push_is_a_typed_message_and_a_table(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    handler = Tickers()
    assert quotes.set_handler(handler) == RET_OK
    subscribe(quotes)
    until(lambda: opend.step(1) and not handler.seen.empty())
    push, (ret, table) = handler.seen.get(timeout=SECONDS)
    assert type(push) is qot_update_ticker.Response
    assert push.ret_type == 0
    assert push.s2c is not None
    assert push.s2c.security.code == "00700"
    assert ret == RET_OK
    assert isinstance(table, pandas.DataFrame)
    assert list(table["code"].unique()) == ["HK.00700"]
    assert list(table["price"]) == [row.price for row in push.s2c.ticker_list]


@pytest.mark.parametrize("kind", CONTEXTS)
def test_notices_come_to_every_context(kind: Any, opend: SimulatedOpenD, opened: Open) -> None:
    handler = Notices()
    ctx = opened(kind, port=opend.port)
    assert ctx.set_handler(handler) == RET_OK
    assert opend.notify("gtw_event", event_type="KICKED_OUT", desc="elsewhere") == 1
    wanted = (RET_OK, ("GTW_EVENT", "KickedOut", "elsewhere"))
    assert handler.seen.get(timeout=SECONDS) == wanted


def test_orders_and_deals_are_pushed(opend: SimulatedOpenD, trades: OpenSecTradeContext) -> None:
    seen: queue.Queue[tuple[str, Any]] = queue.Queue()

    class Orders(TradeOrderHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            seen.put(("order", super().on_recv_rsp(rsp_pb)))

    class Deals(TradeDealHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            seen.put(("deal", super().on_recv_rsp(rsp_pb)))

    trades.set_handler(Orders())
    trades.set_handler(Deals())
    ret, placed = trades.place_order(280.0, 100, "HK.00700", TrdSide.SELL, trd_env=TrdEnv.SIMULATE)
    assert ret == RET_OK, placed
    told: dict[str, Any] = {}
    while "deal" not in told or told["order"]["order_status"][0] != "FILLED_ALL":
        what, (ret, table) = seen.get(timeout=SECONDS)
        assert ret == RET_OK
        assert table["order_id"][0] == placed["order_id"][0]
        told[what] = table


class Other:
    """Has what a handler has, and is none."""

    proto_id = 3011

    def on_recv_rsp(self, rsp_pb: Any) -> None:
        """Would do."""


@pytest.mark.parametrize("handler", [None, 5, Other(), RspHandlerBase(), TickerHandlerBase])
def test_what_is_no_handler_is_refused(handler: Any, quotes: OpenQuoteContext) -> None:
    assert quotes.set_handler(handler) == RET_ERROR


def test_a_later_handler_replaces_one_of_its_kind_only(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    first, second, ticks = Notices(), Notices(), Tickers()
    for handler in (first, ticks, second):
        assert quotes.set_handler(handler) == RET_OK
    opend.notify("conn_status")
    assert second.seen.get(timeout=SECONDS)[0] == RET_OK
    assert first.seen.empty()
    subscribe(quotes)
    until(lambda: opend.step(1) and not ticks.seen.empty())


def test_a_handler_set_before_the_connection_is_called(opend: SimulatedOpenD, opened: Open) -> None:
    handler = Notices()
    opend.fault("delay", proto_id=1001, seconds=5)
    ctx = opened(OpenQuoteContext, port=opend.port, is_async_connect=True)
    assert ctx.set_handler(handler) == RET_OK
    until(lambda: opend.stats().faults == 0)
    opend.advance(6)
    until(ctx.get_sync_conn_id)
    assert opend.notify("conn_status") == 1
    assert handler.seen.get(timeout=SECONDS)[0] == RET_OK


def test_a_stopped_context_drops_pushes_until_it_is_started(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    handler = Notices()
    quotes.set_handler(handler)
    quotes.stop()
    opend.notify("gtw_event", desc="dropped")
    # A call's answer comes behind the push, which then waits for the thread of callbacks.
    assert quotes.get_global_state()[0] == RET_OK
    until(lambda: _idle(quotes))
    quotes.start()
    opend.notify("gtw_event", desc="heard")
    assert handler.seen.get(timeout=SECONDS)[1][2] == "heard"
    assert handler.seen.empty()


def _idle(ctx: Any) -> bool:
    """Whether the thread of callbacks has nothing to do."""
    dispatcher = ctx._client._dispatcher
    return not dispatcher._pushes and bool(dispatcher._idle)


def test_a_handler_that_fails_is_called_again(
    opend: SimulatedOpenD, quotes: OpenQuoteContext, caplog: pytest.LogCaptureFixture
) -> None:
    seen: queue.Queue[int] = queue.Queue()

    class Failing(SysNotifyHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            seen.put(1)
            raise ZeroDivisionError

    quotes.set_handler(Failing())
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            opend.notify("conn_status")
            seen.get(timeout=SECONDS)
        until(lambda: len(caplog.records) == 2)
    assert quotes.get_global_state()[0] == RET_OK


class Calling(SysNotifyHandlerBase):
    """Makes a call when a notice comes, after ``may_call``."""

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.entered, self.may_call = threading.Event(), threading.Event()
        self.answers: queue.Queue[Any] = queue.Queue()

    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        self.entered.set()
        assert self.may_call.wait(SECONDS)
        self.answers.put(self.ctx.get_global_state())


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_handler_may_make_calls(kind: Any, opend: SimulatedOpenD, opened: Open) -> None:
    ctx = opened(kind, port=opend.port)
    handler = Calling(ctx)
    handler.may_call.set()
    ctx.set_handler(handler)
    opend.notify("gtw_event")
    assert handler.answers.get(timeout=SECONDS)[0] == RET_OK


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_handler_may_make_calls_while_the_connection_comes_back(kind: Any, opened: Open) -> None:
    with SimulatedOpenD(seed=1, freeze=True) as opend:
        port = opend.port
        ctx = opened(kind, port=port)
        handler = Calling(ctx)
        ctx.set_handler(handler)
        opend.notify("gtw_event")
        assert handler.entered.wait(SECONDS)
    until(lambda: ctx.status == ContextStatus.WAIT_RECONNECT)
    handler.may_call.set()
    with SimulatedOpenD(seed=1, freeze=True, port=port):
        assert handler.answers.get(timeout=SECONDS)[0] == RET_OK


def test_close_from_within_a_handler(opend: SimulatedOpenD, quotes: OpenQuoteContext) -> None:
    closed = threading.Event()

    class Closing(SysNotifyHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            quotes.close()
            closed.set()

    quotes.set_handler(Closing())
    opend.notify("conn_status")
    assert closed.wait(SECONDS)
    until(lambda: not threads())
    until(lambda: opend.notify("conn_status") == 0)


def test_a_handler_of_the_programs_own_kind(quotes: OpenQuoteContext) -> None:
    class Beats(RspHandlerBase):
        proto_id = 1004

    class Quotes(StockQuoteHandlerBase):
        pass

    assert quotes.set_handler(Beats()) == RET_OK
    assert quotes.set_handler(Quotes()) == RET_OK
    assert quotes.get_global_state()[0] == RET_OK
