"""The audit log: who asked for what and how it ended, one JSON object a line.

Bodies, keys and their hashes are never in it; of an order it tells what was to be bought or sold.
A disk that is full costs lines, and nothing else: an order that is out cannot be called back.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from futukit.errors import UsageError

__all__ = ["Audit", "order_facts"]

_logger: Final = logging.getLogger("futukit.gateway")

_LONGEST_TEXT: Final = 64
_MOST_LEGS: Final = 8
_OWNER_ONLY: Final = 0o600

_HEADER: Final = ("trd_env", "acc_id", "trd_market")
_ORDER: Final = (
    "trd_side",
    "order_type",
    "code",
    "sec_market",
    "qty",
    "price",
    "order_id",
    "order_id_ex",
    "modify_order_op",
    "for_all",
    "unlock",
)
_LEG: Final = ("side", "qty_ratio", "pred_side")


class Audit:
    """Appends lines to a file, made for its owner alone; ``Audit(None)`` writes nothing.

    Raises UsageError where the file does not take a first line. From then on nothing here raises:
    the first line that cannot be written is complained of in the log, ``lost`` is called for every
    one.
    """

    def __init__(self, path: str | Path | None, lost: Callable[[], object] | None = None) -> None:
        self._path = path
        self._lost = lost
        self._lines: _Lines | None = None
        self._is_failing = False
        if path is None:
            return
        try:
            self._lines = _Lines(path)
            self._lines.append(_line("audit_opened", {}))
        except (OSError, ValueError) as error:
            self.close()
            raise UsageError(f"cannot write audit lines to {path}: {_why(error)}") from error

    def reopen(self) -> None:
        """Go on in a new file under the same path, as after a rotation.

        Where that cannot be opened, lines still go to the old one.
        """
        if self._lines is None or self._path is None:
            return
        try:
            lines = _Lines(self._path)
        except (OSError, ValueError) as error:
            _logger.error("audit lines stay in the old file: %s: %s", self._path, _why(error))
            return
        self._lines.close()
        self._lines = lines
        self.write("audit_opened")

    def close(self) -> None:
        """Write nothing any more. Harmless to repeat."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def write(self, event: str, **facts: Any) -> None:
        """Write one line: the time (UTC), the event, and those facts that are not None."""
        if self._lines is None:
            return
        try:
            self._lines.append(_line(event, facts))
        except OSError as error:
            if not self._is_failing:
                _logger.error("audit lines are lost: %s: %s", self._path, _why(error))
            self._is_failing = True
            if self._lost is not None:
                self._lost()
            return
        if self._is_failing:
            self._is_failing = False
            _logger.warning("audit lines are written again: %s", self._path)

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._lines is not None


class _Lines:
    """A file of lines. One that could be written in part only is ended before the next."""

    def __init__(self, path: str | Path) -> None:
        # Without a buffer: what failed once would be in it for ever.
        self._file = open(path, "ab", buffering=0, opener=_opened)  # noqa: SIM115
        self._is_torn = _is_torn(path)

    def append(self, line: bytes) -> None:
        """Write a line to its end. Raises OSError."""
        rest = b"\n" + line if self._is_torn else line
        while rest:
            written = self._file.write(rest)
            if not written:
                raise BlockingIOError("no room for now")
            self._is_torn = rest[written - 1 : written] != b"\n"
            rest = rest[written:]

    def close(self) -> None:
        """Close the file, whatever its disk says to that."""
        with suppress(OSError):
            self._file.close()


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)


def _is_torn(path: str | Path) -> bool:
    """Whether somebody before us left half a line."""
    with suppress(OSError):
        if stat.S_ISREG(Path(path).stat().st_mode):
            with Path(path).open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
    return False


def _line(event: str, facts: dict[str, Any]) -> bytes:
    known = {name: _writable(value) for name, value in facts.items() if value is not None}
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
    return msgspec.json.encode({**line, **known}) + b"\n"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def order_facts(c2s: Any) -> dict[str, Any]:
    """What a trading request is about, by the names of its fields; empty for everything else."""
    header = getattr(c2s, "header", None)
    if not hasattr(header, "acc_id"):
        header = None
    found = {name: getattr(header, name, None) for name in _HEADER if header is not None}
    if header is not None or hasattr(c2s, "unlock"):
        found |= {name: getattr(c2s, name, None) for name in _ORDER}
        found |= _legs(getattr(c2s, "combo_legs", ()))
    return {name: _short(value) for name, value in found.items() if value is not None}


def _legs(legs: tuple[Any, ...]) -> dict[str, Any]:
    """What a combo order is made of, and how many legs more than are told."""
    told = [_leg(leg) for leg in legs[:_MOST_LEGS]]
    return {"legs": told or None, "more_legs": len(legs) - len(told) or None}


def _leg(leg: Any) -> dict[str, Any]:
    facts = {"market": leg.security.market, "code": leg.security.code}
    facts |= {name: getattr(leg, name) for name in _LEG}
    return {name: _short(value) for name, value in facts.items() if value is not None}


def _short(value: Any) -> Any:
    long = isinstance(value, str) and len(value) > _LONGEST_TEXT
    return _writable(f"{value[:_LONGEST_TEXT]}…" if long else value)


def _writable(value: Any) -> Any:
    """A text without lone surrogates, which a body in JSON may hold and UTF-8 may not."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
