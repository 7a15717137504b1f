"""Bytes → a message and, in place of one long list of rows in it, the columns of that list."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from futukit._native.wire import decode_table as _decode_table
from futukit._native.wire import plan_of

__all__ = ["Table", "decode_table"]


class Table(NamedTuple):
    """A message, one of whose lists was read as columns.

    message: The message, with that list left empty.
    columns: Attribute → a list of texts, a byte for each bool in a ``bytearray``, or, for
        doubles, the number of a row of ``reals``; None where a row lacks the field.
    reals: The doubles, in the machine's own order of bytes, one column after the other.
    """

    message: Any
    columns: dict[str, Any]
    reals: bytearray


def decode_table(
    cls: type[Struct], data: bytes, path: tuple[str, str], attributes: tuple[str, ...]
) -> Table | None:
    """Decode protobuf bytes of a ``cls``, but the rows at ``path`` as columns.

    Args:
        cls: The message, for example a Response.
        data: Its bytes.
        path: A sub-message of it and a list of rows in that: ``("s2c", "kl_list")``.
        attributes: Fields of a row: doubles, strings, bools.

    Returns:
        The table; None for bytes that only the ordinary decoder can judge.

    Raises:
        UsageError: Names that are not such fields.
        DecodeError: The rest of the message is not one.
    """
    decoded = _decode_table(plan_of(cls), data, path, attributes)
    if decoded is None:
        return None
    message, columns, reals = decoded
    return Table(message, dict(zip(attributes, columns, strict=True)), reals)
