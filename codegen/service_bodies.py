"""Which requests a gRPC body leaves open: a bare C2S that could be taken for a whole Request.

A strict parse takes known fields only, at every depth, and wants every required one. So some
bytes are both messages only if each field that one of them requires is a field of the other, too,
and some value of it is a value there.
"""

from __future__ import annotations

from typing import Final

from .schema import Field, Message, Schema

__all__ = ["may_be_whole"]

_VARINT: Final = frozenset({"int32", "int64", "uint32", "uint64", "bool", "enum"})
_LENGTH: Final = "length"


def may_be_whole(schema: Schema, request: str) -> bool:
    """Whether some strict C2S of the request named ``request`` parses strictly as the Request."""
    whole = schema.message(request)
    inner = next((item.type_name for item in whole.fields if item.name == "c2s"), None)
    return inner is not None and _meet(schema, whole, schema.message(inner), ())


def _meet(schema: Schema, one: Message, other: Message, trail: tuple[tuple[str, str], ...]) -> bool:
    """Whether some bytes are both. What would have to contain itself without end is nothing."""
    pair = (one.full_name, other.full_name)
    if pair in trail:
        return False
    ours = {item.number: item for item in one.fields}
    theirs = {item.number: item for item in other.fields}
    required = {item.number for item in (*one.fields, *other.fields) if item.label == "required"}
    return all(
        number in ours
        and number in theirs
        and _values_meet(schema, ours[number], theirs[number], (*trail, pair))
        for number in required
    )


def _values_meet(
    schema: Schema, one: Field, other: Field, trail: tuple[tuple[str, str], ...]
) -> bool:
    if not _wires(one) & _wires(other):
        return False
    if one.kind == other.kind == "message":
        assert one.type_name is not None  # noqa: S101 - a message field names its type
        assert other.type_name is not None  # noqa: S101
        return _meet(schema, schema.message(one.type_name), schema.message(other.type_name), trail)
    # A text against a message, say: taken as possible, so that no such id is ever guessed at.
    return True


def _wires(item: Field) -> frozenset[str]:
    """The wire types that a field's values may have; repeated numbers may come packed."""
    if item.kind in ("string", "bytes", "message"):
        return frozenset({_LENGTH})
    own = "varint" if item.kind in _VARINT else item.kind
    return frozenset({own, _LENGTH} if item.label == "repeated" else {own})
