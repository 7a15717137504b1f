"""A body by the number of its format, as it stands in the frame header."""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec import Struct

from futukit._native.wire import decode_as, encode_message
from futukit.codec.json_body import decode_json, encode_json
from futukit.errors import UsageError

__all__ = ["JSON", "PROTOBUF", "decode_body", "encode_body"]

_M = TypeVar("_M", bound=Struct)

PROTOBUF: Final = 0
JSON: Final = 1


def decode_body(cls: type[_M], body: bytes, body_format: int) -> _M:
    """Read a body as a message of ``cls``; ``body_format`` is 0 for protobuf, 1 for JSON.

    Raises DecodeError for a body that is not such a message, UsageError for another format.
    """
    if body_format == PROTOBUF:
        return decode_as(cls, body)
    _check(body_format)
    return decode_json(cls, body)


def encode_body(message: Struct, body_format: int, *, server: bool = False) -> bytes:
    """Write a message in a body format, as a client or as a server (JSON knows the difference).

    Raises EncodeError for a message that does not fit its schema, UsageError for a format that
    is neither protobuf (0) nor JSON (1).
    """
    if body_format == PROTOBUF:
        return encode_message(message)
    _check(body_format)
    return encode_json(message, server=server)


def _check(body_format: int) -> None:
    if body_format != JSON:
        raise UsageError(f"body format {body_format!r} is neither protobuf (0) nor JSON (1)")
