"""The fields of protobuf bytes, one after the other, without knowing the message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["LENGTH", "VARINT", "wire_fields"]

VARINT: Final = 0
LENGTH: Final = 2
_FIXED64: Final = 1
_FIXED32: Final = 5
_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}


def wire_fields(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Number, wire type, extent (start, end) and, of varints, the value of each field.

    For bytes that the decoder has read, or will. Raises IndexError where they end too early.
    """
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value, start = 0, at
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire == LENGTH:
            length, start = _varint(data, at)
            at = start + length
        elif wire in _SIZES:
            at += _SIZES[wire]
        # A group is no known field, so nobody asks for the next one.
        yield number, wire, start, at, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
