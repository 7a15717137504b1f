"""The official JavaScript SDK's session against the simulator: login, errors, disconnects."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from futukit import sync
from futukit.codec import decode
from futukit.errors import ServerError
from futukit.messages import get_global_state
from futukit.messages.common import RetType
from futukit.messages.qot_common import SubType
from futukit.sim import SimulatedOpenD
from tests.interop.script import KEY, Script, ScriptRefused, ScriptSDK, security
from tests.support.certificates import Certificates

TENCENT = security("HK.00700")
ME = {"userID": "0"}


def subscription(code: str, sub_type: SubType) -> dict[str, Any]:
    return {
        "securityList": [security(code)],
        "subTypeList": [int(sub_type)],
        "isSubOrUnSub": True,
        "isRegOrUnRegPush": True,
    }


def leave(sim: SimulatedOpenD, count: int) -> None:
    """Wait until so many connections are left: under TLS the SDK is done before the simulator."""
    deadline = time.monotonic() + 10
    while len(sim.stats().connections) > count:
        assert time.monotonic() < deadline


def test_login_with_the_right_key(
    script_sdk: ScriptSDK, script_sim: SimulatedOpenD, script_url: str
) -> None:
    with script_sdk.start(script_url, KEY) as script:
        connection_id = script.logged_in()
        assert script_sim.stats().connections == (connection_id,)
        state = script.call("GetGlobalState", **ME)
        assert (state["retType"], state["s2c"]["connID"]) == (0, str(connection_id))


@pytest.mark.parametrize("key", [f"{KEY}?", ""])
def test_login_with_a_wrong_key(
    script_sdk: ScriptSDK, script_sim: SimulatedOpenD, script_url: str, key: str
) -> None:
    """The answer carries an error and the server closes; nobody else is harmed."""
    with script_sdk.connect(script_url, KEY) as welcome:
        refused = script_sdk.start(script_url, key)
        login = refused.event("login")
        assert (login["granted"], login["error"]) == (False, -1)
        assert refused.event("close")["code"] == 1000  # the server's word: the SDK says nothing
        assert len(script_sim.stats().connections) == 1
        assert welcome.call("GetGlobalState", **ME)["retType"] == 0


def test_login_where_no_key_is_wanted(script_sdk: ScriptSDK) -> None:
    with (
        SimulatedOpenD(seed=1, freeze=True, ws=0) as sim,
        script_sdk.connect(sim.urls["ws"]) as script,
    ):
        assert script.call("GetGlobalState", **ME)["retType"] == 0


def test_no_login_without_trust_in_the_certificate(issued: Certificates, tmp_path: Path) -> None:
    with (
        SimulatedOpenD(ws=0, tls_cert=issued.certificate, tls_key=issued.key) as sim,
        ScriptSDK(tmp_path) as stranger,
        stranger.start(sim.urls["wss"]) as script,
    ):
        script.event("failure")
        assert sim.stats().connections == ()


# What the SDK asks, what our client asks; the same words must come back.
Call = tuple[str, dict[str, Any]]
REFUSED: dict[str, tuple[Call, Call]] = {
    "unknown code": (
        ("Sub", subscription("HK.99999", SubType.BASIC)),
        ("subscribe", {"codes": ["HK.99999"], "sub_types": [SubType.BASIC]}),
    ),
    "no such type for this security": (
        ("Sub", subscription("HK.800000", SubType.ORDER_BOOK)),
        ("subscribe", {"codes": ["HK.800000"], "sub_types": [SubType.ORDER_BOOK]}),
    ),
    "quote not subscribed": (
        ("GetBasicQot", {"securityList": [TENCENT]}),
        ("get_basic_qot", {"security_list": ["HK.00700"]}),
    ),
    "tickers not subscribed": (
        ("GetTicker", {"security": TENCENT, "maxRetNum": 10}),
        ("get_ticker", {"security": "HK.00700", "max_ret_num": 10}),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors_as_the_sdk_shows_them(
    script: Script, script_sim: SimulatedOpenD, case: str
) -> None:
    (theirs, c2s), (ours, arguments) = REFUSED[case]
    with pytest.raises(ScriptRefused) as refused:
        script.call(theirs, **c2s)
    with sync.connect(script_sim.url) as client, pytest.raises(ServerError) as caught:
        getattr(client.quote, ours)(**arguments)
    assert refused.value.reason["retType"] == caught.value.ret_type == -1
    assert refused.value.reason["retMsg"] == caught.value.ret_msg
    assert script.call("GetGlobalState", **ME)["retType"] == 0


@pytest.mark.parametrize(
    ("cmd", "body"),
    [(9999, b""), (3004, b"\xff\xff\xff"), (3004, b"")],
    ids=["no such id", "no message", "required field missing"],
)
def test_nonsense_is_answered_with_an_error(script: Script, cmd: int, body: bytes) -> None:
    """Every Response begins with the same fields, so that an error can be read for any id."""
    answer = script.send(cmd, body)
    assert (answer["cmd"], answer["error"]) == (cmd, 0)
    response = decode(get_global_state.Response, answer["body"])
    assert response.ret_type != RetType.SUCCEED
    assert response.ret_msg
    assert script.call("GetGlobalState", **ME)["retType"] == 0
    assert script.events_so_far() == []


def test_many_requests_at_once_are_answered_each_to_its_section(script: Script) -> None:
    script.call("Sub", **subscription("HK.00700", SubType.KL_DAY))
    script.event("push")
    asked = {}
    for count in range(1, 201):
        asked[count] = script.begin("GetKL", rehabType=0, klType=2, security=TENCENT, reqNum=count)
        asked[-count] = script.begin("GetStaticInfo", securityList=[TENCENT] * (count % 5 + 1))
    for count in range(200, 0, -1):
        assert len(script.answer(asked[count])["s2c"]["klList"]) == count
        assert len(script.answer(asked[-count])["s2c"]["staticInfoList"]) == count % 5 + 1


@pytest.mark.parametrize("at_byte", [0, 30])
def test_the_sdk_reconnects_after_a_disconnect_by_the_server(
    script: Script, script_sim: SimulatedOpenD, at_byte: int
) -> None:
    """Between two messages, and within one. The SDK logs in again and does not resubscribe."""
    script.call("Sub", **subscription("HK.00700", SubType.TICKER))
    script.event("push")
    (before,) = script_sim.stats().connections
    script_sim.fault("cut", proto_id=1002, at_byte=at_byte)
    script.begin("GetGlobalState", **ME)  # the SDK never settles a call that was cut
    assert script.event("close")["code"] == 1006
    after = script.logged_in()
    assert script_sim.stats().connections == (after,)
    assert after != before
    assert script.call("GetGlobalState", **ME)["s2c"]["connID"] == str(after)
    assert script_sim.advance(30).pushes == 0
    script.call("Sub", **subscription("HK.00700", SubType.TICKER))
    assert script.event("push")["cmd"] == 3011


def test_the_sdk_comes_back_to_a_restarted_server(script_sdk: ScriptSDK) -> None:
    """Its one try is a second after the close: with Node's own WebSocket it makes no other."""
    with SimulatedOpenD(seed=1, freeze=True, ws=0) as first:
        url = first.urls["ws"]
        script = script_sdk.connect(url)
    port = int(url.rpartition(":")[2])
    with SimulatedOpenD(seed=1, freeze=True, ws=port), script:
        script.event("close")
        script.logged_in()
        assert script.call("GetGlobalState", **ME)["retType"] == 0


def test_the_simulator_forgets_a_connection_that_the_sdk_closed(
    script_sdk: ScriptSDK, script_sim: SimulatedOpenD, script_url: str
) -> None:
    with script_sdk.connect(script_url, KEY) as one:
        with script_sdk.connect(script_url, KEY) as two:
            two.call("Sub", **subscription("HK.00700", SubType.TICKER))
            assert len(script_sim.stats().connections) == 2
        leave(script_sim, 1)
        assert one.call("GetGlobalState", **ME)["retType"] == 0
        assert one.events_so_far() == []
