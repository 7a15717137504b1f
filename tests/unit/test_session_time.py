"""KeepAlive, silence, and all kinds of nonsense, without IO."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futukit import codec
from futukit._native.frame import Envelope, build_frame
from futukit.core.events import Event, Lost
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting
from futukit.core.session.machine import INIT_CONNECT, KEEP_ALIVE, Session
from futukit.core.states import State
from futukit.errors import (
    BadMagic,
    UnexpectedPacket,
)
from futukit.messages import (
    init_connect,
    keep_alive,
    registry,
)
from tests.unit.sessions import (
    ASK,
    CLIENT_STATES,
    HELLO,
    ORDER,
    PUSH,
    SERVER_STATES,
    USER_INFO,
    WELCOME,
    Pair,
    client_in,
    frames,
    receive,
    server_in,
)


def test_keep_alive_goes_out_at_four_fifths_of_the_interval() -> None:
    pair = Pair(epoch=1_700_000_000.0).ready()
    for beat in (8.0, 16.0, 24.0):
        assert pair.client.next_deadline == beat
        assert pair.client.tick(beat) == []
        [envelope] = frames(pair.client.take())
        assert envelope.proto_id == KEEP_ALIVE
        sent = codec.decode(keep_alive.Request, envelope.body)
        assert sent.c2s.time == 1_700_000_000 + int(beat)
        receive(pair.server, [envelope], beat)
        pair.to_client(beat)
    assert (pair.client.late_replies, pair.client.stray_packets) == (0, 0)


def test_an_option_overrides_the_interval() -> None:
    assert Pair(keepalive=3.0).ready().client.next_deadline == 3.0


def test_a_silent_peer_is_dead_after_33_seconds() -> None:
    client = Pair().ready().client
    while client.next_deadline < 32:
        assert client.tick(client.next_deadline) == []
    assert client.next_deadline == 32.0
    assert client.tick(32.0) == []
    [lost] = client.tick(33.0)
    assert isinstance(lost, Lost)
    assert "nothing for 33 s" in str(lost.error)


def test_any_packet_is_a_sign_of_life() -> None:
    pair = Pair().ready()
    for second in range(8, 200, 8):
        assert pair.client.tick(float(second)) == []
        pair.client.take()
        if second % 3 == 0:
            pair.server.push_body(PUSH, b"")
            pair.to_client(float(second))
    assert pair.client.state is State.READY


def test_a_process_that_stood_still_does_not_blame_the_peer() -> None:
    client = Pair().ready().client
    assert client.tick(500.0) == []
    assert client.state is State.READY


def test_an_owner_that_does_not_read_does_not_blame_the_peer() -> None:
    client = Pair().ready().client
    client.set_reading(False, 0.0)
    for second in range(8, 200, 8):
        assert client.tick(float(second)) == []
    client.set_reading(True, 200.0)
    for late in (208.0, 216.0, 224.0, 232.0):
        assert client.tick(late) == []
    assert isinstance(client.tick(233.0)[0], Lost)


def test_a_server_answers_keep_alive_and_drops_a_silent_client() -> None:
    server = ServerSession(WELCOME, now=0.0, epoch=100.0)
    client = ClientSession(ConnectGreeting(HELLO))
    client.connect(0.0)
    receive(server, client.take(), 1.0)
    receive(client, server.take(), 1.0)
    client.tick(9.0)
    assert receive(server, client.take(), 9.0) == []
    [answer] = frames(server.take())
    s2c = codec.decode(keep_alive.Response, answer.body).s2c
    assert s2c is not None
    assert s2c.time == 109
    assert server.tick(33.0) == []
    assert server.next_deadline == 42.0
    [lost] = server.tick(42.0)
    assert isinstance(lost, Lost)
    assert "33 s" in str(lost.error)


def test_a_server_without_idle_timeout_waits_for_ever() -> None:
    assert ServerSession(WELCOME, now=0.0, idle_timeout=inf).tick(1e9) == []


def test_a_server_drops_a_client_that_never_introduces_itself() -> None:
    server = ServerSession(WELCOME, now=0.0)
    assert server.next_deadline == 33.0
    assert isinstance(server.tick(33.0)[0], Lost)


def test_a_fault_of_the_stream_ends_the_session_after_what_was_whole() -> None:
    pair = Pair().ready()
    [lost] = receive(pair.client, build_frame(PUSH, 1, b"good") + b"\0" * 44)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, BadMagic)
    assert pair.pushed == [b"good"]


def test_a_server_does_not_read_on_after_a_breach() -> None:
    server = ServerSession(WELCOME, now=0.0)
    [lost] = receive(server, build_frame(USER_INFO, 1, b"") + b"garbage")
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, UnexpectedPacket)


@pytest.mark.parametrize("ret_type", [-1, -500])
@pytest.mark.parametrize("proto_id", [USER_INFO, 3801, 3200])
def test_a_refusal_is_readable_as_the_answer_of_any_id(proto_id: int, ret_type: int) -> None:
    server = server_in(State.READY)
    server.take()
    server.refuse(Envelope(proto_id, 5, 0, b""), "why", ret_type, 12)
    [answer] = frames(server.take())
    schema = registry.row(proto_id).module is not None
    cls = registry.response_class(proto_id) if schema else init_connect.Response
    response = codec.decode(cls, answer.body)
    assert (answer.proto_id, answer.serial) == (proto_id, 5)
    assert (response.ret_type, response.ret_msg, response.err_code) == (ret_type, "why", 12)


envelopes = st.builds(
    Envelope,
    st.sampled_from([INIT_CONNECT, KEEP_ALIVE, USER_INFO, ORDER, PUSH, 3013, 9999]),
    st.integers(0, 5),
    st.integers(0, 1),
    st.binary(max_size=20),
)


@given(st.lists(envelopes, max_size=12), st.sampled_from(CLIENT_STATES))
def test_no_packets_make_a_client_raise(packets: list[Envelope], state: State) -> None:
    session = client_in(state)
    if state is State.READY:
        session.request(USER_INFO, ASK, 0.0)
    check_events(session, receive(session, packets, 0.0))


@given(st.lists(envelopes, max_size=12), st.sampled_from(SERVER_STATES))
def test_no_packets_make_a_server_raise(packets: list[Envelope], state: State) -> None:
    session = server_in(state)
    check_events(session, receive(session, packets, 0.0))


def check_events(session: Session, events: list[Event]) -> None:
    lost = [event for event in events if isinstance(event, Lost)]
    assert len(lost) <= 1
    if lost:
        assert events[-1] is lost[0]
        assert session.state is State.CLOSED
