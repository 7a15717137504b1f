"""Bytes → a message and, in place of one long list of rows in it, the columns of that list."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from futukit._native.wire import decode_table as _decode_table
from futukit._native.wire import plan_of

__all__ = ["decode_table"]


def decode_table(
    cls: type[Struct], data: bytes, path: tuple[str, str], attributes: tuple[str, ...]
) -> tuple[Any, dict[str, Any]] | None:
    """Decode protobuf bytes of a ``cls``, but the rows at ``path`` as columns.

    Args:
        cls: The message, for example a Response.
        data: Its bytes.
        path: A sub-message of it and a list of rows in that: ``("s2c", "kl_list")``.
        attributes: Fields of a row: doubles, strings, bools.

    Returns:
        The message with the list left empty, and attribute → column: native doubles in a
        ``bytearray``, a list of texts, a byte for each bool, None where a row lacks the field.
        None in place of all that for bytes that only the ordinary decoder can judge.

    Raises:
        UsageError: Names that are not such fields.
        DecodeError: The rest of the message is not one.
    """
    decoded = _decode_table(plan_of(cls), data, path, attributes)
    if decoded is None:
        return None
    message, columns = decoded
    return message, dict(zip(attributes, columns, strict=True))
