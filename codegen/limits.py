"""``protos/limits.toml``: how often OpenD lets an id be asked, and which requests are counted.

The head of the file explains its columns. :func:`load` checks every row against the schema and
the proto ids, and reports every fault at once: a field that is gone cannot turn a limit off
unseen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from .enums import Bindings
from .errors import TableError
from .ids import ProtoId
from .schema import Field, Message, Schema

__all__ = ["SCOPES", "Limit", "LimitsError", "load"]

#: Who has a counter of its own.
SCOPES: Final = ("account", "user", "all")

_ACCOUNT: Final = ("header", "accID")
_NUMBERS: Final = ("max_requests", "per_seconds", "min_spacing_ms", "max_items")
_TEXTS: Final = ("scope", "limiter", "counted_if", "page_field", "source")
_ONLY_LIMITED: Final = ("min_spacing_ms", "scope", "limiter", "counted_if", "page_field", "free")
_PAGE_KINDS: Final = ("string", "bytes", "int32", "int64", "uint32", "uint64")


class LimitsError(TableError):
    """``limits.toml`` is wrong; each line of ``faults`` begins with the proto id at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One row of the table, in the table's words; what it does not say is None.

    ``free`` holds the number of the enum value that the table names.
    """

    proto_id: int
    source: str
    max_requests: int | None = None
    per_seconds: int | None = None
    min_spacing_ms: int | None = None
    max_items: int | None = None
    scope: str | None = None
    limiter: str | None = None
    counted_if: str | None = None
    page_field: str | None = None
    free: tuple[str, int] | None = None

    @property
    def rule(self) -> tuple[object, ...]:
        """What ids that share a limiter must agree in."""
        return self.max_requests, self.per_seconds, self.min_spacing_ms, self.scope


def load(
    path: Path,
    schema: Schema,
    ids: Iterable[ProtoId],
    bindings: Bindings,
    *,
    strict: bool = True,
) -> tuple[Limit, ...]:
    """Read and check the table; the rows come sorted by id, a missing file has none.

    With ``strict=False`` the table may name ids and fields that the schema does not have: such an
    id is left out, and without the field every request counts. Raises :class:`LimitsError` with
    every fault found.
    """
    tables = _read(path)
    _refuse(path, (fault for key, table in tables.items() for fault in _shape(key, table)))
    known = {row.proto_id: row for row in ids}
    faults: list[str] = []
    rows: list[Limit] = []
    for key, table in sorted(tables.items(), key=lambda entry: int(entry[0])):
        c2s = _c2s(known.get(int(key)), schema)
        if c2s is None:
            faults += [f"{key}: no request with a C2S has this id"] if strict else []
            continue
        row, missing = _row(int(key), table, c2s, schema, bindings)
        rows.append(row)
        faults += [f"{key}: {fault}" for fault in missing] if strict else []
    _refuse(path, (*faults, *_differing(rows)))
    return tuple(rows)


def _refuse(path: Path, faults: Iterable[str]) -> None:
    if found := tuple(faults):
        raise LimitsError(path.name, found)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise LimitsError(path.name, (f"cannot be read: {exc}",)) from exc
    except tomllib.TOMLDecodeError as exc:
        raise LimitsError(path.name, (f"not TOML: {exc}",)) from exc


def _shape(key: str, table: Any) -> Iterator[str]:
    """Faults of form; without any, a row can be built."""
    if not (key.isascii() and key.isdigit() and str(int(key)) == key):
        yield f"{key}: not a proto id"
    if not isinstance(table, dict):
        yield f"{key}: not a table"
        return
    for name, value in table.items():
        if name in _NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                yield f"{key}: {name} is not a whole number above 0"
        elif name in _TEXTS:
            if not isinstance(value, str) or not value:
                yield f"{key}: {name} is not a text"
        elif name != "free":
            yield f"{key}: unknown key {name!r}"
        elif not _is_pair(value):
            yield f"{key}: free is not one field with one value's name"
    yield from (f"{key}: {fault}" for fault in _contradictions(table))


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and all(isinstance(name, str) for name in value.values())
    )


def _contradictions(table: Mapping[str, Any]) -> Iterator[str]:
    if "source" not in table:
        yield "source is missing"
    if "max_requests" in table:
        yield from (f"{name} is missing" for name in ("per_seconds", "scope") if name not in table)
    elif "per_seconds" in table:
        yield "max_requests is missing"
    else:
        yield from (f"{name} without max_requests" for name in _ONLY_LIMITED if name in table)
        if "max_items" not in table:
            yield "says nothing"
    if isinstance(scope := table.get("scope"), str) and scope not in SCOPES:
        yield f"scope {scope!r} is none of {', '.join(SCOPES)}"


def _c2s(row: ProtoId | None, schema: Schema) -> Message | None:
    """What a request asks for; None for a push, and for an id that has no schema."""
    if row is None or row.proto_file is None or row.request is None:
        return None
    request = schema.message(row.messages(schema)[0])
    inner = _field(request, "c2s")
    return schema.message(inner.type_name) if inner and inner.type_name else None


def _field(message: Message, name: str) -> Field | None:
    return next((item for item in message.fields if item.name == name), None)


def _row(
    proto_id: int, table: dict[str, Any], c2s: Message, schema: Schema, bindings: Bindings
) -> tuple[Limit, list[str]]:
    """The row as far as the schema has its fields, and what it does not have."""
    free = table.pop("free", {})
    row = Limit(proto_id=proto_id, **table)
    missing = list(_account_faults(row, c2s, schema))
    if row.counted_if is not None and not _has(c2s, row.counted_if, ("bool",)):
        missing.append(f"C2S has no bool field {row.counted_if!r}")
        row = replace(row, counted_if=None)
    if row.page_field is not None and not _has(c2s, row.page_field, _PAGE_KINDS):
        missing.append(f"C2S has no text or number field {row.page_field!r}")
        row = replace(row, page_field=None)
    for name, value in free.items():
        number = _number(bindings.enum_of(f"{c2s.full_name}.{name}"), value, schema)
        if number is None:
            missing.append(f"C2S has no field {name!r} with an enum that has {value!r}")
        else:
            row = replace(row, free=(name, number))
    return row, missing


def _has(message: Message, name: str, kinds: Sequence[str]) -> bool:
    item = _field(message, name)
    return item is not None and item.label != "repeated" and item.kind in kinds


def _account_faults(row: Limit, c2s: Message, schema: Schema) -> Iterator[str]:
    if row.scope != "account":
        return
    header = _field(c2s, _ACCOUNT[0])
    if header is None or header.type_name is None:
        yield "counts per account, but its C2S has no header"
    elif _field(schema.message(header.type_name), _ACCOUNT[1]) is None:
        yield "counts per account, but its header has no accID"


def _number(enum: str | None, value: str, schema: Schema) -> int | None:
    if enum is None:
        return None
    return next((item.number for item in schema.enum(enum).values if item.name == value), None)


def _differing(rows: Iterable[Limit]) -> Iterator[str]:
    first: dict[str, Limit] = {}
    for row in rows:
        if row.limiter is None:
            continue
        other = first.setdefault(row.limiter, row)
        if other.rule != row.rule:
            yield f"{row.proto_id}: limiter {row.limiter!r} has other numbers in {other.proto_id}"
