"""Answers with holes: a simulator that leaves out optional fields.

A real server leaves out what it does not know, and the official SDK has its own ways with that:
``'N/A'``, a zero, another column type, the value of the row before. Which fields are missing
depends on their names and rows alone, so both sides see the same holes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Struct

from futukit.sim import SimulatedOpenD
from futukit.sim.schema import Field, fields_of

_KEPT: Final = frozenset(
    {"s2c", "ret_type", "ret_msg", "err_code", "next_req_key", "order_id", "order_id_ex"}
)
_ONE_IN: Final = 3
_ONE_MESSAGE_IN: Final = 5


def thin_out(opend: SimulatedOpenD) -> None:
    """Have every answer from now on lack some of its optional fields."""
    whole = opend.opend.call

    def thinned(peer: Any, proto_id: int, request: Struct) -> Struct:
        response: Struct = without_some(whole(peer, proto_id, request), proto_id)
        return response

    opend.opend.call = thinned  # type: ignore[method-assign]


def without_some(message: Any, proto_id: int, row: int = 0) -> Any:
    """The message without some optional fields, at every depth."""
    changed: dict[str, Any] = {}
    cls: Any = type(message)
    for field in _optional_and_nested(cls):
        value = getattr(message, field.attribute)
        if _is_left_out(field, cls.__name__, proto_id, row):
            changed[field.attribute] = None
        elif isinstance(value, Struct):
            changed[field.attribute] = without_some(value, proto_id, row)
        elif isinstance(value, tuple) and field.kind == "message":
            rows = (without_some(each, proto_id, at) for at, each in enumerate(value))
            changed[field.attribute] = tuple(rows)
    return msgspec.structs.replace(message, **changed)


@cache
def _optional_and_nested(cls: type[Struct]) -> tuple[Field, ...]:
    return tuple(
        field for field in fields_of(cls) if field.label == "optional" or field.kind == "message"
    )


def _is_left_out(field: Field, message: str, proto_id: int, row: int) -> bool:
    if field.label != "optional" or field.attribute in _KEPT:
        return False
    one_in = _ONE_MESSAGE_IN if field.kind == "message" else _ONE_IN
    return crc32(f"{proto_id} {message} {field.attribute} {row}".encode()) % one_in == 0
