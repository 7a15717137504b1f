"""A server session whose owner decides on each client by its greeting."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from futukit.core.events import Lost, Ready
from futukit.core.links.websocket import ScriptLink, ServerWebSocketLink
from futukit.core.session import ClientSession, ServerSession
from futukit.core.session.greeting import ConnectGreeting, ScriptGreeting, hashed_key
from futukit.core.states import State
from futukit.errors import HandshakeError
from futukit.messages import init_connect, init_web_socket
from tests.unit.sessions import HELLO, INTERVAL, WELCOME, receive
from tests.unit.test_session_script import carry


class Door:
    """Keeps the greetings it was asked about."""

    def __init__(self, refusal: str | None) -> None:
        self.greetings: list[Any] = []
        self._refusal = refusal

    def __call__(self, hello: init_connect.C2S | init_web_socket.C2S) -> str | None:
        self.greetings.append(hello)
        return self._refusal


def greet(door: Door, refusal: str | None = None) -> tuple[ServerSession, list[Any], list[Any]]:
    """InitConnect in frames; the session, what it says of it, and what the client says."""
    server = ServerSession(WELCOME, now=0.0, refusal=refusal, admit=door)
    client = ClientSession(ConnectGreeting(HELLO))
    client.connect(0.0)
    events = receive(server, client.take())
    return server, events, receive(client, server.take())


def greet_in_script(door: Door, key: str) -> tuple[ServerSession, list[Any]]:
    """InitWebSocket; the session, and what the client says of it."""
    server = ServerSession(
        WELCOME, now=0.0, link=ServerWebSocketLink(), web_socket_key="sesame", admit=door
    )
    client = ClientSession(ScriptGreeting("test", key), link=ScriptLink("localhost", 33333))
    client.connect(0.0)
    events: list[Any] = []
    while True:
        up, down = client.take(), server.take()
        if not up and not down:
            return server, events
        carry(server, up, 0.0)
        events += carry(client, down, 0.0)


def test_who_is_admitted_is_welcomed() -> None:
    door = Door(None)
    server, _, events = greet(door)
    assert door.greetings == [HELLO]
    [ready] = events
    assert isinstance(ready, Ready)
    assert server.state is State.READY


def test_who_is_not_admitted_is_told_why() -> None:
    server, events, told = greet(Door("come with a key"))
    [lost] = events
    assert isinstance(lost, Lost)
    assert str(lost.error) == "refused: come with a key"
    [lost] = told
    assert isinstance(lost.error, HandshakeError)
    assert "come with a key" in str(lost.error)
    assert (server.state, server.hello, server.next_deadline) == (State.CLOSED, None, inf)


def test_who_is_refused_anyway_is_not_asked_about() -> None:
    door = Door(None)
    _, events, _ = greet(door, "too many connections")
    [lost] = events
    assert str(lost.error) == "refused: too many connections"
    assert door.greetings == []


@pytest.mark.parametrize("key", ["sesame", "wrong"])
def test_in_the_script_dialect_the_owner_looks_at_the_key(key: str) -> None:
    door = Door(None)
    server, [ready] = greet_in_script(door, key)
    assert isinstance(ready, Ready)
    assert server.state is State.READY
    [hello] = door.greetings
    assert isinstance(hello, init_web_socket.C2S)
    assert hello.websocket_key == hashed_key(key)


def test_in_the_script_dialect_the_refusal_stands_in_the_header() -> None:
    server, [lost] = greet_in_script(Door("not with this key"), "sesame")
    assert isinstance(lost.error, HandshakeError)
    assert "not with this key" in str(lost.error)
    assert server.state is State.CLOSED


def test_an_excused_client_has_its_whole_time_again() -> None:
    server, _, _ = greet(Door(None))
    limit = 3.3 * INTERVAL
    server.excuse(100.0)
    assert server.next_deadline == 100.0 + limit
    assert server.tick(100.0 + limit - 0.1) == []
    [lost] = server.tick(100.0 + limit)
    assert isinstance(lost, Lost)
    server.excuse(200.0)
    assert server.next_deadline == inf
