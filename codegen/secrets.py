"""Which fields carry a secret: the table ``protos/secrets.toml`` and its check.

::

    [secret]   full field name             = what it is
    [open]     field name, or a full one   = why it is none, though its name sounds like one

The messages that hold a secret are generated so that no ``repr`` shows it. A text or bytes field
whose name sounds like a secret must stand in one of the tables: a new release cannot bring a
password in unseen. That holds without the file too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .errors import TableError
from .schema import Schema

__all__ = ["SecretsError", "load"]

_TABLES: Final = ("secret", "open")
_KINDS: Final = ("string", "bytes")

#: Words of field names that promise a secret.
_SECRET_WORD: Final = re.compile(
    "aes|auth|authorization|captcha|cert|certificate|cipher|credentials?|iv|keys?|otp"
    "|pass|passcode|passphrase|passwd|password|pin|private|pwd|rsa|secrets?|sign|signature|sms"
    "|tokens?|verification|verify"
)
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# A digit belongs to the word before it here: MD5 is one word.
_GLUED: Final = re.compile(r"(?i)md5")


class SecretsError(TableError):
    """``secrets.toml`` is wrong; each line of ``faults`` begins with the field at fault."""


def load(path: Path, schema: Schema, *, strict: bool = True) -> frozenset[str]:
    """Full names of the fields that carry a secret; a missing file names none.

    With ``strict=False`` an entry that the schema does not have is skipped: the table is written
    for the newest schema and must serve older ones too. Raises :class:`SecretsError` with every
    fault found: not TOML, an entry that is no field, a reason that is missing, a field in both
    tables, a field that sounds like a secret and is in none.
    """
    tables = _read(path)
    kinds = {
        f"{message.full_name}.{item.name}": item.kind
        for file in schema.files
        for message in file.walk_messages()
        for item in message.fields
    }
    secret = tables["secret"].keys() & kinds.keys()
    known_open = _covered(tables["open"], kinds)
    faults = []
    if strict:
        faults += [f"{name}: no such field" for name in tables["secret"].keys() - kinds.keys()]
        faults += [f"{name}: no such field" for name in tables["open"].keys() - known_open.keys()]
    is_open = {name for names in known_open.values() for name in names}
    faults += [f"{name}: is secret and open" for name in secret & is_open]
    faults += [
        f"{name}: sounds like a secret and stands neither in [secret] nor in [open]"
        for name, kind in kinds.items()
        if kind in _KINDS and _sounds_secret(name) and name not in secret | is_open
    ]
    if faults:
        raise SecretsError(path.name, tuple(sorted(faults)))
    return frozenset(secret)


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {name: {} for name in _TABLES}
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise SecretsError(path.name, (f"cannot be read: {exc}",)) from exc
    except tomllib.TOMLDecodeError as exc:
        raise SecretsError(path.name, (f"not TOML: {exc}",)) from exc
    faults = [f"{name}: not one of the tables {_TABLES}" for name in sorted({*data} - {*_TABLES})]
    for table in _TABLES:
        faults += _reasonless(table, data.setdefault(table, {}))
    if faults:
        raise SecretsError(path.name, tuple(faults))
    return {name: data[name] for name in _TABLES}


def _reasonless(table: str, entries: Any) -> list[str]:
    if not isinstance(entries, dict):
        return [f"{table}: not a table"]
    return [
        f"{name}: needs a text in [{table}]"
        for name, reason in entries.items()
        if not isinstance(reason, str) or not reason
    ]


def _covered(entries: Iterable[str], fields: Mapping[str, str]) -> dict[str, list[str]]:
    """Entry → full names of the fields that it speaks of; entries that speak of none are left out.

    A bare name speaks of every field of that name.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        names = [name for name in fields if entry in (name, name.rpartition(".")[2])]
        if names:
            found[entry] = names
    return found


def _sounds_secret(full_name: str) -> bool:
    name = full_name.rpartition(".")[2]
    words = [word.lower() for word in _WORD.findall(_GLUED.sub("", name))]
    return bool(_GLUED.search(name)) or any(_SECRET_WORD.fullmatch(word) for word in words)
