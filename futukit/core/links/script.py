"""The packets of the JavaScript SDK's dialect: protobuf bodies behind a header of their own.

Their ``section`` is what a frame's serial is elsewhere, but twice as wide.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.links import Sink
from futukit.core.links.refused import Refused
from futukit.core.links.script_header import (
    FROM_CLIENT_BYTES,
    FROM_SERVER_BYTES,
    pack_from_client,
    pack_from_server,
    unpack_from_client,
    unpack_from_server,
)
from futukit.core.links.websocket_messages import Message
from futukit.errors import BadLength, UnexpectedPacket, UsageError
from futukit.messages.registry import PUSH_IDS

__all__ = ["ClientPackets", "ScriptInbox", "ServerPackets", "protobuf_body"]

_LAST_SERIAL: Final = 2**32 - 1
_PROTOBUF: Final = 0
_PUSH_SECTION: Final = 0
_MOST_UNANSWERED: Final = 65536


def protobuf_body(message: Any, body_format: int) -> bytes:
    """Encode a message; raises UsageError for any other format than protobuf."""
    check_protobuf(body_format)
    return codec.encode(message)


def check_protobuf(body_format: int) -> None:
    """Raise UsageError for any other format than protobuf."""
    if body_format != _PROTOBUF:
        raise UsageError("the WebSocket of the JavaScript SDK carries protobuf bodies only")


class ClientPackets:
    """The client's side: serials are sections."""

    def pack(self, proto_id: int, serial: int, body: bytes) -> bytes:
        """A request."""
        return pack_from_client(proto_id, serial) + body

    def unpack(self, message: Message, offset: int) -> Envelope | Refused:
        """An answer or a push.

        Raises BadMagic, BadLength, and UnexpectedPacket for a section that is no serial.
        """
        cmd, section, error, text = unpack_from_server(message, offset)
        if section > _LAST_SERIAL:
            raise UnexpectedPacket(f"an answer to section {section}, which was not sent", cmd)
        if error:
            return Refused(cmd, section, error, text)
        return Envelope(cmd, section, _PROTOBUF, bytes(memoryview(message)[FROM_SERVER_BYTES:]))


class ServerPackets:
    """The server's side. A section of any width is echoed; a packet that answers nothing has 0.

    A request's serial is its section where that fits and is free, else another free number; which
    section a serial stands for is kept until the answer is packed.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._sections: dict[tuple[int, int], int] = {}
        self._spare = _LAST_SERIAL

    def unpack(self, message: Message, offset: int) -> Envelope:
        """A request. Raises BadMagic, BadLength, and UnexpectedPacket for one too many."""
        cmd, section = unpack_from_client(message, offset)
        size = len(message) - FROM_CLIENT_BYTES
        if size > self._max_body_bytes:
            reason = f"body of {size} bytes, at most {self._max_body_bytes}"
            raise BadLength(reason, offset, cmd, section)
        if len(self._sections) >= _MOST_UNANSWERED:
            raise UnexpectedPacket("more requests than can wait for their answers", cmd)
        serial = self._serial(cmd, section)
        self._sections[cmd, serial] = section
        return Envelope(cmd, serial, _PROTOBUF, bytes(memoryview(message)[FROM_CLIENT_BYTES:]))

    def pack(self, proto_id: int, serial: int, body: bytes) -> bytes:
        """An answer, or a push if no request has this id and serial."""
        section = self._sections.pop((proto_id, serial), _PUSH_SECTION)
        return pack_from_server(proto_id, section) + body

    def failure(self, proto_id: int, serial: int, error: int, text: str) -> bytes:
        """An answer without a body that says no."""
        section = self._sections.pop((proto_id, serial), _PUSH_SECTION)
        return pack_from_server(proto_id, section, error, text)

    def _serial(self, cmd: int, section: int) -> int:
        if section <= _LAST_SERIAL and (cmd, section) not in self._sections:
            return section
        while (cmd, self._spare) in self._sections:
            self._spare = self._spare - 1 if self._spare > 1 else _LAST_SERIAL
        return self._spare


class ScriptInbox:
    """Packets between their arrival and the session. ``unpack`` gets a message and its offset."""

    def __init__(self, unpack: Callable[[Message, int], Envelope | Refused]) -> None:
        self._unpack = unpack
        self._items: deque[Envelope | Refused] = deque()
        self._offset = 0

    def put(self, message: Message) -> None:
        """Take a message. Raises what ``unpack`` raises."""
        self._items.append(self._unpack(message, self._offset))
        self._offset += len(message)

    def route(self, sinks: dict[int, Sink]) -> Envelope | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody."""
        items = self._items
        while items:
            item = items.popleft()
            sink = sinks.get(item.proto_id)
            if sink is None or isinstance(item, Refused) or not _is_push(item):
                return item
            sink(item.body)
        return None

    def clear(self) -> None:
        """Forget every packet."""
        self._items.clear()


def _is_push(envelope: Envelope) -> bool:
    return envelope.serial == _PUSH_SECTION or envelope.proto_id in PUSH_IDS
