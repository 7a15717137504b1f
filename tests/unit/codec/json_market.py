"""Messages with a field of every kind, and reading that takes both ways of JSON."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from futukit import codec
from futukit.codec import json_body
from futukit.errors import DecodeError
from futukit.types import OpenEnum

__all__ = ["Basket", "Colour", "Item", "Single", "read", "refusal"]


class Colour(OpenEnum):
    """Values of Shop.Colour."""

    NONE = 0
    RED = 1
    N_5MIN = 5


class Item(Struct, kw_only=True, frozen=True, gc=False):
    code: str
    price: float | None = None


class Basket(Struct, kw_only=True, frozen=True, gc=False):
    i32: int | None = None
    i64: int | None = None
    u32: int | None = None
    u64: int | None = None
    flag: bool | None = None
    real: float | None = None
    text: str | None = None
    raw: bytes | None = None
    colour: Colour | None = None
    true_colour: Colour | None = None
    item: Item | None = None
    items: tuple[Item, ...] = ()
    numbers: tuple[int, ...] = ()
    long_name: int | None = None


class Single(Struct, kw_only=True, frozen=True, gc=False):
    short: float | None = None


codec.define(
    Item,
    "Market.Item",
    (
        (1, "code", "code", "code", "string", "required", None, None),
        (2, "price", "price", "price", "double", "optional", None, None),
    ),
)
codec.define(
    Basket,
    "Market.Basket",
    (
        (1, "i32", "i32", "i32", "int32", "optional", None, None),
        (2, "i64", "i64", "i64", "int64", "optional", None, None),
        (3, "u32", "u32", "u32", "uint32", "optional", None, None),
        (4, "u64", "u64", "u64", "uint64", "optional", None, None),
        (5, "flag", "flag", "flag", "bool", "optional", None, None),
        (6, "real", "real", "real", "double", "optional", None, None),
        (8, "text", "text", "text", "string", "optional", None, None),
        (9, "raw", "raw", "raw", "bytes", "optional", None, None),
        (10, "colour", "colour", "colour", "int32", "optional", Colour, None),
        (11, "true_colour", "trueColour", "trueColour", "enum", "optional", Colour, None),
        (12, "item", "item", "item", "message", "optional", Item, None),
        (13, "items", "itemList", "itemList", "message", "repeated", Item, None),
        (14, "numbers", "numbers", "numbers", "int64", "repeated", None, None),
        (15, "long_name", "long_name", "longName", "int32", "optional", None, None),
    ),
)
codec.define(
    Single,
    "Market.Single",
    ((1, "short", "short", "short", "float", "optional", None, None),),
)


def read(body: str | bytes, cls: type[Any] = Basket) -> Any:
    """Read by both ways, which must agree; the straight one may leave it to the long one."""
    data = body.encode() if isinstance(body, str) else body
    expected, refused = _outcome(json_body._read_by_rules, cls, data)
    message, raised = _outcome(codec.decode_json, cls, data)
    assert (repr(message), str(raised)) == (repr(expected), str(refused))
    if raised is not None:
        raise raised
    return message


def _outcome(read: Any, cls: type[Any], data: bytes) -> tuple[Any, DecodeError | None]:
    try:
        return read(cls, data), None
    except DecodeError as error:
        return None, error


def refusal(body: str | bytes, cls: type[Any] = Basket) -> tuple[str, str]:
    """Path and reason of the error that reading the body must raise."""
    with pytest.raises(DecodeError) as caught:
        read(body, cls)
    return caught.value.path, caught.value.reason
