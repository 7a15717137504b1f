"""What a server must do for the official SDK to run a quote session, step by step.

Each row is one protocol id: what the SDK is told to do, what it then sends, and what it must make
of the answer. A relay watches the frames: every request of the SDK's is answered under the same
id with the same serial. 1004 KeepAlive needs a running clock: ``test_official_session.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from futukit.sim import SimulatedOpenD
from tests.interop.official import Official, OfficialSDK
from tests.interop.relay import Relay

CODE = "HK.00700"
ALL_TYPES = ("QUOTE", "ORDER_BOOK", "TICKER", "RT_DATA", "BROKER", "K_1M", "K_DAY")
KLINE_COLUMNS = ("open", "high", "low", "close", "volume", "turnover", "last_close")


class Scene:
    """A context of the SDK that is connected through the relay."""

    def __init__(self, sdk: OfficialSDK, sim: SimulatedOpenD, relay: Relay) -> None:
        self.sim = sim
        self.relay = relay
        self.official: Official = sdk.connect(relay.port)

    def subscribe(self, *words: str, **options: Any) -> None:
        self.official.ok("subscribe", code_list=[CODE], subtype_list=list(words), **options)

    def refused(self, method: str, **arguments: Any) -> str:
        """The SDK's error text of a call that must fail."""
        outcome, message, *_ = self.official.call(method, **arguments)
        assert outcome == -1
        assert message
        return str(message)


@pytest.fixture
def scene(sdk: OfficialSDK, sim: SimulatedOpenD) -> Iterator[Scene]:
    sim.advance(60)
    with Relay(sim.port) as relay:
        made = Scene(sdk, sim, relay)
        yield made
        made.official.close()


def init_connect(scene: Scene) -> None:
    (connection_id,) = scene.sim.stats().connections
    assert connection_id != 0


def global_state(scene: Scene) -> None:
    state = scene.official.ok("get_global_state")
    for market in ("hk", "us", "sh", "sz", "hkfuture"):
        assert state[f"market_{market}"] != "N/A"
    assert state["qot_logined"] is True
    assert state["program_status_type"] == "READY"
    assert state["server_ver"].isdigit()
    assert abs(float(state["timestamp"]) - scene.sim.stats().now) < 1


def subscribe(scene: Scene) -> None:
    scene.subscribe(*ALL_TYPES)
    assert scene.official.ok("query_subscription")["own_used"] == len(ALL_TYPES)


def unsubscribe_all(scene: Scene) -> None:
    scene.subscribe(*ALL_TYPES)
    scene.sim.advance(61)
    scene.official.ok("unsubscribe_all")
    assert scene.official.ok("query_subscription")["own_used"] == 0


def unregister(scene: Scene) -> None:
    """The SDK sends it by itself after an unsubscription, when there is nothing left to end."""
    scene.subscribe("QUOTE", "TICKER")
    scene.sim.advance(61)
    scene.official.ok("unsubscribe", code_list=[CODE], subtype_list=["QUOTE"])
    scene.official.ok("get_global_state")
    assert scene.official.ok("query_subscription")["sub_list"] == {"TICKER": [CODE]}


def query_subscription(scene: Scene) -> None:
    scene.subscribe("QUOTE", "K_DAY")
    listed = scene.official.ok("query_subscription")
    assert listed["total_used"] == listed["own_used"] == 2
    assert listed["remain"] == 998
    assert listed["sub_list"] == {"QUOTE": [CODE], "K_DAY": [CODE]}


def pull_quote(scene: Scene) -> None:
    scene.refused("get_stock_quote", code_list=[CODE])
    scene.subscribe("QUOTE")
    (row,) = scene.official.ok("get_stock_quote", code_list=[CODE])
    # The SDK splits updateTime at its space.
    assert (row["data_date"], len(row["data_time"])) == ("2026-03-02", len("HH:MM:SS"))


def pull_klines(scene: Scene) -> None:
    scene.refused("get_cur_kline", code=CODE, num=5, ktype="K_DAY")
    scene.subscribe("K_DAY")
    rows = scene.official.ok("get_cur_kline", code=CODE, num=5, ktype="K_DAY")
    assert len(rows) == 5
    assert rows[-1]["time_key"] == "2026-03-02 00:00:00"


def pull_time_share(scene: Scene) -> None:
    scene.refused("get_rt_data", code=CODE)
    scene.subscribe("RT_DATA")
    rows = scene.official.ok("get_rt_data", code=CODE)
    assert [row["opened_mins"] for row in rows] == sorted({row["opened_mins"] for row in rows})


def pull_tickers(scene: Scene) -> None:
    scene.refused("get_rt_ticker", code=CODE, num=5)
    scene.subscribe("TICKER")
    rows = scene.official.ok("get_rt_ticker", code=CODE, num=5)
    sequences = [row["sequence"] for row in rows]
    assert sequences == sorted(set(sequences))


def pull_order_book(scene: Scene) -> None:
    scene.refused("get_order_book", code=CODE, num=5)
    scene.subscribe("ORDER_BOOK")
    book = scene.official.ok("get_order_book", code=CODE, num=5)
    assert book["Bid"][0][0] < book["Ask"][0][0]


def pull_brokers(scene: Scene) -> None:
    scene.refused("get_broker_queue", code=CODE)
    scene.subscribe("BROKER")
    bids, asks = scene.official.ok("get_broker_queue", code=CODE)
    assert bids
    assert asks


def history(scene: Scene) -> None:
    """nextReqKey is present on all pages but the last; every row has every column."""
    arguments: dict[str, Any] = {
        "code": CODE,
        "start": "2026-02-02",
        "end": "2026-02-13",
        "max_count": 4,
    }
    key = None
    rows = []
    for expected in (4, 4, 2):
        page, key = scene.official.ok("request_history_kline", page_req_key=key, **arguments)
        assert len(page) == expected
        rows += page
    assert key is None
    for row in rows:
        for name in (*KLINE_COLUMNS, "pe_ratio", "turnover_rate", "change_rate"):
            assert isinstance(row[name], int | float), name
            assert math.isfinite(row[name])


class Step(NamedTuple):
    """A row of the table: the id, what happens, and how many requests of the id that makes."""

    proto_id: int
    act: Callable[[Scene], None]
    requests: int = 1


STEPS = {
    "1001 InitConnect": Step(1001, init_connect),
    "1002 GetGlobalState": Step(1002, global_state),
    "3001 Qot_Sub": Step(3001, subscribe),
    "3001 Qot_Sub, all off": Step(3001, unsubscribe_all, 2),
    "3002 Qot_RegQotPush": Step(3002, unregister),
    "3003 Qot_GetSubInfo": Step(3003, query_subscription),
    "3004 Qot_GetBasicQot": Step(3004, pull_quote, 2),
    "3006 Qot_GetKL": Step(3006, pull_klines, 2),
    "3008 Qot_GetRT": Step(3008, pull_time_share, 2),
    "3010 Qot_GetTicker": Step(3010, pull_tickers, 2),
    "3012 Qot_GetOrderBook": Step(3012, pull_order_book, 2),
    "3014 Qot_GetBroker": Step(3014, pull_brokers, 2),
    "3103 Qot_RequestHistoryKL": Step(3103, history, 3),
}


@pytest.mark.parametrize("name", STEPS)
def test_step(scene: Scene, name: str) -> None:
    step = STEPS[name]
    step.act(scene)
    frames = scene.relay.wait_for(step.proto_id, 2 * step.requests)
    asked = [frame.serial for frame in frames if frame.sender == "client"]
    answered = [frame.serial for frame in frames if frame.sender == "server"]
    assert len(asked) == step.requests
    assert answered == asked


PUSHES = {
    3005: ("QUOTE", "quote"),
    3007: ("K_DAY", "kline"),
    3009: ("RT_DATA", "rt"),
    3011: ("TICKER", "ticker"),
    3013: ("ORDER_BOOK", "order_book"),
    3015: ("BROKER", "broker"),
}


@pytest.mark.parametrize("proto_id", PUSHES)
def test_push(scene: Scene, proto_id: int) -> None:
    """One first push after the reply, and one more when something has happened."""
    word, kind = PUSHES[proto_id]
    scene.subscribe(word)
    scene.official.pushed(kind, 1)
    scene.sim.step(30)
    scene.official.pushed(kind, 1)
    first, second = scene.relay.wait_for(proto_id, 2)
    assert first.sender == second.sender == "server"
