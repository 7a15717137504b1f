"""``protos/lock.toml``: from which SDK release each .proto came, and the SHA-256 of its text."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import TableError

__all__ = ["FILE_NAME", "Entry", "Lock", "digest", "read", "verify"]

FILE_NAME: Final = "lock.toml"
_HEADER: Final = "# Written by codegen sync; do not edit.\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: the release that it was taken from, and the digest of the normalised text."""

    release: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """``sdk`` and ``version`` name the base release; ``files`` maps each .proto to its entry."""

    sdk: str
    version: str
    files: Mapping[str, Entry]

    def text(self) -> str:
        """The file's text: sorted, so that it depends on the facts only."""
        lines = [f"sdk = {_quote(self.sdk)}", f"version = {_quote(self.version)}", "", "[files]"]
        for name, entry in sorted(self.files.items()):
            facts = f"release = {_quote(entry.release)}, sha256 = {_quote(entry.sha256)}"
            lines.append(f"{_quote(name)} = {{ {facts} }}")
        return "\n".join([_HEADER, *lines]) + "\n"


def digest(text: str) -> str:
    """The SHA-256 of a .proto's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(protos_dir: Path) -> Lock | None:
    """The lock of a folder, None if it has none; raises :class:`TableError` if it is broken."""
    path = protos_dir / FILE_NAME
    if not path.exists():
        return None
    try:
        return _lock(tomllib.loads(path.read_bytes().decode()))
    except (tomllib.TOMLDecodeError, UnicodeError) as exc:
        raise TableError(FILE_NAME, (str(exc),)) from exc
    except (AttributeError, KeyError, TypeError) as exc:
        raise TableError(FILE_NAME, (f"not a lock that sync wrote: {exc!r}",)) from exc


def verify(protos_dir: Path) -> tuple[str, ...]:
    """What differs between the lock and the .proto files: one line each, empty when all is well.

    A .proto that the lock does not name is not a fault: it may be written by hand.
    """
    lock = read(protos_dir)
    if lock is None:
        return (f"{FILE_NAME}: missing",)
    faults = []
    for name, entry in sorted(lock.files.items()):
        path = protos_dir / name
        if not path.is_file():
            faults.append(f"{name}: named in {FILE_NAME}, missing on disk")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
            faults.append(f"{name}: edited by hand since sync wrote it")
    return tuple(faults)


def _lock(table: dict[str, Any]) -> Lock:
    files = {name: Entry(row["release"], row["sha256"]) for name, row in table["files"].items()}
    return Lock(table["sdk"], table["version"], files)


def _quote(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in escaped) + '"'
