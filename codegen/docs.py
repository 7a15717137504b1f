"""Our own words for methods, messages, fields and enums: ``protos/docs.toml``.

A field's line ends with a unit in brackets where it has one: ``"Highest price of the bar
[price]"``. The units are a closed vocabulary at the top of the file, and a docstring shows the
unit's own text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .errors import CodegenError
from .schema import Field, Message, Schema

_UNIT = re.compile(r"^(?P<text>.*?)\s*\[(?P<unit>[a-z0-9_]+)\]$", re.S)
# Wrapper fields that every answer has; the generator documents them by one rule.
_WRAPPER_FIELDS = frozenset({"c2s", "s2c", "retType", "retMsg", "errCode"})


class DocsError(CodegenError):
    """docs.toml speaks of something that is not in the schema, or leaves something out."""


@dataclass(frozen=True)
class Docs:
    """The table, looked up by full schema names (``Qot_Common.KLine``) and proto ids."""

    units: dict[str, str]
    methods: dict[int, str]
    messages: dict[str, str]
    fields: dict[str, dict[str, str]]
    enums: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> Docs:
        """Read the file; a missing one is an empty table (a schema without words of ours)."""
        if not path.exists():
            return cls({}, {}, {}, {}, {})
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise DocsError(f"{path.name}: {error}") from error
        messages = table.get("message", {})
        return cls(
            units=table.get("units", {}),
            methods={int(key): row["doc"] for key, row in table.get("method", {}).items()},
            messages={name: row["doc"] for name, row in messages.items() if "doc" in row},
            fields={name: row.get("fields", {}) for name, row in messages.items()},
            enums={name: row["doc"] for name, row in table.get("enum", {}).items()},
        )

    def field(self, message: str, field: str) -> str:
        """The field's line with its unit spelled out, or "" when there is none."""
        line = self.fields.get(message, {}).get(field, "")
        match = _UNIT.match(line)
        if not match:
            return line
        return f"{match['text']} ({self.units[match['unit']]})"

    def unit(self, message: str, field: str) -> str | None:
        """Name of the field's unit."""
        match = _UNIT.match(self.fields.get(message, {}).get(field, ""))
        return match["unit"] if match else None


def validate(docs: Docs, schema: Schema, proto_ids: set[int]) -> None:
    """Raise DocsError when the table names something that the schema does not have."""
    messages = {m.full_name: m for file in schema.files for m in file.walk_messages()}
    enums = {enum.full_name for file in schema.files for enum in file.walk_enums()}
    problems = [f"method {number}: no such proto id" for number in docs.methods.keys() - proto_ids]
    problems += [f"enum {name}: not in the schema" for name in docs.enums.keys() - enums]
    for name in docs.messages.keys() | docs.fields.keys():
        if name not in messages:
            problems.append(f"message {name}: not in the schema")
            continue
        fields = {field.name for field in messages[name].fields}
        for field, line in docs.fields.get(name, {}).items():
            match = _UNIT.match(line)
            if field not in fields:
                problems.append(f"{name}.{field}: no such field")
            elif match and match["unit"] not in docs.units:
                problems.append(f"{name}.{field}: unit [{match['unit']}] is not in [units]")
    if problems:
        raise DocsError("docs.toml: " + "; ".join(sorted(problems)[:20]))


def missing_lines(docs: Docs, schema: Schema, roots: list[str]) -> list[str]:
    """Fields without a line, or numbers without a unit, in all that ``roots`` (messages) reach."""
    gaps = []
    for message in reached(schema, roots):
        for field in message.fields:
            name = f"{message.full_name}.{field.name}"
            if field.name in _WRAPPER_FIELDS:
                continue
            if field.name not in docs.fields.get(message.full_name, {}):
                gaps.append(f"{name}: no line")
            elif _needs_unit(field) and docs.unit(message.full_name, field.name) is None:
                gaps.append(f"{name}: no unit")
    return gaps


_QUANTITY_NAME = re.compile(
    r"(price|vol(ume)?|turnover|qty|amount|val(ue)?|ratio|rate|num|count|quota|time(stamp)?|date)$",
    re.I,
)


def _needs_unit(field: Field) -> bool:
    """Every real number; whole numbers and texts when their name says quantity or time."""
    if field.kind in ("double", "float"):
        return True
    if field.kind == "string":
        return bool(re.search(r"(time|date)$", field.name, re.I))
    return field.kind not in ("bool", "bytes", "message", "enum") and bool(
        _QUANTITY_NAME.search(field.name)
    )


def reached(schema: Schema, roots: list[str]) -> list[Message]:
    """The messages that ``roots`` (full names) contain at any depth, roots included, in order."""
    found: dict[str, Message] = {}
    waiting = list(reversed(roots))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = message = schema.message(name)
        waiting += [f.type_name for f in message.fields if f.kind == "message" and f.type_name]
    return list(found.values())
