"""The oracle: ``google.protobuf`` (upb) with descriptors compiled from the upstream files.

Holds the message pairs (their class, our class), hypothesis strategies built from descriptors,
and the comparisons. The documented differences between the two are in ``agree`` and nowhere
else.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError as UpbDecodeError
from hypothesis import strategies as st

import futukit.messages
from futukit import codec
from futukit.errors import DecodeError

_INT_BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def compile_pool(*folders: Path) -> descriptor_pool.DescriptorPool:
    """Compile every .proto of the folders; of a file that is in several, the first counts."""
    from grpc_tools import protoc

    names = sorted({path.name for folder in folders for path in folder.glob("*.proto")})
    includes = [f"-I{folder}" for folder in folders]
    includes.append(f"-I{resources.files('grpc_tools') / '_proto'}")
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "descriptors"
        assert protoc.main(["protoc", *includes, f"--descriptor_set_out={output}", *names]) == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    waiting = {file.name: file for file in files.file}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            pool.Add(file)

    for name in names:
        add(name)
    return pool


@cache
def our_classes() -> dict[str, type[msgspec.Struct]]:
    """Every generated class of OpenD's messages by its full proto name."""
    classes: dict[str, type[msgspec.Struct]] = {}
    for module in iter_modules(futukit.messages.__path__):
        for value in vars(import_module(f"futukit.messages.{module.name}")).values():
            if (
                isinstance(value, type)
                and issubclass(value, msgspec.Struct)
                and value is not msgspec.Struct
            ):
                classes[codec.plan_of(value).full_name] = value
    # Upstream does not have the gRPC service.
    return {name: cls for name, cls in classes.items() if not name.startswith("futu.service.")}


def message_names(pool: descriptor_pool.DescriptorPool, folder: Path) -> Iterator[str]:
    """The full names of all messages in the folder's files, nested ones included."""

    def walk(descriptor: Any) -> Iterator[str]:
        yield descriptor.full_name
        for nested in descriptor.nested_types:
            yield from walk(nested)

    for path in sorted(folder.glob("*.proto")):
        for descriptor in pool.FindFileByName(path.name).message_types_by_name.values():
            yield from walk(descriptor)


def upb_class(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    """The oracle's class of a message."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    edges = [edge for edge in (-1, 0, 1, 127, 128, 16383, 16384) if low <= edge <= high]
    return st.sampled_from([*edges, low, high]) | st.integers(low, high)


_TEXT = st.sampled_from(["", "00700", "HK", "2024-01-02 09:30:00", "腾讯控股", "a\0b", "é", "😀"])


@cache
def _scalars(cpp_type: int, binary: bool) -> st.SearchStrategy[Any]:
    if cpp_type in _INT_BOUNDS:
        return _integers(*_INT_BOUNDS[cpp_type])
    if cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.sampled_from([0.0, -0.0, 1.5, 1e300, math.inf, math.nan]) | st.floats()
    if cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return st.floats(width=32)
    if binary:
        return st.binary(max_size=40)
    return _TEXT | st.text(max_size=30)


def _values(field: Any) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return contents(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _scalars(field.cpp_type, field.type == FieldDescriptor.TYPE_BYTES)


_contents: dict[str, st.SearchStrategy[dict[str, Any]]] = {}


def contents(descriptor: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Field values of a message, required ones always there; one strategy per message."""
    found = _contents.get(descriptor.full_name)
    if found is None:
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for field in descriptor.fields:
            if field.is_repeated:
                optional[field.name] = st.lists(_values(field), max_size=3)
            elif field.is_required:
                required[field.name] = _values(field)
            else:
                optional[field.name] = _values(field)
        found = st.fixed_dictionaries(required, optional=optional)
        _contents[descriptor.full_name] = found
    return found


def fill(message: Any, values: dict[str, Any]) -> Any:
    """Put values of ``contents`` into a message of the oracle."""
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            if field.is_repeated:
                getattr(message, name).extend(value)
            else:
                setattr(message, name, value)
        elif field.is_repeated:
            for item in value:
                fill(getattr(message, name).add(), item)
        else:
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
    return message


def build(cls: type[Any], theirs: Any) -> Any:
    """Our Struct with the values of the oracle's message, made by calling the class."""
    values: dict[str, Any] = {}
    for _, attribute, name, _, kind, label, target, _ in codec.plan_of(cls).fields:

        def ours(value: Any, kind: str = kind, target: Any = target) -> Any:
            if kind == "message":
                return build(target, value)
            return value if target is None else target(value)

        value = getattr(theirs, name)
        if label == "repeated":
            values[attribute] = tuple(ours(item) for item in value)
        elif theirs.HasField(name):
            values[attribute] = ours(value)
    return cls(**values)


def _same_number(ours: object, theirs: object) -> bool:
    if isinstance(theirs, float):
        return isinstance(ours, float) and struct.pack("<d", ours) == struct.pack("<d", theirs)
    return ours == theirs


def compare(cls: type[Any], ours: Any, theirs: Any) -> None:
    """Assert that both hold the same values, presence included.

    Documented difference: we keep unknown values of true enums, where the oracle shows what
    was there before, or nothing.
    """
    assert type(ours) is cls
    for _, attribute, name, _, kind, label, target, _ in codec.plan_of(cls).fields:
        value = getattr(ours, attribute)
        if label == "repeated":
            assert type(value) is tuple
            expected = list(getattr(theirs, name))
            if kind == "enum":
                value = [member for member in value if member.listed]
            assert len(value) == len(expected)
            for mine, other in zip(value, expected, strict=True):
                _compare_value(kind, target, mine, other)
        elif kind == "enum" and value is not None and not value.listed:
            continue
        elif value is None:
            assert not theirs.HasField(name)
        else:
            assert theirs.HasField(name) or (label == "required" and value == -400)
            _compare_value(kind, target, value, getattr(theirs, name))


def _compare_value(kind: str, target: Any, ours: Any, theirs: Any) -> None:
    if kind == "message":
        compare(target, ours, theirs)
        return
    if target is not None:
        assert type(ours) is target
    else:
        assert type(ours) is type(theirs)
    assert _same_number(ours, theirs)


def _missing(theirs: Any) -> tuple[set[str], bool]:
    """Paths of required fields that must fail with us, and whether an enum may or may not."""
    certain: set[str] = set()
    doubtful = False
    for path in theirs.FindInitializationErrors():
        descriptor = theirs.DESCRIPTOR
        *parents, last = [part.partition("[")[0] for part in path.split(".")]
        for parent in parents:
            descriptor = descriptor.fields_by_name[parent].message_type
        field = descriptor.fields_by_name[last]
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            doubtful = True
        elif not field.has_default_value:
            certain.add(f"{theirs.DESCRIPTOR.full_name}.{path}")
    return certain, doubtful


def has_broken_text(theirs: Any) -> bool:
    for field, value in theirs.ListFields():
        items = value if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_STRING:
            broken = any(isinstance(item, bytes) for item in items)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            broken = any(has_broken_text(item) for item in items)
        else:
            broken = False
        if broken:
            return True
    return False


def _read(read: Callable[[bytes], Any], data: bytes, refusal: type[Exception]) -> tuple[Any, Any]:
    """What was read and None, or None and the refusal."""
    try:
        return read(data), None
    except refusal as error:
        return None, error


def agree(cls: type[Any], upb: Any, data: bytes) -> None:
    """Assert that both read the same from ``data``, or both refuse it.

    The documented differences: a missing required field and invalid UTF-8 are errors with us
    (the latter also where a later duplicate replaces the broken text), unknown values of true
    enums are kept, an absent retType reads -400.
    """
    theirs, _ = _read(upb.FromString, data, UpbDecodeError)
    ours, error = _read(lambda body: codec.decode(cls, body), data, DecodeError)
    if error is None:
        assert theirs is not None, "the oracle refuses this"
        assert not has_broken_text(theirs)
        assert not _missing(theirs)[0]
        compare(cls, ours, theirs)
    elif theirs is not None and error.reason != "not UTF-8":
        certain, doubtful = _missing(theirs)
        assert error.reason == "required field is missing"
        assert error.path in certain or doubtful


_PAYLOADS = {
    0: st.sampled_from([b"\0", b"\1", b"\xff\x01", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x7f"]),
    1: st.binary(min_size=8, max_size=8),
    2: st.binary(max_size=12).map(lambda content: bytes([len(content)]) + content),
    5: st.binary(min_size=4, max_size=4),
}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def records(descriptor: Any) -> st.SearchStrategy[bytes]:
    """Single wire records: numbers known and unknown, any wire type, groups too."""
    numbers = [field.number for field in descriptor.fields] + [1, 15, 16, 999, 2**29 - 1]
    plain = st.sampled_from(sorted(set(numbers))).flatmap(
        lambda number: st.sampled_from(sorted(_PAYLOADS)).flatmap(
            lambda wire: _PAYLOADS[wire].map(lambda payload: _varint(number << 3 | wire) + payload)
        )
    )
    group = st.tuples(st.sampled_from(sorted(set(numbers))), plain).map(
        lambda pair: _varint(pair[0] << 3 | 3) + pair[1] + _varint(pair[0] << 3 | 4)
    )
    return plain | group


def mutations(descriptor: Any, data: bytes) -> st.SearchStrategy[bytes]:
    """Bytes near ``data``: cut, changed, with foreign records, or said twice."""
    places = st.integers(0, len(data))
    cut = places.map(lambda at: data[:at])
    change = st.tuples(places, st.integers(0, 255)).map(
        lambda edit: data[: edit[0]] + bytes([edit[1]]) + data[edit[0] + 1 :]
    )
    insert = st.tuples(places, st.binary(min_size=1, max_size=3)).map(
        lambda edit: data[: edit[0]] + edit[1] + data[edit[0] :]
    )
    framed = st.tuples(st.lists(records(descriptor), max_size=3), st.booleans()).map(
        lambda pair: data + b"".join(pair[0]) if pair[1] else b"".join(pair[0]) + data
    )
    return cut | change | insert | framed
