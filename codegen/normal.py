"""Descriptor → normalised .proto text: the facts of a schema in one style, nothing else.

Kept: package, imports, messages, fields (number, label, type, default, deprecated, packed, an
explicit JSON name), enums with their aliases, reserved ranges, all in upstream's order. Left out:
comments, and the file options that only steer other languages' generators. :func:`facts` says
what "the same" means; sync compiles its own output again and compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import descriptor_pb2

__all__ = ["HEADER", "facts", "proto_texts"]

#: The first line of every .proto that sync writes.
HEADER: Final = "// Written by codegen sync; do not edit.\n"

_INDENT: Final = "  "
_MAX_FIELD: Final = 2**29 - 1
_MAX_ENUM: Final = 2**31 - 1
_FieldProto = descriptor_pb2.FieldDescriptorProto
_MESSAGE, _ENUM = _FieldProto.TYPE_MESSAGE, _FieldProto.TYPE_ENUM
_QUOTED: Final = (_FieldProto.TYPE_STRING, _FieldProto.TYPE_BYTES)


def proto_texts(descriptor_set: Any) -> dict[str, str]:
    """The normalised text of every file of a ``FileDescriptorSet``: file name → text (LF)."""
    names = _Names.of(descriptor_set)
    return {file.name: _Writer(file, names).text() for file in descriptor_set.file}


def facts(file: Any) -> Any:
    """A copy of a ``FileDescriptorProto`` that holds only what normalising promises to keep."""
    copy = descriptor_pb2.FileDescriptorProto()
    copy.CopyFrom(file)
    copy.ClearField("options")
    copy.ClearField("source_code_info")
    # "proto2" may be spelled or be the default.
    copy.ClearField("syntax")
    for enum in copy.enum_type:
        _keep_enum_options(enum)
    for message in copy.message_type:
        _keep_message_options(message)
    return copy


def _keep_message_options(message: Any) -> None:
    _keep_options(message, "deprecated")
    for field in message.field:
        _keep_options(field, "deprecated", "packed")
    for enum in message.enum_type:
        _keep_enum_options(enum)
    for nested in message.nested_type:
        _keep_message_options(nested)


def _keep_enum_options(enum: Any) -> None:
    _keep_options(enum, "allow_alias", "deprecated")
    for value in enum.value:
        _keep_options(value, "deprecated")


def _keep_options(owner: Any, *kept: str) -> None:
    """Options that are false say nothing and go; ``packed`` alone differs from its absence."""
    values = {k: getattr(owner.options, k) for k in kept if owner.options.HasField(k)}
    owner.ClearField("options")
    for name, value in values.items():
        if value:
            setattr(owner.options, name, value)


@dataclass(frozen=True, slots=True)
class _Names:
    """What protoc's name look-up sees: all types, and the packages (all their prefixes)."""

    types: frozenset[str]
    packages: frozenset[str]

    @classmethod
    def of(cls, descriptor_set: Any) -> _Names:
        types: set[str] = set()
        packages: set[str] = set()
        for file in descriptor_set.file:
            types.update(_declared(file.package, file.message_type, file.enum_type))
            parts = file.package.split(".") if file.package else []
            packages.update(".".join(parts[: n + 1]) for n in range(len(parts)))
        return cls(frozenset(types), frozenset(packages))

    def reference(self, target: str, package: str, scope: str) -> str:
        """The shortest spelling by which ``scope`` (a message's full name) reaches ``target``."""
        shortest = target.removeprefix(f"{package}.") if package else target
        for spelling in (shortest, target):
            if self._look_up(spelling, scope) == target:
                return spelling
        return f".{target}"

    def _look_up(self, spelling: str, scope: str) -> str | None:
        """protoc's rule: the first part is searched from the innermost scope outwards, and a
        compound name must be found where its first part is."""
        first, _, rest = spelling.partition(".")
        scopes = scope.split(".")
        for depth in range(len(scopes), -1, -1):
            prefix = "".join(f"{part}." for part in scopes[:depth])
            if rest and (prefix + first in self.types or prefix + first in self.packages):
                return prefix + spelling if prefix + spelling in self.types else None
            if not rest and prefix + first in self.types:
                return prefix + first
        return None


def _declared(scope: str, messages: Iterable[Any], enums: Iterable[Any]) -> Iterator[str]:
    prefix = f"{scope}." if scope else ""
    for enum in enums:
        yield prefix + enum.name
    for message in messages:
        yield prefix + message.name
        yield from _declared(prefix + message.name, message.nested_type, message.enum_type)


class _Writer:
    """Writes one file."""

    def __init__(self, file: Any, names: _Names) -> None:
        self._file = file
        self._names = names

    def text(self) -> str:
        file = self._file
        blocks = [[f'{HEADER}syntax = "proto2";']]
        if file.package:
            blocks.append([f"package {file.package};"])
        if file.dependency:
            blocks.append(list(self._imports()))
        blocks += [list(self._enum(enum, 0)) for enum in file.enum_type]
        prefix = f"{file.package}." if file.package else ""
        blocks += [list(self._message(message, prefix, 0)) for message in file.message_type]
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def _imports(self) -> Iterator[str]:
        for index, name in enumerate(self._file.dependency):
            public = "public " if index in self._file.public_dependency else ""
            weak = "weak " if index in self._file.weak_dependency else ""
            yield f'import {public}{weak}"{name}";'

    def _message(self, message: Any, prefix: str, depth: int) -> Iterator[str]:
        body = list(self._message_body(message, prefix + message.name, depth))
        if not body:
            yield f"{_INDENT * depth}message {message.name} {{}}"
            return
        yield f"{_INDENT * depth}message {message.name} {{"
        yield from body
        yield f"{_INDENT * depth}}}"

    def _message_body(self, message: Any, full_name: str, depth: int) -> Iterator[str]:
        inner = _INDENT * (depth + 1)
        if message.options.deprecated:
            yield f"{inner}option deprecated = true;"
        yield from _reserved(message.reserved_range, message.reserved_name, inner, 1, _MAX_FIELD)
        for enum in message.enum_type:
            yield from self._enum(enum, depth + 1)
        for nested in message.nested_type:
            yield from self._message(nested, f"{full_name}.", depth + 1)
        for field in message.field:
            yield inner + self._field(field, full_name)

    def _enum(self, enum: Any, depth: int) -> Iterator[str]:
        inner = _INDENT * (depth + 1)
        yield f"{_INDENT * depth}enum {enum.name} {{"
        if enum.options.allow_alias:
            yield f"{inner}option allow_alias = true;"
        if enum.options.deprecated:
            yield f"{inner}option deprecated = true;"
        yield from _reserved(enum.reserved_range, enum.reserved_name, inner, 0, _MAX_ENUM)
        for value in enum.value:
            mark = " [deprecated = true]" if value.options.deprecated else ""
            yield f"{inner}{value.name} = {value.number}{mark};"
        yield f"{_INDENT * depth}}}"

    def _field(self, field: Any, scope: str) -> str:
        label = _FieldProto.Label.Name(field.label).removeprefix("LABEL_").lower()
        options = list(_field_options(field))
        tail = f" [{', '.join(options)}]" if options else ""
        return f"{label} {self._type(field, scope)} {field.name} = {field.number}{tail};"

    def _type(self, field: Any, scope: str) -> str:
        if field.type in (_MESSAGE, _ENUM):
            target = field.type_name.removeprefix(".")
            return self._names.reference(target, self._file.package, scope)
        return str(_FieldProto.Type.Name(field.type)).removeprefix("TYPE_").lower()


def _field_options(field: Any) -> Iterator[str]:
    if field.HasField("default_value"):
        text = field.default_value
        if field.type == _FieldProto.TYPE_STRING:
            text = _escape(text)
        yield f'default = "{text}"' if field.type in _QUOTED else f"default = {text}"
    if field.json_name and field.json_name != _default_json_name(field.name):
        yield f'json_name = "{_escape(field.json_name)}"'
    if field.options.packed:
        yield "packed = true"
    if field.options.deprecated:
        yield "deprecated = true"


def _default_json_name(name: str) -> str:
    """protoc's rule: an underscore goes and raises the letter after it; nothing else changes."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _escape(text: str) -> str:
    """A protobuf string literal's inside: printable ASCII, the rest as octal UTF-8 bytes."""
    parts = []
    for byte in text.encode():
        plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
        parts.append(chr(byte) if plain else f"\\{byte:03o}")
    return "".join(parts)


def _reserved(
    ranges: Iterable[Any], names: Iterable[str], indent: str, open_end: int, maximum: int
) -> Iterator[str]:
    """``open_end`` is 1 where a range's end is exclusive (messages), 0 where not (enums)."""
    spans = []
    for item in ranges:
        last = item.end - open_end
        upper = "max" if last == maximum else str(last)
        spans.append(str(item.start) if item.start == last else f"{item.start} to {upper}")
    if spans:
        yield f"{indent}reserved {', '.join(spans)};"
    quoted = [f'"{name}"' for name in names]
    if quoted:
        yield f"{indent}reserved {', '.join(quoted)};"
