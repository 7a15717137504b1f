"""The 44-byte frame, as it stands on a TCP stream."""

from __future__ import annotations

from typing import Any, Final

from futukit import codec
from futukit._native.frame import FrameReader, build_frame
from futukit.core.links import Opener, Sealer

__all__ = ["FrameLink"]

_PROTOBUF: Final = 0


class FrameLink:
    """Frames one after the other. A server writes JSON as the official SDK reads it."""

    scripted = False

    __slots__ = ("_is_server", "reader", "sealer")

    def __init__(self, max_body_bytes: int = codec.MAX_BODY_BYTES, *, server: bool = False) -> None:
        self.reader = FrameReader(max_body_bytes)
        self.sealer: Sealer = None
        self._is_server = server

    @property
    def opener(self) -> Opener:
        """What decrypts the bodies that arrive."""
        return self.reader.opener

    @opener.setter
    def opener(self, opener: Opener) -> None:
        self.reader.opener = opener

    def start(self) -> None:
        """Nothing: the first frame is the beginning."""

    def message(
        self, proto_id: int, serial: int, message: Any, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Header and body in one buffer."""
        if body_format == _PROTOBUF:
            return codec.encode_frame(message, proto_id, serial, self.sealer)
        body = codec.encode_body(message, body_format, server=self._is_server)
        return build_frame(proto_id, serial, body, body_format, self.sealer)

    def body(
        self, proto_id: int, serial: int, body: bytes, body_format: int = _PROTOBUF, /
    ) -> bytes:
        """Put a header before a body."""
        return build_frame(proto_id, serial, body, body_format, self.sealer)

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Nothing: an answer in frames carries its error in the body."""
        del proto_id, serial, error, text
        return b""

    def abandon(self, serial: int, /) -> None:
        """Nothing: an answer that nobody waits for is dropped when it comes."""
        del serial

    def ping(self) -> None:
        """None: the session sends KeepAlive."""

    def take(self) -> bytes:
        """Nothing: a frame link says nothing of its own."""
        return b""

    def finish(self) -> bytes:
        """Nothing: the end of the stream is the end."""
        return b""
