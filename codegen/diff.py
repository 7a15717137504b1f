"""What changed between two schemas, and what each change breaks.

Three things can break. *Wire*: a peer with the other schema misreads or refuses the bytes.
*JSON*: a JSON body of the one is not understood by the other. *Source*: a program written
against the one does not run against the other. The rules, strictest first:

==========================================================  ======================
change                                                      breaks
==========================================================  ======================
type of another wire family, or of another meaning          wire, JSON, source
number of a field or enum value, number reused              wire, JSON, source
required added or removed, required <-> optional            wire, JSON, source
singular <-> repeated                                       wire, JSON, source
renamed on the same number                                  JSON, source
optional or repeated removed                                JSON, source
type within its family (int32 -> int64, int32 -> enum)      JSON, source
enum value, enum, message or file removed                   JSON, source
default, package or order of aliases changed                source
anything added, deprecated, allow_alias changed             nothing
==========================================================  ======================

Messages are matched by file and name, fields by number, then by name. Enums are open here, so
a new value breaks nothing. A type of a renamed package counts as another type.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from . import source
from .schema import Enum, EnumValue, Field, File, Message, Schema, compile_folder, load_files

__all__ = ["Change", "Effect", "compare", "load_source", "report", "run"]


class Effect(IntEnum):
    """What a change breaks; a higher one includes the lower ones."""

    COMPATIBLE = 0
    SOURCE = 1
    JSON = 2
    WIRE = 3

    @property
    def title(self) -> str:
        """The mark in the report."""
        return _TITLES[self]


_TITLES: Final = {
    Effect.COMPATIBLE: "compatible",
    Effect.SOURCE: "breaks source",
    Effect.JSON: "breaks JSON and source",
    Effect.WIRE: "breaks wire",
}

#: Kinds whose encodings each other's readers accept. float and double stand alone: their bytes
#: have a length in common with the fixed kinds, not a meaning.
_FAMILIES: Final[dict[str, str]] = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "varint"),
    **dict.fromkeys(("sint32", "sint64"), "zigzag"),
    **dict.fromkeys(("fixed32", "sfixed32"), "fixed32"),
    **dict.fromkeys(("fixed64", "sfixed64"), "fixed64"),
    "float": "float",
    "double": "double",
    **dict.fromkeys(("string", "bytes"), "text"),
    "message": "message",
}
_BITS: Final = {"bool": 1, "enum": 32} | {
    kind: 32 if kind.endswith("32") else 64 for kind in _FAMILIES if kind.endswith(("32", "64"))
}
_Markable = Message | Field | Enum | EnumValue
_UNSIGNED: Final = ("uint32", "uint64", "fixed32", "fixed64", "bool")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference. ``path`` is the file or the full name of what changed, ``what`` says how."""

    effect: Effect
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.effect.title:<22}  {self.path}: {self.what}"


def compare(old: Schema, new: Schema) -> tuple[Change, ...]:
    """All changes from ``old`` to ``new``: the worst first, then by name."""
    changes: list[Change] = []
    olds, news = {f.name: f for f in old.files}, {f.name: f for f in new.files}
    for name in olds.keys() - news.keys():
        changes.append(Change(Effect.JSON, name, "file removed"))
    for name in news.keys() - olds.keys():
        changes.append(Change(Effect.COMPATIBLE, name, "file added"))
    for name in olds.keys() & news.keys():
        changes += _file(olds[name], news[name])
    return tuple(sorted(changes, key=lambda c: (-c.effect, c.path, c.what)))


def report(changes: tuple[Change, ...]) -> str:
    """One line for each change and a summary line."""
    counts = Counter(change.effect for change in changes)
    parts = [f"{counts[e]} {e.title}" for e in sorted(counts, reverse=True)]
    noun = "change" if len(changes) == 1 else "changes"
    summary = f"{len(changes)} {noun}" + (f": {', '.join(parts)}" if parts else "")
    return "\n".join([*map(str, changes), summary])


def load_source(name: str) -> Schema:
    """The schema of a protos folder, an archive, an SDK folder or an installed package.

    Raises :class:`SourceError` or :class:`SchemaError`.
    """
    release = source.read(name)
    with tempfile.TemporaryDirectory(prefix="futukit-diff-") as temporary:
        for file, data in release.files.items():
            (Path(temporary) / file).write_bytes(data)
        return load_files(compile_folder(Path(temporary), sorted(release.files)))


def run(old: str, new: str) -> int:
    """Print what changed; 0 if all is compatible, 1 if something breaks.

    Raises :class:`CodegenError` when a schema cannot be read.
    """
    changes = compare(load_source(old), load_source(new))
    print(report(changes))
    return int(any(change.effect > Effect.COMPATIBLE for change in changes))


def _file(old: File, new: File) -> Iterator[Change]:
    if old.package != new.package:
        what = f"package {old.package or '(none)'} -> {new.package or '(none)'}"
        yield Change(Effect.SOURCE, old.name, what)
    yield from _messages(old.messages, new.messages)
    yield from _enums(old.enums, new.enums)


def _messages(old: tuple[Message, ...], new: tuple[Message, ...]) -> Iterator[Change]:
    olds, news = {m.name: m for m in old}, {m.name: m for m in new}
    for name in olds.keys() - news.keys():
        yield Change(Effect.JSON, olds[name].full_name, "message removed")
    for name in news.keys() - olds.keys():
        yield Change(Effect.COMPATIBLE, news[name].full_name, "message added")
    for name in olds.keys() & news.keys():
        yield from _message(olds[name], news[name])


def _message(old: Message, new: Message) -> Iterator[Change]:
    yield from _deprecated(old.full_name, old, new)
    yield from _fields(old, new)
    yield from _messages(old.messages, new.messages)
    yield from _enums(old.enums, new.enums)


def _deprecated(path: str, old: _Markable, new: _Markable) -> Iterator[Change]:
    if old.deprecated != new.deprecated:
        what = "deprecated" if new.deprecated else "no longer deprecated"
        yield Change(Effect.COMPATIBLE, path, what)


def _fields(old: Message, new: Message) -> Iterator[Change]:
    """Numbers that both know first, then fields that kept their name only, then the rest."""
    old_names, new_names = {f.name: f for f in old.fields}, {f.name: f for f in new.fields}
    olds, news = {f.number: f for f in old.fields}, {f.number: f for f in new.fields}
    for number in olds.keys() & news.keys():
        before, after = olds[number], news[number]
        path = f"{new.full_name}.{after.name}"
        moved = before.name in new_names or after.name in old_names
        if before.name == after.name:
            yield from _field(path, before, after)
        elif moved or _type_change(before, after)[0] is Effect.WIRE:
            what = f"number {number} reused: {_spelled(before)} -> {_spelled(after)}"
            yield Change(Effect.WIRE, path, what)
        else:
            yield Change(Effect.JSON, path, f"renamed from {before.name} (number {number})")
            yield from _field(path, before, after)
    for name in old_names.keys() & new_names.keys():
        before, after = old_names[name], new_names[name]
        if before.number != after.number:
            path = f"{new.full_name}.{name}"
            yield Change(Effect.WIRE, path, f"number {before.number} -> {after.number}")
            yield from _field(path, before, after)
    yield from _gone_and_new(old, new)


def _gone_and_new(old: Message, new: Message) -> Iterator[Change]:
    """Fields of which neither the number nor the name is known to the other side."""
    for one, other, effect, verb in (
        (old, new, Effect.JSON, "removed"),
        (new, old, Effect.COMPATIBLE, "added"),
    ):
        known = {f.number for f in other.fields} | {f.name for f in other.fields}
        for field in one.fields:
            if field.number not in known and field.name not in known:
                worst = Effect.WIRE if field.label == "required" else effect
                yield Change(worst, f"{one.full_name}.{field.name}", f"{verb}: {_spelled(field)}")


def _field(path: str, old: Field, new: Field) -> Iterator[Change]:
    """What changed in a field apart from its name and number."""
    effect, note = _type_change(old, new)
    if effect is not Effect.COMPATIBLE:
        what = f"type {_type(old)} -> {_type(new)}{note}"
        yield Change(effect, path, what)
    if old.label != new.label:
        yield Change(Effect.WIRE, path, f"label {old.label} -> {new.label}")
    if old.default != new.default:
        what = f"default {_default(old)} -> {_default(new)}: an absent field reads differently"
        yield Change(Effect.SOURCE, path, what)
    if old.name == new.name and old.json_name != new.json_name:
        yield Change(Effect.JSON, path, f"JSON name {old.json_name} -> {new.json_name}")
    yield from _deprecated(path, old, new)


def _type_change(old: Field, new: Field) -> tuple[Effect, str]:
    """What a change of type breaks, and a note that says why."""
    if (old.kind, old.type_name) == (new.kind, new.type_name):
        return Effect.COMPATIBLE, ""
    if _FAMILIES[old.kind] != _FAMILIES[new.kind]:
        return Effect.WIRE, ": another wire family"
    if old.kind == "message":
        return Effect.WIRE, ": another message"
    if old.kind == "bytes":
        return Effect.WIRE, ": bytes need not be UTF-8"
    if new.kind == "bytes":
        return Effect.JSON, ": the same bytes, base64 in JSON"
    if old.kind == new.kind:
        return Effect.JSON, ": the same bytes, other names"
    return Effect.JSON, f": the same wire family, {_range_note(old.kind, new.kind)}"


def _range_note(old: str, new: str) -> str:
    if _BITS[old] != _BITS[new]:
        return f"but values over {min(_BITS[old], _BITS[new])} bits are cut by the narrower side"
    if (old in _UNSIGNED) != (new in _UNSIGNED):
        return "but negative values read as large ones"
    return "but another spelling in JSON"


def _type(field: Field) -> str:
    return field.type_name or field.kind


def _default(field: Field) -> str:
    return "(none)" if field.default is None else repr(field.default)


def _spelled(field: Field) -> str:
    return f"{field.label} {_type(field)} {field.name} = {field.number}"


def _enums(old: tuple[Enum, ...], new: tuple[Enum, ...]) -> Iterator[Change]:
    olds, news = {e.name: e for e in old}, {e.name: e for e in new}
    for name in olds.keys() - news.keys():
        yield Change(Effect.JSON, olds[name].full_name, "enum removed")
    for name in news.keys() - olds.keys():
        yield Change(Effect.COMPATIBLE, news[name].full_name, "enum added")
    for name in olds.keys() & news.keys():
        yield from _enum(olds[name], news[name])


def _enum(old: Enum, new: Enum) -> Iterator[Change]:
    yield from _deprecated(new.full_name, old, new)
    if old.allow_alias != new.allow_alias:
        what = f"allow_alias {str(old.allow_alias).lower()} -> {str(new.allow_alias).lower()}"
        yield Change(Effect.COMPATIBLE, new.full_name, what)
    olds, news = {v.name: v for v in old.values}, {v.name: v for v in new.values}
    for name in olds.keys() & news.keys():
        before, after = olds[name], news[name]
        path = f"{new.full_name}.{name}"
        if before.number != after.number:
            yield Change(Effect.WIRE, path, f"number {before.number} -> {after.number}")
        yield from _deprecated(path, before, after)
    for number in {v.number for v in (*old.values, *new.values)}:
        yield from _names_of_number(old, new, number)


def _names_of_number(old: Enum, new: Enum, number: int) -> Iterator[Change]:
    """Which names one number gained, lost or changed."""
    before = [v.name for v in old.values if v.number == number]
    after = [v.name for v in new.values if v.number == number]
    lost = [n for n in before if n not in {v.name for v in new.values}]
    gained = [n for n in after if n not in {v.name for v in old.values}]
    renamed = list(zip(lost, gained, strict=False))
    for was, now in renamed:
        yield Change(Effect.JSON, f"{new.full_name}.{now}", f"renamed from {was} (value {number})")
    for name in lost[len(renamed) :]:
        yield Change(Effect.JSON, f"{old.full_name}.{name}", f"value removed ({number})")
    for name in gained[len(renamed) :]:
        yield _gained(f"{new.full_name}.{name}", number, before, after)
    stayed = set(before) & set(after)
    if stayed and not renamed and before[0] != after[0] and before[0] in stayed:
        what = f"the first name of value {number}, before {before[0]}"
        yield Change(Effect.SOURCE, f"{new.full_name}.{after[0]}", what)


def _gained(path: str, number: int, before: list[str], after: list[str]) -> Change:
    if not before:
        return Change(Effect.COMPATIBLE, path, f"value added ({number})")
    if not set(before) & set(after):
        return Change(Effect.WIRE, path, f"value {number} reused, before {', '.join(before)}")
    return Change(Effect.COMPATIBLE, path, f"alias added ({number})")
