"""The server's side of one connection."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from math import inf
from typing import Any, TypeAlias

import msgspec

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.links import Link
from futukit.core.links.frames import FrameLink
from futukit.core.secrecy import ServerSecrecy
from futukit.core.session.greeting import hashed_key
from futukit.core.session.machine import (
    INIT_CONNECT,
    INIT_WEB_SOCKET,
    KEEP_ALIVE,
    LAST_SERIAL,
    SILENT_INTERVALS,
    Observer,
    Session,
)
from futukit.core.states import Role, State, Step
from futukit.errors import (
    ConnectionLost,
    DecodeError,
    FutukitError,
    HandshakeError,
    RemoteProtocolError,
)
from futukit.messages import init_connect, init_web_socket, keep_alive
from futukit.messages.common import ProtoFmt, RetType

__all__ = ["Admit", "ServerSession"]

Admit: TypeAlias = Callable[[init_connect.C2S | init_web_socket.C2S], str | None]
"""Decides on a client by its greeting: why it is refused, or None. It must not raise."""


class ServerSession(Session):
    """The server's side of one connection.

    ``welcome`` is the answer to InitConnect (its ``keep_alive_interval`` in seconds); with
    ``refusal`` (a text) the client is refused instead. ``web_socket_key`` is what the login of
    the script dialect must carry; with ``admit`` it is that which decides, in either dialect, and
    the key is not looked at. ``aes_cbc_iv`` is used where AES_CBC is granted,
    ``push_format`` where the client asks for none. KeepAlive is answered here. A client that
    sends nothing for ``idle_timeout`` seconds is dead; None is 3.3 intervals, ``inf`` never;
    the script dialect knows no KeepAlive, so there it is always never.
    """

    role = Role.SERVER

    def __init__(
        self,
        welcome: init_connect.S2C,
        *,
        now: float,
        epoch: float = 0.0,
        idle_timeout: float | None = None,
        refusal: str | None = None,
        admit: Admit | None = None,
        link: Link | None = None,
        secrecy: ServerSecrecy | None = None,
        aes_cbc_iv: str = "",
        web_socket_key: str | None = None,
        push_format: int = 0,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(epoch, link or FrameLink(server=True), observer)
        self.welcome = welcome
        self.hello: init_connect.C2S | None = None
        self.encryption = "none"
        self.push_format = push_format
        self._secrecy = secrecy or ServerSecrecy()
        self._aes_cbc_iv = aes_cbc_iv
        self._web_socket_key = hashed_key(web_socket_key)
        self._refusal = refusal
        self._admit = admit
        interval = welcome.keep_alive_interval
        self._idle = interval * SILENT_INTERVALS if idle_timeout is None else idle_timeout
        self._heard = now
        self._push_serial = 0
        self.next_deadline = now + self._idle
        self._secrecy.begin(self.link)

    def receive(self, now: float) -> list[Event]:
        """Take all packets that the link's reader has; a breach ends the session."""
        self._heard = now
        events: list[Event] = []
        try:
            for envelope in self.link.reader:
                events += self.receive_one(envelope, now)
                if self.state is State.CLOSED:
                    break
        except (RemoteProtocolError, ConnectionLost) as error:
            events += self.lose(error)
        return events

    def receive_one(self, envelope: Envelope, now: float) -> list[Event]:
        """Take one packet, for an owner that reads the link itself."""
        self._heard = now
        if self._observer is not None:
            self._observer("received", envelope)
        events: list[Event] = []
        try:
            self._take_envelope(envelope, now, events)
        except RemoteProtocolError as error:
            events += self.lose(error)
        return events

    def _take_envelope(self, envelope: Envelope, now: float, events: list[Event]) -> None:
        if envelope.proto_id == INIT_CONNECT:
            self._step(Step.GOT_INIT, envelope)
            self._greet(envelope, events)
        elif envelope.proto_id == INIT_WEB_SOCKET and self.link.scripted:
            self._step(Step.GOT_INIT, envelope)
            self._greet_script(envelope, now, events)
        else:
            self._step(Step.GOT_REQUEST, envelope)
            if envelope.proto_id == KEEP_ALIVE:
                s2c = keep_alive.S2C(time=int(self._epoch + now))
                self.reply(envelope, keep_alive.Response(ret_type=RetType.SUCCEED, s2c=s2c))
            else:
                events.append(Request(envelope))

    def _greet(self, envelope: Envelope, events: list[Event]) -> None:
        try:
            request = codec.decode_body(init_connect.Request, envelope.body, envelope.body_format)
        except DecodeError as error:
            self._send_failure(envelope, "InitConnect cannot be read", RetType.INVALID)
            events += self._end(HandshakeError(f"InitConnect is nonsense: {error}"))
            return
        hello = request.c2s
        self.encryption = self._secrecy.grant(self.link, hello)
        refusal = self._refusal
        if refusal is None and self._admit is not None:
            refusal = self._admit(hello)
        if refusal is not None:
            self._send_failure(envelope, refusal, RetType.FAILED)
            events += self._end(HandshakeError(f"refused: {refusal}", int(RetType.FAILED)))
            return
        if self.encryption == "aes_cbc":
            self.welcome = msgspec.structs.replace(self.welcome, aes_cbc_iv=self._aes_cbc_iv)
        if hello.push_proto_fmt is not None:
            self.push_format = 1 if hello.push_proto_fmt == ProtoFmt.JSON else 0
        response = init_connect.Response(ret_type=RetType.SUCCEED, s2c=self.welcome)
        self._step(Step.SEND_WELCOME)
        self._pack(INIT_CONNECT, envelope.serial, response, envelope.body_format)
        self._secrecy.settle(self.link, self.encryption, self.welcome)
        self.hello = hello
        events.append(Introduced(hello))

    def _greet_script(self, envelope: Envelope, now: float, events: list[Event]) -> None:
        refusal = self._refusal
        hello = init_web_socket.C2S()
        try:
            request = codec.decode(init_web_socket.Request, envelope.body)
            hello = request.c2s or hello
        except DecodeError:
            refusal = "InitWebSocket cannot be read"
        if refusal is None:
            refusal = self._refusal_of_script(hello)
        if refusal is not None:
            self._out.append(
                self.link.failure(envelope.proto_id, envelope.serial, int(RetType.FAILED), refusal)
            )
            self._out.append(self.link.finish())
            events += self._end(HandshakeError(f"refused: {refusal}", int(RetType.FAILED)))
            return
        s2c = init_web_socket.S2C(server_time=int(self._epoch + now), conn_id=self.welcome.conn_id)
        response = init_web_socket.Response(ret_type=RetType.SUCCEED, s2c=s2c)
        self._step(Step.SEND_WELCOME)
        self._pack(INIT_WEB_SOCKET, envelope.serial, response, 0)
        self._idle = inf
        self.next_deadline = inf
        self.push_format = 0
        self.hello = init_connect.C2S(
            client_ver=0,
            client_id=hello.client_id or "",
            recv_notify=True,
            programming_language=hello.programming_language,
        )
        events.append(Introduced(self.hello))

    def _refusal_of_script(self, hello: init_web_socket.C2S) -> str | None:
        if self._admit is not None:
            return self._admit(hello)
        given = (hello.websocket_key or "").encode()
        fits = compare_digest(given, self._web_socket_key.encode())
        return None if fits else "wrong WebSocket key"

    def reply(self, request: Envelope, message: Any) -> None:
        """Answer a request with a Response message."""
        self._step(Step.SEND_REPLY)
        self._pack(request.proto_id, request.serial, message, request.body_format)

    def reply_body(self, request: Envelope, body: bytes) -> None:
        """Answer a request with the plain bytes of a Response, in the request's body format."""
        self._step(Step.SEND_REPLY)
        self._pack(request.proto_id, request.serial, body, request.body_format)

    def refuse(
        self, request: Envelope, ret_msg: str, ret_type: int = -1, err_code: int | None = None
    ) -> None:
        """Answer a request of any id with an error (retType and text stand in every Response)."""
        self._step(Step.SEND_REPLY)
        self._send_failure(request, ret_msg, ret_type, err_code)

    def push(self, proto_id: int, message: Any) -> None:
        """Send a push."""
        self._step(Step.SEND_PUSH)
        self._pack(proto_id, self._next_push_serial(), message, self.push_format)

    def push_body(self, proto_id: int, body: bytes) -> None:
        """Send a push whose body was encoded before, in this session's ``push_format``."""
        self._step(Step.SEND_PUSH)
        self._pack(proto_id, self._next_push_serial(), body, self.push_format)

    def tick(self, now: float) -> list[Event]:
        """Look whether the client has fallen silent."""
        if self._stalled(now, self._idle / 4):
            self._heard = now
        if now >= self._heard + self._idle:
            return self.lose(ConnectionLost(f"the client sent nothing for {self._idle:g} s"))
        self.next_deadline = self._heard + self._idle
        return []

    def excuse(self, now: float) -> None:
        """The owner has not read for a while: until now, silence proves nothing."""
        self._heard = now
        if self.state is not State.CLOSED:
            self.next_deadline = now + self._idle

    def close(self) -> list[Event]:
        """End in order; what was packed is still to be written."""
        return self._end(None)

    def lose(self, error: FutukitError) -> list[Event]:
        """The connection is gone or useless."""
        return self._end(error)

    def _end(self, error: FutukitError | None) -> list[Event]:
        if self.state is State.CLOSED:
            return []
        self._step(Step.END)
        self.next_deadline = inf
        if error is None:
            self._out.append(self.link.finish())
        self.link.sealer = self.link.opener = None  # the keys die with the connection
        return [] if error is None else [Lost(error)]

    def _send_failure(
        self, request: Envelope, ret_msg: str, ret_type: int, err_code: int | None = None
    ) -> None:
        # Every Response has retType, retMsg and errCode at the same numbers; this one has them too.
        failure = init_connect.Response(
            ret_type=RetType(ret_type), ret_msg=ret_msg, err_code=err_code
        )
        self._pack(request.proto_id, request.serial, failure, request.body_format)

    def _next_push_serial(self) -> int:
        self._push_serial = self._push_serial + 1 if self._push_serial < LAST_SERIAL else 1
        return self._push_serial
