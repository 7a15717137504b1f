"""The gRPC service: ``protos/futu_service.proto``, written by hand and no part of OpenD's schema.

Its four messages become Structs with plans like all others, so the package needs no protobuf
runtime for gRPC; the paths of its calls and the ids for which a body is only ever read as a whole
Request become constants beside them. The comments of the file are the docstrings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .docs import Docs
from .errors import SchemaError
from .schema import SERVICE_FILE, File, compile_folder, message_of

__all__ = ["Call", "Service", "load"]

_MESSAGE: Final = 4  # field numbers of FileDescriptorProto and DescriptorProto, in source paths
_FIELD: Final = 2


@dataclass(frozen=True, slots=True)
class Call:
    """One rpc: its name and the path that gRPC asks for."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Service:
    """The service's full name, its calls, the file with its messages, and what is said of them.

    ``descriptor`` is the file as a serialized FileDescriptorProto, without its comments.
    """

    full_name: str
    calls: tuple[Call, ...]
    file: File
    docs: Docs
    descriptor: bytes


def load(protos: Path) -> Service | None:
    """Read the service of a folder; None without one.

    Raises SchemaError for a file that does not compile, or that holds anything else than one
    service and flat messages.
    """
    if not (protos / SERVICE_FILE).is_file():
        return None
    proto = compile_folder(protos, [SERVICE_FILE], comments=True).file[0]
    if len(proto.service) != 1 or proto.enum_type or proto.extension or proto.dependency:
        raise SchemaError("one service and its messages are carried", file=SERVICE_FILE)
    full_name = f"{proto.package}.{proto.service[0].name}"
    messages = tuple(
        message_of(message, f"{proto.package}.", SERVICE_FILE) for message in proto.message_type
    )
    for message in messages:
        if message.messages or message.enums or any(item.type_name for item in message.fields):
            raise SchemaError(
                "only flat messages are carried", file=SERVICE_FILE, field=message.full_name
            )
    docs = _docs(proto)
    proto.ClearField("source_code_info")
    return Service(
        full_name,
        tuple(Call(rpc.name, f"/{full_name}/{rpc.name}") for rpc in proto.service[0].method),
        File(SERVICE_FILE, proto.package, (), messages, ()),
        docs,
        proto.SerializeToString(deterministic=True),
    )


def _docs(proto: Any) -> Docs:
    """The comments before messages and fields, in the shape of docs.toml."""
    comments = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in proto.source_code_info.location
        if place.leading_comments
    }
    messages, fields = {}, {}
    for index, message in enumerate(proto.message_type):
        name = f"{proto.package}.{message.name}"
        messages[name] = comments.get((_MESSAGE, index), "")
        fields[name] = {
            item.name: comments.get((_MESSAGE, index, _FIELD, at), "")
            for at, item in enumerate(message.field)
        }
    return Docs({}, {}, messages, fields, {})
