"""Which int32 fields carry which enum: the table ``protos/enums.toml`` and its check.

Upstream types 52 fields with an enum; everywhere else an enum travels as an ``int32`` and only a
comment says which one. The table states those facts field by field::

    [rule]     field name = enum                 every int32 field of that name
    [bind]     full field name = enum            one int32 or repeated int32 field
    [unbound]  full field name = reason          looks like an enum and is not bound
    [unused]   enum = reason                     no field carries it

:func:`load` validates the table against a schema, :func:`check` lists what it leaves unexplained.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from .errors import TableError
from .schema import Enum, Field, File, Schema
from .schema import load as load_schema

__all__ = ["Bindings", "EnumBindingError", "Report", "check", "load", "report", "run"]

_TABLES: Final = ("rule", "bind", "unbound", "unused")

#: Kinds that may stand in [unbound]; only the first can be bound.
_INTEGERS: Final = ("int32", "int64", "uint32", "uint64")

#: Last words of field names that usually hold one of a few named values.
_ENUM_WORD: Final = re.compile(
    "algo|attribution|category|class|currency|cycle|dir|direction|env|field|firm|flag|fmt|format|freq"
    "|frequency|kind|language|level|market|mode|op|period|rating|reason|region|right|role|session"
    "|side|stage|state|status|term|type"
)

_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_HEADING: Final = re.compile(r"\s*\[(?P<table>[^\]]+)\]")
_ENTRY: Final = re.compile(r"""\s*["']?(?P<key>[\w.]+)["']?\s*=""")


class EnumBindingError(TableError):
    """``enums.toml`` is wrong; each line of ``faults`` begins with the entry at fault."""


@dataclass(frozen=True, slots=True)
class Bindings:
    """The validated table. All names are full names without a leading dot.

    ``bound`` holds the fields that [bind] names, ``by_rule`` those that a [rule] covers, each with
    its enum. ``skipped`` are the entries left out by ``load(strict=False)`` because the schema
    does not have their field or enum.
    """

    bound: Mapping[str, str]
    by_rule: Mapping[str, str]
    unbound: Mapping[str, str]
    unused: Mapping[str, str]
    skipped: tuple[str, ...] = ()

    def enum_of(self, full_field_name: str) -> str | None:
        """The enum that an int32 field carries; None for an ordinary number."""
        return self.bound.get(full_field_name) or self.by_rule.get(full_field_name)

    def used_files(self, schema: Schema, file: File) -> tuple[str, ...]:
        """Names of the other files whose enums the int32 fields of ``file`` carry, sorted.

        They need not be among the file's imports: ``GetUserInfo.proto`` does not import
        ``Qot_Common.proto``, whose QotRight it carries.
        """
        names = (f"{m.full_name}.{f.name}" for m in file.walk_messages() for f in m.fields)
        targets = {enum for name in names if (enum := self.enum_of(name))}
        return tuple(sorted({schema.home(enum).name for enum in targets} - {file.name}))

    def circular_files(self, schema: Schema) -> tuple[str, ...]:
        """Files whose enums are carried by files that they themselves need, sorted.

        ``Trd_Common.proto`` needs messages of ``Qot_Common.proto``, whose int32 fields carry enums
        of ``Trd_Common.proto``: with one module for each file the two would import each other.
        Types alone never form a circle, so it is enough that the enums of the files named here
        get a module of their own, which needs no other.
        """
        carried = {file.name: self.used_files(schema, file) for file in schema.files}
        edges = {f.name: {*schema.used_files(f), *carried[f.name]} for f in schema.files}
        return tuple(
            sorted({b for a, files in carried.items() for b in files if a in _reachable(edges, b)})
        )


def _reachable(edges: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """Everything that can be reached from ``start`` in one step or more."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = set(edges[waiting.pop()]) - seen
        seen |= new
        waiting.extend(new)
    return seen


def load(path: Path | str, schema: Schema, *, strict: bool = True) -> Bindings:
    """Read and validate the table against ``schema``.

    With ``strict=False`` an entry whose field or enum the schema does not have is skipped instead
    of refused: the table is written for the newest schema and must serve older ones too. Raises
    :class:`EnumBindingError` with every fault found: not TOML, an entry that stands twice, an
    unknown field or enum, a field that is not int32, a reason that is missing, no such file.
    """
    return _Loader(Path(path), schema, strict).load()


class _Loader:
    """One reading of the table; collects the faults of all entries before it raises."""

    def __init__(self, path: Path, schema: Schema, strict: bool) -> None:
        self._path = path
        self._schema = schema
        self._strict = strict
        self._fields = dict(_walk_fields(schema))
        self._faults: list[str] = []
        self._skipped: list[str] = []

    def load(self) -> Bindings:
        tables = self._read()
        bound = self._bound(tables["bind"])
        by_rule = self._by_rule(tables["rule"], bound)
        carried = {*bound, *by_rule}
        unbound = self._reasons(tables["unbound"], self._field_fault, carried, "is bound too")
        used = {*bound.values(), *by_rule.values()} | _typed_enums(self._schema)
        unused = self._reasons(tables["unused"], self._enum_fault, used, "is carried by a field")
        if self._faults:
            raise EnumBindingError(self._path.name, tuple(self._faults))
        return Bindings(bound, by_rule, unbound, unused, tuple(self._skipped))

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise EnumBindingError(self._path.name, (f"cannot be read: {exc}",)) from exc
        if faults := [f"{name}: stands twice in [{table}]" for table, name in _repeated(text)]:
            raise EnumBindingError(self._path.name, tuple(faults))
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise EnumBindingError(self._path.name, (f"not TOML: {exc}",)) from exc
        strays = sorted({*data} - {*_TABLES})
        self._faults += [f"{name}: not one of the tables {_TABLES}" for name in strays]
        return {name: self._texts(name, data.get(name, {})) for name in _TABLES}

    def _texts(self, name: str, table: object) -> dict[str, str]:
        if not isinstance(table, dict):
            self._faults.append(f"{name}: not a table")
            return {}
        texts = {key: value for key, value in table.items() if isinstance(value, str) and value}
        self._faults += [f"{key}: needs a text in [{name}]" for key in sorted({*table} - {*texts})]
        return texts

    def _bound(self, table: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, enum in table.items():
            absent = self._field_fault(name) or self._enum_fault(enum)
            if absent:
                self._absent(name, absent)
            elif (kind := self._fields[name].kind) != "int32":
                self._faults.append(f"{name}: is {kind}, only int32 can be bound")
            else:
                found[name] = enum
        return found

    def _by_rule(self, table: Mapping[str, str], bound: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for field_name, enum in table.items():
            names = [name for name, item in self._fields.items() if item.name == field_name]
            absent = self._enum_fault(enum) or ("" if names else "no field has this name")
            if absent:
                self._absent(field_name, absent)
                continue
            for name in names:
                if (kind := self._fields[name].kind) != "int32":
                    self._faults.append(f"{name}: is {kind}, the rule for {field_name} fails")
                elif name in bound:
                    self._faults.append(f"{name}: the rule for {field_name} covers it already")
                else:
                    found[name] = enum
        return found

    def _reasons(
        self,
        table: Mapping[str, str],
        fault: Callable[[str], str],
        carried: set[str],
        contradiction: str,
    ) -> dict[str, str]:
        found = {}
        for name, reason in table.items():
            if absent := fault(name):
                self._absent(name, absent)
            elif name in carried:
                self._faults.append(f"{name}: {contradiction}")
            elif name in self._fields and self._fields[name].kind not in _INTEGERS:
                self._faults.append(f"{name}: is {self._fields[name].kind}, not an integer")
            else:
                found[name] = reason
        return found

    def _field_fault(self, name: str) -> str:
        return "" if name in self._fields else "no such field"

    def _enum_fault(self, name: str) -> str:
        return "" if self._schema.has_enum(name) else f"no enum {name}"

    def _absent(self, name: str, fault: str) -> None:
        if self._strict:
            self._faults.append(f"{name}: {fault}")
        else:
            self._skipped.append(name)


def _repeated(text: str) -> Iterator[tuple[str, str]]:
    """(table, key) of the keys that stand twice; tomllib would not name them."""
    table = ""
    seen: set[tuple[str, str]] = set()
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            table = heading["table"].strip()
        elif entry := _ENTRY.match(line):
            place = (table, entry["key"])
            if place in seen:
                yield place
            seen.add(place)


def _walk_fields(schema: Schema) -> Iterator[tuple[str, Field]]:
    for file in schema.files:
        for message in file.walk_messages():
            for item in message.fields:
                yield f"{message.full_name}.{item.name}", item


def _walk_enums(schema: Schema) -> Iterator[Enum]:
    for file in schema.files:
        yield from file.walk_enums()


def _typed_enums(schema: Schema) -> set[str]:
    """Enums that fields of the kind enum carry."""
    return {f.type_name for _, f in _walk_fields(schema) if f.kind == "enum" and f.type_name}


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`check` found.

    ``suspects`` maps every unbound int32 field that looks like an enum to the enums whose name it
    has (none, one or several; its own package's first); ``unexplained`` are those without an
    entry in [unbound], ``unused`` the enums that no field carries and [unused] does not list.
    """

    bindings: Bindings
    suspects: Mapping[str, tuple[str, ...]]
    unexplained: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.unexplained and not self.unused

    @property
    def ambiguous(self) -> dict[str, tuple[str, ...]]:
        """The suspects whose name several enums have."""
        return {name: enums for name, enums in self.suspects.items() if len(enums) > 1}

    def lines(self, *, verbose: bool = False) -> Iterator[str]:
        """The report as text, the bound fields only if ``verbose``; what must be mended is last."""
        bindings = self.bindings
        yield f"bound: {len(bindings.bound)} one by one, {len(bindings.by_rule)} by rule"
        if verbose:
            yield from (f"  {name}: {enum}" for name, enum in bindings.bound.items())
        yield f"unbound and explained: {len(bindings.unbound)}"
        yield from (f"  {name}: {reason}" for name, reason in bindings.unbound.items())
        yield f"enums of no field, explained: {len(bindings.unused)}"
        yield from (f"  {name}: {reason}" for name, reason in bindings.unused.items())
        yield f"ambiguous: {len(self.ambiguous)}"
        yield from (f"  {name}: {', '.join(enums)}" for name, enums in self.ambiguous.items())
        yield f"unexplained: {len(self.unexplained) + len(self.unused)}"
        for name in self.unexplained:
            yield f"  {name}: perhaps {' or '.join(self.suspects[name]) or 'an enum'}"
        yield from (f"  {name}: an enum that no field carries" for name in self.unused)


def report(schema: Schema, bindings: Bindings) -> Report:
    """Look for int32 fields that seem to carry an enum and for enums that no field carries."""
    enums = {enum.full_name: _words(enum.name) for enum in _walk_enums(schema)}
    suspects = {
        name: _namesakes(name, item, enums)
        for name, item in _walk_fields(schema)
        if item.kind == "int32" and bindings.enum_of(name) is None and _suspicious(item, enums)
    }
    used = {*bindings.bound.values(), *bindings.by_rule.values()} | _typed_enums(schema)
    return Report(
        bindings,
        suspects,
        tuple(sorted(suspects.keys() - bindings.unbound.keys())),
        tuple(sorted(enums.keys() - used - bindings.unused.keys())),
    )


def check(
    schema: Schema, bindings: Bindings, out: TextIO | None = None, *, verbose: bool = False
) -> int:
    """Print the report (to standard output unless told otherwise); 1 if anything is unexplained."""
    found = report(schema, bindings)
    for line in found.lines(verbose=verbose):
        print(line, file=out or sys.stdout)
    return 0 if found.ok else 1


def run(protos: Path) -> int:
    """Check the table of a protos folder against the schema beside it; gives the exit status."""
    schema = load_schema(protos)
    return check(schema, load(protos / "enums.toml", schema))


def _words(name: str) -> tuple[str, ...]:
    """Lower-case words of a camel or snake case name without a closing ``List``."""
    words = [word.lower() for word in _WORD.findall(name)]
    return tuple(words[:-1] if len(words) > 1 and words[-1] == "list" else words)


def _suspicious(item: Field, enums: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a name ends in a word that enums like, or is how some enum's name ends."""
    words = _words(item.name)
    if _ENUM_WORD.fullmatch(words[-1]):
        return True
    return any(e[-len(words) :] == words for e in enums.values())


def _namesakes(name: str, item: Field, enums: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    words, package = _words(item.name), name.split(".")[0]
    found = [enum for enum, enum_words in enums.items() if enum_words == words]
    return tuple(sorted(found, key=lambda enum: (enum.split(".")[0] != package, enum)))
