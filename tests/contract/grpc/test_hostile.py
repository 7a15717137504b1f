"""gRPC servers that refuse, stay silent, send garbage or vanish: a typed answer, nothing left."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

import msgspec
import pytest

from futukit import codec
from futukit.enums import SubType
from futukit.errors import (
    BadLength,
    ConnectError,
    ConnectionLost,
    DecodeError,
    FutukitError,
    GatewayError,
    HandshakeError,
    InvalidCall,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ServerError,
    ServerFailed,
    ServerTimeout,
    Unauthenticated,
    UnexpectedPacket,
    UnsupportedCall,
    UsageError,
)
from futukit.messages import (
    common,
    get_user_info,
    init_connect,
    qot_common,
    qot_update_ticker,
    trd_common,
    trd_reconfirm_order,
)
from futukit.messages.futu_service import FutuRequest, FutuResponse, PushEvent
from futukit.messages.qot_common import QotMarketState
from tests.contract.clients.faces import WAIT, states_of, until
from tests.contract.grpc.conftest import Connect
from tests.contract.grpc.server import READY, FakeServer, fine, refusing, response

STATE = 1002
KEEP_ALIVE = 1004
USER_INFO = 1005
ORDER = 2237
SUB = 3001
TICKER = 3011
RECONFIRM = trd_reconfirm_order.C2S(
    packet_id=common.PacketID(conn_id=0, serial_no=0),
    header=trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.REAL, acc_id=1, trd_market=trd_common.TrdMarket.HK
    ),
    order_id=1,
    reconfirm_reason=1,
)


def asked(server: FakeServer, proto_id: int) -> FutuRequest:
    """Wait until the server has got a request of this id."""
    while True:
        found = server.asked.get(timeout=5)
        if found.proto_id == proto_id:
            return found


def ticker(code: str = "00700") -> tuple[qot_update_ticker.S2C, bytes]:
    """A push without tickers, and the event that it comes in."""
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=code)
    s2c = qot_update_ticker.S2C(security=security, ticker_list=())
    push = qot_update_ticker.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)
    return s2c, codec.encode(PushEvent(proto_id=TICKER, body=codec.encode(push)))


def test_what_is_not_told_is_zero(connect: Connect, server: FakeServer) -> None:
    client = connect(server.url)
    assert (client.connection_id, client.login_user_id, client.server_version) == (0, 0, 1011)
    assert client.state.value == "ready"


def test_every_call_carries_the_key(connect: Connect, server: FakeServer) -> None:
    client = connect(server.url, api_key="sesame-42")
    assert server.metadata["authorization"] == "Bearer sesame-42"
    assert "sesame-42" not in repr(client)
    client = connect(f"{server.url}?api_key=other")
    assert server.metadata["authorization"] == "Bearer other"


def test_without_a_key_there_is_no_header(connect: Connect, server: FakeServer) -> None:
    connect(server.url)
    assert "authorization" not in server.metadata


def test_a_key_is_in_no_error_and_no_trace(connect: Connect, server: FakeServer) -> None:
    lines: list[str] = []
    server.replies[USER_INFO] = refusing("PERMISSION_DENIED", "the scope is qot:read")
    client = connect(server.url, api_key="sesame-42", trace=lines.append)
    with pytest.raises(PermissionDenied) as caught:
        client.system.get_user_info()
    assert "sesame-42" not in repr(caught.value) + str(vars(caught.value)) + "".join(lines)
    assert lines


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("UNAUTHENTICATED", Unauthenticated),
        ("PERMISSION_DENIED", PermissionDenied),
        ("RESOURCE_EXHAUSTED", RateLimited),
        ("INVALID_ARGUMENT", InvalidCall),
        ("UNIMPLEMENTED", UnsupportedCall),
        ("UNAVAILABLE", ConnectionLost),
        ("DEADLINE_EXCEEDED", ServerTimeout),
        ("INTERNAL", GatewayError),
    ],
)
def test_a_status_fails_its_call_and_no_other(
    connect: Connect, server: FakeServer, status: str, error: type[FutukitError]
) -> None:
    client = connect(server.url)
    server.replies[USER_INFO] = refusing(status)
    with pytest.raises(error, match="because") as caught:
        client.system.get_user_info()
    assert type(caught.value) is error
    assert client.system.get_global_state().qot_logined
    assert client.counters.connections == 1


@pytest.mark.parametrize(
    ("trailing", "seconds"),
    [((("retry-after", "1.5"),), 1.5), ((), None), ((("retry-after", "soon"),), None)],
)
def test_a_rate_limit_says_when_to_come_back(
    connect: Connect,
    server: FakeServer,
    trailing: tuple[tuple[str, str], ...],
    seconds: float | None,
) -> None:
    client = connect(server.url)
    server.replies[USER_INFO] = refusing("RESOURCE_EXHAUSTED", "slowly", *trailing)
    with pytest.raises(RateLimited) as caught:
        client.system.get_user_info()
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("status", "doubts"), [("PERMISSION_DENIED", 0), ("UNAVAILABLE", 1)])
def test_an_order_is_in_doubt_unless_it_was_refused(
    connect: Connect, server: FakeServer, status: str, doubts: int
) -> None:
    client = connect(server.url)
    server.replies[ORDER] = refusing(status)
    with pytest.raises(FutukitError) as caught:
        client.call(ORDER, RECONFIRM)
    assert len(caught.value.requests_in_doubt) == doubts
    assert [found.proto_id for found in client.requests_in_doubt] == [ORDER] * doubts


@pytest.mark.parametrize(("ret_type", "doubts"), [(-1, 0), (-100, 1), (-200, 1), (-400, 1)])
def test_an_order_is_in_doubt_where_the_answer_does_not_settle_it(
    connect: Connect, server: FakeServer, ret_type: int, doubts: int
) -> None:
    answer = codec.encode(FutuResponse(ret_type=ret_type, ret_msg="well", proto_id=ORDER))
    server.replies[ORDER] = lambda request, context: answer
    client = connect(server.url)
    with pytest.raises(ServerError, match="well") as caught:
        client.call(ORDER, RECONFIRM)
    assert len(caught.value.requests_in_doubt) == doubts
    assert [found.proto_id for found in client.requests_in_doubt] == [ORDER] * doubts


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("UNAUTHENTICATED", Unauthenticated),
        ("PERMISSION_DENIED", PermissionDenied),
        ("UNIMPLEMENTED", UnsupportedCall),
        ("UNAVAILABLE", ConnectError),
    ],
)
def test_a_server_that_refuses_the_greeting(
    connect: Connect, server: FakeServer, status: str, error: type[FutukitError]
) -> None:
    server.replies[STATE] = refusing(status)
    with pytest.raises(error, match="because"):
        connect(server.url)


def test_a_greeting_that_opend_refuses(connect: Connect, server: FakeServer) -> None:
    failed = init_connect.Response(ret_type=common.RetType.FAILED, ret_msg="no login")
    server.replies[STATE] = lambda request, context: response(STATE, failed)
    with pytest.raises(HandshakeError, match="no login"):
        connect(server.url)


@pytest.mark.parametrize("state", [QotMarketState.NONE, QotMarketState.MORNING])
def test_a_server_that_answers_bare_s2c(
    connect: Connect, server: FakeServer, state: QotMarketState
) -> None:
    body = codec.encode(msgspec.structs.replace(READY, market_hk=state))
    answer = codec.encode(FutuResponse(ret_type=0, proto_id=STATE, body=body))
    server.replies[STATE] = lambda request, context: answer
    with pytest.raises(HandshakeError, match="bare S2C, this client needs whole Responses"):
        connect(server.url)


def test_a_server_that_never_answers_the_greeting(connect: Connect, server: FakeServer) -> None:
    server.replies[STATE] = server.silent
    with pytest.raises(ConnectError, match=r"no answer to GetGlobalState in 0\.1 s"):
        connect(server.url, connect_timeout=0.1)


def test_nobody_listens(connect: Connect) -> None:
    gone = FakeServer()
    gone.close()
    with pytest.raises(ConnectError, match=r"cannot connect to grpc://127\.0\.0\.1"):
        connect(gone.url)


def test_a_call_without_an_answer_times_out_and_is_ended(
    connect: Connect, server: FakeServer
) -> None:
    ended = threading.Event()

    def hold(request: FutuRequest, context: Any) -> bytes:
        context.add_callback(ended.set)
        return server.silent(request, context)

    server.replies[USER_INFO] = hold
    client = connect(server.url)
    with pytest.raises(RequestTimeout):
        client.call(USER_INFO, get_user_info.C2S(), timeout=0.05)
    assert ended.wait(5)
    assert client.state.value == "ready"


@pytest.mark.parametrize("is_calling", [False, True], ids=["idle", "calling"])
def test_a_server_that_falls_silent_is_a_lost_connection(
    connect: Connect, server: FakeServer, is_calling: bool
) -> None:
    server.replies[KEEP_ALIVE] = server.replies[USER_INFO] = server.silent
    client = connect(server.url, keepalive=0.05, reconnect=False)
    states = states_of(client)
    began = time.monotonic()
    try:
        # Calls that are given up for want of an answer are no sign of life either.
        while is_calling and time.monotonic() < began + WAIT:
            with contextlib.suppress(RequestTimeout):
                client.call(USER_INFO, get_user_info.C2S(), timeout=0.03)
    except ConnectionLost:
        pass
    lost = until(states, "lost")
    assert "sent nothing for 0.20" in str(lost.reason)  # 3.3 intervals, of which 4/5 are 0.05 s
    assert time.monotonic() - began < WAIT / 2


def test_a_stream_that_ends_is_a_lost_connection_and_mended(
    connect: Connect, server: FakeServer
) -> None:
    client = connect(server.url)
    client.quote.subscribe(["HK.00700"], [SubType.TICKER])
    states = states_of(client)
    server.push(None)
    lost = until(states, "lost")
    assert isinstance(lost.reason, ConnectionLost)
    until(states, "ready")
    assert client.system.get_global_state().qot_logined


def test_a_server_that_goes_fails_open_calls_and_subscriptions_come_back(
    connect: Connect,
) -> None:
    first = FakeServer()
    first.replies[ORDER] = first.silent
    client = connect(first.url)
    client.quote.subscribe(["HK.00700"], [SubType.TICKER])
    states = states_of(client)
    waiting = client.start(lambda own: own.call(ORDER, RECONFIRM))
    asked(first, ORDER)
    first.close()
    with pytest.raises(ConnectionLost) as caught:
        waiting.result(timeout=5)
    assert len(caught.value.requests_in_doubt) == 1
    until(states, "lost")
    second = FakeServer(first.port)
    try:
        until(states, "ready")
        again = asked(second, SUB)
        assert again.body is not None
        assert b"00700" in again.body
    finally:
        second.close()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"\xff\xfe", DecodeError),
        (codec.encode(FutuResponse(proto_id=9, body=b"\x08\x00")), UnexpectedPacket),
        (codec.encode(FutuResponse(proto_id=USER_INFO, body=bytes(70_000))), BadLength),
        (codec.encode(FutuResponse(proto_id=USER_INFO, body=bytes(200_000))), BadLength),
    ],
    ids=["garbage", "another id", "too long", "too long for gRPC"],
)
def test_an_answer_that_is_none_ends_the_connection(
    connect: Connect, server: FakeServer, answer: bytes, cause: type[FutukitError]
) -> None:
    server.replies[USER_INFO] = lambda request, context: answer
    client = connect(server.url, max_body_bytes=65_536)
    states = states_of(client)
    with pytest.raises(ConnectionLost) as caught:
        client.system.get_user_info()
    assert isinstance(caught.value.__cause__, cause)
    until(states, "ready")
    assert client.system.get_global_state().qot_logined


@pytest.mark.parametrize(
    ("event", "cause"),
    [(b"\xff\xfe", DecodeError), (codec.encode(PushEvent(body=bytes(200_000))), BadLength)],
    ids=["garbage", "too long"],
)
def test_a_push_that_is_none_ends_the_connection(
    connect: Connect, server: FakeServer, event: bytes, cause: type[FutukitError]
) -> None:
    client = connect(server.url, max_body_bytes=65_536)
    states = states_of(client)
    server.push(event)
    assert isinstance(until(states, "lost").reason, cause)
    until(states, "ready")


@pytest.mark.parametrize("body", [b"\xff", b"\x08\x00\x22\x01\xff"], ids=["garbage", "bad S2C"])
def test_a_body_that_cannot_be_read_fails_its_call_only(
    connect: Connect, server: FakeServer, body: bytes
) -> None:
    answer = codec.encode(FutuResponse(proto_id=USER_INFO, body=body))
    server.replies[USER_INFO] = lambda request, context: answer
    client = connect(server.url)
    with pytest.raises(DecodeError):
        client.system.get_user_info()
    assert client.system.get_global_state().qot_logined


def test_a_body_against_what_stands_around_it(connect: Connect, server: FakeServer) -> None:
    body = codec.encode(get_user_info.Response(ret_type=common.RetType.FAILED))
    answer = codec.encode(FutuResponse(ret_type=0, proto_id=USER_INFO, body=body))
    server.replies[USER_INFO] = lambda request, context: answer
    client = connect(server.url)
    with pytest.raises(DecodeError, match="retType -1 in the body, ret_type 0 around it"):
        client.system.get_user_info()


def test_a_refusal_without_a_body_is_a_server_error(connect: Connect, server: FakeServer) -> None:
    answer = codec.encode(FutuResponse(ret_type=-1, ret_msg="not today", proto_id=USER_INFO))
    server.replies[USER_INFO] = lambda request, context: answer
    client = connect(server.url)
    with pytest.raises(ServerFailed, match="not today"):
        client.system.get_user_info()


def test_pushes_of_unknown_ids_are_counted_and_dropped(
    connect: Connect, server: FakeServer
) -> None:
    client = connect(server.url)
    got: queue.Queue[Any] = queue.Queue()
    client.on(TICKER, got.put)
    server.push(codec.encode(PushEvent(proto_id=99_999, body=b"\xff")))
    server.push(codec.encode(PushEvent()))
    s2c, event = ticker()
    server.push(event)
    assert got.get(timeout=5) == s2c
    assert client.counters.stray_packets == 2
    assert client.state.value == "ready"


def test_ids_without_a_schema_travel_as_bytes(connect: Connect, server: FakeServer) -> None:
    client = connect(server.url)
    assert client.call_bytes(3200, b"as it is") == b"as it is"
    assert asked(server, 3200).body == b"as it is"


def test_no_order_is_sent_twice(connect: Connect, server: FakeServer) -> None:
    server.replies[ORDER] = refusing("UNAVAILABLE")
    client = connect(server.url)
    with pytest.raises(ConnectionLost):
        client.call(ORDER, RECONFIRM)
    client.system.get_user_info()
    seen = []
    while not server.asked.empty():
        seen.append(server.asked.get().proto_id)
    assert seen == [STATE, ORDER, USER_INFO]


def test_a_blocking_queue_slows_the_server_down(connect: Connect, server: FakeServer) -> None:
    def flood(context: Any) -> Any:
        context.send_initial_metadata(())
        while context.is_active():
            sent.append(1)
            yield event

    _, event = ticker("0" * 10_000)
    sent: list[int] = []
    server.stream = flood
    client = connect(server.url)
    pushes = client.pushes(qot_update_ticker.Response, policy="block", maxsize=10)
    for _ in range(50):
        next(iter(pushes))
    # Calls go through while the stream stands still.
    assert client.system.get_user_info() is not None
    assert client.state.value == "ready"


def test_close_ends_every_thread(server: FakeServer) -> None:
    from futukit import sync

    before = set(threading.enumerate())
    client = sync.connect(server.url)
    client.on(TICKER, print)
    client.close()
    left = [thread for thread in set(threading.enumerate()) - before if "futukit" in thread.name]
    assert left == []


@pytest.mark.parametrize("key", ["a\nb", "ключ", " key", ""])
def test_a_key_that_no_header_carries(connect: Connect, key: str) -> None:
    with pytest.raises(UsageError, match="api_key") as caught:
        connect("grpc://127.0.0.1:9", api_key=key)
    assert not key or key not in str(caught.value)


def test_an_ordinary_answer(connect: Connect, server: FakeServer) -> None:
    server.replies[USER_INFO] = fine
    assert connect(server.url).system.get_user_info() == get_user_info.S2C()


def test_a_server_that_takes_garbage_for_a_subscription(
    connect: Connect, server: FakeServer
) -> None:
    client = connect(server.url)
    assert client.call_bytes(SUB, b"\xff") == b"\x08\x00"
    assert client.system.get_global_state().qot_logined
