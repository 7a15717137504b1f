"""The baseline for bodies: the official protobuf runtime on the same schema.

The classes are made at run time from ``protos/``; with the upb runtime they are as fast as
generated ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor

from codegen.schema import SERVICE_FILE, compile_folder

__all__ = ["field_reader", "message_class"]

_PROTOS = Path(__file__).resolve().parents[1] / "protos"


@cache
def _pool() -> Any:
    names = sorted(path.name for path in _PROTOS.glob("*.proto") if path.name != SERVICE_FILE)
    files = {file.name: file for file in compile_folder(_PROTOS, names).file}
    pool = descriptor_pool.DescriptorPool()

    def add(name: str) -> None:
        # upb wants a file's imports first.
        file = files.pop(name, None)
        if file is None:
            return
        for imported in file.dependency:
            add(imported)
        pool.Add(file)

    for name in names:
        add(name)
    return pool


@cache
def message_class(full_name: str) -> Any:
    """The runtime's class of a message, for example ``Qot_UpdateTicker.Response``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


@cache
def field_reader(full_name: str) -> Callable[[Any], None]:
    """A function that reads every field of such a message once.

    The function is written out like a hand-made one: an attribute for a scalar, a loop for a
    repeated field, ``HasField`` before a sub-message; nothing looks at descriptors.
    """
    descriptor = _pool().FindMessageTypeByName(full_name)
    lines = ["def read(m0):", *_statements(descriptor, "m0", 1, ())]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(lines), f"<reader of {full_name}>", "exec"), namespace)
    reader: Callable[[Any], None] = namespace["read"]
    return reader


def _statements(
    descriptor: Descriptor, variable: str, depth: int, above: tuple[str, ...]
) -> Iterator[str]:
    if descriptor.full_name in above:
        raise ValueError(f"{descriptor.full_name} contains itself: it cannot be written out")
    # The label of a field descriptor is spelled differently from release to release.
    declared = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(declared)
    lists = {field.name for field in declared.field if field.label == field.LABEL_REPEATED}
    indent = "    " * depth
    inner = f"m{depth}"
    yield f"{indent}pass"
    for field in descriptor.fields:
        value = f"{variable}.{field.name}"
        repeated = field.name in lists
        if field.message_type is None:
            yield f"{indent}list({value})" if repeated else f"{indent}{value}"
            continue
        if repeated:
            yield f"{indent}for {inner} in {value}:"
        else:
            yield f"{indent}if {variable}.HasField({field.name!r}):"
            yield f"{indent}    {inner} = {value}"
        path = (*above, descriptor.full_name)
        yield from _statements(field.message_type, inner, depth + 1, path)
