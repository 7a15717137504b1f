"""Messages ↔ plain values (dicts, lists, texts, numbers): one walk over the field rows.

What differs between the uses is data in a policy: which names are read and written, what happens
to a name that no field has, how whole numbers are written. For each message class and policy one
function is prepared and kept; it holds a table with a row for each field, so that a value costs
one look-up and, where it is not already what the field wants, one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from operator import index
from typing import Any, NamedTuple

from msgspec import Struct

from futukit.codec.masks import MASK, secrets_of
from futukit.codec.plan import plan_of
from futukit.codec.scalars import Reader, Unfit, Writer, reader, schema_names, writer

__all__ = [
    "Field",
    "Reading",
    "Writing",
    "fields_of",
    "message_reader",
    "message_writer",
    "spelled",
]


class Field(NamedTuple):
    """A field's row, as ``futukit.codec.plan`` describes it."""

    number: int
    attribute: str
    name: str
    json_name: str
    kind: str
    label: str
    target: Any
    default: int | None


@dataclass(frozen=True, eq=False)
class Reading:
    """A policy of reading.

    ``spellings`` are the parts of a row by which a field may be called, the first wins where two
    fields claim one name. ``stranger`` gets the message's class, a name that no field has and
    its value: it raises Unfit or lets them pass. ``other`` gets a class and what stands where an
    object should: it gives the object, or the finished message, or raises Unfit.
    """

    spellings: tuple[str, ...]
    stranger: Callable[[type[Struct], object, object], None]
    other: Callable[[type[Struct], object], dict[Any, Any] | Struct]


@dataclass(frozen=True, eq=False)
class Writing:
    """A policy of writing.

    ``spelling`` is the part of a row that names the field; ``quoted`` makes texts of whole
    numbers of 64 bits, but not in lists where ``bare_lists`` says so; ``named`` writes true enums
    by the schema's names; ``finite`` leaves out optional numbers that are not finite.
    """

    spelling: str
    quoted: bool = False
    bare_lists: bool = False
    named: bool = False
    finite: bool = False

    def quotes(self, field: Field) -> bool:
        """Whether the field's numbers are written as texts."""
        if not self.quoted or (self.bare_lists and field.label == "repeated"):
            return False
        return field.kind in ("int64", "uint64")


@lru_cache(maxsize=2048)
def fields_of(cls: type[Struct]) -> tuple[Field, ...]:
    """The field rows of a message class. Raises UsageError for a Struct that is no message."""
    return tuple(Field(*row) for row in plan_of(cls).fields)


# Plain → message.


def spelled(cls: type[Struct], spellings: tuple[str, ...]) -> dict[str, Field]:
    """The fields by every name they may be called."""
    found: dict[str, Field] = {}
    for spelling in spellings:
        for field in fields_of(cls):
            found.setdefault(getattr(field, spelling), field)
    return found


@lru_cache(maxsize=4096)
def message_reader(cls: type[Struct], policy: Reading) -> Reader:
    """A function that makes a message of a dict; it raises Unfit with the trail filled in."""
    fields = spelled(cls, policy.spellings)
    rows: dict[object, tuple[str, type | None, Reader]] = {
        name: (field.attribute, *_read_row(field, policy)) for name, field in fields.items()
    }
    find = rows.get
    defaults = [
        (field.attribute, (field.target or int)(field.default))
        for field in fields_of(cls)
        if field.default is not None
    ]

    def read(plain: Any) -> Any:
        if type(plain) is not dict:
            plain = policy.other(cls, plain)
            if isinstance(plain, cls):
                return plain
        given: dict[str, Any] = {}
        name: object = None
        try:
            for name, value in plain.items():
                row = find(name)
                if row is None:
                    policy.stranger(cls, name, value)
                    continue
                attribute, exact, convert = row
                if type(value) is exact:
                    given[attribute] = value
                elif value is not None:
                    given[attribute] = convert(value)
        except Unfit as unfit:
            if name in rows:
                field = fields[str(name)]
                unfit.trail.append(field.name)
                if field.attribute in secrets_of(cls):
                    unfit.value = MASK  # the value may be a password in the wrong shape
            raise
        if len(given) < len(plain):
            _refuse_doubles(fields, plain)
        for attribute, default in defaults:
            given.setdefault(attribute, default)
        try:
            return cls(**given)
        except TypeError:
            _refuse_missing(cls, given)
            raise

    return read


def _read_row(field: Field, policy: Reading) -> tuple[type | None, Reader]:
    if field.kind == "message":
        exact, read = None, message_reader(field.target, policy)
    else:
        exact, read = reader(field.kind, field.target)
    return (None, _list_reader(exact, read)) if field.label == "repeated" else (exact, read)


def _list_reader(exact: type | None, read: Reader) -> Reader:
    def read_list(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise Unfit("a list is wanted, not {}", values)
        items: list[Any] = []
        append = items.append
        try:
            for value in values:
                append(value if type(value) is exact else read(value))
        except Unfit as unfit:
            unfit.trail.append(len(items))
            raise
        return tuple(items)

    return read_list


def _refuse_doubles(fields: dict[str, Field], plain: dict[Any, Any]) -> None:
    """A field that is given under two names; nulls are not given."""
    seen = set()
    for name, value in plain.items():
        field = fields.get(name)
        if field is None or value is None:
            continue
        if field.name in seen:
            unfit = Unfit("the field is given twice")
            unfit.trail.append(field.name)
            raise unfit
        seen.add(field.name)


def _refuse_missing(cls: type[Struct], given: dict[str, Any]) -> None:
    for field in fields_of(cls):
        if field.label == "required" and field.attribute not in given:
            unfit = Unfit("required field is missing")
            unfit.trail.append(field.name)
            raise unfit


# Message → plain.


@lru_cache(maxsize=4096)
def message_writer(cls: type[Struct], policy: Writing) -> Writer:
    """A function that makes a dict of a message that the protobuf encoder has taken.

    Fields that are absent, and empty lists, are left out.
    """
    rows = [
        (field.attribute, getattr(field, policy.spelling), *_write_row(field, policy))
        for field in fields_of(cls)
    ]

    def write(message: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for attribute, name, exact, convert in rows:
            value = getattr(message, attribute)
            if type(value) is exact:
                plain[name] = value
            elif value is not None and (written := convert(value)) is not None:
                plain[name] = written
        return plain

    return write


def _write_row(field: Field, policy: Writing) -> tuple[type | None, Writer]:
    repeated = field.label == "repeated"
    if field.kind == "message":
        exact, write = None, message_writer(field.target, policy)
    elif policy.quotes(field):
        exact, write = None, lambda value: str(index(value))
    elif field.kind == "enum" and policy.named and schema_names(field.target):
        exact, write = None, _name_writer(schema_names(field.target))
    else:
        exact, write = writer(field.kind)
    if repeated:
        return None, lambda values: [write(value) for value in values] or None
    if policy.finite and field.label == "optional" and field.kind in ("double", "float"):
        return None, lambda value: write(value) if isfinite(value) else None
    return exact, write


def _name_writer(names: Mapping[int, str]) -> Writer:
    return lambda value: names.get(number := index(value), number)
