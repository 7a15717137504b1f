"""gRPC: one call for each request, one stream for all pushes. Envelopes go through as they are.

::

    session ── Envelope ──▶ link ── carry ──▶ channel ── Request ──────▶ server
    session ◀─ Envelope ─── link ◀─ answered, refused ── channel ◀──────
    session ◀─ Envelope ─── link ◀─ pushed ── channel ◀── SubscribePush

There is no stream of bytes to cut up, so the link is its own reader: the channel gives it what a
call brought, the session takes it out. A serial exists on this side only; the channel keeps which
call is whose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from typing import Any, Final, NamedTuple, Protocol

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.links import Opener, Sealer, Sink
from futukit.core.links.refused import Refused, Undone
from futukit.core.subscriptions import BOOKED_IDS
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
    Unauthenticated,
    UnexpectedPacket,
    UnsupportedCall,
    UsageError,
    server_error,
)
from futukit.messages import futu_service, get_global_state, init_connect
from futukit.messages.common import RetType

__all__ = ["GET_GLOBAL_STATE", "Carrier", "GrpcLink", "Status", "refuse_bare_state"]

GET_GLOBAL_STATE: Final = 1002
"""The greeting over gRPC."""

_PROTOBUF: Final = 0
_PUSH_SERIAL: Final = 0
_TIMEOUT: Final = -100
_KEEP_ALIVE: Final = 1004

_REFUSALS: Final = {
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": RateLimited,
    "INVALID_ARGUMENT": InvalidCall,
    "OUT_OF_RANGE": InvalidCall,
    "UNIMPLEMENTED": UnsupportedCall,
    "NOT_FOUND": UnsupportedCall,
}

_TOO_LARGE: Final = "eceived message larger than max"
_SERVER_SIDE: Final = "SERVER:"


class Status(NamedTuple):
    """How a call ended without an answer: gRPC's name of the status, its text, the time to wait.

    ``retry_after`` is in seconds, None where the server does not tell it.
    """

    name: str
    text: str
    retry_after: float | None = None


class Carrier(Protocol):
    """The channel, as the link sees it."""

    def carry(self, envelope: Envelope, /) -> None:
        """Make the call that this request is. It must not raise."""

    def drop(self, serial: int, /) -> None:
        """Nobody waits for the answer to this request any more: end its call."""


class GrpcLink:
    """The link of one gRPC connection of a client; ``carrier`` is set by its channel."""

    scripted = False
    sealer: Sealer = None
    opener: Opener = None

    def __init__(self, max_body_bytes: int = codec.MAX_BODY_BYTES) -> None:
        self.carrier: Carrier | None = None
        self._max_body_bytes = max_body_bytes
        self._outgoing: dict[int, Envelope] = {}
        self._answers: deque[Envelope | Undone] = deque()
        self._pushes: deque[Envelope] = deque()
        self._failure: FutukitError | None = None
        self._greeted = False
        self._deaf = False
        self._had_push = False
        self._streamless = False

    @property
    def reader(self) -> GrpcLink:
        """The link itself."""
        return self

    # What the session asks for.

    def start(self) -> None:
        """Nothing: the first call is the beginning."""

    def greeted(self) -> None:
        """The server has answered: from now on pushes are given out."""
        self._greeted = True

    def message(
        self, proto_id: int, serial: int, message: Any, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Keep a message for the channel; there are no bytes to write."""
        return self.body(proto_id, serial, codec.encode(message), body_format)

    def body(
        self, proto_id: int, serial: int, body: bytes, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Keep the plain bytes of a Request for the channel; there are no bytes to write."""
        if body_format != _PROTOBUF:
            raise UsageError("gRPC carries protobuf bodies only")
        self._outgoing[serial] = Envelope(proto_id, serial, body_format, body)
        return b""

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Nothing: a client has no errors to send."""
        del proto_id, serial, error, text
        return b""

    def abandon(self, serial: int, /) -> None:
        """Nobody waits for the answer to this request any more."""
        if self._outgoing.pop(serial, None) is None and self.carrier is not None:
            self.carrier.drop(serial)

    def ping(self) -> None:
        """None: the session sends KeepAlive, which the server answers by itself."""

    def take(self) -> bytes:
        """Hand what was kept to the channel: like bytes, it goes once the session knows of it."""
        outgoing = self._outgoing
        while outgoing:
            envelope = outgoing.pop(next(iter(outgoing)))
            if self.carrier is not None:
                self.carrier.carry(envelope)
        return b""

    def finish(self) -> bytes:
        """Nothing: the end of the channel is the end."""
        return b""

    # What the session takes out.

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Undone | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody, None without one.

        Raises what ended the connection, once all that came before is out.
        """
        if self._answers:
            return self._answers.popleft()
        pushes = self._pushes
        while pushes and self._greeted:
            push = pushes.popleft()
            sink = sinks.get(push.proto_id)
            if sink is None:
                return push
            sink(push.body)
        if self._failure is not None:
            raise copy(self._failure)  # the traceback of a raised one would grow
        return None

    def __iter__(self) -> Iterator[Envelope]:
        """Nothing: requests arrive at a server, and this is a client's link."""
        return iter(())

    def __next__(self) -> Envelope:
        raise StopIteration

    def clear(self) -> None:
        """Forget what has come; nothing that comes from now on counts."""
        self._deaf = True
        self._outgoing.clear()
        self._answers.clear()
        self._pushes.clear()

    # What the channel brings.

    def request(self, envelope: Envelope) -> bytes:
        """The FutuRequest that a request travels in."""
        return codec.encode(
            futu_service.FutuRequest(proto_id=envelope.proto_id, body=envelope.body)
        )

    def answered(self, asked: Envelope, data: bytes) -> None:
        """A call brought a FutuResponse. One that is none breaks the connection."""
        if self._deaf or self._failure is not None:
            return
        try:
            answer = codec.decode(futu_service.FutuResponse, data)
            if (answer.proto_id or 0) != asked.proto_id:
                reason = f"an answer to proto id {answer.proto_id or 0}"
                raise UnexpectedPacket(reason, asked.proto_id, asked.serial)
            body = self._checked(answer.body or b"", asked.proto_id, asked.serial)
        except (DecodeError, UnexpectedPacket, BadLength) as error:
            self.fail(error)
            return
        self._answers.append(_answer(asked, answer, body))
        if self._streamless and asked.proto_id in BOOKED_IDS and not answer.ret_type:
            self.fail(ConnectionLost("pushes are allowed now: a new connection gets them"))

    def undone(self, asked: Envelope, status: Status) -> None:
        """A call ended without an answer."""
        if self._deaf or self._failure is not None:
            return
        if self._is_oversized(status):
            self.fail(BadLength(self._oversized, 0, asked.proto_id, asked.serial))
        else:
            error = _error_of(status, asked.proto_id, asked.serial)
            self._answers.append(Undone(asked.proto_id, asked.serial, error))
            is_beat = self._streamless and asked.proto_id == _KEEP_ALIVE
            if is_beat and isinstance(error, ConnectionLost | Unauthenticated):
                self.fail(error)  # without a stream only KeepAlive tells of the end

    def pushed(self, data: bytes) -> None:
        """The stream brought a PushEvent. One that is none breaks the connection."""
        if self._deaf or self._failure is not None:
            return
        try:
            event = codec.decode(futu_service.PushEvent, data)
            body = self._checked(event.body or b"", event.proto_id or 0, _PUSH_SERIAL)
        except (DecodeError, BadLength) as error:
            self.fail(error)
            return
        self._had_push = True
        self._pushes.append(Envelope(event.proto_id or 0, _PUSH_SERIAL, _PROTOBUF, body))

    def stream_ended(self, status: Status) -> None:
        """The stream of pushes is over, and the connection with it.

        But for one that was never allowed: then there are calls, and no pushes.
        """
        if status.name == "PERMISSION_DENIED" and not self._had_push:
            self._streamless = True  # a key that gets no pushes may call all the same
            return
        if status.name == "OK":
            self.fail(ConnectionLost("the server ended the stream of pushes"))
        elif self._is_oversized(status):
            self.fail(BadLength(self._oversized))
        elif status.name in ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"):
            self.fail(_REFUSALS[status.name](status.name, status.text))
        else:
            self.fail(ConnectionLost(f"the connection broke: {_told(status)}"))

    def fail(self, error: FutukitError) -> None:
        """The connection is over because of ``error``; the first one counts."""
        if self._failure is None:
            self._failure = error

    def _checked(self, body: bytes, proto_id: int, serial: int) -> bytes:
        if len(body) > self._max_body_bytes:
            reason = f"body of {len(body)} bytes, at most {self._max_body_bytes}"
            raise BadLength(reason, 0, proto_id, serial)
        return body

    @property
    def _oversized(self) -> str:
        return f"a body of more than {self._max_body_bytes} bytes"

    def _is_oversized(self, status: Status) -> bool:
        """Whether gRPC on our side gave a message up: both sides' limits have the same status."""
        return (
            status.name == "RESOURCE_EXHAUSTED"
            and _TOO_LARGE in status.text
            and not status.text.startswith(_SERVER_SIDE)
        )


def _answer(asked: Envelope, answer: futu_service.FutuResponse, body: bytes) -> Envelope | Undone:
    """The answer as an envelope, if what stands around the body says what the body says."""
    ret_type = answer.ret_type or 0
    if not body and ret_type:
        # Every Response has retType and retMsg at the same numbers: this one stands for all.
        body = codec.encode(
            init_connect.Response(ret_type=RetType(ret_type), ret_msg=answer.ret_msg)
        )
    said = _ret_type_of(body)
    if said is not None and said != ret_type:
        reason = f"retType {said} in the body, ret_type {ret_type} around it"
        error: FutukitError = DecodeError(reason, "", asked.proto_id, asked.serial)
        if asked.proto_id == GET_GLOBAL_STATE:
            try:
                refuse_bare_state(body)
            except HandshakeError as bare:
                error = bare
        return Undone(asked.proto_id, asked.serial, error)
    return Envelope(asked.proto_id, asked.serial, _PROTOBUF, body)


def refuse_bare_state(body: bytes) -> None:
    """Raise HandshakeError if GetGlobalState was answered with its S2C alone.

    Of this id the two cannot be confused: the S2C has required numbers where a Response has its
    texts and its S2C.
    """
    try:
        codec.decode(get_global_state.S2C, body)
    except DecodeError:
        return
    raise HandshakeError("the server answers with bare S2C, this client needs whole Responses")


def _ret_type_of(body: bytes) -> int | None:
    """The retType of any Response; None where the body is no message or has none."""
    try:
        # retType and retMsg have the numbers and types of FutuResponse's first two fields. What
        # stands at the others is not looked at.
        return codec.decode(futu_service.FutuResponse, body).ret_type
    except DecodeError:
        return None  # whoever decodes the whole of it says what is wrong


def _error_of(status: Status, proto_id: int, serial: int) -> FutukitError:
    """What a status means for the call that it ended. Orders in doubt are the session's to add."""
    if status.name == "UNAVAILABLE":
        return ConnectionLost(_told(status), proto_id, serial)
    if status.name == "DEADLINE_EXCEEDED":  # not ours: we set none
        return server_error(_TIMEOUT, status.text, 0, proto_id, serial)
    if status.name == "RESOURCE_EXHAUSTED" and _TOO_LARGE in status.text:
        return InvalidCall(status.name, status.text, proto_id, serial)
    error = _REFUSALS.get(status.name, GatewayError)(status.name, status.text, proto_id, serial)
    if isinstance(error, RateLimited):
        error.retry_after = status.retry_after
    return error


def _told(status: Status) -> str:
    return status.text or f"gRPC status {status.name}"
