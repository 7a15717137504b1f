"""Messages ↔ plain values (dicts, lists, numbers, texts), the shape that JSON has.

``to_plain`` writes the proto field names, numbers for every integer and every enum, base64 for
bytes, and leaves out what is absent. ``from_plain`` is the way back and reads more: proto names,
JSON names or attributes; whole numbers also as texts; enums by number or name, in our spelling
(``K_DAY``) or the schema's (``KLType_Day``); a security also as ``"HK.00700"``.

The mapping walks the same field rows as the protobuf codec; it is made for people and tools, not
for speed.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import Struct

from futukit.codec.plan import plan_of
from futukit.errors import EncodeError, UsageError
from futukit.types import OpenEnum, split_security

__all__ = ["from_plain", "to_plain"]

_M = TypeVar("_M", bound=Struct)

_SECURITY: Final = "Qot_Common.Security"
_BOUNDS: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "enum": (-(2**31), 2**31 - 1),
}
# How JSON's protobuf mapping writes what JSON has no number for.
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_REAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SHOWN: Final = 40


class _Field(NamedTuple):
    """A field's row, as ``futukit.codec.plan`` describes it."""

    number: int
    attribute: str
    name: str
    json_name: str
    kind: str
    label: str
    target: Any
    default: int | None


def to_plain(message: Struct) -> dict[str, Any]:
    """Write a message as plain values, ready for ``json.dumps``.

    Absent optional fields and empty lists are left out. Raises UsageError for a Struct that is
    not a message.
    """
    plain: dict[str, Any] = {}
    for field in _fields(type(message)):
        value = getattr(message, field.attribute)
        if value is None:
            continue
        if field.label != "repeated":
            plain[field.name] = _plain_value(field, value)
        elif value:
            plain[field.name] = [_plain_value(field, item) for item in value]
    return plain


def from_plain(cls: type[_M], value: object) -> _M:
    """Make a message of plain values, for example of what ``json.loads`` gives.

    Raises EncodeError, with the field's path, for a name that the message does not have, a field
    named twice, a required field that is missing, and a value that its field cannot carry; a
    null counts as absent.
    """
    message: _M = _message(cls, value, plan_of(cls).full_name)
    return message


@lru_cache(maxsize=2048)
def _fields(cls: type[Struct]) -> tuple[_Field, ...]:
    return tuple(_Field(*row) for row in plan_of(cls).fields)


@lru_cache(maxsize=2048)
def _by_spelling(cls: type[Struct]) -> dict[str, _Field]:
    """The fields by every name they may be called; the proto name wins over the others."""
    found: dict[str, _Field] = {}
    for spelling in ("name", "json_name", "attribute"):
        for field in _fields(cls):
            found.setdefault(getattr(field, spelling), field)
    return found


# Message → plain.


def _plain_value(field: _Field, value: Any) -> Any:
    if field.kind == "message":
        return to_plain(value)
    if field.kind == "bytes":
        return base64.b64encode(value).decode("ascii")
    if field.kind in _BOUNDS:
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in _SPECIAL.items() if str(number) == str(value))
    return value


# Plain → message.


def _message(cls: type[Struct], value: object, path: str) -> Any:
    if isinstance(value, str) and plan_of(cls).full_name == _SECURITY:
        return _security(cls, value, path)
    if not isinstance(value, Mapping):
        raise EncodeError(f"an object with fields is wanted, not {_shown(value)}", path)
    given = _by_field(cls, value, path)
    arguments: dict[str, Any] = {}
    for field in _fields(cls):
        item = given.get(field.name)
        if item is not None:
            arguments[field.attribute] = _field_value(field, item, f"{path}.{field.name}")
        elif field.default is not None:
            arguments[field.attribute] = (field.target or int)(field.default)
        elif field.label == "required":
            raise EncodeError("the field is required", f"{path}.{field.name}")
    return cls(**arguments)


def _by_field(cls: type[Struct], value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    """The given values by proto name."""
    spellings = _by_spelling(cls)
    given: dict[str, Any] = {}
    for name, item in value.items():
        field = spellings.get(name) if isinstance(name, str) else None
        if field is None:
            raise EncodeError(f"no such field: {_hint(name, spellings)}", path)
        if field.name in given:
            raise EncodeError("the field is given twice", f"{path}.{field.name}")
        given[field.name] = item
    return given


def _hint(name: object, known: Mapping[str, object]) -> str:
    shown = _shown(name)
    if not known:
        return f"{shown} (the message has no fields)"
    close = difflib.get_close_matches(str(name)[:_SHOWN], known, n=1, cutoff=0.5)
    return f"{shown} (did you mean {close[0]}?)" if close else shown


def _field_value(field: _Field, value: object, path: str) -> Any:
    if field.label != "repeated":
        return _READERS[field.kind](field, value, path)
    if not isinstance(value, list | tuple):
        raise EncodeError(f"a list is wanted, not {_shown(value)}", path)
    read = _READERS[field.kind]
    return tuple([read(field, item, f"{path}[{at}]") for at, item in enumerate(value)])


def _security(cls: type[Struct], text: str, path: str) -> Struct:
    try:
        market, code = split_security(text)
    except UsageError as error:
        raise EncodeError(str(error), path) from error
    target = _by_spelling(cls)["market"].target
    arguments: dict[str, Any] = {"market": target(market), "code": code}
    return cls(**arguments)


def _read_message(field: _Field, value: object, path: str) -> Any:
    return _message(field.target, value, path)


def _read_integer(field: _Field, value: object, path: str) -> int:
    number = value
    if isinstance(value, str) and field.target is not None:
        number = _member(field.target, value, path)
    elif _is_whole(value):
        # _is_whole has looked at it, which the type checker cannot know.
        number = int(value)  # type: ignore[call-overload]
    if isinstance(number, bool) or not isinstance(number, int):
        raise EncodeError(f"a whole number is wanted, not {_shown(value)}", path)
    low, high = _BOUNDS[field.kind]
    if not low <= number <= high:
        raise EncodeError(f"{_shown(number)} does not fit {field.kind}", path)
    return number if field.target is None else field.target(number)


def _is_whole(value: object) -> bool:
    """Whether a text or a real number says a whole number."""
    if isinstance(value, str):
        return _INTEGER.fullmatch(value) is not None
    return isinstance(value, float) and value.is_integer()


def _read_real(_: _Field, value: object, path: str) -> float:
    if isinstance(value, str):
        special = _SPECIAL.get(value)
        if special is not None:
            return special
        if not _REAL.fullmatch(value):
            raise EncodeError(f"a number is wanted, not {_shown(value)}", path)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise EncodeError(f"a number is wanted, not {_shown(value)}", path)
    try:
        return float(value)
    except OverflowError:
        raise EncodeError(f"{_shown(value)} does not fit double", path) from None


def _read_bool(_: _Field, value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise EncodeError(f"true or false is wanted, not {_shown(value)}", path)
    return value


def _read_string(_: _Field, value: object, path: str) -> str:
    if not isinstance(value, str):
        raise EncodeError(f"a text is wanted, not {_shown(value)}", path)
    return value


def _read_bytes(_: _Field, value: object, path: str) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value.translate(_URL_SAFE), validate=True)
        except (binascii.Error, ValueError):
            pass
    # Bytes may be a key or a token: the value is not repeated.
    raise EncodeError("bytes are wanted as base64 text", path)


_URL_SAFE: Final = str.maketrans("-_", "+/")

_READERS: Final[dict[str, Callable[[_Field, object, str], Any]]] = {
    "message": _read_message,
    "double": _read_real,
    "float": _read_real,
    "bool": _read_bool,
    "string": _read_string,
    "bytes": _read_bytes,
    **dict.fromkeys(_BOUNDS, _read_integer),
}


# Enums by name.


def _member(cls: type[OpenEnum], text: str, path: str) -> int:
    """The number that ``text`` stands for: a member's name, the schema's, or digits."""
    if _INTEGER.fullmatch(text):
        return int(text)
    found = _names(cls).get(_folded(text.removeprefix(f"{cls.__name__}_")))
    if found is None:
        close = difflib.get_close_matches(text[:_SHOWN].upper(), cls.__members__, n=1, cutoff=0.5)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise EncodeError(f"{cls.__name__} has no {_shown(text)}{hint}", path)
    return found


@lru_cache(maxsize=512)
def _names(cls: type[OpenEnum]) -> dict[str, int]:
    """Folded names → numbers. ``K_1MIN`` also stands as ``1MIN``, as the schema has it."""
    names: dict[str, int] = {}
    for name, member in cls.__members__.items():
        names.setdefault(_folded(name), int(member))
    for name, member in cls.__members__.items():
        prefix, _, rest = name.partition("_")
        if rest[:1].isdigit() and len(prefix) == 1:
            names.setdefault(_folded(rest), int(member))
    return names


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()


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
