"""Every state of a session with every step, and the handshake."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Introduced, Lost, Ready
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting
from futukit.core.session.machine import INIT_CONNECT, KEEP_ALIVE, Session
from futukit.core.states import TABLE, Role, State, Step
from futukit.errors import (
    ConnectError,
    ConnectionLost,
    HandshakeError,
    LocalProtocolError,
    UnexpectedPacket,
)
from futukit.messages import (
    init_connect,
)
from futukit.messages.common import RetType
from tests.unit.sessions import (
    ANSWER,
    ASK,
    CLIENT_STATES,
    HELLO,
    PUSH,
    SERVER_STATES,
    USER_INFO,
    WELCOME,
    Pair,
    client_in,
    frames,
    receive,
    server_in,
    welcome_packet,
)


def ask(session: ClientSession) -> None:
    session.request(USER_INFO, ASK, 0.0)


CLIENT_DOES: dict[Step, Callable[[Any], object]] = {
    Step.SEND_INIT: lambda session: session.connect(0.0),
    Step.SEND_REQUEST: ask,
}
CLIENT_MEETS: dict[Step, Callable[[], Envelope]] = {
    Step.GOT_INIT: welcome_packet,
    Step.GOT_PUSH: lambda: Envelope(3013, 9, 0, b""),
    Step.GOT_STRAY: lambda: Envelope(USER_INFO, 99, 0, b""),
}
SERVER_DOES: dict[Step, Callable[[Any], object]] = {
    Step.SEND_REPLY: lambda session: session.reply(Envelope(USER_INFO, 2, 0, b""), ANSWER),
    Step.SEND_PUSH: lambda session: session.push_body(PUSH, b""),
}
SERVER_MEETS: dict[Step, Callable[[], Envelope]] = {
    Step.GOT_INIT: lambda: Envelope(
        INIT_CONNECT, 1, 0, codec.encode(init_connect.Request(c2s=HELLO))
    ),
    Step.GOT_REQUEST: lambda: Envelope(USER_INFO, 2, 0, b""),
}


@pytest.mark.parametrize("state", CLIENT_STATES)
@pytest.mark.parametrize("step", CLIENT_DOES)
def test_a_client_does_what_the_table_allows_and_nothing_else(state: State, step: Step) -> None:
    session = client_in(state)
    session.take()
    after = TABLE[Role.CLIENT][state].get(step)
    if after is not None:
        CLIENT_DOES[step](session)
        assert session.state is after
        return
    with pytest.raises(LocalProtocolError, match=state.value):
        CLIENT_DOES[step](session)
    assert (session.state, session.take()) == (state, b"")


@pytest.mark.parametrize("state", CLIENT_STATES)
@pytest.mark.parametrize("step", CLIENT_MEETS)
def test_a_client_takes_what_the_table_allows_and_nothing_else(state: State, step: Step) -> None:
    check_meeting(client_in(state), Role.CLIENT, step, CLIENT_MEETS[step]())


@pytest.mark.parametrize("state", SERVER_STATES)
@pytest.mark.parametrize("step", SERVER_DOES)
def test_a_server_does_what_the_table_allows_and_nothing_else(state: State, step: Step) -> None:
    session = server_in(state)
    session.take()
    after = TABLE[Role.SERVER][state].get(step)
    if after is not None:
        SERVER_DOES[step](session)
        assert session.state is after
        assert session.take()
        return
    with pytest.raises(LocalProtocolError, match=state.value):
        SERVER_DOES[step](session)
    assert (session.state, session.take()) == (state, b"")


@pytest.mark.parametrize("state", SERVER_STATES)
@pytest.mark.parametrize("step", SERVER_MEETS)
def test_a_server_takes_what_the_table_allows_and_nothing_else(state: State, step: Step) -> None:
    check_meeting(server_in(state), Role.SERVER, step, SERVER_MEETS[step]())


def check_meeting(session: Any, role: Role, step: Step, envelope: Envelope) -> None:
    before = session.state
    after = TABLE[role][before].get(step)
    events = receive(session, [envelope], 0.0)
    if after is not None:
        assert session.state is not State.CLOSED
        assert not any(isinstance(event, Lost) for event in events)
    elif before is State.CLOSED:
        assert events == []
    else:
        [lost] = events
        assert isinstance(lost, Lost)
        assert isinstance(lost.error, UnexpectedPacket)
        assert (lost.error.proto_id, lost.error.serial) == (envelope.proto_id, envelope.serial)
        assert session.state is State.CLOSED


@pytest.mark.parametrize("role", Role)
def test_every_state_ends_and_closed_is_the_end(role: Role) -> None:
    for moves in TABLE[role].values():
        assert moves[Step.END] is State.CLOSED
    assert set(TABLE[role][State.CLOSED]) == {Step.END}


@pytest.mark.parametrize("make", [client_in, server_in])
@pytest.mark.parametrize("end", [lambda s: s.close(), lambda s: s.lose(ConnectionLost("gone"))])
def test_a_session_ends_once(make: Any, end: Any) -> None:
    session: Session = make(State.READY)
    end(session)
    assert session.state is State.CLOSED
    assert session.next_deadline == inf
    assert end(session) == []
    assert session.tick(1e9) == []  # type: ignore[attr-defined]


def test_client_and_server_introduce_themselves() -> None:
    pair = Pair()
    pair.client.connect(0.0)
    assert pair.to_server() == [Introduced(HELLO)]
    assert pair.server.hello == HELLO
    [ready] = pair.to_client()
    assert isinstance(ready, Ready)
    assert ready.info is pair.client.info
    assert (ready.info.connection_id, ready.info.login_user_id) == (77, 4711)
    assert (ready.info.server_version, ready.info.keep_alive_interval) == (1011, 10)


def test_a_refusal_is_answered_and_told() -> None:
    pair = Pair()
    pair.server = ServerSession(WELCOME, now=0.0, refusal="full")
    pair.client.connect(0.0)
    [lost] = pair.to_server()
    assert isinstance(lost, Lost)
    [refused] = pair.to_client()
    assert isinstance(refused, Lost)
    assert isinstance(refused.error, HandshakeError)
    assert (refused.error.ret_type, "full" in str(refused.error)) == (-1, True)


def test_an_unreadable_init_connect_is_refused_with_invalid() -> None:
    server = ServerSession(WELCOME, now=0.0)
    [lost] = receive(server, [Envelope(INIT_CONNECT, 5, 0, b"\xff")], 0.0)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, HandshakeError)
    [answer] = frames(server.take())
    assert answer.serial == 5
    assert codec.decode(init_connect.Response, answer.body).ret_type == RetType.INVALID


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        (Envelope(INIT_CONNECT, 1, 0, b""), HandshakeError),
        (Envelope(INIT_CONNECT, 1, 0, b"\xff"), HandshakeError),
        (Envelope(INIT_CONNECT, 2, 0, b"\x08\x00"), HandshakeError),
        (Envelope(INIT_CONNECT, 1, 0, b"\x08\x00"), HandshakeError),
        (Envelope(INIT_CONNECT, 1, 1, b"{}"), UnexpectedPacket),
        (Envelope(KEEP_ALIVE, 1, 0, b""), UnexpectedPacket),
    ],
)
def test_a_garbled_answer_ends_the_try(envelope: Envelope, error: type[Exception]) -> None:
    session = client_in(State.GREETING)
    [lost] = receive(session, [envelope], 0.0)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, error)


def test_an_answer_that_is_late_ends_the_try() -> None:
    session = ClientSession(ConnectGreeting(HELLO), connect_timeout=3.0)
    session.connect(100.0)
    assert session.next_deadline == 103.0
    assert session.tick(102.9) == []
    [lost] = session.tick(103.0)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, ConnectError)


def test_an_interval_that_is_none_is_the_usual_one() -> None:
    client = client_in(State.GREETING)
    welcome = init_connect.S2C(
        server_ver=1, login_user_id=1, conn_id=1, conn_aes_key="", keep_alive_interval=0
    )
    body = codec.encode(init_connect.Response(ret_type=RetType.SUCCEED, s2c=welcome))
    receive(client, [Envelope(INIT_CONNECT, 1, 0, body)], 0.0)
    assert client.next_deadline == 8.0
