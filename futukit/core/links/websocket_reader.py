"""The way in of a WebSocket link: bytes, messages, packets."""

from __future__ import annotations

from typing import Final, Protocol, Self

from websockets.frames import CloseCode

from futukit._native.frame import HEADER_BYTES, Envelope, FrameReader
from futukit.core.links import Sink
from futukit.core.links.refused import Refused
from futukit.core.links.websocket_messages import Message, WebSocket
from futukit.errors import BadLength, RemoteProtocolError, UnexpectedPacket, UsageError

__all__ = ["MAGIC", "FramedInbox", "Inbox", "WebSocketReader"]

_READ_BYTES: Final = 64 * 1024
_NO_SINKS: Final[dict[int, Sink]] = {}

MAGIC: Final = b"FT"
"""What a frame begins with."""

# Where the rest of its header stands.
_PROTO_ID: Final = slice(2, 6)
_SERIAL: Final = slice(8, 12)
_LENGTH: Final = slice(12, 16)


class Inbox(Protocol):
    """What a dialect makes of messages: ``put`` checks and keeps, ``route`` gives out."""

    def put(self, message: Message, /) -> None:
        """Take a message. Raises RemoteProtocolError for one that is no packet."""

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody."""

    def clear(self) -> None:
        """Forget every packet."""


class FramedInbox:
    """Messages that are one frame each. ``frames`` opens, verifies and routes them."""

    def __init__(self, frames: FrameReader) -> None:
        self._frames = frames
        self._offset = 0

    def put(self, message: Message) -> None:
        """Take a message. Raises BadLength for one that is not exactly one frame."""
        # Garbage that does not begin like a frame is for the frame reader to name.
        if message[: len(MAGIC)] == MAGIC[: len(message)]:
            self._check_size(message)
        self._frames.feed(message)
        self._offset += len(message)

    def route(self, sinks: dict[int, Sink]) -> Envelope | None:
        """Give pushes to their sinks; the first packet that is for nobody."""
        return self._frames.route(sinks)

    def clear(self) -> None:
        """Forget every packet."""
        self._frames.clear()

    def _check_size(self, message: Message) -> None:
        if len(message) < HEADER_BYTES:
            reason = f"a message of {len(message)} bytes, and a header has {HEADER_BYTES}"
            raise BadLength(reason, self._offset)
        size = HEADER_BYTES + int.from_bytes(message[_LENGTH], "little")
        if len(message) != size:
            raise BadLength(
                f"a message of {len(message)} bytes, and its frame has {size}",
                self._offset,
                int.from_bytes(message[_PROTO_ID], "little"),
                int.from_bytes(message[_SERIAL], "little"),
            )


class WebSocketReader:
    """The reader of a WebSocket link (see ``futukit.core.links.Reader``).

    What came before the end is given out first; then ``route`` raises what the end was:
    HandshakeError, FrameError, UnexpectedPacket, or ConnectionLost for a close frame.
    """

    def __init__(self, socket: WebSocket, inbox: Inbox) -> None:
        self._socket = socket
        self._inbox = inbox
        self._buffer = bytearray(_READ_BYTES)

    def get_buffer(self, _sizehint: int = -1, /) -> memoryview:
        """Memory for the next read."""
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int, /) -> None:
        """So many bytes were read into it."""
        if not 0 <= nbytes <= _READ_BYTES:
            raise UsageError("more bytes than get_buffer had room for")
        self._socket.feed(self._buffer[:nbytes], self._inbox.put)

    def feed(self, data: bytes, /) -> None:
        """The same for bytes that are elsewhere."""
        for at in range(0, len(data), _READ_BYTES):
            self._socket.feed(data[at : at + _READ_BYTES], self._inbox.put)

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody."""
        try:
            item = self._inbox.route(sinks)
        except RemoteProtocolError as error:
            self._socket.fail(error, CloseCode.INVALID_DATA)
            raise
        if item is None:
            self._socket.check()
        return item

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Envelope:
        item = self.route(_NO_SINKS)
        if item is None:
            raise StopIteration
        if isinstance(item, Refused):
            raise UnexpectedPacket("a refusal, where requests arrive", item.proto_id, item.serial)
        return item

    def eof(self) -> None:
        """The stream has ended. Raises BadLength within a message, or what had ended it before."""
        self._socket.eof()

    def clear(self) -> None:
        """Forget every byte; what arrives from now on counts for nothing."""
        self._socket.clear()
        self._inbox.clear()
