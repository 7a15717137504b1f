"""Single values in JSON's shape: how each kind of field is read and written.

One rule for every policy: what people give to tools and what comes over the wire pass the same
readers. A reader takes a plain value (text, number, bool) and gives the field's value; a writer
goes the other way. Readers raise ``Unfit``, which knows no path yet: the callers add it. Writers
are for values that the protobuf encoder has taken: what a message may hold is its rule alone.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import index
from typing import Any, Final

from futukit.types import OpenEnum

__all__ = ["INTEGERS", "Reader", "Unfit", "Writer", "reader", "schema_names", "writer"]

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

INTEGERS: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "enum": (-(2**31), 2**31 - 1),
}
"""The kinds that carry whole numbers, with the least and the greatest of each."""

# JSON has no numbers for these. Its protobuf mapping writes NaN, Infinity and -Infinity.
_SPECIAL: Final = re.compile(r"nan|-?inf(inity)?", re.IGNORECASE)
_REAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# The greatest double has 309 digits; longer texts are not worth converting.
_LONGEST_NUMBER: Final = 400
_URL_SAFE: Final = str.maketrans("-_", "+/")
_SINGLE: Final = struct.Struct("<f")
# What rounds down to it is too large for protobuf's own reader.
_GREATEST_SINGLE: Final = float.fromhex("0x1.fffffep+127")


class Unfit(Exception):
    """A value that its field cannot carry; always turned into an error with a path.

    ``{}`` in ``form`` stands for the value, which each caller shows in its own way or not at
    all; ``near`` are the names that could have been meant; ``trail`` is the path, the innermost
    part first: names, and positions in lists.
    """

    def __init__(self, form: str, value: object = None, near: Iterable[str] = ()) -> None:
        super().__init__(form)
        self.form = form
        self.value = value
        self.near = near
        self.trail: list[str | int] = []

    def path(self, root: str) -> str:
        """The trail as text: ``Qot_Sub.C2S.securityList[3].code``."""
        parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.trail]
        return root + "".join(reversed(parts))

    def reason(self, show: Callable[[object], str]) -> str:
        """What is wrong, with the value as ``show`` puts it."""
        return self.form.replace("{}", show(self.value)) if "{}" in self.form else self.form


def reader(kind: str, target: type[OpenEnum] | None) -> tuple[type | None, Reader]:
    """How a field of this kind is read: a type that is taken as it is, and the way for others."""
    if kind not in INTEGERS:
        return _READERS[kind]
    return None, _integer_reader(kind) if target is None else _enum_reader(target)


def writer(kind: str) -> tuple[type | None, Writer]:
    """How a value that the protobuf encoder takes is written; the same pair as of ``reader``."""
    return _WRITERS.get(kind, (None, index))


# Whole numbers.


def _integer_reader(kind: str) -> Reader:
    low, high = INTEGERS[kind]

    def read(value: Any) -> int:
        number = value if type(value) is int else _whole(value)
        if low <= number <= high:
            return number
        raise Unfit(f"{{}} does not fit {kind}", value)

    return read


def _whole(value: object) -> int:
    """The whole number that a number or a text says."""
    if isinstance(value, str):
        if value.isdecimal() and value.isascii() and len(value) <= _LONGEST_NUMBER:
            return int(value)
        if _is_real(value):
            if value.lstrip("-").isdecimal():
                return int(value)
            number = float(value)
            if number.is_integer():
                return int(number)
    elif isinstance(value, float):
        if value.is_integer():
            return int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise Unfit("a whole number is wanted, not {}", value)


# Enums.


def _enum_reader(target: type[OpenEnum]) -> Reader:
    low, high = INTEGERS["enum"]
    known = {int(member): member for member in target}.get

    def read(value: Any) -> OpenEnum:
        if type(value) is int:
            member = known(value)
            if member is not None:
                return member
            number = value
        else:
            number = _by_name(target, value) if isinstance(value, str) else _whole(value)
        if low <= number <= high:
            return target(number)
        raise Unfit("{} does not fit int32", value)

    return read


def _by_name(target: type[OpenEnum], text: str) -> int:
    """The number that ``text`` stands for: a member's name, the schema's, or a number."""
    if _is_real(text):
        return _whole(text)
    found = _names(target).get(_folded(text.removeprefix(f"{target.__name__}_")))
    if found is None:
        raise Unfit(f"{target.__name__} has no {{}}", text, target.__members__)
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


@lru_cache(maxsize=512)
def schema_names(target: type[OpenEnum]) -> Mapping[int, str]:
    """Numbers → the schema's names of an enum; empty for an enum that does not have them."""
    stored: tuple[str, ...] | None = getattr(target, "__schema_names__", None)
    names: dict[int, str] = {}
    if stored is not None:
        for member, name in zip(target.__members__.values(), stored, strict=True):
            names.setdefault(int(member), name)
    return names


# Real numbers.


def _is_real(text: str) -> bool:
    return len(text) <= _LONGEST_NUMBER and _REAL.fullmatch(text) is not None


def _read_double(value: Any) -> float:
    if isinstance(value, str):
        if _SPECIAL.fullmatch(value):
            return float(value)
        if not _is_real(value):
            raise Unfit("a number is wanted, not {}", value)
        if value.lstrip("-").isdecimal():
            value = int(value)  # as the same digits without quotes: -0 is 0
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("a number is wanted, not {}", value)
    elif isinstance(value, float):
        return float(value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise Unfit("{} does not fit double", value)
    return number


def _read_float(value: Any) -> float:
    number = _read_double(value)
    single = _single(number)
    if math.isinf(single) and not math.isinf(number):
        raise Unfit("{} does not fit float", value)
    return single


def _write_double(value: Any) -> float | str:
    number = float(value)
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _write_float(value: Any) -> float | str:
    """The shortest number that reads back as the same one of single precision."""
    number = float(value)
    for digits in (6, 7, 8):
        short = float(f"{number:.{digits}g}")
        if _single(short) == _single(number) and abs(short) <= _GREATEST_SINGLE:
            return _write_double(short)
    return _write_double(_single(number))


def _single(number: float) -> float:
    """The nearest number of single precision; infinite where there is none."""
    try:
        return float(_SINGLE.unpack(_SINGLE.pack(number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


# Truth, text, bytes.


def _read_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false is wanted, not {}", value)
    return value


def _read_string(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("a text is wanted, not {}", value)
    return value


def _read_bytes(value: Any) -> bytes:
    """Both alphabets of base64, with its padding or without."""
    if isinstance(value, str):
        text = value.translate(_URL_SAFE)
        if "=" not in text:
            text += "=" * (-len(text) % 4)
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # binascii's own error is one
            pass
    # Bytes may be a key or a token: the value is not repeated.
    raise Unfit("bytes are wanted as base64 text")


def _write_bytes(value: Any) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


_READERS: Final[dict[str, tuple[type | None, Reader]]] = {
    "double": (float, _read_double),
    "float": (None, _read_float),
    "bool": (bool, _read_bool),
    "string": (str, _read_string),
    "bytes": (None, _read_bytes),
}

_WRITERS: Final[dict[str, tuple[type | None, Writer]]] = {
    "double": (None, _write_double),
    "float": (None, _write_float),
    "bool": (bool, bool),
    "string": (str, str),
    "bytes": (None, _write_bytes),
}
