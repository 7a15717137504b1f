"""Plans: what ties a message class to the wire. The generated modules define one per message.

A field's row is ``(number, attribute, proto name, json name, kind, label, target, default)``:

- kind: int32 int64 uint32 uint64 double float bool string bytes enum message
- label: required optional repeated
- target: the Struct class of a sub-message, the enum class of an enum or of an int32 that
  carries one, else None
- default: the proto2 default as an int, read when the field is absent, else None

Names are stored, never derived: no rule leads from the attribute back to the proto name.
"""

from __future__ import annotations

from typing import Any

from futukit._native.wire import Plan, define, plan_of

FieldRow = tuple[int, str, str, str, str, str, type[Any] | None, int | None]
"""A field's row, as described above."""

__all__ = ["FieldRow", "Plan", "define", "plan_of"]
