"""Frames by hand: what a Python program does with ``struct`` and ``hashlib``.

The layout is the 44-byte header of the OpenD protocol. No classes, no error texts, no checks
beyond those that the product makes: a baseline should be as fast as plain Python can be.
"""

from __future__ import annotations

from hashlib import sha1
from struct import Struct

__all__ = ["HEADER", "build", "split"]

HEADER = Struct("<2sIBBII20s8x")


def split(data: bytes) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """All complete frames as (proto id, serial, body format, body), and where the rest starts.

    Raises ValueError for a frame that is none.
    """
    frames = []
    offset = 0
    end = len(data)
    while end - offset >= 44:
        magic, proto_id, body_format, version, serial, length, digest = HEADER.unpack_from(
            data, offset
        )
        if magic != b"FT" or version or length > 67108864:
            raise ValueError("bad header")
        following = offset + 44 + length
        if following > end:
            break
        body = data[offset + 44 : following]
        if sha1(body).digest() != digest:
            raise ValueError("bad digest")
        frames.append((proto_id, serial, body_format, body))
        offset = following
    return frames, offset


def build(proto_id: int, serial: int, body: bytes) -> bytes:
    """A frame with a protobuf body."""
    return HEADER.pack(b"FT", proto_id, 0, 0, serial, len(body), sha1(body).digest()) + body
