"""Messages and bodies → bytes on the wire, for one connection.

A session packs through one of these; it is where a dialect (the 44-byte frame here) and, once
keys are agreed, a cipher have their place. The way in is its mirror: the reader that the
channel hands to ``receive``.
"""

from __future__ import annotations

from typing import Any, Protocol

from futukit import codec
from futukit._native.frame import build_frame

__all__ = ["FramePacker", "Packer"]


class Packer(Protocol):
    """What a session needs of a dialect."""

    @property
    def body_format(self) -> int:
        """The body format (Common.ProtoFmt) of what is packed, and expected back."""

    def message(self, proto_id: int, serial: int, message: Any) -> bytes:
        """Pack a message. Raises EncodeError."""

    def body(self, proto_id: int, serial: int, body: bytes) -> bytes:
        """Pack the plain bytes of a body."""


class FramePacker:
    """The 44-byte frame, protobuf bodies, no cipher."""

    __slots__ = ()

    body_format = 0

    def message(self, proto_id: int, serial: int, message: Any) -> bytes:
        """Header and body in one buffer."""
        return codec.encode_frame(message, proto_id, serial)

    def body(self, proto_id: int, serial: int, body: bytes) -> bytes:
        """Put a header before a body."""
        return build_frame(proto_id, serial, body)
