"""Messages ↔ plain values (dicts, lists, numbers, texts), the shape that JSON has.

``to_plain`` writes the proto field names, numbers for every integer and every enum, base64 for
bytes, and leaves out what is absent. ``from_plain`` is the way back and reads more: proto names,
JSON names or attributes; whole numbers also as texts; enums by number or name, in our spelling
(``K_DAY``) or the schema's (``KLType_Day``); a security also as ``"HK.00700"``.

Made for people and tools: a name that no field has is an error, with a hint. What goes over the
wire as JSON has a policy of its own in ``futukit.codec.json_body``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from futukit._native.wire import encode_message
from futukit.codec.mapping import Reading, Writing, message_reader, message_writer, spelled
from futukit.codec.plan import plan_of
from futukit.codec.scalars import Unfit
from futukit.errors import EncodeError, UsageError
from futukit.types import split_security

__all__ = ["from_plain", "to_plain"]

_M = TypeVar("_M", bound=Struct)

_SECURITY: Final = "Qot_Common.Security"
# The proto name wins over the others.
_SPELLINGS: Final = ("name", "json_name", "attribute")
_SHOWN: Final = 40


def to_plain(message: Struct) -> dict[str, Any]:
    """Write a message as plain values, ready for ``json.dumps``.

    Absent optional fields and empty lists are left out. Raises UsageError for a Struct that is
    not a message, EncodeError for a message that does not fit its schema.
    """
    encode_message(message)
    plain: dict[str, Any] = message_writer(type(message), _WRITING)(message)
    return plain


def from_plain(cls: type[_M], value: object) -> _M:
    """Make a message of plain values, for example of what ``json.loads`` gives.

    Raises EncodeError, with the field's path, for a name that the message does not have, a field
    named twice, a required field that is missing, and a value that its field cannot carry; a
    null counts as absent.
    """
    root = plan_of(cls).full_name
    try:
        message: _M = message_reader(cls, _READING)(value)
    except Unfit as unfit:
        reason = unfit.reason(_shown) + _hint(unfit.value, unfit.near)
        raise EncodeError(reason, unfit.path(root)) from None
    return message


def _refuse_name(cls: type[Struct], name: object, _: object) -> None:
    known = spelled(cls, _SPELLINGS)
    form = "no such field: {}" if known else "no such field: {} (the message has no fields)"
    raise Unfit(form, name, known)


def _other_shape(cls: type[Struct], value: object) -> dict[Any, Any] | Struct:
    """A security as text; any mapping that is not a dict."""
    if isinstance(value, str) and plan_of(cls).full_name == _SECURITY:
        return _security(cls, value)
    if isinstance(value, Mapping):
        return dict(value)
    raise Unfit("an object with fields is wanted, not {}", value)


def _security(cls: type[Struct], text: str) -> Struct:
    try:
        market, code = split_security(text)
    except UsageError as error:
        raise Unfit(str(error)) from error
    target = spelled(cls, _SPELLINGS)["market"].target
    arguments: dict[str, Any] = {"market": target(market), "code": code}
    return cls(**arguments)


_READING: Final = Reading(_SPELLINGS, stranger=_refuse_name, other=_other_shape)
_WRITING: Final = Writing("name")


def _hint(value: object, near: Iterable[str]) -> str:
    """The name that was probably meant, regardless of its case."""
    from difflib import get_close_matches  # only for those who mistyped

    folded = {name.casefold(): name for name in near}
    wanted = str(value)[:_SHOWN].casefold() if folded else ""
    close = get_close_matches(wanted, folded, n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def _shown(value: object) -> str:
    """The value for a message, cut short; of objects and lists only what they are."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return "a number of that size"  # str() of a huge integer may be refused
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
