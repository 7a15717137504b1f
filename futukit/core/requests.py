"""What is known of each request id: its classes, what the session fills in, how it answers.

Nothing is listed by hand: an order is a request whose C2S has a ``packet_id`` (2202 2205 2227
2237), and ids whose answer is flat (3801 to 3803) are those whose response has no ``s2c``.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_args

import msgspec

from futukit import codec
from futukit.errors import DecodeError, UsageError, server_error
from futukit.messages import common, registry

__all__ = ["Answer", "RequestKind", "plain_bytes", "request_kind"]


class Answer(NamedTuple):
    """An answer as it came: its body in plain, the frame's serial and body format."""

    body: bytes
    serial: int
    body_format: int


class RequestKind:
    """The classes of one request id and its peculiarities.

    ``request``, ``c2s``, ``response`` and ``s2c`` are Struct classes; None where there is none.
    ``is_order``: the request changes the account and carries a packet id against replay, so
    without an answer its outcome is in doubt. ``schema`` is false for ids that only travel as
    raw bytes.
    """

    __slots__ = ("_fills_user_id", "c2s", "is_order", "proto_id", "request", "response", "s2c")

    def __init__(self, proto_id: int) -> None:
        row = registry.row(proto_id)
        if row.kind != "request":
            raise UsageError(f"proto id {proto_id} is a push, it cannot be called")
        self.proto_id = proto_id
        self.request: Any = None
        self.response: Any = None
        self.c2s: Any = None
        self.s2c: Any = None
        if row.module is not None:
            self.request = registry.request_class(proto_id)
            self.response = registry.response_class(proto_id)
            self.c2s = _field_class(self.request, "c2s")
            self.s2c = _field_class(self.response, "s2c")
        names = self.c2s.__struct_fields__ if self.c2s else ()
        self.is_order = "packet_id" in names
        self._fills_user_id = "user_id" in names

    @property
    def schema(self) -> bool:
        """Whether the id has messages; without them only raw bytes can be sent."""
        return self.request is not None

    @property
    def is_personal(self) -> bool:
        """Whether something in it is of one connection: a packet id, a user id."""
        return self.is_order or self._fills_user_id

    def complete(self, message: Any, serial: int, connection_id: int, user_id: int) -> Any:
        """Make the whole Request of a Request or a bare C2S, filled in for this connection.

        The packet id is always the session's; a user id is filled in where it is 0.
        """
        cls = type(message)
        if cls is self.c2s:
            c2s = message
        elif cls is self.request and cls is not None:
            if not self.is_personal:
                return message
            c2s = message.c2s
        else:
            raise UsageError(f"proto id {self.proto_id} does not take a {cls.__name__}")
        if self.is_order:
            packet_id = common.PacketID(conn_id=connection_id, serial_no=serial)
            c2s = msgspec.structs.replace(c2s, packet_id=packet_id)
        if self._fills_user_id and not c2s.user_id:
            c2s = msgspec.structs.replace(c2s, user_id=user_id)
        return self.request(c2s=c2s)

    def result(self, body: bytes, serial: int, body_format: int = 0) -> Any:
        """Read an answer: its S2C (flat answers whole).

        Raises the ServerError that stands for a retType other than 0, DecodeError for a body
        that is not the answer. An answer without S2C counts as an empty one, where the S2C has
        no required field.
        """
        response = self.whole(body, serial, body_format)
        if self.s2c is None:
            return response
        if response.s2c is not None:
            return response.s2c
        try:
            return codec.decode(self.s2c, b"")
        except DecodeError as error:
            error.proto_id, error.serial = self.proto_id, serial
            raise

    def whole(self, body: bytes, serial: int, body_format: int = 0) -> Any:
        """Read an answer as the whole Response. Raises what ``result`` does."""
        try:
            response = codec.decode_body(self.response, body, body_format)
            if response.ret_type:
                raise server_error(
                    int(response.ret_type),
                    response.ret_msg or "",
                    response.err_code or 0,
                    self.proto_id,
                    serial,
                )
        except DecodeError as error:
            error.proto_id, error.serial = self.proto_id, serial
            raise
        return response

    def c2s_of(self, message: Any, body_format: int = 0) -> Any:
        """The C2S of a Request, a bare C2S, or of a Request's bytes; a flat request itself."""
        if isinstance(message, bytes):
            message = codec.decode_body(self.request, message, body_format)
        whole = self.c2s is not None and type(message) is self.request
        return message.c2s if whole else message


def _field_class(cls: Any, name: str) -> Any:
    """The Struct class of a field, None where there is no such field."""
    annotation = getattr(cls, "__annotations__", {}).get(name)
    for option in get_args(annotation) or (annotation,):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


@cache
def request_kind(proto_id: int) -> RequestKind:
    """The kind of a request id. Raises UsageError for an unknown id or a push."""
    return RequestKind(proto_id)


def plain_bytes(body: object) -> bytes:
    """The body of a raw call. Raises UsageError for a number, of which bytes() would make zeros."""
    if not isinstance(body, bytes | bytearray | memoryview):
        raise UsageError(f"a body is bytes, not {type(body).__name__}")
    return bytes(body)
