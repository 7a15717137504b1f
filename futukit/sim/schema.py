"""The fields of a message class, by name: what the answers made from the schema walk over."""

from __future__ import annotations

from msgspec import Struct

from futukit.codec.mapping import Field, fields_of
from futukit.codec.plan import plan_of

__all__ = ["Field", "fields_of", "full_name_of"]


def full_name_of(cls: type[Struct]) -> str:
    """The message's name in the schema, with its package: ``Qot_Common.Security``."""
    return str(plan_of(cls).full_name)
