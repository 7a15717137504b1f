"""What the official JavaScript SDK decodes is what our own clients got for the same request."""

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
from futukit.messages.qot_common import KLType, RehabType, SubType
from futukit.sim import SimulatedOpenD
from tests.interop.faces import Subscribed, ask, both_pushed
from tests.interop.script import Script, decoded, security

CODES = ("HK.00700", "HK.00005")
TENCENT = security("HK.00700")
RECEIVERS = 3  # the SDK and both of our faces


@pytest.fixture(autouse=True)
def after_some_trades(script_sim: SimulatedOpenD) -> None:
    """Every market has traded a little before anybody looks."""
    script_sim.advance(90)


def subscribe(script: Script, codes: tuple[str, ...], *sub_types: SubType, push: bool) -> None:
    script.call(
        "Sub",
        securityList=[security(code) for code in codes],
        subTypeList=[int(sub_type) for sub_type in sub_types],
        isSubOrUnSub=True,
        isRegOrUnRegPush=push,
        isFirstPush=push,
    )


class Pull(NamedTuple):
    """A request: the SDK's method and what it sends, ours, and what must be subscribed first."""

    theirs: str
    c2s: dict[str, Any]
    ours: str
    arguments: dict[str, Any]
    sub_type: SubType | None = None


HISTORY = {"begin_time": "2025-01-01", "end_time": "2026-02-27", "max_ack_kl_num": 100}
PULLS = {
    "global state": Pull("GetGlobalState", {"userID": "0"}, "system.get_global_state", {}),
    "basic quotes": Pull(
        "GetBasicQot",
        {"securityList": [security(code) for code in CODES]},
        "quote.get_basic_qot",
        {"security_list": CODES},
        SubType.BASIC,
    ),
    "order book": Pull(
        "GetOrderBook",
        {"security": TENCENT, "num": 10},
        "quote.get_order_book",
        {"security": "HK.00700", "num": 10},
        SubType.ORDER_BOOK,
    ),
    "tickers": Pull(
        "GetTicker",
        {"security": TENCENT, "maxRetNum": 100},
        "quote.get_ticker",
        {"security": "HK.00700", "max_ret_num": 100},
        SubType.TICKER,
    ),
    "time-share": Pull(
        "GetRT", {"security": TENCENT}, "quote.get_rt", {"security": "HK.00700"}, SubType.RT
    ),
    "brokers": Pull(
        "GetBroker",
        {"security": TENCENT},
        "quote.get_broker",
        {"security": "HK.00700"},
        SubType.BROKER,
    ),
    "K-lines": Pull(
        "GetKL",
        {"security": TENCENT, "klType": 2, "rehabType": 1, "reqNum": 200},
        "quote.get_kl",
        {
            "security": "HK.00700",
            "kl_type": KLType.DAY,
            "rehab_type": RehabType.FORWARD,
            "req_num": 200,
        },
        SubType.KL_DAY,
    ),
    "snapshots": Pull(
        "GetSecuritySnapshot",
        {
            "securityList": [
                security(code)
                for code in ("HK.00700", "US.AAPL", "HK.28123", "HK.TCH260330C520000", "HK.BK1001")
            ]
        },
        "quote.get_security_snapshot",
        {
            "security_list": (
                "HK.00700",
                "US.AAPL",
                "HK.28123",
                "HK.TCH260330C520000",
                "HK.BK1001",
            )
        },
    ),
    "static information": Pull(
        "GetStaticInfo",
        {"market": 1, "secType": 3},
        "quote.get_static_info",
        {"market": 1, "sec_type": 3},
    ),
    "trading days": Pull(
        "RequestTradeDate",
        {"market": 1, "beginTime": "2025-12-20", "endTime": "2026-03-02"},
        "quote.request_trade_date",
        {"market": 1, "begin_time": "2025-12-20", "end_time": "2026-03-02"},
    ),
}


@pytest.mark.parametrize("kind", PULLS)
def test_pulls(script: Script, script_sim: SimulatedOpenD, kind: str) -> None:
    pull = PULLS[kind]
    subscribed = None
    if pull.sub_type is not None:
        subscribe(script, CODES, pull.sub_type, push=False)
        subscribed = Subscribed(CODES, [pull.sub_type])
    ours = decoded(ask(script_sim.url, pull.ours, subscribed, **pull.arguments))
    theirs = script.call(pull.theirs, **pull.c2s)
    assert theirs["retType"] == 0
    theirs["s2c"].pop("connID", None)  # each connection has its own
    assert ours
    assert theirs["s2c"] == ours


def test_history_over_several_pages(script: Script, script_sim: SimulatedOpenD) -> None:
    """Every page, with the key of the next one, is what our client gets."""
    c2s: dict[str, Any] = {
        "security": TENCENT,
        "klType": 2,
        "rehabType": 1,
        "beginTime": "2025-01-01",
        "endTime": "2026-02-27",
        "maxAckKLNum": 100,
    }
    key: bytes | None = None
    rows = []
    while True:
        ours = ask(
            script_sim.url,
            "quote.request_history_kl",
            security="HK.00700",
            kl_type=KLType.DAY,
            rehab_type=RehabType.FORWARD,
            next_req_key=key,
            **HISTORY,
        )
        theirs = script.call("RequestHistoryKL", **c2s)["s2c"]
        assert theirs == decoded(ours)
        rows.append(len(theirs["klList"]))
        if ours.next_req_key is None:
            break
        key, c2s["nextReqKey"] = ours.next_req_key, theirs["nextReqKey"]
    assert rows[:-1] == [100, 100]
    assert 0 < rows[-1] < 100


PUSHES = {
    SubType.BASIC: (3005, qot_update_basic_qot.Response),
    SubType.KL_1MIN: (3007, qot_update_kl.Response),
    SubType.KL_DAY: (3007, qot_update_kl.Response),
    SubType.RT: (3009, qot_update_rt.Response),
    SubType.TICKER: (3011, qot_update_ticker.Response),
    SubType.ORDER_BOOK: (3013, qot_update_order_book.Response),
    SubType.BROKER: (3015, qot_update_broker.Response),
}


@pytest.mark.parametrize("sub_type", PUSHES, ids=lambda sub_type: sub_type.name)
def test_pushes(script: Script, script_sim: SimulatedOpenD, sub_type: SubType) -> None:
    """All pushes of 70 s, first push included, in their order."""
    proto_id, message = PUSHES[sub_type]
    subscribe(script, CODES, sub_type, push=True)

    def move() -> int:
        script_sim.advance(70)  # over the end of a minute
        count, rest = divmod(script_sim.stats().pushes[proto_id], RECEIVERS)
        assert rest == 0
        return count

    ours = both_pushed(script_sim.url, message, Subscribed(CODES, [sub_type]), move)
    assert len(ours) > 10
    pushed = script.pushed(proto_id, len(ours))
    assert pushed == [{"retType": 0, "s2c": decoded(s2c)} for s2c in ours]
    assert script.events_so_far() == []


def test_pushes_of_every_kind_at_once_keep_their_order(
    script: Script, script_sim: SimulatedOpenD
) -> None:
    subscribe(script, CODES, *PUSHES, push=True)
    moved = script_sim.advance(30)
    count = sum(script_sim.stats().pushes.values())
    assert count > moved.pushes > 100
    sequences: dict[str, list[int]] = {}
    for event in (script.event("push") for _ in range(count)):
        s2c = event["message"]["s2c"]
        if event["cmd"] == 3011:
            seen = sequences.setdefault(s2c["security"]["code"], [])
            seen += [int(ticker["sequence"]) for ticker in s2c["tickerList"]]
    assert len(sequences) == len(CODES)
    for seen in sequences.values():
        assert seen == sorted(set(seen))
    assert script.events_so_far() == []


def test_no_pushes_after_they_were_unregistered(script: Script, script_sim: SimulatedOpenD) -> None:
    subscribe(script, CODES, SubType.TICKER, push=False)
    assert script_sim.advance(30).pushes == 0
    registration = {
        "securityList": [TENCENT],
        "subTypeList": [int(SubType.TICKER)],
        "rehabTypeList": [],
    }
    script.call("RegQotPush", **registration, isRegOrUnReg=True, isFirstPush=False)
    count = script_sim.advance(30).pushes
    assert count > 0
    for message in script.pushed(3011, count):
        assert message["s2c"]["security"] == TENCENT
    script.call("RegQotPush", **registration, isRegOrUnReg=False)
    assert script_sim.advance(30).pushes == 0
    assert script.events_so_far() == []


def test_unsubscription(script: Script, script_sim: SimulatedOpenD) -> None:
    subscribe(script, CODES, SubType.BASIC, SubType.TICKER, push=False)
    subscribed = Subscribed(CODES, [SubType.BASIC, SubType.TICKER])
    ours = decoded(ask(script_sim.url, "quote.get_sub_info", subscribed))
    theirs = script.call("GetSubInfo")["s2c"]
    assert theirs == ours
    script_sim.advance(61)
    script.call("Sub", securityList=[], subTypeList=[], isSubOrUnSub=False, isUnsubAll=True)
    assert script.call("GetSubInfo")["s2c"]["totalUsedQuota"] == 0


def test_notices(script: Script, script_sim: SimulatedOpenD) -> None:
    assert script_sim.notify("conn_status", qot_logined=False, trd_logined=True) == 1
    (message,) = script.pushed(1003, 1)
    assert message["s2c"]["connectStatus"] == {"qotLogined": False, "trdLogined": True}
