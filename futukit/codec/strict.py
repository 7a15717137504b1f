"""Strict reading of protobuf: known fields only, at every depth, and every required one.

The ordinary decoder skips what it does not know, as protobuf wants it. Where bytes may be one of
two messages, only a strict parse can tell which. A field with another wire type than its own is
unknown, as it is to protobuf; numbers of a repeated field may come packed or not. The number of
an enum that has no name is known.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct

from futukit._native.wire import decode_as, plan_of
from futukit.codec.fields import FIXED32, FIXED64, LENGTH, VARINT, wire_fields
from futukit.errors import DecodeError

__all__ = ["decode_strict"]

_M = TypeVar("_M", bound=Struct)

_WIRE: Final = {
    "double": FIXED64,
    "float": FIXED32,
    "string": LENGTH,
    "bytes": LENGTH,
    "message": LENGTH,
}


class _Known(NamedTuple):
    """The wire types that a field may have, and the class of a sub-message."""

    wires: frozenset[int]
    target: type[Struct] | None


def decode_strict(cls: type[_M], data: bytes) -> _M:
    """Decode protobuf bytes that are a ``cls`` and nothing else.

    Raises DecodeError for what is no ``cls``, and for a field that it does not have.
    """
    message = decode_as(cls, data)
    name = plan_of(cls).full_name
    seen = _refuse_unknown(cls, data, name)
    # The ordinary decoder lets a field be absent that has a default: retType, which stands in the
    # outermost message only.
    for number in _lenient(cls) - seen:
        raise DecodeError(f"the required field {number} is missing", name)
    return message


def _refuse_unknown(cls: type[Struct], data: bytes, path: str) -> set[int]:
    """Raise for an unknown field; gives the numbers of those that are there."""
    known = _known_fields(cls)
    seen = set()
    for number, wire, start, end, _ in wire_fields(data):
        seen.add(number)
        field = known.get(number)
        if field is None or wire not in field.wires:
            raise DecodeError(f"an unknown field {number}", path)
        if field.target is not None:
            _refuse_unknown(field.target, data[start:end], f"{path}.{number}")
    return seen


@cache
def _lenient(cls: type[Struct]) -> frozenset[int]:
    """Required fields that have a default."""
    rows = plan_of(cls).fields
    return frozenset(row[0] for row in rows if row[5] == "required" and row[7] is not None)


@cache
def _known_fields(cls: type[Struct]) -> dict[int, _Known]:
    fields = {}
    for number, _, _, _, kind, label, target, _ in plan_of(cls).fields:
        own = _WIRE.get(kind, VARINT)
        wires = {own, LENGTH} if label == "repeated" else {own}
        fields[number] = _Known(frozenset(wires), target if kind == "message" else None)
    return fields
