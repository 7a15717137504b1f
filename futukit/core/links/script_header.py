"""The headers of the JavaScript SDK's WebSocket packets, one packet per binary message.

Big endian throughout::

    client → server                      server → client
     0  8  sign "ft-v1.0" + NUL           0  8  sign
     8  4  u32 cmd                        8  4  u32 cmd
    12  8  u64 section                   12  8  u64 section, that of the request
    20     body                          20  4  i32 error, 0 for none
                                         24 20  text of the error, ASCII, NUL-padded
                                         44     body

``cmd`` is a proto id, or 1 (InitWebSocket), or 2 (a push: the server has lost OpenD).
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from futukit.errors import BadLength, BadMagic, UsageError

__all__ = [
    "FROM_CLIENT_BYTES",
    "FROM_SERVER_BYTES",
    "SIGN",
    "FromClient",
    "FromServer",
    "pack_from_client",
    "pack_from_server",
    "unpack_from_client",
    "unpack_from_server",
]

SIGN: Final = b"ft-v1.0\0"

_TO_SERVER: Final = Struct(">8sIQ")
_TO_CLIENT: Final = Struct(">8sIQi20s")
_TEXT_BYTES: Final = 20
_U32: Final = range(2**32)
_U64: Final = range(2**64)
_I32: Final = range(-(2**31), 2**31)

FROM_CLIENT_BYTES: Final = _TO_SERVER.size
FROM_SERVER_BYTES: Final = _TO_CLIENT.size


class FromClient(NamedTuple):
    """The header of a request."""

    cmd: int
    section: int


class FromServer(NamedTuple):
    """The header of an answer or a push; ``text`` has only printable ASCII, "?" for the rest."""

    cmd: int
    section: int
    error: int
    text: str


def pack_from_client(cmd: int, section: int) -> bytes:
    """The header of a request. Raises UsageError for numbers that do not fit."""
    _check("cmd", cmd, _U32)
    _check("section", section, _U64)
    return _TO_SERVER.pack(SIGN, cmd, section)


def pack_from_server(cmd: int, section: int, error: int = 0, text: str = "") -> bytes:
    """The header of an answer or a push; the text is cut to 20 bytes.

    Raises UsageError for numbers that do not fit.
    """
    _check("cmd", cmd, _U32)
    _check("section", section, _U64)
    _check("error", error, _I32)
    shown = text.encode("ascii", "replace")[:_TEXT_BYTES]
    return _TO_CLIENT.pack(SIGN, cmd, section, error, shown)


def unpack_from_client(message: bytes | bytearray, offset: int = 0) -> FromClient:
    """Read the header of a request. Raises BadMagic and BadLength, which name ``offset``."""
    _check_start(message, _TO_SERVER.size, offset)
    _, cmd, section = _TO_SERVER.unpack_from(message)
    return FromClient(cmd, section)


def unpack_from_server(message: bytes | bytearray, offset: int = 0) -> FromServer:
    """Read the header of an answer or a push. Raises BadMagic and BadLength."""
    _check_start(message, _TO_CLIENT.size, offset)
    _, cmd, section, error, text = _TO_CLIENT.unpack_from(message)
    return FromServer(cmd, section, error, _plain(text))


def _check(name: str, number: int, allowed: range) -> None:
    if number not in allowed:
        raise UsageError(f"{name} must be from {allowed.start} to {allowed.stop - 1}")


def _check_start(message: bytes | bytearray, header_bytes: int, offset: int) -> None:
    if message[: len(SIGN)] != SIGN[: len(message)]:
        raise BadMagic("a packet must begin with ft-v1.0", offset)
    if len(message) < header_bytes:
        reason = f"a message of {len(message)} bytes, and a header has {header_bytes}"
        raise BadLength(reason, offset)


def _plain(text: bytes) -> str:
    shown = text.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(c if " " <= c <= "~" else "?" for c in shown)
