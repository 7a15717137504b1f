"""The official SDKs through the gateway: Python in frames over TCP, JavaScript over WebSocket.

Both are as strangers wrote them: the Python SDK gives the API key as its client id, the
JavaScript SDK as its WebSocket key, and neither knows that there are others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from futukit.codec import decode
from futukit.gateway.keys import KeyStore, make_key
from futukit.messages import init_connect
from futukit.messages.qot_common import KLType, RehabType, SubType
from futukit.sim import SimulatedOpenD
from tests.interop import columns
from tests.interop.child import Child
from tests.interop.columns import assert_rows, enums_of
from tests.interop.faces import Subscribed, ask
from tests.interop.modes import MODES, Mode
from tests.interop.official import Official, OfficialSDK
from tests.interop.relay import Relay
from tests.interop.script import ScriptRefused, ScriptSDK, decoded, security
from tests.support.certificates import Certificates

ROOT = Path(__file__).resolve().parents[2]
CODES = ("HK.00700", "HK.00005")
TENCENT = security("HK.00700")
ORDER: dict[str, Any] = {"price": 300.0, "qty": 100, "code": CODES[0], "trd_side": "BUY"}
ANYBODY = "PyNormal"
"""What the Python SDK calls itself."""


class Keys(NamedTuple):
    """A keys file and the texts of its keys."""

    path: Path
    reader: str
    """May read quotes and accounts."""
    trader: str
    """May trade with paper accounts, too."""
    quotes: str
    """May read quotes."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    path = tmp_path_factory.mktemp("gateway") / "keys.json"
    store, texts = KeyStore(path), {}
    for name, scopes in (
        ("reader", ("qot:read", "acc:read")),
        ("trader", ("qot:read", "acc:read", "trade:simulate")),
        ("quotes", ("qot:read",)),
    ):
        key, texts[name] = make_key(name, scopes)
        store.add(key)
    return Keys(path, **texts)


Ready = dict[str, Any]
Start = Callable[..., AbstractContextManager[Ready]]


@contextmanager
def gateway(home: Path, keys: Path, upstream: str, *options: object) -> Iterator[Ready]:
    """A gateway in a process of its own; gives its ready line."""
    command = [sys.executable, "-m", "futukit.cli.gateway", "--upstream", upstream]
    command += ["--keys", str(keys), *map(str, options)]
    with Child(home, command, {"PYTHONPATH": str(ROOT)}) as child:
        ready = child.next_line(30)
        assert ready is not None, child.log_tail()
        yield ready
        assert child.log_tail() == ""


@pytest.fixture
def start(tmp_path: Path, keys: Keys) -> Start:
    """Start a gateway that wants keys: ``with start(upstream, *options) as ready``."""
    return partial(gateway, tmp_path, keys.path)


@contextmanager
def known_as(sdk: OfficialSDK, client_id: str) -> Iterator[None]:
    """Who the Python SDK says it is, for a while: it has this as a global setting."""
    sdk.do("identify", client_id=client_id)
    try:
        yield
    finally:
        sdk.do("identify", client_id=ANYBODY)


def tickers_of(sim: SimulatedOpenD, seconds: float) -> int:
    """Let time pass; how many ticker pushes OpenD has sent for it, to whomever."""
    before = sim.stats().pushes[3011]
    sim.advance(seconds)
    count = sim.stats().pushes[3011] - before
    assert count > 0
    return count


# The Python SDK.


@pytest.mark.every_mode
def test_a_quote_session_of_the_python_sdk(
    sdk: OfficialSDK, mode: Mode, key_file: Path, keys: Keys, start: Start
) -> None:
    """Connect, subscribe, receive, pull, page: in every mode, under RSA where that has a key."""
    rsa = ("--rsa-key", key_file) if mode.has_key else ()
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--tcp", 0, *rsa) as ready,
        Relay(ready["tcp"]) as relay,
        known_as(sdk, keys.reader),
    ):
        sim.advance(60)
        official = sdk.connect(relay.port)
        hello, welcome = relay.greetings()
        assert (keys.reader.encode() in hello.body) is hello.in_clear is not mode.has_key
        assert welcome.in_clear is (mode.cipher == "none")
        assert official.ok("get_global_state")["qot_logined"] is True

        official.ok("subscribe", code_list=list(CODES), subtype_list=["QUOTE", "TICKER"])
        official.pushed("quote", 2)
        official.pushed("ticker", 2)
        for row, *_ in official.pushed("ticker", tickers_of(sim, 30)):
            assert row["code"] in CODES
        assert len(sim.stats().connections) == 1
        sealed = {frame.in_clear for frame in relay.wait_for(3011, 3)}
        assert sealed == {mode.cipher == "none"}

        shown = official.ok("get_stock_quote", code_list=list(CODES), enums=enums_of(columns.QUOTE))
        subscribed = Subscribed(CODES, [SubType.BASIC])
        quotes = ask(sim.url, "quote.get_basic_qot", subscribed, security_list=CODES)
        assert_rows(columns.QUOTE, shown, quotes.basic_qot_list, quotes)
        page_history(sim, official, 10 if mode.reads_bytes else 1000)

        listed = official.ok("query_subscription")
        assert (listed["total_used"], listed["own_used"]) == (4, 4)
        assert listed["sub_list"] == {"QUOTE": list(CODES), "TICKER": list(CODES)}
        outcome, reason = official.call("unsubscribe_all")
        assert outcome == -1
        assert "less than a minute ago" in reason
        official.close()


def page_history(sim: SimulatedOpenD, official: Official, rows: int) -> None:
    """History page by page is what our own client gets at once."""
    dates = ("2026-01-05", "2026-01-30")
    asked: dict[str, Any] = {"code": CODES[0], "start": dates[0], "end": dates[1]}
    enums = enums_of(columns.HISTORY)
    key, bars, pages = None, [], 0
    while not pages or key is not None:
        page, key = official.ok(
            "request_history_kline", **asked, max_count=rows, page_req_key=key, enums=enums
        )
        bars += page
        pages += 1
    ours = ask(
        sim.url,
        "quote.request_history_kl",
        security=CODES[0],
        kl_type=KLType.DAY,
        rehab_type=RehabType.FORWARD,
        begin_time=dates[0],
        end_time=dates[1],
    )
    assert pages == (2 if rows == 10 else 1)
    assert len(bars) == 20
    assert_rows(columns.HISTORY, bars, ours.kl_list, ours)


def test_a_trade_session_of_the_python_sdk(sdk: OfficialSDK, keys: Keys, start: Start) -> None:
    """Accounts, funds, an order, its push and its end."""
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--tcp", 0) as ready,
        known_as(sdk, keys.trader),
    ):
        direct = sdk.connect(sim.port, "direct", kind="trade")
        accounts = direct.ok("get_acc_list")
        direct.close()
        official = sdk.connect(ready["tcp"], kind="trade")
        assert official.ok("get_acc_list") == accounts != []
        assert official.ok("accinfo_query", trd_env="SIMULATE")[0]["total_assets"] > 0

        (placed,) = official.ok("place_order", **ORDER, trd_env="SIMULATE")
        (pushed, *_) = official.pushed("order", 1)
        assert pushed[0]["order_id"] == placed["order_id"]
        (listed,) = official.ok("order_list_query", trd_env="SIMULATE")
        assert (listed["order_id"], listed["qty"]) == (placed["order_id"], 100)
        cancel = {"modify_order_op": "CANCEL", "order_id": placed["order_id"]}
        official.ok("modify_order", **cancel, qty=0, price=0, trd_env="SIMULATE")
        assert len(sim.stats().connections) == 1
        official.close()


def test_a_key_that_may_not_trade(sdk: OfficialSDK, keys: Keys, start: Start) -> None:
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--tcp", 0) as ready,
        known_as(sdk, keys.reader),
    ):
        official = sdk.connect(ready["tcp"], kind="trade")
        outcome, reason = official.call("place_order", **ORDER, trd_env="SIMULATE")
        assert outcome == -1
        assert "needs a scope to trade" in reason
        assert 2202 not in sim.stats().requests
        assert official.ok("order_list_query", trd_env="SIMULATE") == []
        official.close()


def test_a_wrong_key_of_the_python_sdk(
    key_file: Path, start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is told so. The SDK writes that to its log, and its constructor tries for ever."""
    home = tmp_path_factory.mktemp("stranger")
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--tcp", 0) as ready,
        Relay(ready["tcp"]) as relay,
        OfficialSDK(home, MODES[0], key_file) as stranger,
    ):
        stranger.send({"do": "connect", "name": "main", "port": relay.port})
        hello, refusal = relay.greetings()
        assert decode(init_connect.Request, hello.body).c2s.client_id == ANYBODY
        answer = decode(init_connect.Response, refusal.body)
        assert answer.ret_type == -1
        assert "must be an API key" in (answer.ret_msg or "")


# The JavaScript SDK.


@pytest.fixture(params=["ws", "wss"])
def web(request: pytest.FixtureRequest, issued: Certificates) -> tuple[str, tuple[object, ...]]:
    """The scheme of the WebSocket door, and the gateway's options for it."""
    tls = ("--tls-cert", issued.certificate, "--tls-key", issued.key)
    return request.param, ("--ws", 0, *(tls if request.param == "wss" else ()))


def test_a_session_of_the_javascript_sdk(
    script_sdk: ScriptSDK, web: tuple[str, tuple[object, ...]], keys: Keys, start: Start
) -> None:
    scheme, options = web
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, *options) as ready,
        script_sdk.connect(f"{scheme}://127.0.0.1:{ready['ws']}", keys.reader) as script,
    ):
        sim.advance(60)
        assert script.call("GetGlobalState", userID="0")["retType"] == 0
        script.call("Sub", **subscription(CODES[0], SubType.TICKER, SubType.BASIC))
        assert {script.event("push")["cmd"] for _ in range(2)} == {3005, 3011}
        before = sum(sim.stats().pushes.values())
        sim.advance(30)
        count = sum(sim.stats().pushes.values()) - before
        pushed = [script.event("push") for _ in range(count)]
        assert {event["cmd"] for event in pushed} == {3005, 3011}
        assert script.events_so_far() == []
        assert len(sim.stats().connections) == 1

        shown = script.call("GetBasicQot", securityList=[TENCENT])["s2c"]
        subscribed = Subscribed(CODES[:1], [SubType.BASIC])
        assert shown == decoded(
            ask(sim.url, "quote.get_basic_qot", subscribed, security_list=CODES[:1])
        )
        period = {"beginTime": "2026-01-05", "endTime": "2026-01-30"}
        history = script.call("RequestHistoryKL", security=TENCENT, klType=2, rehabType=1, **period)
        assert len(history["s2c"]["klList"]) == 20
        accounts = script.call("GetAccList", userID="0")["s2c"]
        assert accounts == decoded(ask(sim.url, "trade.get_acc_list"))


def subscription(code: str, *sub_types: SubType) -> dict[str, Any]:
    return {
        "securityList": [security(code)],
        "subTypeList": [int(sub_type) for sub_type in sub_types],
        "isSubOrUnSub": True,
        "isRegOrUnRegPush": True,
    }


def test_keys_of_the_javascript_sdk(script_sdk: ScriptSDK, keys: Keys, start: Start) -> None:
    """A wrong one does not log in; a right one may do what it may do."""
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--ws", 0) as ready,
    ):
        url = f"ws://127.0.0.1:{ready['ws']}"
        for wrong in ("", keys.quotes[:-1]):
            refused = script_sdk.start(url, wrong)
            login = refused.event("login")
            assert (login["granted"], login["error"]) == (False, -1)
            refused.event("close")
        with script_sdk.connect(url, keys.quotes) as script:
            with pytest.raises(ScriptRefused) as caught:
                script.call("GetAccList", userID="0")
            assert caught.value.reason["retType"] == -1
            assert "acc:read" in caught.value.reason["retMsg"]
            assert script.call("GetGlobalState", userID="0")["retType"] == 0


def test_no_first_push_if_none_is_wanted(script_sdk: ScriptSDK, keys: Keys, start: Start) -> None:
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--ws", 0) as ready,
        script_sdk.connect(f"ws://127.0.0.1:{ready['ws']}", keys.quotes) as script,
    ):
        sim.advance(60)
        for code in CODES:
            wish = subscription(code, SubType.TICKER, SubType.BASIC, SubType.ORDER_BOOK)
            script.call("Sub", **wish, isFirstPush=False)
        script.call("GetGlobalState", userID="0")
        assert script.events_so_far() == []


# Both.


def test_both_sdks_share_one_subscription(
    sdk: OfficialSDK, script_sdk: ScriptSDK, keys: Keys, start: Start
) -> None:
    """OpenD sees one client with one topic; each SDK gets every push of it."""
    with (
        SimulatedOpenD(seed=1, freeze=True) as sim,
        start(sim.url, "--tcp", 0, "--ws", 0) as ready,
        known_as(sdk, keys.reader),
        script_sdk.connect(f"ws://127.0.0.1:{ready['ws']}", keys.reader) as script,
    ):
        sim.advance(60)
        official = sdk.connect(ready["tcp"])
        official.ok("subscribe", code_list=[CODES[0]], subtype_list=["TICKER"])
        official.pushed("ticker", 1)
        script.call("Sub", **subscription(CODES[0], SubType.TICKER))
        script.pushed(3011, 1)
        count = tickers_of(sim, 30)
        tables = official.pushed("ticker", count)
        messages = [message["s2c"] for message in script.pushed(3011, count)]
        assert [[str(row["sequence"]) for row in table] for table in tables] == [
            [row["sequence"] for row in message["tickerList"]] for message in messages
        ]
        assert official.ok("query_subscription")["total_used"] == 1
        stats = sim.stats()
        assert (len(stats.connections), stats.requests[3001]) == (1, 1)
        official.close()
