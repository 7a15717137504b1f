"""The straight way of JSON bodies: msgspec reads and writes them by itself.

For each message class there are mirrors: Structs of the same attributes, made from the field
rows, whose names and types are those of the JSON. msgspec decodes a body into a mirror and turns
the mirror into the message, and the other way round; no value passes through Python.

The straight way takes less than ``futukit.codec.mapping`` does and decides nothing: what it does
not take (a second spelling, a name that no field has, an enum by name, a null, a value out of
range) is refused as a whole and goes the long way, which has the rules. What it takes, it reads
as the long way would.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from sys import float_info
from typing import Annotated, Any, Final

from msgspec import Meta, MsgspecError, Struct, defstruct
from msgspec.json import Decoder

from futukit.codec.mapping import Field, Writing, fields_of
from futukit.codec.scalars import INTEGERS

__all__ = ["REFUSALS", "straight_decoders", "write_mirror"]

REFUSALS: Final = (MsgspecError, UnicodeError, RecursionError)
"""What the straight way raises where it does not take something."""

# msgspec compares with 64 signed bits: greater numbers go the long way.
_GREATEST: Final = 2**63 - 1
_INTEGERS: Final = {
    kind: Annotated[int, Meta(ge=low, le=min(high, _GREATEST))]
    for kind, (low, high) in INTEGERS.items()
}


def straight_decoders(cls: type[Struct]) -> tuple[Callable[[bytes], Struct], ...]:
    """Functions body → mirror, one for each set of names; none where no way is straight.

    ``msgspec.convert(…, cls, from_attributes=True)`` makes the message of the mirror.
    """
    if _has_kind(cls, ("float",)):  # to be rounded to single precision
        return ()
    mirrors = dict.fromkeys(_read_mirror(cls, spelling) for spelling in ("name", "json_name"))
    # Not strict: whole and real numbers may be texts. From the mirror on, all is strict.
    return tuple(Decoder(mirror, strict=False).decode for mirror in mirrors)


@lru_cache(maxsize=4096)
def _read_mirror(cls: type[Struct], spelling: str) -> type[Struct]:
    """Refuses names that it does not know: they could be second spellings."""
    if spelling == "json_name" and _spelled_alike(cls):
        return _read_mirror(cls, "name")

    def kind_of(field: Field) -> Any:
        if field.kind == "message":
            return _read_mirror(field.target, spelling)
        if field.kind == "bool":
            return Any  # a lax decoder would take 1 and "true": let the strict step judge
        return _INTEGERS.get(field.kind) or _PLAIN[field.kind]

    return _mirror(cls, spelling, kind_of, absent=False, forbid_unknown_fields=True)


def write_mirror(cls: type[Struct], policy: Writing) -> type[Struct] | None:
    """What ``msgspec.convert(message, …, from_attributes=True)`` turns into; None: no such way.

    For messages that the protobuf encoder takes; numbers that are not finite are refused.
    """
    if _has_kind(cls, ("float", "enum") if policy.named else ("float",)):
        return None
    return _write_mirror(cls, policy)


@lru_cache(maxsize=4096)
def _write_mirror(cls: type[Struct], policy: Writing) -> type[Struct]:
    def kind_of(field: Field) -> Any:
        if field.kind == "message":
            return _write_mirror(field.target, policy)
        if policy.quotes(field):
            return Decimal  # which msgspec writes as text
        if field.kind == "double":
            return _FINITE
        return field.target or _PLAIN.get(field.kind, int)

    return _mirror(cls, policy.spelling, kind_of, absent=True, omit_defaults=True)


_FINITE: Final = Annotated[float, Meta(ge=-float_info.max, le=float_info.max)]
_PLAIN: Final = {"double": float, "bool": bool, "string": str, "bytes": bytes}


def _mirror(
    cls: type[Struct],
    spelling: str,
    kind_of: Callable[[Field], Any],
    *,
    absent: bool,
    **options: Any,
) -> type[Struct]:
    """A Struct with the attributes of ``cls``; with ``absent``, None is of their types."""
    rows: list[Any] = []
    for field in fields_of(cls):
        kind: Any = kind_of(field)
        if field.label == "repeated":
            rows.append((field.attribute, tuple[kind, ...], ()))
        elif field.label == "optional":
            rows.append((field.attribute, kind | None if absent else kind, None))
        else:
            rows.append((field.attribute, kind))
    names = {field.attribute: getattr(field, spelling) for field in fields_of(cls)}
    return defstruct(cls.__name__, rows, kw_only=True, gc=False, rename=names, **options)


@lru_cache(maxsize=4096)
def _has_kind(cls: type[Struct], kinds: tuple[str, ...]) -> bool:
    """Whether a field in the message, or in those that it contains, has one of the kinds."""
    return any(
        field.kind in kinds or (field.kind == "message" and _has_kind(field.target, kinds))
        for field in fields_of(cls)
    )


@lru_cache(maxsize=4096)
def _spelled_alike(cls: type[Struct]) -> bool:
    """Whether proto names and JSON names are the same, in contained messages too."""
    return all(
        field.name == field.json_name and (field.kind != "message" or _spelled_alike(field.target))
        for field in fields_of(cls)
    )
