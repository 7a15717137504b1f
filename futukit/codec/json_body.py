"""JSON bodies ↔ messages: what goes over the wire as body format 1.

Read is everything that protobuf's JSON mapping allows and that peers are known to write: proto
names and JSON names, whole numbers as numbers or texts, enums by number or name, base64 in both
alphabets, nulls for what is absent. A name that no field has is skipped, like an unknown field of
a protobuf body. Written is, as a client, protobuf's JSON mapping, and as a server what the
official Python SDK can read: proto names, single 64-bit numbers as texts and listed ones as
numbers, enums by number, and no optional number that is not finite.

Most bodies are read and written by msgspec alone (``futukit.codec.mirror``); what that does not
take goes through ``futukit.codec.mapping``, which has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, NoReturn, TypeVar, cast

from msgspec import MsgspecError, Struct, convert
from msgspec.json import Decoder, Encoder

from futukit._native.wire import MAX_BODY_BYTES, MAX_CELLS, encode_message
from futukit.codec.mapping import Reading, Writing, fields_of, message_reader, message_writer
from futukit.codec.mirror import REFUSALS, straight_decoders, write_mirror
from futukit.codec.plan import plan_of
from futukit.codec.scalars import Unfit
from futukit.errors import DecodeError, EncodeError

__all__ = ["decode_json", "encode_json"]

_M = TypeVar("_M", bound=Struct)

# Of what nobody looks at; known messages cannot nest without end.
_DEEPEST: Final = 100
# Memory of an object and of a list, in words, besides what stands in them.
_OBJECT_COST: Final = 8
_LIST_COST: Final = 4

_decode: Final = Decoder().decode
_encode: Final = Encoder().encode


def decode_json(cls: type[_M], body: bytes) -> _M:
    """Read a JSON body as a message of ``cls``.

    Raises DecodeError, with the field's path, for a body that is not JSON or not an object, a
    required field that is missing (an absent retType reads -400), a field under both of its
    names, a value that its field cannot carry, too many values, and too much nesting.
    """
    way = _ways.get(cls) or _way(cls)
    if len(body) > way.harmless:
        _check_cost(way, body)
    for decode in way.decoders:
        try:
            message: _M = convert(decode(body), cls, from_attributes=True)
        except REFUSALS:
            continue
        return message
    return _read_by_rules(cls, body)


def encode_json(message: Struct, *, server: bool = False) -> bytes:
    """Write a message as a JSON body, as a client does or as a server does.

    Raises EncodeError for what a protobuf body could not carry either, and for a body that is
    longer than a protobuf body may be; UsageError for a Struct that is not a message.
    """
    encode_message(message)  # the judge of what a message may hold
    way = _ways.get(type(message)) or _way(type(message))
    mirror = way.server if server else way.client
    if mirror is not None:
        try:
            body = _encode(convert(message, mirror, from_attributes=True))
        except REFUSALS:  # a number that is not finite, or of some library's own type
            mirror = None
    if mirror is None:
        body = _write_by_rules(message, server)
    if len(body) > MAX_BODY_BYTES:
        reason = f"a body may have {MAX_BODY_BYTES} bytes at most"
        raise EncodeError(reason, plan_of(type(message)).full_name)
    return body


# The long way.


def _read_by_rules(cls: type[_M], body: bytes) -> _M:
    root = plan_of(cls).full_name
    try:
        plain = _decode(body)
    except MsgspecError as error:
        raise DecodeError(f"not JSON: {error}", root) from None
    except UnicodeError:  # which holds the text
        raise DecodeError("not UTF-8", root) from None
    except RecursionError:
        raise DecodeError("nested too deep", root) from None
    try:
        message: _M = message_reader(cls, _READING)(plain)
    except Unfit as unfit:
        raise DecodeError(unfit.reason(_sort), unfit.path(root)) from None
    return message


def _write_by_rules(message: Struct, server: bool) -> bytes:
    policy = _SERVER if server else _CLIENT
    return _encode(message_writer(type(message), policy)(message))


def _refuse_depth(_: type[Struct], __: object, value: object) -> None:
    """A name that no field has is skipped, but not to any depth."""
    level = [value]
    for _level in range(_DEEPEST + 1):
        level = [outer for outer in level if isinstance(outer, dict | list)]
        if not level:
            return
        level = [inner for outer in level for inner in _inside(outer)]
    raise Unfit("nested too deep")


def _inside(outer: object) -> Iterable[object]:
    return outer.values() if isinstance(outer, dict) else cast("list[object]", outer)


def _refuse_shape(_: type[Struct], value: object) -> NoReturn:
    raise Unfit("an object is wanted, not {}", value)


_READING: Final = Reading(("json_name", "name"), stranger=_refuse_depth, other=_refuse_shape)
_CLIENT: Final = Writing("json_name", quoted=True, named=True)
_SERVER: Final = Writing("name", quoted=True, bare_lists=True, finite=True)

_SORTS: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a truth value",
    type(None): "null",
}


def _sort(value: object) -> str:
    """What kind of value it is: errors never repeat what stands in a body."""
    return _SORTS.get(type(value), "a number")


# What is prepared for each class.


class _Way(NamedTuple):
    """The straight ways of a class, and what bounds its bodies.

    Up to ``harmless`` bytes a body cannot hold too many values; ``object_cost`` is the most
    that one object in it may take, in words.
    """

    root: str
    harmless: int
    object_cost: int
    decoders: tuple[Callable[[bytes], Struct], ...]
    client: type[Struct] | None
    server: type[Struct] | None


_ways: Final[dict[type[Struct], _Way]] = {}


def _way(cls: type[Struct]) -> _Way:
    object_cost = _widest(cls) + _OBJECT_COST
    way = _Way(
        plan_of(cls).full_name,
        MAX_CELLS // object_cost,
        object_cost,
        straight_decoders(cls),
        write_mirror(cls, _CLIENT),
        write_mirror(cls, _SERVER),
    )
    return _ways.setdefault(cls, way)


def _widest(cls: type[Struct]) -> int:
    """The most fields that one of the messages within ``cls``, or itself, has."""
    fields = fields_of(cls)
    inner = [_widest(field.target) for field in fields if field.kind == "message"]
    return max(len(fields), *inner, 0)


def _check_cost(way: _Way, body: bytes) -> None:
    """Refuse a body whose values could take more memory than a protobuf body's may.

    An upper bound, from the signs that begin and part values: nothing is read before it holds.
    """
    cost = body.count(b"{") * way.object_cost + body.count(b"[") * _LIST_COST + body.count(b",")
    if cost > MAX_CELLS:
        raise DecodeError("too many values", way.root)
