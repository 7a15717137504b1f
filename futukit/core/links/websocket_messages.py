"""A WebSocket without IO: bytes on one side, binary messages on the other, for both roles.

The library ``websockets`` knows RFC 6455. This module is what OpenD's dialects want of it:
binary messages of a limited size, no extension, no subprotocol, and a typed error for each way
to break that.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from http import HTTPStatus
from typing import Final, TypeAlias, cast

from websockets.client import ClientProtocol
from websockets.exceptions import (
    InvalidHeader,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
)
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from futukit.core.links.websocket_frames import cut_messages, frame_extent, is_whole_message
from futukit.errors import (
    BadLength,
    ConnectionLost,
    FrameError,
    FutukitError,
    HandshakeError,
    RemoteProtocolError,
    UnexpectedPacket,
)

__all__ = ["Deliver", "Message", "WebSocket", "client_socket", "server_socket"]

Message: TypeAlias = bytes | bytearray
"""The content of a message; whoever gets it may keep it."""

Deliver: TypeAlias = Callable[[Message], None]
"""Takes a message. It may refuse it with a RemoteProtocolError."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")
_STATUS_BYTES: Final = len(b"HTTP/1.1 101 ")
_HTTP: Final = b"HTTP/1."
_SWITCHING: Final = 101
_REDIRECTS: Final = range(300, 400)
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN
_LOCAL_ORIGIN: Final = re.compile(r"https?://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")
_SHOWN_REASON: Final = 60

# The first byte of a whole pong, as the library writes it.
_PONG: Final = b"\x8a"

# Looked up once: before Python 3.12 a member costs a function call each time it is named.
_BINARY: Final = Opcode.BINARY
_CONTINUATION: Final = Opcode.CONT
_TEXT: Final = Opcode.TEXT
_CLOSE: Final = Opcode.CLOSE

# What the library would log is headers and messages; both may hold keys.
_SILENT: Final = logging.Logger("futukit.websocket", logging.CRITICAL + 1)


def client_socket(host: str, port: int, *, secure: bool, max_message_bytes: int) -> WebSocket:
    """The client's end. ``secure`` says whether TLS is below: it changes the Host header."""
    # The zone of an IPv6 address means nothing to the peer.
    uri = WebSocketURI(secure, host.partition("%")[0], port, "/", "")
    protocol = ClientProtocol(uri, max_size=max_message_bytes, logger=_SILENT)
    return WebSocket(protocol, max_message_bytes)


def server_socket(*, max_message_bytes: int, local_origins: bool = False) -> WebSocket:
    """The server's end. It takes any path.

    With ``local_origins`` it refuses the pages that a browser got from elsewhere: what listens on
    this machine only is open to every page that its user looks at. Programs name no origin.
    """
    protocol = ServerProtocol(max_size=max_message_bytes, logger=_SILENT)
    return WebSocket(protocol, max_message_bytes, local_origins=local_origins)


class WebSocket:
    """One connection. What ends it is kept as its failure, which ``check`` raises.

    Messages sent before the opening handshake is through wait, and come out of ``take`` behind
    it. ``offset`` counts the bytes of the messages that were delivered.
    """

    __slots__ = (
        "_deaf",
        "_failure",
        "_head",
        "_is_client",
        "_local_origins",
        "_max_message_bytes",
        "_open",
        "_opening",
        "_out",
        "_owed",
        "_parts",
        "_protocol",
        "_tail",
        "_waiting",
        "offset",
    )

    def __init__(
        self,
        protocol: ClientProtocol | ServerProtocol,
        max_message_bytes: int,
        *,
        local_origins: bool = False,
    ) -> None:
        self.offset = 0
        self._local_origins = local_origins
        self._protocol = protocol
        self._is_client = isinstance(protocol, ClientProtocol)
        self._max_message_bytes = max_message_bytes
        self._opening = True
        self._open = False
        self._deaf = False
        self._head: bytes | None = b""
        self._waiting: list[bytes] = []
        self._out: list[bytes] = []
        # The start of a frame that is not whole yet, or else how much of one the library lacks.
        self._tail = bytearray()
        self._owed = 0
        self._parts: bytearray | None = None
        self._failure: FutukitError | None = None

    # What goes out.

    def start(self) -> None:
        """Client: ask for the WebSocket."""
        if isinstance(self._protocol, ClientProtocol):
            self._protocol.send_request(self._protocol.connect())
            self._collect()

    def send(self, message: bytes) -> bytes:
        """The bytes of a binary message; none while it has to wait, and none after the end.

        Whatever ``take`` would have given goes before it, here and in ``ping`` and ``finish``.
        """
        if self._open:
            self._protocol.send_binary(message)
            return self._written()
        if self._opening:
            self._waiting.append(message)
        return b""

    def ping(self) -> bytes:
        """The bytes of a ping, none if the WebSocket is not open."""
        if not self._open:
            return b""
        self._protocol.send_ping(b"")
        return self._written()

    def take(self) -> bytes:
        """What the connection itself has to write; it is given once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def finish(self) -> bytes:
        """End in order: the bytes of a close frame, none if the WebSocket is not open."""
        if not self._open:
            self.clear()
            return b""
        self._open = False
        self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        return self._written()

    def fail(self, error: FutukitError, code: int | None = None) -> None:
        """End because of ``error``. With ``code`` a close frame is left for ``take``."""
        if code is not None and self._open:
            self._protocol.fail(code)
            self._collect()
        # A copy, here and in ``check``: the traceback of a raised one would grow, and hold us.
        self._failure = copy(error)
        self._forget()

    # What comes in.

    def feed(self, data: Message, deliver: Deliver) -> None:
        """Take bytes; every message that is whole by now goes to ``deliver``."""
        if self._deaf:
            return
        if self._opening:
            data = self._read_head(data)
        if data and self._failure is None:
            try:
                self._read_frames(data, deliver)
            except RemoteProtocolError as error:
                self.fail(error, CloseCode.INVALID_DATA)
            self._collect()

    def eof(self) -> None:
        """The stream has ended. Raises the failure, and BadLength within a message."""
        if self._failure is None and not self._deaf:
            self._deaf = True
            if self._opening:
                reason = "the connection ended within the opening handshake of the WebSocket"
                self.fail(HandshakeError(reason))
            elif self._tail or self._owed or self._parts is not None:
                self.fail(BadLength("the stream ended within a message", self.offset))
        self._open = False
        self.check()

    def check(self) -> None:
        """Raise what has ended the connection, if anything has."""
        if self._failure is not None:
            raise copy(self._failure)

    def clear(self) -> None:
        """Forget what has come and what waits; nothing that comes from now on counts."""
        self._deaf = True
        self._forget()

    # The opening handshake, line by line: what follows its last line are frames.

    def _read_head(self, data: Message) -> Message:
        at = 0
        while self._opening and at < len(data):
            end = data.find(b"\n", at) + 1 or len(data)
            line = data[at:end]
            at = end
            if self._head is not None and self._is_client:
                self._look_at_status(line)
            if self._failure is None:
                self._protocol.receive_data(line)
                self._look_at_head()
        return data[at:]

    def _look_at_status(self, line: Message) -> None:
        """Refuse whatever is not HTTP's 101 at once: the rest of it may never come."""
        self._head = head = (self._head or b"") + line[:_STATUS_BYTES]
        if not head.startswith(_HTTP[: len(head)]):
            self.fail(HandshakeError("the peer does not speak HTTP"))
        elif len(head) >= _STATUS_BYTES:
            self._head = None
            found = _STATUS.match(head)
            status = int(found[1]) if found else None
            if status is None:
                self.fail(HandshakeError("the peer does not speak HTTP"))
            elif status != _SWITCHING:
                hint = ", redirects are not followed" if status in _REDIRECTS else ""
                self.fail(HandshakeError(f"the WebSocket was refused: HTTP {status}{hint}"))

    def _look_at_head(self) -> None:
        protocol = self._protocol
        refused = False
        events = protocol.events_received()
        for event in events:
            if isinstance(event, Request) and isinstance(protocol, ServerProtocol):
                origins = event.headers.get_all("Origin") if self._local_origins else ()
                refused = not all(map(_LOCAL_ORIGIN.fullmatch, origins))
                protocol.send_response(
                    protocol.reject(_FORBIDDEN, "Not from this page.\n")
                    if refused
                    else protocol.accept(event)
                )
        self._collect()
        if refused:
            self.fail(HandshakeError("no WebSocket: the page is not of this machine"))
        elif protocol.handshake_exc is not None:
            whose = "answer" if self._is_client else "request"
            what = _fault(protocol.handshake_exc)
            self.fail(HandshakeError(f"no WebSocket: the peer's {whose} has {what}"))
        elif events:
            self._opening, self._open = False, True
            waiting, self._waiting = self._waiting, []
            for message in waiting:
                self._out.append(self.send(message))

    # Frames. A client cuts out whole messages here (a server's are masked); the library gets all
    # other frames, from their first byte on.

    def _read_frames(self, data: Message, deliver: Deliver) -> None:
        if self._tail:
            self._tail += data
            data = self._tail
        at, end = 0, len(data)
        while at < end and self._failure is None:
            if not self._owed:
                at = self._cut(data, at, deliver)
                extent = frame_extent(data, at)
                if extent is None or self._is_message(data, at, extent):
                    break  # the rest of it is still to come
                self._owed = extent[1] - at
            upto = min(end, at + self._owed)
            self._owed -= upto - at
            self._protocol.receive_data(data[at:upto])
            self._read_events(deliver)
            at = upto
        if self._failure is None and (at or data is not self._tail):
            self._tail = bytearray(data[at:])

    def _cut(self, data: Message, at: int, deliver: Deliver) -> int:
        """Deliver the whole messages that begin at ``at``; gives where something else does."""
        if self._parts is not None or not self._is_client:
            return at
        at, delivered = cut_messages(data, at, self._max_message_bytes, deliver)
        self.offset += delivered
        extent = frame_extent(data, at)
        while extent is not None and extent[1] <= len(data) and self._is_message(data, at, extent):
            start, at = extent
            deliver(data[start:at])
            self.offset += at - start
            extent = frame_extent(data, at)
        return at

    def _is_message(self, data: Message, at: int, extent: tuple[int, int]) -> bool:
        fits = extent[1] - extent[0] <= self._max_message_bytes
        alone = self._is_client and self._parts is None
        return fits and alone and is_whole_message(data, at)

    def _read_events(self, deliver: Deliver) -> None:
        # Behind the handshake all of them are frames.
        for frame in cast("list[Frame]", self._protocol.events_received()):
            message = self._whole(frame)
            if message is not None:
                deliver(message)
                self.offset += len(message)
            elif self._failure is not None:
                return
        if self._protocol.parser_exc is not None:
            self.fail(self._breach(self._protocol.parser_exc))

    def _whole(self, frame: Frame) -> Message | None:
        """The message that this frame is or ends."""
        opcode = frame.opcode
        data = cast("Message", frame.data)
        if opcode is _BINARY and frame.fin:
            return data
        if opcode is _BINARY or opcode is _CONTINUATION:
            # The library has seen to their order, and to the size of the whole.
            parts = self._parts
            if parts is None:
                parts = self._parts = bytearray()
            parts += data
            if not frame.fin:
                return None
            self._parts = None
            return parts
        if opcode is _CLOSE:
            self.fail(ConnectionLost(f"the peer closed the WebSocket ({self._farewell()})"))
        elif opcode is _TEXT:
            reason = "a text message, where all are binary"
            self.fail(UnexpectedPacket(reason), CloseCode.UNSUPPORTED_DATA)
        return None

    def _breach(self, error: Exception) -> FrameError:
        if isinstance(error, PayloadTooBig):
            reason = f"a message of more than {self._max_message_bytes} bytes"
            return BadLength(reason, self.offset)
        known = isinstance(error, ProtocolError)
        return FrameError(f"no WebSocket frame: {error if known else 'garbage'}", self.offset)

    def _farewell(self) -> str:
        close = self._protocol.close_rcvd
        if close is None or close.code == CloseCode.NO_STATUS_RCVD:
            return "without a code"
        return _shown(close)

    def _forget(self) -> None:
        self._open = self._opening = False
        self._parts = None
        self._tail = bytearray()
        self._owed = 0
        self._waiting.clear()

    def _written(self) -> bytes:
        data = self._protocol.data_to_send()[0]
        return self.take() + data if self._out else data

    def _collect(self) -> None:
        """Take over what the library wants to write.

        One pong answers all pings that came together (RFC 6455, 5.5.3): whoever sends pings and
        reads nothing fills no memory. The library's sign for a half-closed stream is dropped:
        after a close frame the whole connection goes.
        """
        written = [data for data in self._protocol.data_to_send() if data]
        if len(written) > 1:
            pongs = [data for data in written if data.startswith(_PONG)]
            written = pongs[-1:] + [data for data in written if not data.startswith(_PONG)]
        self._out += written


def _fault(error: Exception) -> str:
    """What is wrong with a handshake, in words of ours: the library would quote the peer."""
    if isinstance(error, InvalidHeader):
        return f"a bad header {error.name}"
    if isinstance(error, NegotiationError):
        return "an extension or a subprotocol that was not asked for"
    return "no valid HTTP head"


def _shown(close: Close) -> str:
    text = str(close.code)
    with suppress(ValueError):
        text += " " + CloseCode(close.code).name.lower().replace("_", " ")
    if close.reason:
        reason = close.reason[:_SHOWN_REASON]
        text += ": " + "".join(c if c.isprintable() else "?" for c in reason)
    return text
