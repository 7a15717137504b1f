"""The schema model: what the .proto files say, as plain immutable values.

grpcio-tools' protoc reads the files; there is no parser here. :func:`load` compiles a folder to
a descriptor set and turns that into a :class:`Schema`. Everything the OpenD schema does not use
(proto3, oneof, map, group, extension) is refused by name rather than carried half-way.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from .errors import CodegenError, SchemaError

__all__ = [
    "SERVICE_FILE",
    "Enum",
    "EnumValue",
    "Field",
    "File",
    "Message",
    "Schema",
    "compile_folder",
    "load",
    "load_files",
    "message_of",
]

#: The gRPC service is written by hand and is no part of the OpenD schema.
SERVICE_FILE: Final = "futu_service.proto"

#: A name that is safe as a file, as a protoc argument and as the stem of a Python module.
FILE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.proto")

_PROTOC_SECONDS: Final = 120.0
_COMPLAINT: Final = re.compile(
    r"(?P<file>[^:\s]+\.proto):(?P<line>\d+):(?P<column>\d+): (?P<reason>.*)"
)
_FILE_COMPLAINT: Final = re.compile(r"(?P<file>[^:\s]+\.proto): (?P<reason>.*)")

_FieldProto = descriptor_pb2.FieldDescriptorProto

#: Descriptor type number → kind name: TYPE_INT32 → "int32".
_KINDS: Final[dict[int, str]] = {
    number: name.removeprefix("TYPE_").lower() for name, number in _FieldProto.Type.items()
}
_LABELS: Final[dict[int, str]] = {
    number: name.removeprefix("LABEL_").lower() for name, number in _FieldProto.Label.items()
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    ``label`` is required, optional or repeated. ``kind`` is the proto type's name (int32, …,
    string, bytes) or message or enum; for these two ``type_name`` is the full name of the target,
    else None. ``default`` is the declared default in Python's terms (an enum's is the value's
    name), None when none is declared.
    """

    name: str
    json_name: str
    number: int
    label: str
    kind: str
    type_name: str | None = None
    default: int | float | bool | str | bytes | None = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One name and number of an enum."""

    name: str
    number: int
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum with its values in the order of the file; ``allow_alias`` permits a number twice."""

    name: str
    full_name: str
    values: tuple[EnumValue, ...]
    allow_alias: bool = False
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message; fields, nested messages and nested enums in the order of the file."""

    name: str
    full_name: str
    fields: tuple[Field, ...]
    messages: tuple[Message, ...] = ()
    enums: tuple[Enum, ...] = ()
    deprecated: bool = False

    def walk(self) -> Iterator[Message]:
        """This message, then all nested ones, outer before inner."""
        yield self
        for nested in self.messages:
            yield from nested.walk()


@dataclass(frozen=True, slots=True)
class File:
    """One .proto file. ``name`` is the file's name, ``imports`` the names of the files it names."""

    name: str
    package: str
    imports: tuple[str, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]

    def walk_messages(self) -> Iterator[Message]:
        """All messages, nested ones included, outer before inner."""
        for message in self.messages:
            yield from message.walk()

    def walk_enums(self) -> Iterator[Enum]:
        """All enums: the file's own, then those nested in messages."""
        yield from self.enums
        for message in self.walk_messages():
            yield from message.enums


@dataclass(frozen=True, slots=True)
class Schema:
    """All files, sorted by name."""

    files: tuple[File, ...]
    _files: dict[str, File] = field(init=False, repr=False, compare=False)
    _messages: dict[str, Message] = field(init=False, repr=False, compare=False)
    _enums: dict[str, Enum] = field(init=False, repr=False, compare=False)
    _homes: dict[str, File] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        messages = {m.full_name: (m, f) for f in self.files for m in f.walk_messages()}
        enums = {e.full_name: (e, f) for f in self.files for e in f.walk_enums()}
        homes = {name: home for name, (_, home) in (messages | enums).items()}
        object.__setattr__(self, "_files", {f.name: f for f in self.files})
        object.__setattr__(self, "_messages", {name: m for name, (m, _) in messages.items()})
        object.__setattr__(self, "_enums", {name: e for name, (e, _) in enums.items()})
        object.__setattr__(self, "_homes", homes)

    def file(self, name: str) -> File:
        """The file of that name; KeyError if there is none."""
        return self._files[name]

    def has_file(self, name: str) -> bool:
        """Whether the schema has a file of that name."""
        return name in self._files

    def message(self, full_name: str) -> Message:
        """The message of that full name (no leading dot); KeyError if there is none."""
        return self._messages[full_name]

    def has_message(self, full_name: str) -> bool:
        """Whether the schema has a message of that full name."""
        return full_name in self._messages

    def enum(self, full_name: str) -> Enum:
        """The enum of that full name (no leading dot); KeyError if there is none."""
        return self._enums[full_name]

    def has_enum(self, full_name: str) -> bool:
        """Whether the schema has an enum of that full name."""
        return full_name in self._enums

    def home(self, full_name: str) -> File:
        """The file that declares a message or enum; KeyError if there is none."""
        return self._homes[full_name]

    def used_files(self, file: File) -> tuple[str, ...]:
        """Names of the other files whose types ``file`` really uses, sorted.

        Upstream imports more than it uses, so this is not ``file.imports``.
        """
        targets = {f.type_name for m in file.walk_messages() for f in m.fields if f.type_name}
        return tuple(sorted({self._homes[t].name for t in targets} - {file.name}))


def load(protos_dir: Path | str) -> Schema:
    """Read the .proto files of a folder (not of its subfolders; the gRPC service excepted).

    Raises :class:`SchemaError` with file and line or field for anything that does not compile or
    that the model cannot carry, :class:`CodegenError` when grpcio-tools is not installed.
    """
    folder = Path(protos_dir)
    names = sorted(p.name for p in folder.glob("*.proto") if p.name != SERVICE_FILE)
    if not names:
        raise SchemaError("no .proto files in this folder", file=str(folder))
    return _schema(compile_folder(folder, names))


def load_files(descriptor_set: Any) -> Schema:
    """The model of a ``FileDescriptorSet`` that protoc wrote; raises :class:`SchemaError`."""
    return _schema(descriptor_set)


def compile_folder(folder: Path, names: Sequence[str], *, comments: bool = False) -> Any:
    """Compile the named files of a folder; gives a ``FileDescriptorSet`` in the order of names.

    With ``comments`` its ``source_code_info`` is there, too.
    """
    for name in names:
        if not FILE_NAME.fullmatch(name):
            raise SchemaError("a file name may hold only letters, digits and _", file=name)
    if importlib.util.find_spec("grpc_tools") is None:
        raise CodegenError("grpcio-tools is not installed: pip install 'futukit[codegen]'")
    with tempfile.TemporaryDirectory(prefix="futukit-protoc-") as temporary:
        output = Path(temporary).resolve() / "set.pb"
        # -P: no module is imported from the folder. The folder is no -I, which splits at colons.
        command = [sys.executable, "-P", "-m", "grpc_tools.protoc", "-I."]
        command += ["--include_source_info"] if comments else []
        command += [f"--descriptor_set_out={output}", *names]
        done = _run(command, folder)
        if done.returncode != 0:
            raise _protoc_error(done.stderr.decode("utf-8", "replace"), folder)
        return _parse_set(output.read_bytes())


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    try:
        # No shell, and every name passed FILE_NAME: none can be an option.
        return subprocess.run(  # noqa: S603 - our own command
            command, cwd=folder, capture_output=True, timeout=_PROTOC_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise CodegenError(f"protoc did not end within {_PROTOC_SECONDS:.0f} s") from exc


def _parse_set(data: bytes) -> Any:
    try:
        return descriptor_pb2.FileDescriptorSet.FromString(data)
    except DecodeError as exc:
        raise CodegenError(f"protoc wrote a descriptor set that does not parse: {exc}") from exc


def _protoc_error(text: str, folder: Path) -> SchemaError:
    """Turn protoc's complaints (``file:line:column: reason``) into one error."""
    lines = [line for line in text.splitlines() if line.strip() and ": warning: " not in line]
    # A line that has a place says more than "File not found." before it.
    lines.sort(key=lambda line: _COMPLAINT.match(line) is None)
    if not lines:
        return SchemaError("protoc failed without a message", file=str(folder))
    others = tuple(lines[1:])
    if match := _COMPLAINT.fullmatch(lines[0]):
        line, column = int(match["line"]), int(match["column"])
        return SchemaError(
            match["reason"], file=match["file"], line=line, column=column, others=others
        )
    if match := _FILE_COMPLAINT.fullmatch(lines[0]):
        return SchemaError(match["reason"], file=match["file"], others=others)
    return SchemaError(lines[0], file=str(folder), others=others)


def _schema(descriptor_set: Any) -> Schema:
    files = sorted((_file(proto) for proto in descriptor_set.file), key=lambda f: f.name)
    schema = Schema(tuple(files))
    for file in schema.files:
        for message in file.walk_messages():
            _check_targets(schema, file, message)
            _check_json_names(file, message)
    return schema


def _file(proto: Any) -> File:
    if proto.syntax not in ("", "proto2"):
        raise SchemaError(f"syntax {proto.syntax!r}: only proto2 is carried", file=proto.name)
    if proto.extension:
        raise SchemaError(
            "extensions are not carried", file=proto.name, field=proto.extension[0].name
        )
    if proto.service:
        raise SchemaError("services are not carried", file=proto.name, field=proto.service[0].name)
    prefix = f"{proto.package}." if proto.package else ""
    return File(
        proto.name,
        proto.package,
        tuple(proto.dependency),
        tuple(message_of(m, prefix, proto.name) for m in proto.message_type),
        tuple(_enum(e, prefix) for e in proto.enum_type),
    )


def message_of(proto: Any, prefix: str, file: str) -> Message:
    """The model of a ``DescriptorProto``; raises :class:`SchemaError` for what is not carried."""
    full_name = prefix + proto.name
    if proto.options.map_entry:
        raise SchemaError("maps are not carried", file=file, field=full_name)
    if proto.oneof_decl:
        raise SchemaError(
            "oneofs are not carried", file=file, field=f"{full_name}.{proto.oneof_decl[0].name}"
        )
    if proto.extension or proto.extension_range:
        raise SchemaError("extensions are not carried", file=file, field=full_name)
    return Message(
        proto.name,
        full_name,
        tuple(_field(f, full_name, file) for f in proto.field),
        tuple(message_of(m, f"{full_name}.", file) for m in proto.nested_type),
        tuple(_enum(e, f"{full_name}.") for e in proto.enum_type),
        proto.options.deprecated,
    )


def _field(proto: Any, message: str, file: str) -> Field:
    kind = _KINDS[proto.type]
    if kind == "group":
        raise SchemaError("groups are not carried", file=file, field=f"{message}.{proto.name}")
    return Field(
        proto.name,
        proto.json_name,
        proto.number,
        _LABELS[proto.label],
        kind,
        proto.type_name.removeprefix(".") or None,
        _default(proto, kind) if proto.HasField("default_value") else None,
        proto.options.deprecated,
    )


def _default(proto: Any, kind: str) -> int | float | bool | str | bytes:
    text: str = proto.default_value
    if kind in ("double", "float"):
        return float(text)
    if kind == "bool":
        return text == "true"
    if kind == "bytes":
        # protoc writes bytes defaults with C escapes, all of which Python's codec knows.
        return text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    return text if kind in ("string", "enum") else int(text)


def _enum(proto: Any, prefix: str) -> Enum:
    values = tuple(EnumValue(v.name, v.number, v.options.deprecated) for v in proto.value)
    options = proto.options
    return Enum(proto.name, prefix + proto.name, values, options.allow_alias, options.deprecated)


def _check_targets(schema: Schema, file: File, message: Message) -> None:
    """A type that protoc knows but this folder does not (google/protobuf/…) has no module."""
    for item in message.fields:
        known = schema.has_message if item.kind == "message" else schema.has_enum
        if item.type_name is not None and not known(item.type_name):
            raise SchemaError(
                f"{item.type_name} is declared outside this folder",
                file=file.name,
                field=f"{message.full_name}.{item.name}",
            )


def _check_json_names(file: File, message: Message) -> None:
    """A JSON body may spell a field by its proto or its JSON name: both must be unambiguous."""
    owners: dict[str, str] = {}
    for item in message.fields:
        for spelling in {item.name, item.json_name}:
            other = owners.setdefault(spelling, item.name)
            if other != item.name:
                raise SchemaError(
                    f"the JSON spelling {spelling!r} also belongs to field {other}",
                    file=file.name,
                    field=f"{message.full_name}.{item.name}",
                )
