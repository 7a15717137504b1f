"""``protos/proto_ids.toml``: every proto id with its names, schema, access and summary.

The message names stand in the table and are never derived: 3801-3803 follow no convention.
:func:`load` checks the table against the schema and reports every fault at once.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import TableError
from .schema import Schema

__all__ = ["ACCESS", "KINDS", "ProtoId", "load"]

KINDS: Final = ("request", "push")

#: The scopes that an id may ask for; "none" needs no key at all.
ACCESS: Final = ("none", "qot:read", "qot:write", "acc:read", "trade", "trade:unlock", "admin")

#: Messages of these files travel outside the proto ids: InitWebSocket is a command of its own.
_WITHOUT_ID: Final = ("InitWebSocket.proto",)
#: How upstream's body messages end, used only to find the ones that the table forgot.
_BODY_NAMES: Final = ("Request", "Response", "Req", "Rsp")
_REQUIRED: Final = ("kind", "access", "summary")
_OPTIONAL: Final = (
    "official_name",
    "seed_name",
    "conflict",
    "proto_file",
    "request",
    "response",
)
_MAX_ID: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoId:
    """One row of the table.

    ``kind`` is request or push. ``proto_file`` is a file name, ``request`` and ``response`` are
    message names in that file's package. All three are None for an id without a schema, which
    carries raw bytes only; ``request`` is None for a push. ``official_name`` is the SDK's,
    ``seed_name`` the one of the customer's documents; ``conflict`` says, where it is not None,
    how the two differ in meaning.
    """

    proto_id: int
    kind: str
    access: str
    summary: str
    official_name: str | None = None
    seed_name: str | None = None
    conflict: str | None = None
    proto_file: str | None = None
    request: str | None = None
    response: str | None = None

    @property
    def name(self) -> str:
        """The name to show: the official one, else the schema's, else the seed's."""
        stem = self.proto_file.removesuffix(".proto") if self.proto_file is not None else None
        return self.official_name or stem or self.seed_name or str(self.proto_id)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The further names under which the id is found."""
        seed = self.seed_name
        return (seed,) if seed is not None and seed != self.name else ()

    @property
    def raw_only(self) -> bool:
        """Whether there is no schema, so that only raw bytes can be sent."""
        return self.proto_file is None

    def messages(self, schema: Schema) -> tuple[str, ...]:
        """Full names of the request, if there is one, and of the response."""
        if self.proto_file is None:
            return ()
        package = schema.file(self.proto_file).package
        prefix = f"{package}." if package else ""
        return tuple(prefix + name for name in (self.request, self.response) if name is not None)


def load(path: Path | str, schema: Schema, *, strict: bool = True) -> tuple[ProtoId, ...]:
    """Read the table at ``path`` and check it against the schema; rows by number.

    With ``strict=False`` an id whose file the schema does not have becomes one without a schema,
    so that the table for the newest release serves an older one too. Raises :class:`TableError`
    that lists every fault: an unknown or missing key, an id twice, a file or message that does
    not exist, a message that no id names, an ambiguous name.
    """
    path = Path(path)
    try:
        # TOML itself refuses a table that stands twice, and names its line.
        tables = tomllib.loads(path.read_bytes().decode())
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as exc:
        raise TableError(path.name, (str(exc),)) from exc
    _refuse(path.name, (fault for key, table in tables.items() for fault in _shape(key, table)))
    rows = [ProtoId(proto_id=int(key), **table) for key, table in tables.items()]
    rows.sort(key=lambda row: row.proto_id)
    if not strict:
        rows = [_without_unknown_file(row, schema) for row in rows]
    faults = [f"{row.proto_id}: {fault}" for row in rows for fault in _row_faults(row, schema)]
    # Dangling rows would only repeat themselves in the checks across rows.
    _refuse(path.name, faults)
    _refuse(path.name, (*_name_faults(rows), *_message_faults(rows, schema)))
    return tuple(rows)


def _refuse(file: str, faults: Iterable[str]) -> None:
    if found := tuple(faults):
        raise TableError(file, found)


def _shape(key: str, table: object) -> Iterator[str]:
    """Faults of form; without any, a row can be built."""
    if not (key.isascii() and key.isdigit() and str(int(key)) == key and 0 < int(key) <= _MAX_ID):
        yield f"{key}: not a proto id"
    if not isinstance(table, dict):
        yield f"{key}: not a table"
        return
    for name, value in table.items():
        if name not in (*_REQUIRED, *_OPTIONAL):
            yield f"{key}: unknown key {name!r}"
        elif not isinstance(value, str) or not value.strip() or "\n" in value:
            yield f"{key}: {name} is not a line of text"
    yield from (f"{key}: {name} is missing" for name in _REQUIRED if name not in table)


def _without_unknown_file(row: ProtoId, schema: Schema) -> ProtoId:
    if row.proto_file is None or schema.has_file(row.proto_file):
        return row
    # The file's name may be the only one that reads like the others.
    name = row.official_name or row.name
    return dataclasses.replace(
        row, official_name=name, proto_file=None, request=None, response=None
    )


def _row_faults(row: ProtoId, schema: Schema) -> Iterator[str]:
    if row.kind not in KINDS:
        yield f"kind {row.kind!r} is none of {', '.join(KINDS)}"
    if row.access not in ACCESS:
        yield f"access {row.access!r} is none of {', '.join(ACCESS)}"
    if row.official_name is None and row.seed_name is None:
        yield "has neither an official nor a seed name"
    if row.conflict is not None and row.seed_name is None:
        yield "a conflict needs a seed name"
    if row.proto_file is None and (row.request or row.response):
        yield "names messages, but no proto_file"
    if row.proto_file is not None:
        yield from _schema_faults(row, row.proto_file, schema)


def _schema_faults(row: ProtoId, file: str, schema: Schema) -> Iterator[str]:
    if not schema.has_file(file):
        yield f"file {file} does not exist"
        return
    if row.response is None:
        yield "has a proto_file, but names no response"
    if row.kind == "request" and row.request is None:
        yield "is a request with a proto_file, but names no request message"
    if row.kind == "push" and row.request is not None:
        yield "is a push, but names a request message"
    for name in row.messages(schema):
        if not schema.has_message(name) or schema.home(name).name != file:
            yield f"message {name} does not exist in {file}"


def _name_faults(rows: Sequence[ProtoId]) -> Iterator[str]:
    """Names must lead to one id each, also when case and underscores are read loosely.

    A seed name may read like another id's official name if the row notes the ``conflict``: such
    a name is found in its exact spelling only.
    """
    exact: dict[str, int] = {}
    loose: dict[str, int] = {}
    for row in rows:
        for name in (row.name, *row.aliases):
            if (other := exact.setdefault(name, row.proto_id)) != row.proto_id:
                yield f"{row.proto_id}: the name {name} already belongs to {other}"
    for row in rows:
        seed = row.seed_name if row.conflict is None else None
        for name in filter(None, (row.official_name, seed)):
            other = loose.setdefault(name.replace("_", "").lower(), row.proto_id)
            if other != row.proto_id and exact[name] == row.proto_id:
                yield f"{row.proto_id}: the name {name} reads like a name of {other}"


def _message_faults(rows: Sequence[ProtoId], schema: Schema) -> Iterator[str]:
    """Messages that two ids claim, and those that look like a body and have no id."""
    owners: dict[str, int] = {}
    for row in rows:
        for name in row.messages(schema):
            if (other := owners.setdefault(name, row.proto_id)) != row.proto_id:
                yield f"{row.proto_id}: message {name} already belongs to {other}"
    for file in schema.files:
        for message in file.messages if file.name not in _WITHOUT_ID else ():
            if message.name.endswith(_BODY_NAMES) and message.full_name not in owners:
                yield f"no id names the message {message.full_name} of {file.name}"
