"""The fields of a message class, by name: what the answers made from the schema walk over."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from futukit.codec.plan import plan_of

__all__ = ["Field", "fields_of", "full_name_of"]


class Field(NamedTuple):
    """One field: ``attribute`` of the class, ``name`` in the .proto file, kind and label.

    ``target`` is the message class of a message field and the enum of an enum or of an int32
    that carries one, else ``None``.
    """

    number: int
    attribute: str
    name: str
    json_name: str
    kind: str
    label: str
    target: Any
    default: int | None


@lru_cache(maxsize=2048)
def fields_of(cls: type[Struct]) -> tuple[Field, ...]:
    """The fields of a generated message class, in the order of their numbers."""
    return tuple(Field(*row) for row in plan_of(cls).fields)


def full_name_of(cls: type[Struct]) -> str:
    """The message's name in the schema, with its package: ``Qot_Common.Security``."""
    return str(plan_of(cls).full_name)
