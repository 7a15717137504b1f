"""What every answer of OpenD has, whatever it is about: retType, retMsg, errCode and the S2C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from futukit.codec.fields import LENGTH, VARINT, wire_fields
from futukit.errors import DecodeError
from futukit.gateway.refusals import UnreadableAnswer
from futukit.messages import init_connect, registry
from futukit.messages.common import RetType

__all__ = ["Outcome", "answered", "bare_s2c", "failure", "outcome_of", "success"]

_RET_TYPE: Final = 1
_RET_MSG: Final = 2
_S2C: Final = 4
_UNKNOWN: Final = -400


@contextmanager
def answered() -> Iterator[None]:
    """Read what OpenD has answered: that it cannot be read is not the caller's mistake."""
    try:
        yield
    except DecodeError as error:
        raise UnreadableAnswer(f"OpenD's answer cannot be read: {error}") from error


class Outcome(NamedTuple):
    """How OpenD answered: 0 is success."""

    ret_type: int
    ret_msg: str


def outcome_of(body: bytes) -> Outcome:
    """Read retType and retMsg of any Response without its class. Raises DecodeError."""
    ret_type, ret_msg = _UNKNOWN, ""
    try:
        for number, wire, start, end, value in wire_fields(body):
            if number == _RET_TYPE and wire == VARINT:
                ret_type = (value + 2**31) % 2**32 - 2**31  # an int32, as protobuf reads it
            elif number == _RET_MSG and wire == LENGTH:
                ret_msg = body[start:end].decode("utf-8", "replace")
    except IndexError as error:
        raise DecodeError("an answer that ends too early", "") from error
    return Outcome(ret_type, ret_msg)


def bare_s2c(body: bytes) -> bytes:
    """The bytes of a Response's S2C; none of an answer without one. Raises DecodeError."""
    parts = []
    try:
        for number, wire, start, end, _ in wire_fields(body):
            if number == _S2C and wire == LENGTH:
                parts.append(body[start:end])
    except IndexError as error:
        raise DecodeError("an answer that ends too early", "") from error
    return b"".join(parts)  # protobuf merges what stands there twice, as it merges these bytes


def success(proto_id: int, s2c: Any) -> Any:
    """A Response of success with this S2C."""
    return registry.response_class(proto_id)(ret_type=RetType.SUCCEED, s2c=s2c)


def failure(reason: str, ret_type: int = int(RetType.FAILED)) -> Any:
    """A Response of an error; retType and retMsg stand at the same numbers in every Response."""
    return init_connect.Response(ret_type=RetType(ret_type), ret_msg=reason)
