"""The gRPC link: envelopes to its channel, answers and pushes from it, and what calls end with."""

from __future__ import annotations

from typing import Any

import pytest

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Answered, Failed, Lost, Ready
from futukit.core.links.grpc import GrpcLink, Status
from futukit.core.links.refused import Undone
from futukit.core.session import ClientSession
from futukit.core.session.greeting_grpc import GrpcGreeting
from futukit.core.states import State
from futukit.errors import (
    BadLength,
    ConnectionLost,
    DecodeError,
    FutukitError,
    GatewayError,
    HandshakeError,
    InvalidCall,
    PermissionDenied,
    RateLimited,
    ServerTimeout,
    Unauthenticated,
    UnexpectedPacket,
    UnsupportedCall,
    UsageError,
)
from futukit.messages import get_global_state, get_user_info, keep_alive, trd_reconfirm_order
from futukit.messages.common import PacketID, RetType
from futukit.messages.futu_service import FutuRequest, FutuResponse, PushEvent
from futukit.messages.qot_common import QotMarketState
from futukit.messages.trd_common import TrdEnv, TrdHeader, TrdMarket

STATE = 1002
USER_INFO = 1005
ORDER = 2237
SUBSCRIBE = 3001
TICKER = 3011
ASKED = Envelope(USER_INFO, 7, 0, b"")
FINE = codec.encode(get_user_info.Response(ret_type=RetType.SUCCEED, s2c=get_user_info.S2C()))
GLOBAL_STATE = get_global_state.S2C(
    market_hk=QotMarketState.NONE,
    market_us=QotMarketState.NONE,
    market_sh=QotMarketState.NONE,
    market_sz=QotMarketState.NONE,
    market_hk_future=QotMarketState.NONE,
    qot_logined=True,
    trd_logined=True,
    server_ver=1011,
    server_build_no=7108,
    time=0,
    conn_id=77,
)
READY = codec.encode(get_global_state.Response(ret_type=RetType.SUCCEED, s2c=GLOBAL_STATE))
RECONFIRM = trd_reconfirm_order.C2S(
    packet_id=PacketID(conn_id=0, serial_no=0),
    header=TrdHeader(trd_env=TrdEnv.REAL, acc_id=1, trd_market=TrdMarket.HK),
    order_id=1,
    reconfirm_reason=1,
)


class Recorder:
    """A carrier that remembers."""

    def __init__(self) -> None:
        self.carried: list[Envelope] = []
        self.dropped: list[int] = []

    def carry(self, envelope: Envelope) -> None:
        self.carried.append(envelope)

    def drop(self, serial: int) -> None:
        self.dropped.append(serial)


def response(proto_id: int, body: bytes, ret_type: int = 0, ret_msg: str | None = None) -> bytes:
    return codec.encode(
        FutuResponse(ret_type=ret_type, ret_msg=ret_msg, proto_id=proto_id, body=body)
    )


def push(proto_id: int, body: bytes) -> bytes:
    return codec.encode(PushEvent(proto_id=proto_id, body=body))


@pytest.fixture
def link() -> GrpcLink:
    return GrpcLink(1000)


def test_requests_go_to_the_channel_and_no_bytes_are_written(link: GrpcLink) -> None:
    link.carrier = recorder = Recorder()
    beat = keep_alive.Request(c2s=keep_alive.C2S(time=5))
    assert link.message(1004, 3, beat) == b""
    assert link.body(USER_INFO, 4, b"raw") == b""
    assert link.body(USER_INFO, 5, b"not sent") == b""
    link.abandon(5)
    assert recorder.carried == []
    assert link.take() + link.finish() + link.failure(1, 1, 1, "") == b""
    assert recorder.carried == [
        Envelope(1004, 3, 0, codec.encode(beat)),
        Envelope(USER_INFO, 4, 0, b"raw"),
    ]
    link.abandon(4)
    assert recorder.dropped == [4]
    with pytest.raises(UsageError, match="protobuf"):
        link.body(USER_INFO, 4, b"{}", 1)


def test_a_request_is_a_futu_request(link: GrpcLink) -> None:
    data = link.request(Envelope(3004, 9, 0, b"body"))
    assert codec.decode(FutuRequest, data) == FutuRequest(proto_id=3004, body=b"body")


def test_an_answer_comes_under_the_serial_of_its_request(link: GrpcLink) -> None:
    link.answered(ASKED, response(USER_INFO, FINE))
    assert link.route({}) == Envelope(USER_INFO, 7, 0, FINE)
    assert link.route({}) is None


def test_a_refusal_without_a_body_becomes_a_response(link: GrpcLink) -> None:
    link.answered(ASKED, response(USER_INFO, b"", -1, "not today"))
    found = link.route({})
    assert isinstance(found, Envelope)
    said = codec.decode(get_user_info.Response, found.body)
    assert (said.ret_type, said.ret_msg) == (RetType.FAILED, "not today")


@pytest.mark.parametrize(("outside", "inside"), [(0, -1), (-1, 0)])
def test_two_outcomes_of_one_call_are_a_fault_of_that_call(
    link: GrpcLink, outside: int, inside: int
) -> None:
    body = codec.encode(get_user_info.Response(ret_type=RetType(inside)))
    link.answered(ASKED, response(USER_INFO, body, outside))
    found = link.route({})
    assert isinstance(found, Undone)
    assert isinstance(found.error, DecodeError)
    assert (found.error.proto_id, found.error.serial) == (USER_INFO, 7)
    assert link.route({}) is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\xff\xfe", DecodeError),
        (response(STATE, FINE), UnexpectedPacket),
        (response(0, FINE), UnexpectedPacket),
        (response(USER_INFO, bytes(1001)), BadLength),
    ],
    ids=["garbage", "another id", "no id", "too long"],
)
def test_an_answer_that_is_none_breaks_the_connection(
    link: GrpcLink, data: bytes, error: type[FutukitError]
) -> None:
    link.answered(ASKED, response(USER_INFO, FINE))
    link.answered(ASKED, data)
    link.answered(ASKED, response(USER_INFO, FINE))
    assert link.route({}) == Envelope(USER_INFO, 7, 0, FINE)
    for _ in range(2):
        with pytest.raises(error):
            link.route({})


@pytest.mark.parametrize(
    ("data", "error"), [(b"\xff\xfe", DecodeError), (push(TICKER, bytes(1001)), BadLength)]
)
def test_a_push_that_is_none_breaks_the_connection(
    link: GrpcLink, data: bytes, error: type[FutukitError]
) -> None:
    link.pushed(data)
    with pytest.raises(error):
        link.route({})


def test_pushes_wait_for_the_greeting_and_go_to_their_sinks(link: GrpcLink) -> None:
    taken: list[bytes] = []
    link.pushed(push(TICKER, b"one"))
    link.pushed(push(3005, b"two"))
    assert link.route({TICKER: taken.append}) is None
    link.greeted()
    assert link.route({TICKER: taken.append}) == Envelope(3005, 0, 0, b"two")
    assert taken == [b"one"]


def test_what_comes_after_the_end_counts_for_nothing(link: GrpcLink) -> None:
    link.greeted()
    link.answered(ASKED, response(USER_INFO, FINE))
    link.clear()
    link.answered(ASKED, response(USER_INFO, FINE))
    link.undone(ASKED, Status("INTERNAL", ""))
    link.pushed(push(TICKER, b"one"))
    assert link.route({}) is None
    assert list(link) == []


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
        ("A_STATUS_TO_COME", GatewayError),
    ],
)
def test_a_status_has_its_error(link: GrpcLink, status: str, error: type[FutukitError]) -> None:
    link.undone(ASKED, Status(status, "because", 2.5))
    found = link.route({})
    assert isinstance(found, Undone)
    assert type(found.error) is error
    assert "because" in str(found.error)
    facts: Any = found.error
    assert (facts.proto_id, facts.serial) == (USER_INFO, 7)
    if isinstance(found.error, GatewayError):
        assert (found.error.status, found.error.reason) == (status, "because")
    if isinstance(found.error, RateLimited):
        assert found.error.retry_after == 2.5


def test_a_message_too_large_for_us_breaks_the_connection(link: GrpcLink) -> None:
    text = "CLIENT: Received message larger than max (5 vs. 4)"
    link.undone(ASKED, Status("RESOURCE_EXHAUSTED", text))
    with pytest.raises(BadLength, match="more than 1000 bytes"):
        link.route({})


def test_a_message_too_large_for_the_server_is_an_invalid_call(link: GrpcLink) -> None:
    text = "SERVER: Received message larger than max (5 vs. 4)"
    link.undone(ASKED, Status("RESOURCE_EXHAUSTED", text))
    found = link.route({})
    assert isinstance(found, Undone)
    assert type(found.error) is InvalidCall


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status("OK", ""), ConnectionLost),
        (Status("UNAVAILABLE", "gone"), ConnectionLost),
        (Status("INTERNAL", ""), ConnectionLost),
        (Status("UNAUTHENTICATED", "who?"), Unauthenticated),
        (Status("PERMISSION_DENIED", "no"), PermissionDenied),
        (Status("UNIMPLEMENTED", "what?"), UnsupportedCall),
        (Status("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)"), BadLength),
    ],
    ids=lambda value: value.name if isinstance(value, Status) else value.__name__,
)
def test_the_end_of_the_stream_is_the_end_of_the_connection(
    link: GrpcLink, status: Status, error: type[FutukitError]
) -> None:
    link.answered(ASKED, response(USER_INFO, FINE))
    link.pushed(codec.encode(PushEvent(proto_id=1003)))
    link.stream_ended(status)
    assert isinstance(link.route({}), Envelope)
    with pytest.raises(error):
        link.route({})


def test_a_stream_that_was_never_allowed_leaves_the_calls(link: GrpcLink) -> None:
    link.stream_ended(Status("PERMISSION_DENIED", "no pushes with this key"))
    link.answered(ASKED, response(USER_INFO, FINE))
    assert isinstance(link.route({}), Envelope)
    assert link.route({}) is None


# A session over the link.


class Talk:
    """A client's session on a gRPC link, with the calls that it made."""

    def __init__(self, **options: Any) -> None:
        self.link = GrpcLink()
        self.recorder = Recorder()
        self.link.carrier = self.recorder
        self.session = ClientSession(GrpcGreeting(), link=self.link, **options)
        self.session.connect(0.0)

    @property
    def last(self) -> Envelope:
        self.session.take()
        return self.recorder.carried[-1]

    def answer(self, body: bytes, now: float = 0.0) -> list[Any]:
        self.link.answered(self.last, response(self.last.proto_id, body))
        return list(self.session.receive(now))

    def end(self, status: str, now: float = 0.0) -> list[Any]:
        self.link.undone(self.last, Status(status, "because"))
        return list(self.session.receive(now))


@pytest.fixture
def ready() -> Talk:
    talk = Talk()
    assert isinstance(talk.answer(READY)[0], Ready)
    return talk


def test_the_global_state_is_the_greeting() -> None:
    talk = Talk()
    assert talk.last.proto_id == STATE
    [event] = talk.answer(READY)
    assert isinstance(event, Ready)
    info = event.info
    assert (info.connection_id, info.login_user_id, info.server_version) == (77, 0, 1011)
    assert info.encryption == "none"


@pytest.mark.parametrize(
    "body", [b"\xff", codec.encode(get_global_state.Response(ret_type=RetType.FAILED))]
)
def test_a_greeting_that_fails_is_a_failed_handshake(body: bytes) -> None:
    talk = Talk()
    talk.link.answered(talk.last, response(STATE, body, -1 if len(body) > 1 else 0))
    [event] = talk.session.receive(0.0)
    assert isinstance(event, Lost)
    assert isinstance(event.error, HandshakeError)


def test_a_greeting_without_an_answer_is_named() -> None:
    talk = Talk()
    [event] = talk.session.tick(11.0)
    assert isinstance(event, Lost)
    assert "GetGlobalState" in str(event.error)


def test_a_greeting_that_is_refused_says_why() -> None:
    [event] = Talk().end("UNAUTHENTICATED")
    assert isinstance(event, Lost)
    assert type(event.error) is Unauthenticated


@pytest.mark.parametrize(
    ("status", "in_doubt"),
    [
        ("UNAUTHENTICATED", False),
        ("PERMISSION_DENIED", False),
        ("RESOURCE_EXHAUSTED", False),
        ("INVALID_ARGUMENT", False),
        ("UNIMPLEMENTED", False),
        ("UNAVAILABLE", True),
        ("DEADLINE_EXCEEDED", True),
        ("INTERNAL", True),
        ("UNKNOWN", True),
    ],
)
def test_an_order_is_in_doubt_unless_it_was_refused(
    ready: Talk, status: str, in_doubt: bool
) -> None:
    call = ready.session.request(ORDER, RECONFIRM, 0.0)
    [event] = ready.end(status)
    assert isinstance(event, Failed)
    assert event.call is call
    assert event.error.requests_in_doubt == ((call.serial,) if in_doubt else ())
    assert ready.session.state is State.READY


def test_the_packet_id_has_the_connection_that_the_greeting_told(ready: Talk) -> None:
    call = ready.session.request(ORDER, RECONFIRM, 0.0)
    sent = codec.decode(trd_reconfirm_order.Request, ready.last.body)
    assert sent.c2s.packet_id == PacketID(conn_id=77, serial_no=call.serial)


def test_a_call_that_timed_out_or_was_cancelled_is_ended(ready: Talk) -> None:
    late = ready.session.request(STATE, get_global_state.C2S(user_id=0), 0.0, timeout=1.0)
    asked = ready.last
    ready.session.tick(1.0)
    assert ready.recorder.dropped == [late.serial]
    # Its answer was on the way already: it is a late one, and no second greeting.
    ready.link.answered(asked, response(STATE, READY))
    assert ready.session.receive(1.0) == []
    assert ready.session.late_replies == 1
    ready.link.undone(asked, Status("UNAVAILABLE", ""))
    assert ready.session.receive(1.0) == []
    assert ready.session.stray_packets == 1


def test_keep_alive_needs_any_answer(ready: Talk) -> None:
    for now in (8.0, 16.0, 24.0, 32.0, 40.0):
        assert ready.session.tick(now) == []
        assert ready.last.proto_id == 1004
        assert ready.end("UNIMPLEMENTED", now) == []
    for now in (48.0, 56.0, 64.0):
        assert ready.session.tick(now) == []
    [event] = ready.session.tick(73.1)
    assert isinstance(event, Lost)


def test_what_is_not_restored_is_told() -> None:
    talk = Talk(restore=((USER_INFO, get_user_info.C2S()), (USER_INFO, get_user_info.C2S())))
    assert talk.answer(READY) == []
    talk.session.take()
    first, second = talk.recorder.carried[-2:]
    talk.link.undone(first, Status("PERMISSION_DENIED", "not with this key"))
    talk.link.answered(second, response(USER_INFO, FINE))
    [event] = talk.session.receive(0.0)
    assert isinstance(event, Ready)
    [refused] = event.unrestored
    assert "not with this key" in refused.ret_msg
    assert isinstance(refused.__cause__, PermissionDenied)


def test_a_server_that_goes_while_restoring_ends_the_try() -> None:
    talk = Talk(restore=((USER_INFO, get_user_info.C2S()),))
    talk.answer(READY)
    [event] = talk.end("UNAVAILABLE")
    assert isinstance(event, Lost)
    assert isinstance(event.error, ConnectionLost)


def test_the_end_fails_open_calls(ready: Talk) -> None:
    call = ready.session.request(ORDER, RECONFIRM, 0.0)
    ready.link.stream_ended(Status("UNAVAILABLE", "gone"))
    failed, lost = ready.session.receive(0.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ConnectionLost)
    assert failed.error.requests_in_doubt == (call.serial,)
    assert isinstance(lost, Lost)


def test_an_observer_sees_both_directions() -> None:
    seen: list[tuple[str, int]] = []
    talk = Talk(observer=lambda direction, packet: seen.append((direction, packet.proto_id)))
    talk.answer(READY)
    talk.link.pushed(push(TICKER, b""))
    talk.session.receive(0.0)
    assert seen == [("sent", STATE), ("received", STATE), ("received", TICKER)]


def test_answers_of_calls_are_events(ready: Talk) -> None:
    call = ready.session.request(USER_INFO, get_user_info.C2S(), 0.0)
    [event] = ready.answer(FINE)
    assert event == Answered(call, FINE)
