"""The official SDK's session against the simulator: its life, its errors, its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from futukit import sync
from futukit.errors import ServerError
from futukit.messages.qot_common import KLType, RehabType, SubType
from futukit.sim import SimulatedOpenD
from tests.interop.modes import Mode
from tests.interop.official import OfficialSDK
from tests.interop.relay import Relay

SIX_TYPES = ("QUOTE", "ORDER_BOOK", "TICKER", "RT_DATA", "BROKER", "K_1M", "K_DAY")
KINDS = ("quote", "order_book", "ticker", "rt", "broker", "kline")


@pytest.mark.every_mode
def test_a_full_quote_session_with_a_simulator_in_its_own_process(
    sdk: OfficialSDK, mode: Mode, key_file: Path
) -> None:
    """Connect, subscribe to everything, receive, pull, page, unsubscribe, close."""
    with SimulatedOpenD.spawn(seed=1, freeze=True, **mode.simulator(key_file)) as sim:
        sim.advance(60)
        official = sdk.connect(sim.port)
        state = official.ok("get_global_state")
        assert (state["qot_logined"], state["program_status_type"]) == (True, "READY")

        codes = ["HK.00700", "HK.00388"]
        official.ok("subscribe", code_list=codes, subtype_list=list(SIX_TYPES))
        for kind in KINDS:
            official.pushed(kind, 4 if kind == "kline" else 2)
        sim.step(20)
        for kind in KINDS:
            official.pushed(kind, 1)

        assert len(official.ok("get_stock_quote", code_list=codes)) == 2
        assert len(official.ok("get_cur_kline", code=codes[0], num=10, ktype="K_DAY")) == 10
        assert official.ok("get_rt_data", code=codes[0])
        assert len(official.ok("get_rt_ticker", code=codes[0], num=5)) == 5
        assert len(official.ok("get_order_book", code=codes[0], num=5)["Bid"]) == 5
        assert all(official.ok("get_broker_queue", code=codes[0]))
        assert len(official.ok("get_market_snapshot", code_list=codes)) == 2
        history: dict[str, Any] = {
            "code": codes[0],
            "start": "2026-01-05",
            "end": "2026-01-30",
            "max_count": 10 if mode.reads_bytes else 1000,
        }
        bars, key = official.ok("request_history_kline", **history)
        assert (key is None) is not mode.reads_bytes
        while key is not None:
            more, key = official.ok("request_history_kline", **history, page_req_key=key)
            bars += more
        assert len(bars) == 20

        listed = official.ok("query_subscription")
        assert (listed["total_used"], listed["own_used"]) == (14, 14)
        assert listed["sub_list"] == dict.fromkeys(SIX_TYPES, codes)
        sim.advance(61)
        official.ok("unsubscribe", code_list=codes, subtype_list=["TICKER"])
        assert official.ok("query_subscription")["own_used"] == 12
        official.ok("unsubscribe_all")
        assert official.ok("query_subscription")["sub_list"] == {}
        assert sim.advance(60).pushes == 0
        assert len(sim.stats().connections) == 1
        official.close()


def test_the_sdk_keeps_the_connection_alive(sdk: OfficialSDK) -> None:
    """Against a running clock the server would give up a silent client."""
    with (
        SimulatedOpenD(seed=1, keep_alive_interval=1) as sim,
        Relay(sim.port) as relay,
    ):
        official = sdk.connect(relay.port)
        frames = relay.wait_for(1004, 8)
        asked = [frame.serial for frame in frames if frame.sender == "client"]
        answered = [frame.serial for frame in frames if frame.sender == "server"]
        assert len(asked) == 4
        assert answered == asked
        assert official.ok("get_global_state")["qot_logined"] is True
        assert official.received("connected", 1, seconds=0) == []
        official.close()


# (preparation of the SDK, its failing call, the same of ours); the same words must come back.
Call = tuple[str, dict[str, Any]]
SUBSCRIBED: Call = ("subscribe", {"code_list": ["HK.00700"], "subtype_list": ["QUOTE"]})
NOTHING: Call = ("get_global_state", {})
REFUSED: dict[str, tuple[Call, Call, Call]] = {
    "quote not subscribed": (
        NOTHING,
        ("get_stock_quote", {"code_list": ["HK.00700"]}),
        ("get_basic_qot", {"security_list": ["HK.00700"]}),
    ),
    "another type is subscribed": (
        SUBSCRIBED,
        ("get_order_book", {"code": "HK.00700", "num": 10}),
        ("get_order_book", {"security": "HK.00700", "num": 10}),
    ),
    "K-lines not subscribed": (
        SUBSCRIBED,
        ("get_cur_kline", {"code": "HK.00700", "num": 10, "ktype": "K_DAY"}),
        (
            "get_kl",
            {
                "security": "HK.00700",
                "req_num": 10,
                "kl_type": KLType.DAY,
                "rehab_type": RehabType.FORWARD,
            },
        ),
    ),
    "time-share not subscribed": (
        NOTHING,
        ("get_rt_data", {"code": "HK.00700"}),
        ("get_rt", {"security": "HK.00700"}),
    ),
    "tickers not subscribed": (
        NOTHING,
        ("get_rt_ticker", {"code": "HK.00700", "num": 10}),
        ("get_ticker", {"security": "HK.00700", "max_ret_num": 10}),
    ),
    "brokers not subscribed": (
        NOTHING,
        ("get_broker_queue", {"code": "HK.00700"}),
        ("get_broker", {"security": "HK.00700"}),
    ),
    "unknown code": (
        NOTHING,
        ("subscribe", {"code_list": ["HK.99999"], "subtype_list": ["QUOTE"]}),
        ("subscribe", {"codes": ["HK.99999"], "sub_types": [SubType.BASIC]}),
    ),
    "no such type for this security": (
        NOTHING,
        ("subscribe", {"code_list": ["HK.800000"], "subtype_list": ["ORDER_BOOK"]}),
        ("subscribe", {"codes": ["HK.800000"], "sub_types": [SubType.ORDER_BOOK]}),
    ),
    "unsubscribed within a minute": (
        SUBSCRIBED,
        ("unsubscribe", {"code_list": ["HK.00700"], "subtype_list": ["QUOTE"]}),
        ("unsubscribe", {"codes": ["HK.00700"], "sub_types": [SubType.BASIC]}),
    ),
    "all unsubscribed within a minute": (
        SUBSCRIBED,
        ("unsubscribe_all", {}),
        ("unsubscribe_all", {}),
    ),
    "more than the quota": (
        SUBSCRIBED,
        ("subscribe", {"code_list": ["HK.00005", "HK.00388"], "subtype_list": ["QUOTE"]}),
        ("subscribe", {"codes": ["HK.00005", "HK.00388"], "sub_types": [SubType.BASIC]}),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors_as_the_sdk_shows_them(sdk: OfficialSDK, case: str) -> None:
    preparation, theirs, ours = REFUSED[case]
    with SimulatedOpenD(seed=1, freeze=True, quota=2) as sim:
        official = sdk.connect(sim.port)
        official.ok(preparation[0], **preparation[1])
        outcome, message, *_ = official.call(theirs[0], **theirs[1])
        with sync.connect(sim.url) as client:
            if preparation == SUBSCRIBED:
                client.quote.subscribe(["HK.00700"], [SubType.BASIC])
            with pytest.raises(ServerError) as caught:
                getattr(client.quote, ours[0])(**ours[1])
        assert outcome == -1
        assert message == caught.value.ret_msg
        assert caught.value.ret_type == -1
        # The connection is none the worse.
        assert official.ok("get_global_state")["qot_logined"] is True
        assert len(sim.stats().connections) == 1
        official.close()


def test_several_contexts_share_the_quota_and_nothing_else(
    sdk: OfficialSDK, sim: SimulatedOpenD
) -> None:
    first, second, third = (sdk.connect(sim.port, name) for name in ("one", "two", "three"))
    for context, code, word in (
        (first, "HK.00700", "TICKER"),
        (second, "HK.00700", "TICKER"),
        (second, "HK.00005", "QUOTE"),
    ):
        context.ok("subscribe", code_list=[code], subtype_list=[word], is_first_push=False)
    own = second.ok("query_subscription", is_all_conn=False)
    assert (own["total_used"], own["own_used"]) == (2, 2)
    assert own["sub_list"] == {"TICKER": ["HK.00700"], "QUOTE": ["HK.00005"]}
    everybodys = third.ok("query_subscription", is_all_conn=True)
    assert (everybodys["total_used"], everybodys["own_used"]) == (2, 0)
    assert everybodys["sub_list"] == own["sub_list"]

    sim.advance(30)
    tickers, quotes = (sim.stats().pushes[proto_id] for proto_id in (3011, 3005))
    shared = first.pushed("ticker", tickers // 2)
    assert second.pushed("ticker", tickers // 2) == shared
    assert {row["code"] for table in shared for row in table} == {"HK.00700"}
    for (row,) in second.pushed("quote", quotes):
        assert row["code"] == "HK.00005"
    third.ok("get_global_state")
    assert first.received("quote", 1, seconds=0) == []
    assert third.received("ticker", 1, seconds=0) == []

    first.close()
    sim.advance(61)
    assert second.pushed("ticker", 1)
    assert third.ok("query_subscription")["total_used"] == 2
    assert len(sim.stats().connections) == 2
    second.close()
    third.close()


def test_the_sdk_reconnects_after_a_cut_between_frames(
    sdk: OfficialSDK, sim: SimulatedOpenD
) -> None:
    """Its subscriptions come back, and pushes with them."""
    official = sdk.connect(sim.port)
    official.ok("subscribe", code_list=["HK.00700"], subtype_list=["TICKER", "QUOTE"])
    (before,) = sim.stats().connections
    sim.fault("cut", proto_id=1002)
    outcome, message = official.call("get_global_state")
    assert (outcome, message) == (-1, "Disconnect")
    assert official.received("connected", 1, seconds=15) == [[0, None]]
    (after,) = sim.stats().connections
    assert after != before
    listed = official.ok("query_subscription")
    assert listed["sub_list"] == {"TICKER": ["HK.00700"], "QUOTE": ["HK.00700"]}
    official.pushed("quote", 1)
    sim.advance(30)
    assert official.pushed("ticker", 1)
    official.close()
