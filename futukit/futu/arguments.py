"""Arguments of the face's methods → fields of messages.

Each function takes the parameter's name, for its error, and the value that a program gave; what
cannot be is a UsageError, which the method returns as ``(RET_ERROR, message)``. None passes where
a field may be left out; a required one is then refused by :func:`needed`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from futukit.errors import UsageError
from futukit.futu.enumeration import FtEnum

if TYPE_CHECKING:
    from futukit.messages.qot_common import Security

__all__ = [
    "as_bytes",
    "as_code_filter",
    "as_count",
    "as_enum",
    "as_enums",
    "as_filled_page",
    "as_filled_text",
    "as_flag",
    "as_flags",
    "as_fraction",
    "as_identifier",
    "as_identifiers",
    "as_integer",
    "as_integers",
    "as_item",
    "as_items",
    "as_nonzero_integer",
    "as_number",
    "as_page",
    "as_raw",
    "as_securities",
    "as_security",
    "as_switch",
    "as_text",
    "as_texts",
    "as_time",
    "needed",
    "some",
    "window",
]

_TIME: Final = "%Y-%m-%d %H:%M:%S"

T = TypeVar("T")


def needed(name: str, value: T | None) -> T:
    """A value that must be there."""
    if value is None:
        raise UsageError(f"{name} is needed")
    return value


def some(message: Callable[..., T], **fields: Any) -> T | None:
    """A sub-message of the fields that have values, None if none has."""
    told = {name: value for name, value in fields.items() if value is not None and value != ()}
    try:
        return message(**told) if told else None
    except TypeError as error:  # a field that the others need
        raise UsageError(f"{', '.join(told)}: {error}") from None


def as_raw(name: str, value: Any) -> Any:
    """Whatever it is, as it is."""
    del name
    return value


def as_security(name: str, value: Any) -> Security | None:
    """``"HK.00700"``: the market's prefix, a dot, the code."""
    from futukit.core.securities import to_security

    if value is None:
        return None
    try:
        security = to_security(value)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if isinstance(value, str) and value[: value.index(".")].isdigit():
        raise UsageError(f"{name}: {value!r} begins with a number, not with a market")
    return security


def as_securities(name: str, value: Any) -> tuple[Security, ...]:
    """One code, several with commas between, or a list of codes; each once, in order."""
    return tuple(needed(name, as_security(name, code)) for code in listed(value, name))


def listed(value: Any, name: str = "this") -> list[Any]:
    """The elements of a list, of a text with commas, or the single value itself; each once."""
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(",")
    elif not isinstance(value, Iterable):
        value = [value]
    try:
        return list(dict.fromkeys(value))
    except TypeError:
        raise UsageError(f"{name} is a list of texts or numbers, not {value!r}") from None


def as_text(name: str, value: Any) -> str | None:
    """Only a str will do."""
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"{name} is a text, not {value!r}")


def as_texts(name: str, value: Any) -> tuple[str, ...]:
    """A text, or a list of texts."""
    return tuple(needed(name, as_text(name, text)) for text in listed(value, name))


def as_integer(name: str, value: Any) -> Any:
    """A whole number, or a text that is one; a field with an enum of our own takes it too."""
    if value is None:
        return None
    try:
        number: int | None = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        raise UsageError(f"{name} is a whole number, not {value!r}")
    return number


def as_count(name: str, value: Any) -> int:
    """How many: a whole number of 0 or more, and no text."""
    try:
        count = operator.index(value)  # numpy's numbers too
    except TypeError:
        count = -1
    if count < 0:
        raise UsageError(f"{name} is a whole number of 0 or more, not {value!r}")
    return count


def as_integers(name: str, value: Any) -> tuple[int, ...]:
    """Several whole numbers, each once."""
    return tuple(needed(name, as_integer(name, number)) for number in listed(value, name))


def as_number(name: str, value: Any) -> float | None:
    """A number, or a text that is one."""
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} is a number, not {value!r}") from None


def as_flag(name: str, value: Any) -> bool | None:
    """Anything that is true or false."""
    del name
    return None if value is None else bool(value)


def as_flags(name: str, value: Any) -> int:
    """A list of numbers that are bits → their sum, each once."""
    return sum(set(as_integers(name, value)))


def as_bytes(name: str, value: Any) -> bytes | None:
    """Bytes, such as the page key that a call before has returned."""
    if value is None or isinstance(value, bytes):
        return value
    raise UsageError(f"{name} is bytes, not {type(value).__name__}")


def as_enum(name: str, value: Any, enum: type[FtEnum]) -> Any:
    """A word of an enum → its number, which a field with an enum of our own takes too."""
    if value is None:
        return None
    number = enum._numbers.get(value) if isinstance(value, str) else None
    if number is None:
        raise UsageError(f"{name} is one of {enum.get_all_keys()}, not {value!r}")
    return number


def as_enums(name: str, value: Any, enum: type[FtEnum]) -> tuple[Any, ...]:
    """A word of an enum, or a list of them → their numbers."""
    return tuple(needed(name, as_enum(name, word, enum)) for word in listed(value, name))


def as_item(name: str, value: Any, item: Callable[[str, Any], T]) -> T | None:
    """A request object → its message."""
    if value is None:
        return None
    try:
        return item(name, value)
    except AttributeError:
        raise UsageError(f"{name} is not what it should be: {value!r}") from None


def as_items(name: str, value: Any, item: Callable[[str, Any], T]) -> tuple[T, ...]:
    """A list of request objects → messages."""
    if value is None:
        return ()
    each = value if isinstance(value, list | tuple) else [value]
    names = [f"{name}[{index}]" for index in range(len(each))]
    return tuple(needed(own, as_item(own, one, item)) for own, one in zip(names, each, strict=True))


def as_enum_or_integer(name: str, value: Any, enum: type[FtEnum]) -> Any:
    """A word of an enum → its number; a number as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return as_enum(name, value, enum)


def as_choices(name: str, value: Any, *enums: type[FtEnum]) -> tuple[int, ...]:
    """Words of some enums, or numbers → numbers."""
    words = {word: number for enum in enums for word, number in enum._numbers.items()}
    return tuple(
        words[choice] if isinstance(choice, str) and choice in words else _number(name, choice)
        for choice in listed(value, name)
    )


def _number(name: str, value: Any) -> int:
    number: int = needed(name, as_integer(name, value))
    return number


def as_nonzero_integer(name: str, value: Any) -> Any:
    """A whole number of which 0 is as good as none."""
    return as_integer(name, value) or None


def as_filled_page(name: str, value: Any) -> str | None:
    """The same; an empty one is not sent."""
    return as_page(name, value) or None


def as_page(name: str, value: Any) -> str | None:
    """The page that a call before has named, of whatever type."""
    del name
    return None if value is None else str(value)


def as_time(name: str, value: Any, clock: str = "00:00:00") -> str | None:
    """A date or a time; a date alone gets ``clock``, an empty text is left out."""
    return None if value is None or value == "" else f"{_time(name, value, clock):{_TIME}}"


def as_switch(name: str, value: Any) -> bool | None:
    """A flag that is left out unless it is true."""
    del name
    return True if value else None


def as_filled_text(name: str, value: Any) -> str | None:
    """A text; an empty one is left out."""
    return as_text(name, value) or None


def as_fraction(name: str, value: Any) -> float | None:
    """Per cent → a fraction of one."""
    number = as_number(name, value)
    return None if number is None else number / 100.0


def as_code_filter(name: str, value: Any) -> tuple[str, ...]:
    """``"HK.00700"`` → the bare code of a filter; what names no market goes as it is."""
    if value is None or value == "":
        return ()
    try:
        return (needed(name, as_security(name, value)).code,)
    except UsageError:
        return (str(value),)


def as_identifier(name: str, value: Any) -> tuple[str, ...]:
    """The id of an order, a text or a number, for a filter; none for no filter."""
    del name
    return () if value is None or value == "" else (str(value),)


def as_identifiers(name: str, value: Any) -> tuple[str, ...]:
    """A list of ids of orders, texts or numbers."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise UsageError(f"{name} is a list of order ids, not {value!r}")
    return tuple(map(str, value))


def window(
    start: tuple[str, Any],
    end: tuple[str, Any],
    days: int,
    *,
    start_clock: str = "00:00:00",
    end_clock: str = "23:59:59",
    prefer_end_now: bool = True,
    only_date: bool = False,
) -> tuple[str, str]:
    """Both ends of a span of time, of which a program may leave out one or both.

    A missing end is ``days`` away from the other; without any, the span ends today (or begins
    today, if not ``prefer_end_now``). Days without a time of day get the clocks given.
    """
    span = timedelta(days=days)
    first = _time(*start, start_clock) if start[1] else None
    last = _time(*end, end_clock) if end[1] else None
    if first is None and last is None:
        today = datetime.now()
        first, last = (None, today) if prefer_end_now else (today, None)
        last = last and _at(last, end_clock)
        first = first and _at(first, start_clock)
    try:
        if first is None and last is not None:
            first = _at(last - span, start_clock)
        if last is None and first is not None:
            last = _at(first + span, end_clock)
    except OverflowError:
        name, value = end if end[1] else start
        raise UsageError(f"{name}: {value!r} has no day {days} days away") from None
    if first is None or last is None:
        raise UsageError("a span needs a day to begin with")
    return _written(first, only_date), _written(last, only_date)


def _written(time: datetime, only_date: bool) -> str:
    written = time.isoformat(" ", "seconds")
    return written[: len("2024-03-08")] if only_date else written


def _time(name: str, value: Any, clock: str) -> datetime:
    if not isinstance(value, str):
        raise UsageError(f"{name} is a text like 2024-03-08 or 2024-03-08 09:30:00, not {value!r}")
    try:
        return datetime.strptime(value if ":" in value else f"{value} {clock}", _TIME)
    except ValueError:
        raise UsageError(f"{name}: {value!r} is no date like 2024-03-08 09:30:00") from None


def _at(day: datetime, clock: str) -> datetime:
    hour, minute, second = map(int, clock.split(":"))
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0)
