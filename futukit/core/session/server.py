"""The server's side of one connection."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.packing import Packer
from futukit.core.session.machine import (
    FRAMES,
    INIT_CONNECT,
    KEEP_ALIVE,
    LAST_SERIAL,
    SILENT_INTERVALS,
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
from futukit.messages import init_connect, keep_alive
from futukit.messages.common import RetType

__all__ = ["ServerSession"]


class ServerSession(Session):
    """The server's side of one connection.

    ``welcome`` is the answer to InitConnect (its ``keep_alive_interval`` in seconds); with
    ``refusal`` (a text) the client is refused instead. KeepAlive is answered here. A client
    that sends nothing for ``idle_timeout`` seconds is dead; None is 3.3 intervals, ``inf``
    never (for peers that send no KeepAlive).
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
        packer: Packer = FRAMES,
    ) -> None:
        super().__init__(epoch, packer)
        self.welcome = welcome
        self.hello: init_connect.C2S | None = None
        self._refusal = refusal
        interval = welcome.keep_alive_interval
        self._idle = interval * SILENT_INTERVALS if idle_timeout is None else idle_timeout
        self._heard = now
        self._push_serial = 0
        self.next_deadline = now + self._idle

    def receive(self, envelopes: Iterable[Envelope], now: float) -> list[Event]:
        """Take all envelopes that are there; a breach of the protocol ends the session."""
        self._heard = now
        events: list[Event] = []
        try:
            for envelope in envelopes:
                self._take_envelope(envelope, now, events)
                if self.state is State.CLOSED:
                    break
        except RemoteProtocolError as error:
            events += self.lose(error)
        return events

    def _take_envelope(self, envelope: Envelope, now: float, events: list[Event]) -> None:
        if envelope.proto_id == INIT_CONNECT:
            self._step(Step.GOT_INIT, envelope)
            self._check_format(envelope)
            self._greet(envelope, events)
            return
        self._step(Step.GOT_REQUEST, envelope)
        self._check_format(envelope)
        if envelope.proto_id == KEEP_ALIVE:
            s2c = keep_alive.S2C(time=int(self._epoch + now))
            self.reply(envelope, keep_alive.Response(ret_type=RetType.SUCCEED, s2c=s2c))
        else:
            events.append(Request(envelope))

    def _greet(self, envelope: Envelope, events: list[Event]) -> None:
        if self._refusal is not None:
            self._send_failure(envelope, self._refusal, RetType.FAILED)
            events += self._end(HandshakeError(f"refused: {self._refusal}", int(RetType.FAILED)))
            return
        try:
            request = codec.decode(init_connect.Request, envelope.body)
        except DecodeError as error:
            self._send_failure(envelope, "InitConnect cannot be read", RetType.INVALID)
            events += self._end(HandshakeError(f"InitConnect is nonsense: {error}"))
            return
        response = init_connect.Response(ret_type=RetType.SUCCEED, s2c=self.welcome)
        self._step(Step.SEND_WELCOME)
        self._out.append(self._packer.message(INIT_CONNECT, envelope.serial, response))
        self.hello = request.c2s
        events.append(Introduced(request.c2s))

    def reply(self, request: Envelope, message: Any) -> None:
        """Answer a request with a Response message."""
        self._step(Step.SEND_REPLY)
        self._out.append(self._packer.message(request.proto_id, request.serial, message))

    def reply_body(self, request: Envelope, body: bytes) -> None:
        """Answer a request with the plain bytes of a Response."""
        self._step(Step.SEND_REPLY)
        self._out.append(self._packer.body(request.proto_id, request.serial, body))

    def refuse(
        self, request: Envelope, ret_msg: str, ret_type: int = -1, err_code: int | None = None
    ) -> None:
        """Answer a request of any id with an error (retType and text stand in every Response)."""
        self._step(Step.SEND_REPLY)
        self._send_failure(request, ret_msg, ret_type, err_code)

    def push(self, proto_id: int, message: Any) -> None:
        """Send a push."""
        self._step(Step.SEND_PUSH)
        self._out.append(self._packer.message(proto_id, self._next_push_serial(), message))

    def push_body(self, proto_id: int, body: bytes) -> None:
        """Send a push whose body was encoded before, for many connections at once."""
        self._step(Step.SEND_PUSH)
        self._out.append(self._packer.body(proto_id, self._next_push_serial(), body))

    def tick(self, now: float) -> list[Event]:
        """Look whether the client has fallen silent."""
        if self._stalled(now, self._idle / 4):
            self._heard = now
        if now >= self._heard + self._idle:
            return self.lose(ConnectionLost(f"the client sent nothing for {self._idle:g} s"))
        self.next_deadline = self._heard + self._idle
        return []

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
        return [] if error is None else [Lost(error)]

    def _send_failure(
        self, request: Envelope, ret_msg: str, ret_type: int, err_code: int | None = None
    ) -> None:
        # Every Response has retType, retMsg and errCode at the same numbers; this one has them too.
        failure = init_connect.Response(
            ret_type=RetType(ret_type), ret_msg=ret_msg, err_code=err_code
        )
        self._out.append(self._packer.message(request.proto_id, request.serial, failure))

    def _next_push_serial(self) -> int:
        self._push_serial = self._push_serial + 1 if self._push_serial < LAST_SERIAL else 1
        return self._push_serial
