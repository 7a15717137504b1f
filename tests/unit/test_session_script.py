"""Sessions in the dialect of the JavaScript SDK: login, errors in headers, the push of a loss."""

from __future__ import annotations

from typing import Any, cast

import pytest

from futukit import codec
from futukit.core.events import Answered, Failed, Lost, Ready, Request
from futukit.core.links import ByteLink
from futukit.core.links.refused import DISCONNECTED, OPEND_TIMEOUT, TIMEOUT
from futukit.core.links.websocket import ScriptLink, ServerWebSocketLink
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ScriptGreeting
from futukit.core.session.machine import OPEND_LOST
from futukit.errors import (
    ConnectionLost,
    HandshakeError,
    ServerDisconnected,
    ServerFailed,
    ServerTimeout,
)
from tests.unit.sessions import ANSWER, ASK, ORDER, PUSH, USER_INFO, WELCOME, order


class Pair:
    """A client and a server over a WebSocket without sockets."""

    def __init__(self, key: str | None = "sesame") -> None:
        self.pushed: list[bytes] = []
        self.client = ClientSession(
            ScriptGreeting("test", key),
            link=ScriptLink("localhost", 33333),
            sinks={PUSH: self.pushed.append},
        )
        self.server = ServerSession(
            WELCOME, now=0.0, link=ServerWebSocketLink(), web_socket_key="sesame"
        )
        self.events: list[Any] = []
        self.requests: list[Any] = []

    def exchange(self, now: float = 0.0) -> None:
        """Carry bytes both ways until there are no more."""
        while True:
            up, down = self.client.take(), self.server.take()
            if not up and not down:
                return
            self.requests += carry(self.server, up, now)
            self.events += carry(self.client, down, now)

    def ready(self) -> Pair:
        self.client.connect(0.0)
        self.exchange()
        [ready] = self.events
        assert isinstance(ready, Ready)
        self.events.clear()
        self.requests.clear()
        return self


def carry(session: ClientSession | ServerSession, data: bytes, now: float) -> list[Any]:
    if not data:
        return []
    reader = cast(ByteLink, session.link).reader
    buffer = reader.get_buffer(len(data))
    buffer[: len(data)] = data
    reader.buffer_updated(len(data))
    return session.receive(now)


def test_a_login_gives_the_connection_id() -> None:
    pair = Pair().ready()
    info = pair.client.info
    assert info is not None
    assert (info.connection_id, info.login_user_id, info.encryption) == (77, 0, "none")
    assert pair.server.hello is not None
    assert (pair.server.hello.client_id, pair.server.hello.recv_notify) == ("test", True)


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_wrong_key_ends_the_try(key: str | None) -> None:
    pair = Pair(key)
    pair.client.connect(0.0)
    pair.exchange()
    [lost] = pair.events
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, HandshakeError)
    assert "wrong WebSocket key" in str(lost.error)
    assert "sesame" not in str(lost.error)


def test_calls_and_pushes() -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0)
    pair.exchange()
    [request] = pair.requests
    assert isinstance(request, Request)
    pair.server.push_body(PUSH, b"pushed")
    pair.server.reply(request.envelope, ANSWER)
    pair.exchange()
    assert pair.events == [Answered(call, codec.encode(ANSWER))]
    assert pair.pushed == [b"pushed"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TIMEOUT, ServerTimeout),
        (OPEND_TIMEOUT, ServerTimeout),
        (DISCONNECTED, ServerDisconnected),
        (-1, ServerFailed),
        (99, ServerFailed),
    ],
)
def test_an_error_in_the_header_fails_the_call(error: int, expected: type[Exception]) -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0)
    pair.exchange()
    [request] = pair.requests
    pair.server._out.append(
        pair.server.link.failure(USER_INFO, request.envelope.serial, error, "not now")
    )
    pair.exchange()
    [failed] = pair.events
    assert isinstance(failed, Failed)
    assert failed.call is call
    assert type(failed.error) is expected
    assert "not now" in str(failed.error)
    assert pair.client.calls == {}


@pytest.mark.parametrize("error", [TIMEOUT, OPEND_TIMEOUT, DISCONNECTED, 99])
def test_an_error_in_the_header_leaves_an_order_in_doubt(error: int) -> None:
    pair = Pair().ready()
    call = pair.client.request(ORDER, order(), 0.0)
    pair.exchange()
    [request] = pair.requests
    pair.server._out.append(
        pair.server.link.failure(ORDER, request.envelope.serial, error, "not now")
    )
    pair.exchange()
    [failed] = pair.events
    assert failed.error.requests_in_doubt == (call.serial,)


def test_an_error_that_answers_nothing_is_counted() -> None:
    pair = Pair().ready()
    pair.server._out.append(pair.server.link.failure(USER_INFO, 99, TIMEOUT, "late"))
    pair.exchange()
    assert (pair.events, pair.client.stray_packets) == ([], 1)


def test_a_server_that_has_lost_opend_is_a_lost_connection() -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0)
    pair.server.push_body(OPEND_LOST, b"")
    pair.exchange()
    failed, lost = pair.events
    assert (failed.call, type(failed.error)) == (call, ConnectionLost)
    assert isinstance(lost, Lost)
    assert "lost its OpenD" in str(lost.error)


def test_a_ping_stands_for_keep_alive() -> None:
    pair = Pair().ready()
    for beat in (8.0, 16.0, 24.0, 32.0, 40.0):
        assert pair.client.tick(beat) == []
        pair.exchange(beat)
    assert (pair.events, pair.requests) == ([], [])


def test_a_server_that_answers_no_ping_is_dead_and_a_quiet_client_is_not() -> None:
    pair = Pair().ready()
    for beat in (8.0, 16.0, 24.0, 32.0):
        assert pair.client.tick(beat) == []
        pair.client.take()
    [lost] = pair.client.tick(33.0)
    assert isinstance(lost, Lost)
    assert pair.server.tick(1e6) == []


def test_a_close_is_told_to_the_other_side() -> None:
    for closing in ("client", "server"):
        pair = Pair().ready()
        getattr(pair, closing).close()
        pair.exchange()
        [lost] = pair.events if closing == "server" else pair.requests
        assert isinstance(lost, Lost)
        assert isinstance(lost.error, ConnectionLost)
