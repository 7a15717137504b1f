"""A connection that is lost and comes back, and the end of a context."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import pytest

from futukit.errors import ClientClosed, ConnectionLost, RequestTimeout, ServerFailed
from futukit.futu import (
    RET_ERROR,
    RET_OK,
    ContextStatus,
    OpenFutureTradeContext,
    OpenQuoteContext,
    OpenSecTradeContext,
    SubType,
    SysNotifyHandlerBase,
    TickerHandlerBase,
    TrdEnv,
    TrdSide,
)
from futukit.sim import SimulatedOpenD
from tests.contract.futu.conftest import (
    GLOBAL_STATE,
    Open,
    drop,
    in_background,
    threads,
    until,
)

CONTEXTS = [OpenQuoteContext, OpenSecTradeContext, OpenFutureTradeContext]
PLACE_ORDER = 2202


def test_a_call_under_way_fails_when_the_connection_is_lost(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    opend.fault("cut", proto_id=GLOBAL_STATE)
    ret, message = quotes.get_global_state()
    assert ret == RET_ERROR
    assert isinstance(message.error, ConnectionLost)
    assert message.error.requests_in_doubt == ()
    assert message.err_code is None
    assert message
    assert quotes.get_global_state()[0] == RET_OK


def test_an_order_under_way_is_in_doubt(opend: SimulatedOpenD, trades: OpenSecTradeContext) -> None:
    opend.fault("cut", proto_id=PLACE_ORDER)
    ret, message = trades.place_order(280.0, 100, "HK.00700", TrdSide.SELL, trd_env=TrdEnv.SIMULATE)
    assert ret == RET_ERROR
    assert isinstance(message.error, ConnectionLost)
    assert len(message.error.requests_in_doubt) == 1
    # It was sent once, and OpenD had it.
    ret, orders = trades.order_list_query(trd_env=TrdEnv.SIMULATE)
    assert ret == RET_OK
    assert list(orders["code"]) == ["HK.00700"]
    assert opend.stats().requests[PLACE_ORDER] == 1


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_call_waits_for_the_connection_to_come_back(kind: Any, opened: Open) -> None:
    with SimulatedOpenD(seed=1, freeze=True) as opend:
        port = opend.port
        ctx = opened(kind, port=port)
    until(lambda: ctx.status == ContextStatus.WAIT_RECONNECT)
    assert ctx.get_sync_conn_id() == 0
    waiting = in_background(ctx.get_global_state)
    with SimulatedOpenD(seed=1, freeze=True, port=port) as opend:
        assert waiting()[0] == RET_OK
        assert ctx.status == ContextStatus.READY
        assert ctx.get_sync_conn_id() in opend.stats().connections


def test_a_call_waits_for_a_lost_connection_only_as_long_as_it_was_told(opened: Open) -> None:
    with SimulatedOpenD(seed=1, freeze=True) as opend:
        ctx = opened(OpenQuoteContext, port=opend.port)
    until(lambda: ctx.status == ContextStatus.WAIT_RECONNECT)
    for seconds in (0.1, 0):
        ctx.set_sync_query_connect_timeout(seconds)
        ret, message = ctx.get_global_state()
        assert ret == RET_ERROR
        assert isinstance(message.error, RequestTimeout)


def test_every_thread_that_waits_gets_its_answer(opened: Open) -> None:
    with SimulatedOpenD(seed=1, freeze=True) as opend:
        port = opend.port
        ctx = opened(OpenSecTradeContext, port=port)
    until(lambda: ctx.status == ContextStatus.WAIT_RECONNECT)
    waiting = [in_background(ctx.get_global_state) for _ in range(8)]
    with SimulatedOpenD(seed=1, freeze=True, port=port):
        assert [wait()[0] for wait in waiting] == [RET_OK] * 8


def test_subscriptions_and_handlers_are_there_again(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    seen: queue.Queue[Any] = queue.Queue()

    class Tickers(TickerHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            seen.put(rsp_pb)

    quotes.set_handler(Tickers())
    quotes.subscribe("HK.00700", SubType.TICKER, is_first_push=False)
    drop(opend, quotes)
    assert quotes.get_global_state()[0] == RET_OK
    until(lambda: opend.step(1) and not seen.empty())


def test_accounts_are_asked_for_again_before_any_other_call(
    opend: SimulatedOpenD, trades: OpenSecTradeContext
) -> None:
    before = opend.stats().requests
    drop(opend, trades)
    assert trades.accinfo_query(trd_env=TrdEnv.SIMULATE)[0] == RET_OK
    after = opend.stats().requests
    assert (after[2001], after[2101]) == (before[2001] + 1, 1)
    assert trades.accinfo_query(trd_env=TrdEnv.SIMULATE)[0] == RET_OK
    assert opend.stats().requests[2001] == after[2001]


def test_a_refusal_is_told_in_the_servers_words(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    opend.fault("refuse", proto_id=GLOBAL_STATE, message="not today")
    ret, message = quotes.get_global_state()
    assert (ret, message) == (RET_ERROR, "not today")
    assert isinstance(message.error, ServerFailed)
    assert message.error.proto_id == GLOBAL_STATE


# The end.


class Silent(SysNotifyHandlerBase):
    def on_recv_rsp(self, rsp_pb: Any) -> Any:
        """Nothing."""


@pytest.mark.parametrize("kind", CONTEXTS)
def test_nothing_is_left_of_a_closed_context(kind: Any, opend: SimulatedOpenD) -> None:
    kind(port=opend.port).close()  # what is loaded only once is loaded now
    until(lambda: not opend.stats().connections)
    before = _descriptors()
    ctx = kind(port=opend.port)
    ctx.set_handler(Silent())
    assert len(threads()) == 3
    drop(opend, ctx)
    assert ctx.get_global_state()[0] == RET_OK
    ctx.close()
    ctx.close()
    until(lambda: not threads())
    until(lambda: not opend.stats().connections)
    assert _descriptors() == before
    assert ctx.status == ContextStatus.CLOSED
    assert ctx.get_sync_conn_id() == 0


def _descriptors() -> int:
    folder = Path("/proc/self/fd")  # other systems have none; the threads are counted there
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_a_closed_context_answers_with_an_error(quotes: OpenQuoteContext) -> None:
    quotes.close()
    ret, message = quotes.get_global_state()
    assert ret == RET_ERROR
    assert isinstance(message.error, ClientClosed)
    assert quotes.request_history_kline("HK.00700")[0] == RET_ERROR
    assert quotes.set_handler(Silent()) == RET_ERROR
    assert not threads()


def test_calls_under_way_end_with_the_context(
    opend: SimulatedOpenD, quotes: OpenQuoteContext
) -> None:
    opend.fault("silence", proto_id=GLOBAL_STATE)
    waiting = in_background(quotes.get_global_state)
    until(lambda: GLOBAL_STATE in opend.stats().requests)
    quotes.close()
    ret, message = waiting()
    assert ret == RET_ERROR
    assert isinstance(message.error, ClientClosed)


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_context_closes_itself_at_the_end_of_a_block(kind: Any, opend: SimulatedOpenD) -> None:
    with kind(port=opend.port) as ctx:
        assert str(opend.port) in repr(ctx)
        assert ctx.status == ContextStatus.READY
    assert ctx.status == ContextStatus.CLOSED
    with pytest.raises(ZeroDivisionError), kind(port=opend.port) as ctx:
        raise ZeroDivisionError
    assert ctx.status == ContextStatus.CLOSED
