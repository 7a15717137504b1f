"""Trade contexts against a simulated OpenD: what they send, keep and return."""

from __future__ import annotations

import hashlib
import inspect
import logging
import queue
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from futukit.errors import ConnectionLost, ServerError, UsageError
from futukit.futu import trade
from futukit.futu._handlers import TradeDealHandlerBase, TradeOrderHandlerBase
from futukit.futu.requests import ComboLeg
from futukit.sim import SimulatedOpenD

_PASSWORD = "123456"
_MD5 = hashlib.md5(_PASSWORD.encode(), usedforsecurity=False).hexdigest()
_PAPER: dict[str, Any] = {"trd_env": "SIMULATE"}
_ORDER = (480.0, 100, "HK.00700", "BUY")

Open = Callable[..., trade.OpenSecTradeContext]


@pytest.fixture
def open_context(opend: SimulatedOpenD) -> Iterator[Open]:
    opened: list[trade.OpenSecTradeContext] = []

    def make(market: str = "HK", **options: Any) -> trade.OpenSecTradeContext:
        context = trade.OpenSecTradeContext(market, port=opend.port, **options)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


class Shared(NamedTuple):
    """One simulator and context for all tests that leave both as they were."""

    opend: SimulatedOpenD
    context: trade.OpenSecTradeContext


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with (
        SimulatedOpenD(seed=1, freeze=True) as opend,
        trade.OpenSecTradeContext(port=opend.port) as context,
    ):
        yield Shared(opend, context)


def sent(opend: SimulatedOpenD, call: Callable[[], Any]) -> tuple[Any, dict[int, int]]:
    """What a call returned, and proto id → how many requests it cost."""
    before = Counter(opend.stats().requests)
    returned = call()
    return returned, dict(Counter(opend.stats().requests) - before)


def test_opening_asks_for_accounts_and_their_pushes(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    _, requests = sent(opend, open_context)
    assert requests == {2001: 1, 2008: 1}


@pytest.mark.parametrize("firm", ["MOON", "", None, 1])
def test_an_invalid_firm_is_a_value_error(firm: Any) -> None:
    with pytest.raises(ValueError, match="security_firm is one of N/A,FUTUSECURITIES"):
        trade.OpenSecTradeContext(security_firm=firm)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (
            trade.OpenSecTradeContext,
            "(filter_trdmarket='HK', host='127.0.0.1', port=11111, is_encrypt=None, "
            "security_firm='N/A', ai_type=0)",
        ),
        (
            trade.OpenFutureTradeContext,
            "(host='127.0.0.1', port=11111, is_encrypt=None, security_firm='N/A', ai_type=0)",
        ),
        (
            trade.OpenCryptoTradeContext,
            "(host='127.0.0.1', port=11111, is_encrypt=None, security_firm='FUTUSECURITIES', "
            "ai_type=0)",
        ),
    ],
)
def test_constructors_have_the_official_signatures(context: type, expected: str) -> None:
    signature = inspect.signature(context)
    bare = [
        each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
    ]
    assert str(inspect.Signature(bare)) == expected


def test_a_refused_account_list_does_not_stop_the_opening(
    opend: SimulatedOpenD, open_context: Open, caplog: pytest.LogCaptureFixture
) -> None:
    opend.fault("refuse", proto_id=2001, message="not logged in")
    with caplog.at_level(logging.WARNING, "futukit.futu"):
        context = open_context()
    assert "not logged in" in caplog.text
    (ret, _), requests = sent(opend, lambda: context.accinfo_query(**_PAPER))
    assert ret == 0
    assert requests == {2001: 1, 2008: 1, 2101: 1}


def test_refused_pushes_are_asked_for_with_the_next_account_list(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    opend.fault("refuse", proto_id=2008)
    context = open_context()
    assert sent(opend, context.get_acc_list)[1] == {2001: 1, 2008: 1}
    assert sent(opend, context.get_acc_list)[1] == {2001: 1}


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        (lambda context: context.get_acc_list(), {2001: 1}),
        (lambda context: context.accinfo_query(**_PAPER), {2101: 1}),
        (lambda context: context.position_list_query(**_PAPER), {2102: 1}),
        (lambda context: context.acctradinginfo_query("NORMAL", "HK.00700", 500.0), {2111: 1}),
        (lambda context: context.order_list_query(**_PAPER), {2201: 1}),
        (lambda context: context.place_order(*_ORDER, **_PAPER), {2202: 1, 2201: 1}),
        (lambda context: context.cancel_all_order(**_PAPER), {2205: 1}),
        (lambda context: context.deal_list_query(**_PAPER), {2211: 1}),
        (lambda context: context.history_order_list_query(**_PAPER), {2221: 1}),
        (lambda context: context.history_deal_list_query(**_PAPER), {2222: 1}),
        (lambda context: context.get_margin_ratio(["HK.00700"]), {2223: 1}),
        (lambda context: context.order_fee_query([], **_PAPER), {2225: 1}),
        (lambda context: context.get_acc_cash_flow("2026-03-02"), {2226: 1}),
        (lambda context: context.unlock_trade(_PASSWORD), {2005: 1}),
    ],
)
def test_a_call_costs_no_account_list(
    shared: Shared, call: Callable[[Any], Any], cost: dict[int, int]
) -> None:
    opend, context = shared
    (ret, _), requests = sent(opend, lambda: call(context))
    assert ret == 0
    assert requests == cost


def test_a_refusal_makes_the_next_call_ask_for_the_accounts(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    context = open_context()
    opend.fault("refuse", proto_id=2101, message="no such account")
    ret, text = context.accinfo_query(**_PAPER)
    assert (ret, text) == (-1, "no such account")
    assert isinstance(text.error, ServerError)
    assert sent(opend, lambda: context.accinfo_query(**_PAPER))[1] == {2001: 1, 2101: 1}
    assert sent(opend, lambda: context.accinfo_query(**_PAPER))[1] == {2101: 1}


def test_a_firm_is_settled_without_asking_twice(opend: SimulatedOpenD, open_context: Open) -> None:
    _, accounts = open_context("N/A").get_acc_list()
    assert set(accounts[accounts.trd_env == "REAL"].security_firm) == {"FUTUSECURITIES"}
    _, accounts = open_context("N/A", security_firm="FUTUINC").get_acc_list()
    assert set(accounts[accounts.trd_env == "REAL"].security_firm) == {"FUTUINC"}


# Unlocking.


def test_unlocking_needs_a_password(shared: Shared) -> None:
    ret, text = shared.context.unlock_trade()
    assert ret == -1
    assert "password" in text


def test_a_wrong_password_is_refused_by_opend(shared: Shared) -> None:
    ret, text = shared.context.unlock_trade("wrong")
    assert ret == -1
    assert isinstance(text.error, ServerError)


def test_unlocking_by_md5_and_locking_again(open_context: Open) -> None:
    context = open_context()
    assert context.unlock_trade(password_md5=_MD5) == (0, None)
    assert context.place_order(*_ORDER)[0] == 0
    assert context.unlock_trade(is_unlock=False) == (0, None)
    assert context.place_order(*_ORDER)[0] == -1


def test_a_market_without_real_trading_has_nothing_to_unlock(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    context = open_context("CN")
    (ret, note), requests = sent(opend, lambda: context.unlock_trade(_PASSWORD))
    assert (ret, requests) == (0, {})
    assert "no real trading" in note


def test_unlocking_needs_a_real_account(open_context: Open) -> None:
    ret, text = open_context("SG").unlock_trade(_PASSWORD)
    assert ret == -1
    assert "no real account" in text


def test_a_note_of_opend_is_handed_on(opend: SimulatedOpenD, open_context: Open) -> None:
    context = open_context()
    call = opend.opend.call

    def noting(peer: Any, proto_id: int, request: Any) -> Any:
        answer = call(peer, proto_id, request)
        return msgspec.structs.replace(answer, ret_msg="unlocked already")

    opend.opend.call = noting  # type: ignore[method-assign]
    assert context.unlock_trade(_PASSWORD) == (0, "unlocked already")


def reconnect(opend: SimulatedOpenD, context: trade.OpenSecTradeContext) -> dict[int, int]:
    """Lose the connection; returns what is sent on the new one before the next call.

    2008 goes twice: the client takes its subscriptions back by itself, and the context asks anew.
    """
    opend.fault("cut", proto_id=1002)
    assert context.get_global_state()[0] == -1
    (ret, _), requests = sent(opend, context.get_global_state)
    assert ret == 0
    del requests[1002]
    return requests


def test_accounts_and_pushes_are_asked_for_after_a_reconnect(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    assert reconnect(opend, open_context()) == {2001: 1, 2008: 2}


def test_what_was_unlocked_is_unlocked_after_a_reconnect(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    context = open_context()
    context.unlock_trade(_PASSWORD)
    assert reconnect(opend, context) == {2001: 1, 2005: 1, 2008: 2}
    context.unlock_trade(is_unlock=False)
    assert reconnect(opend, context) == {2001: 1, 2008: 2}


def test_the_password_is_kept_nowhere(
    opend: SimulatedOpenD, open_context: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        context = open_context()
        context.unlock_trade(_PASSWORD)
        opend.fault("refuse", proto_id=2005)
        reconnect(opend, context)
    assert _PASSWORD not in repr(vars(context))
    for text in (repr(context), caplog.text):
        assert _PASSWORD not in text
        assert _MD5 not in text


# Orders.


def test_an_order_is_returned_as_a_row(open_context: Open) -> None:
    ret, row = open_context().place_order(*_ORDER, remark="mine", **_PAPER)
    assert ret == 0
    assert row.shape == (1, 23)
    told = row.iloc[0]
    assert (told.code, told.qty, told.price, told.remark) == ("HK.00700", 100.0, 480.0, "mine")


@pytest.mark.parametrize("kind", ["refuse", "cut"])
def test_an_order_that_cannot_be_read_back_was_made(
    opend: SimulatedOpenD, open_context: Open, kind: Any
) -> None:
    context = open_context()
    opend.fault(kind, proto_id=2201)
    ret, row = context.place_order(*_ORDER, **_PAPER)
    assert ret == 0
    assert row.drop(columns="order_id").isna().all(axis=None)
    _, orders = context.order_list_query(**_PAPER)
    assert list(orders.order_id) == list(row.order_id)


def test_an_order_in_doubt_is_named_and_not_sent_again(
    opend: SimulatedOpenD, open_context: Open
) -> None:
    context = open_context()
    opend.fault("cut", proto_id=2202)
    ret, text = context.place_order(*_ORDER, **_PAPER)
    assert ret == -1
    assert isinstance(text.error, ConnectionLost)
    assert len(text.error.requests_in_doubt) == 1
    _, orders = context.order_list_query(**_PAPER)
    assert len(orders) == 1
    assert opend.stats().requests[2202] == 1


def test_orders_are_changed_and_cancelled(open_context: Open) -> None:
    context = open_context()
    order_id = context.place_order(*_ORDER, **_PAPER)[1].order_id[0]
    ret, changed = context.change_order(order_id, 470.0, 200, **_PAPER)
    assert (ret, changed.to_dict("records")) == (0, [{"trd_env": "SIMULATE", "order_id": order_id}])
    _, orders = context.order_list_query(order_id, **_PAPER)
    assert (orders.price[0], orders.qty[0]) == (470.0, 200.0)
    assert context.modify_order("CANCEL", order_id, None, None, **_PAPER)[0] == 0  # type: ignore[arg-type]
    assert context.cancel_all_order(**_PAPER) == (0, "success")
    _, orders = context.order_list_query(order_id, **_PAPER)
    assert orders.order_status[0] == "CANCELLED_ALL"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"remark": "ü" * 33}, "remark has 66 bytes"),
        ({"remark": 5}, "remark"),
        ({"code": "00700"}, "00700"),
        ({"trd_side": "HOLD"}, "trd_side is one of"),
        ({"trd_side": None}, "trd_side is needed"),
        ({"order_type": "MAGIC"}, "order_type"),
        ({"time_in_force": "EVER"}, "time_in_force"),
        ({"session": "NIGHT"}, "session"),
        ({"jp_acc_type": "US"}, "jp_acc_type"),
        ({"trail_type": "LONG"}, "trail_type"),
        ({"pred_side": "MAYBE"}, "pred_side"),
        ({"price": None}, "price is needed"),
        ({"qty": "many"}, "qty"),
        ({"adjust_limit": None}, "adjust_limit"),
        ({"position_id": "x"}, "position_id"),
        ({"trd_env": "DREAM"}, "DREAM"),
        ({"acc_id": 1}, "acc_id 1"),
    ],
)
def test_an_order_that_cannot_be_is_not_sent(
    shared: Shared, changes: dict[str, Any], words: str
) -> None:
    opend, context = shared
    order = {"price": 480.0, "qty": 100, "code": "HK.00700", "trd_side": "BUY", **_PAPER, **changes}
    (ret, text), requests = sent(opend, lambda: context.place_order(**order))
    assert ret == -1
    assert words in text
    assert isinstance(text.error, UsageError)
    assert 2202 not in requests


def test_a_remark_of_64_bytes_is_taken(open_context: Open) -> None:
    assert open_context().place_order(*_ORDER, remark="ü" * 32, **_PAPER)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("CANCEL", "", 0, 0), "order_id"),
        (("CANCEL", None, 0, 0), "order_id"),
        (("CANCEL", 1.5, 0, 0), "order_id"),
        (("PAINT", "1", 0, 0), "modify_order_op"),
        (("NORMAL", "1", None, 1.0), "qty is needed"),
        (("NORMAL", "1", 100, "cheap"), "price"),
        (("NORMAL", "1", 100, 1.0, 0, "SIMULATE", 0, 0, None, "LONG"), "trail_type"),
    ],
)
def test_a_change_that_cannot_be_is_not_sent(
    shared: Shared, arguments: tuple[Any, ...], words: str
) -> None:
    opend, context = shared
    (ret, text), requests = sent(opend, lambda: context.modify_order(*arguments))
    assert (ret, requests) == (-1, {})
    assert words in text


def test_cancelling_all_orders_of_no_market_is_refused(shared: Shared) -> None:
    ret, text = shared.context.cancel_all_order(trdmarket="MOON", **_PAPER)
    assert ret == -1
    assert "trdmarket" in text


def leg(**attributes: Any) -> ComboLeg:
    made = ComboLeg()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_a_combination_takes_whole_legs(opend: SimulatedOpenD, open_context: Open) -> None:
    context = open_context("US")
    for legs in ([], [leg(code="US.AAPL")], [leg(code="AAPL", trd_side="BUY", qty_ratio=1)]):
        for method in (context.place_combo_order, context.comboorder_tradinginfo_query):
            (ret, text), requests = sent(opend, lambda: method(legs, 1.0, 1, **_PAPER))  # noqa: B023
            assert (ret, requests) == (-1, {})
            assert isinstance(text.error, UsageError)


def test_a_combination_is_sent(open_context: Open) -> None:
    legs = [
        leg(code="US.AAPL260320C260000", trd_side="BUY", qty_ratio=1),
        leg(code="US.AAPL260320C270000", trd_side="SELL", qty_ratio=1),
    ]
    ret, row = open_context("US").place_combo_order(legs, 1.0, 1, **_PAPER)
    assert ret == 0
    assert row.shape == (1, 18)


# Queries.


@pytest.mark.parametrize(
    "call",
    [
        lambda context: context.order_list_query(status_filter_list=["LOST"]),
        lambda context: context.order_list_query(start="soon"),
        lambda context: context.history_order_list_query(start="soon"),
        lambda context: context.history_deal_list_query(end="2026-02-30"),
        lambda context: context.order_fee_query("17"),
        lambda context: context.get_margin_ratio([]),
        lambda context: context.get_margin_ratio("00700"),
        lambda context: context.accinfo_query(currency="GOLD"),
        lambda context: context.position_list_query(position_market="MOON"),
        lambda context: context.acctradinginfo_query("MAGIC", "HK.00700", 1.0),
    ],
)
def test_a_query_that_cannot_be_is_not_sent(shared: Shared, call: Callable[[Any], Any]) -> None:
    opend, context = shared
    (ret, text), requests = sent(opend, lambda: call(context))
    assert (ret, requests) == (-1, {})
    assert isinstance(text.error, UsageError)


def test_an_environment_that_the_market_has_not_is_refused(open_context: Open) -> None:
    ret, text = open_context("HKCC").accinfo_query(**_PAPER)
    assert ret == -1
    assert "HKCC" in text


def test_money_is_told_by_currency(shared: Shared) -> None:
    _, row = shared.context.accinfo_query()
    assert row.shape == (1, 68)
    told = row.iloc[0]
    assert (told.hk_cash, told.us_cash, told.jp_cash) == (2_000_000.0, 200_000.0, "N/A")


# Pushes.


def test_order_and_deal_pushes_arrive_as_tables(opend: SimulatedOpenD, open_context: Open) -> None:
    tables: queue.Queue[Any] = queue.Queue()

    class Orders(TradeOrderHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            tables.put(super().on_recv_rsp(rsp_pb))

    class Deals(TradeDealHandlerBase):
        def on_recv_rsp(self, rsp_pb: Any) -> Any:
            tables.put(super().on_recv_rsp(rsp_pb))

    context = open_context()
    assert context.set_handler(Orders()) == 0
    assert context.set_handler(Deals()) == 0
    _, row = context.place_order(540.0, 100, "HK.00700", "BUY", **_PAPER)
    opend.advance(5)
    seen = [tables.get(timeout=5) for _ in range(2)]
    assert {ret for ret, _ in seen} == {0}
    assert {table.order_id[0] for _, table in seen} == set(row.order_id)
    assert {table.shape[1] for _, table in seen} >= {29}
