"""The one tree of exceptions, drawn here at the top.

::

    FutukitError
    ├── UsageError (also ValueError)   the caller asked for something impossible; nothing was sent
    │   └── EncodeError                a message does not fit its schema
    ├── LocalProtocolError             the protocol forbids it in this state; nothing was sent
    │   └── ForkedProcessError         a client was used in a child of the process that made it
    ├── RemoteProtocolError            the peer broke the protocol
    │   ├── FrameError                 the byte stream is not a stream of frames
    │   │   ├── BadMagic
    │   │   ├── BadVersion
    │   │   ├── BadLength              a body longer than the cap, or a half frame at the end
    │   │   └── DigestMismatch         SHA1 of the plain body differs from the header's
    │   ├── DecodeError                a body is not the message it should be
    │   ├── DecryptError               a body does not decrypt
    │   ├── UnexpectedPacket           a packet that has no place in this state
    │   └── HandshakeError             InitConnect was refused or answered with nonsense
    ├── ConnectError (also ConnectionError)      no connection could be made
    ├── ConnectionLost (also ConnectionError)    the connection went away with calls in flight
    ├── ClientClosed                   the client was closed by its owner
    ├── RequestTimeout (also TimeoutError)       no answer within *our* time limit
    ├── GatewayError                   a gRPC server refused a call or could not answer it
    │   ├── Unauthenticated            no API key, or one that is not known or has expired
    │   ├── PermissionDenied           what the API key may do does not include this
    │   ├── RateLimited                too many calls: ``retry_after`` says when to come back
    │   ├── InvalidCall                the server cannot read the request, or it is too large
    │   └── UnsupportedCall            the server does not have what was called
    └── ServerError                    OpenD answered with a retType other than 0
        ├── ServerFailed               retType -1
        ├── ServerTimeout              retType -100: OpenD's own time limit
        ├── ServerDisconnected         retType -200
        ├── ServerUnknown              retType -400, or an answer without retType
        └── ServerInvalid              retType -500

Facts are attributes, never only text: ``proto_id``, ``serial``, ``offset``, ``ret_type``,
``err_code``, ``status``, ``retry_after``, ``requests_in_doubt``. A message never contains a key, a
password or a body. Of a text from outside it has the first 300 characters, with escapes for what
cannot be printed; the attribute (``ret_msg``, ``reason``) has the whole text as it came.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category

__all__ = [
    "BadLength",
    "BadMagic",
    "BadVersion",
    "ClientClosed",
    "ConnectError",
    "ConnectionLost",
    "DecodeError",
    "DecryptError",
    "DigestMismatch",
    "EncodeError",
    "ForkedProcessError",
    "FrameError",
    "FutukitError",
    "GatewayError",
    "HandshakeError",
    "InvalidCall",
    "LocalProtocolError",
    "PermissionDenied",
    "RateLimited",
    "RemoteProtocolError",
    "RequestTimeout",
    "ServerDisconnected",
    "ServerError",
    "ServerFailed",
    "ServerInvalid",
    "ServerTimeout",
    "ServerUnknown",
    "Unauthenticated",
    "UnexpectedPacket",
    "UnsupportedCall",
    "UsageError",
    "server_error",
]

_LONGEST_TEXT: Final = 300


def _shown(text: str) -> str:
    """A text from outside as a message shows it: on one line, printable, not endless."""
    shown = text[:_LONGEST_TEXT]
    if not shown.isprintable():
        shown = "".join(map(_escaped, shown))[:_LONGEST_TEXT]
    return shown if len(text) <= _LONGEST_TEXT else f"{shown}…"


def _escaped(character: str) -> str:
    # The wide space of Chinese texts counts as not printable.
    if character.isprintable() or category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


class FutukitError(Exception):
    """Base of every error that futukit raises on purpose. Never raised itself.

    ``requests_in_doubt`` names the serial numbers of state-changing requests (orders) that
    were sent and whose outcome is not known; empty for every other error.
    """

    requests_in_doubt: tuple[int, ...] = ()

    def __new__(cls, *args: object, **_: object) -> FutukitError:
        if cls in (FutukitError, RemoteProtocolError):
            raise TypeError(f"{cls.__name__} is a common base, raise one of its subclasses")
        # One argument only: of more, OSError would make an errno and a text of its own.
        return super().__new__(cls, *args[:1])

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own would call __init__ with the finished text as its first argument.
        return _remake, (type(self), self.args, self.__dict__)


def _remake(
    cls: type[FutukitError], args: tuple[object, ...], facts: dict[str, object]
) -> FutukitError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(facts)
    return error


class UsageError(FutukitError, ValueError):
    """The caller asked for something that cannot be; nothing was sent."""


class EncodeError(UsageError):
    """A message does not fit its schema. ``path`` is the field: ``Qot_Sub.Request.c2s.session``."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


class LocalProtocolError(FutukitError):
    """We were asked for what the protocol forbids in this state; nothing was sent."""


class ForkedProcessError(LocalProtocolError):
    """A client was used in a child of the process that made it."""


class RemoteProtocolError(FutukitError):
    """The peer broke the protocol. Never raised itself."""


class FrameError(RemoteProtocolError):
    """The byte stream is not a stream of frames.

    ``offset`` is the position of the frame's first byte in the stream, ``proto_id`` and
    ``serial`` are what its header said (``None`` where the header could not be believed).
    """

    def __init__(
        self,
        reason: str,
        offset: int = 0,
        proto_id: int | None = None,
        serial: int | None = None,
    ) -> None:
        where = f"at byte {offset}"
        if proto_id is not None:
            where += f", proto id {proto_id}, serial {serial}"
        super().__init__(f"{reason} ({where})")
        self.reason = reason
        self.offset = offset
        self.proto_id = proto_id
        self.serial = serial


class BadMagic(FrameError):
    """A frame does not begin with ``FT``."""


class BadVersion(FrameError):
    """A frame has a protocol version other than 0, or an unknown body format."""


class BadLength(FrameError):
    """A body is longer than the cap, or the stream ended within a frame."""


class DigestMismatch(FrameError):
    """The SHA1 in the header is not that of the plain body."""


class DecodeError(RemoteProtocolError):
    """A body is not the message it should be.

    ``path`` is the field (``Qot_GetKL.Response.s2c.klList[3].time``), ``proto_id`` and
    ``serial`` are set where the body came in a frame.
    """

    def __init__(
        self,
        reason: str,
        path: str = "",
        proto_id: int | None = None,
        serial: int | None = None,
    ) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path
        self.proto_id = proto_id
        self.serial = serial


class DecryptError(RemoteProtocolError):
    """A body does not decrypt. One reason for every fault of padding; never any key material.

    ``offset``, ``proto_id`` and ``serial`` name the frame as those of ``FrameError`` do; all are
    ``None`` where the body was not in one.
    """

    def __init__(
        self,
        reason: str,
        offset: int | None = None,
        proto_id: int | None = None,
        serial: int | None = None,
    ) -> None:
        where = [] if offset is None else [f"at byte {offset}"]
        if proto_id is not None:
            where.append(f"proto id {proto_id}, serial {serial}")
        super().__init__(f"{reason} ({', '.join(where)})" if where else reason)
        self.reason = reason
        self.offset = offset
        self.proto_id = proto_id
        self.serial = serial


class UnexpectedPacket(RemoteProtocolError):
    """A packet that has no place in this state, for example a request before InitConnect."""

    def __init__(self, reason: str, proto_id: int | None = None, serial: int | None = None) -> None:
        where = "" if proto_id is None else f" (proto id {proto_id}, serial {serial})"
        super().__init__(f"{reason}{where}")
        self.reason = reason
        self.proto_id = proto_id
        self.serial = serial


class HandshakeError(RemoteProtocolError):
    """InitConnect was refused or answered with nonsense."""

    def __init__(
        self, reason: str, ret_type: int | None = None, err_code: int | None = None
    ) -> None:
        super().__init__(_shown(reason))
        self.reason = reason
        self.ret_type = ret_type
        self.err_code = err_code


class ConnectError(FutukitError, ConnectionError):
    """No connection could be made: unresolvable name, refused port, no handshake in time."""


class ConnectionLost(FutukitError, ConnectionError):
    """The connection went away. Calls in flight fail with this and are never sent again.

    ``proto_id`` and ``serial`` name the call; ``requests_in_doubt`` holds its serial when it
    was an order whose outcome is not known.
    """

    def __init__(
        self,
        reason: str,
        proto_id: int | None = None,
        serial: int | None = None,
        requests_in_doubt: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.args = (_shown(reason),)  # an OSError keeps what it was made of, whatever it is given
        self.reason = reason
        self.proto_id = proto_id
        self.serial = serial
        self.requests_in_doubt = requests_in_doubt


class ClientClosed(FutukitError):
    """The client was closed by its owner."""


class RequestTimeout(FutukitError, TimeoutError):
    """No answer came within our own time limit (OpenD's own is ``ServerTimeout``)."""

    def __init__(
        self,
        reason: str,
        proto_id: int | None = None,
        serial: int | None = None,
        requests_in_doubt: tuple[int, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.proto_id = proto_id
        self.serial = serial
        self.requests_in_doubt = requests_in_doubt


class GatewayError(FutukitError):
    """A gRPC server refused a call, or could not answer it, whatever OpenD would have said.

    ``status`` is gRPC's name for it (``"INTERNAL"``), ``reason`` the server's text. Of the
    subclasses the call was not carried out; for any other status an order is in doubt, and
    ``requests_in_doubt`` holds its serial.
    """

    def __init__(
        self,
        status: str,
        reason: str = "",
        proto_id: int | None = None,
        serial: int | None = None,
        requests_in_doubt: tuple[int, ...] = (),
    ) -> None:
        where = "" if proto_id is None else f" (proto id {proto_id}, serial {serial})"
        super().__init__(f"{_shown(reason) or 'no reason given'}: gRPC status {status}{where}")
        self.status = status
        self.reason = reason
        self.proto_id = proto_id
        self.serial = serial
        self.requests_in_doubt = requests_in_doubt


class Unauthenticated(GatewayError):
    """The server wants an API key, and the one it got, if any, is not known or has expired."""


class PermissionDenied(GatewayError):
    """The scopes or limits of the API key do not include this call."""


class RateLimited(GatewayError):
    """Too many calls. ``retry_after`` is in how many seconds one may come back, where told.

    A gRPC server says so, or the client itself under its option ``rate_limit``.
    """

    retry_after: float | None = None


class InvalidCall(GatewayError):
    """The server cannot read the request, or takes none that large."""


class UnsupportedCall(GatewayError):
    """The server does not have what was called."""


class ServerError(FutukitError):
    """OpenD answered with a retType other than 0.

    ``ret_type`` (Common.RetType), ``ret_msg``, ``err_code`` (0 when absent), ``proto_id``
    and ``serial`` are the facts; the text is the server's own message. Of -100, -200 and -400 an
    order is in doubt, and ``requests_in_doubt`` holds its serial.
    """

    def __init__(
        self,
        ret_type: int,
        ret_msg: str = "",
        err_code: int = 0,
        proto_id: int | None = None,
        serial: int | None = None,
    ) -> None:
        text = _shown(ret_msg) or "no message"
        super().__init__(f"{text} (retType {ret_type}, proto id {proto_id})")
        self.ret_type = ret_type
        self.ret_msg = ret_msg
        self.err_code = err_code
        self.proto_id = proto_id
        self.serial = serial


class ServerFailed(ServerError):
    """retType -1: OpenD refused or could not do it."""


class ServerTimeout(ServerError):
    """retType -100: OpenD's own time limit passed."""


class ServerDisconnected(ServerError):
    """retType -200: OpenD has lost its own connection."""


class ServerUnknown(ServerError):
    """retType -400, an answer without retType, or one that no class stands for."""


class ServerInvalid(ServerError):
    """retType -500: OpenD calls the packet invalid."""


_BY_RET_TYPE: dict[int, type[ServerError]] = {
    -1: ServerFailed,
    -100: ServerTimeout,
    -200: ServerDisconnected,
    -400: ServerUnknown,
    -500: ServerInvalid,
}


def server_error(
    ret_type: int,
    ret_msg: str = "",
    err_code: int = 0,
    proto_id: int | None = None,
    serial: int | None = None,
) -> ServerError:
    """Make the error that stands for ``ret_type`` (Common.RetType); unlisted ones are unknown."""
    cls = _BY_RET_TYPE.get(ret_type, ServerUnknown)
    return cls(ret_type, ret_msg, err_code, proto_id, serial)
