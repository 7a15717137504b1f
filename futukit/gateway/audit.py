"""The audit log: who asked for what and how it ended, one JSON object a line.

Bodies, keys and their hashes are never in it; of an order it tells what was to be bought or sold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec

__all__ = ["Audit", "order_facts"]

_LONGEST_TEXT: Final = 64

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


class Audit:
    """Writes lines to an open text file; with ``None`` it writes nothing."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out

    def write(self, event: str, **facts: Any) -> None:
        """Write one line: the time (UTC), the event, and those facts that are not None."""
        if self._out is None:
            return
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        self._out.write(msgspec.json.encode({**line, **known}).decode() + "\n")
        self._out.flush()

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._out is not None


def order_facts(c2s: Any) -> dict[str, Any]:
    """What a trading request is about, by the names of its fields; empty for everything else."""
    header = getattr(c2s, "header", None)
    if not hasattr(header, "acc_id"):
        header = None
    found = {name: getattr(header, name, None) for name in _HEADER if header is not None}
    if header is not None or hasattr(c2s, "unlock"):
        found |= {name: getattr(c2s, name, None) for name in _ORDER}
    return {name: _short(value) for name, value in found.items() if value is not None}


def _short(value: Any) -> Any:
    long = isinstance(value, str) and len(value) > _LONGEST_TEXT
    return f"{value[:_LONGEST_TEXT]}…" if long else value
