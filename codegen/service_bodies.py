"""Which requests a gRPC body leaves open: a bare C2S that could be taken for a whole Request.

A whole Request is a C2S in the field ``c2s``. A bare C2S looks like that if it has a text under
that field's number and nothing else need stand in it: ``0a 00`` is both an empty text and an
empty C2S. Where a C2S has a required field, at whatever depth, no empty one stands for it, so
nobody's ordinary text does; there the order of the rule decides.
"""

from __future__ import annotations

from .schema import Message, Schema

__all__ = ["may_be_whole"]


def may_be_whole(schema: Schema, request: str) -> bool:
    """Whether a bare C2S of the request named ``request`` may parse as the Request."""
    outer = next((item for item in schema.message(request).fields if item.name == "c2s"), None)
    if outer is None or outer.type_name is None:
        return False
    c2s = schema.message(outer.type_name)
    same = next((item for item in c2s.fields if item.number == outer.number), None)
    is_text = same is not None and same.kind in ("string", "bytes")
    return is_text and not _requires(schema, c2s, frozenset())


def _requires(schema: Schema, message: Message, trail: frozenset[str]) -> bool:
    """Whether a required field stands in a message, or in one within it."""
    if message.full_name in trail:
        return False
    trail |= {message.full_name}
    return any(
        item.label == "required"
        or (
            item.kind == "message"
            and item.type_name is not None
            and _requires(schema, schema.message(item.type_name), trail)
        )
        for item in message.fields
    )
