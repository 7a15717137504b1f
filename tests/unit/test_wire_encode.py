"""The encoder's rules: exact bytes, types, ranges, paths, other people's code in the middle."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import force_setattr

from futukit._native import wire
from futukit._native.frame import Envelope, FrameReader
from futukit.codec import MAX_BODY_BYTES, decode, encode, encode_frame
from futukit.codec.plan import define
from futukit.errors import EncodeError, UsageError
from futukit.types import OpenEnum


class Colour(OpenEnum):
    RED = 1


class Item(Struct, kw_only=True, frozen=True, gc=False):
    code: Any
    price: Any = None


class Basket(Struct, kw_only=True, frozen=True, gc=False):
    i32: Any = None
    i64: Any = None
    u32: Any = None
    u64: Any = None
    flag: Any = None
    real: Any = None
    short: Any = None
    text: Any = None
    raw: Any = None
    colour: Any = None
    item: Any = None
    items: Any = ()
    numbers: Any = ()
    far: Any = None


define(
    Item,
    "Shop.Item",
    (
        (1, "code", "code", "code", "string", "required", None, None),
        (2, "price", "price", "price", "double", "optional", None, None),
    ),
)
define(
    Basket,
    "Shop.Basket",
    (
        (1, "i32", "i32", "i32", "int32", "optional", None, None),
        (2, "i64", "i64", "i64", "int64", "optional", None, None),
        (3, "u32", "u32", "u32", "uint32", "optional", None, None),
        (4, "u64", "u64", "u64", "uint64", "optional", None, None),
        (5, "flag", "flag", "flag", "bool", "optional", None, None),
        (6, "real", "real", "real", "double", "optional", None, None),
        (7, "short", "short", "short", "float", "optional", None, None),
        (8, "text", "text", "text", "string", "optional", None, None),
        (9, "raw", "raw", "raw", "bytes", "optional", None, None),
        (10, "colour", "colour", "colour", "int32", "optional", Colour, None),
        (11, "item", "item", "item", "message", "optional", Item, None),
        (12, "items", "itemList", "itemList", "message", "repeated", Item, None),
        (13, "numbers", "numbers", "numbers", "int32", "repeated", None, None),
        (3000, "far", "far", "far", "double", "optional", None, None),
    ),
)


def test_bytes_are_in_the_order_of_field_numbers() -> None:
    basket = Basket(
        numbers=(1, -1),
        items=(Item(code="b"), Item(code="c", price=1.0)),
        item=Item(code="a"),
        i32=-1,
        far=0.5,
    )
    assert encode(basket) == (
        b"\x08" + b"\xff" * 9 + b"\x01"
        b"\x5a\x03\x0a\x01a"
        b"\x62\x03\x0a\x01b"
        b"\x62\x0c\x0a\x01c\x11" + struct.pack("<d", 1.0) + b"\x68\x01"
        b"\x68" + b"\xff" * 9 + b"\x01"
        b"\xc1\xbb\x01" + struct.pack("<d", 0.5)
    )
    assert decode(Basket, encode(basket)) == basket
    assert encode(Basket()) == b""


LIMITS = [
    ("i32", -(2**31), 2**31 - 1),
    ("i64", -(2**63), 2**63 - 1),
    ("u32", 0, 2**32 - 1),
    ("u64", 0, 2**64 - 1),
    ("colour", -(2**31), 2**31 - 1),
]


@pytest.mark.parametrize(("field", "low", "high"), LIMITS)
def test_integers_have_the_range_of_their_kind(field: str, low: int, high: int) -> None:
    for value in (low, 0, 1, 127, 128, high):
        assert getattr(decode(Basket, encode(Basket(**{field: value}))), field) == value
    for value in (low - 1, high + 1, -(2**80), 2**80):
        with pytest.raises(EncodeError, match="out of range") as caught:
            encode(Basket(**{field: value}))
        assert caught.value.path == f"Shop.Basket.{field}"


WRONG = [
    ("i32", "1"), ("i32", 1.0), ("u64", b"1"), ("colour", "RED"),
    ("flag", 1), ("flag", "x"), ("real", "1.0"), ("real", b"1"), ("short", object()),
    ("text", b"x"), ("text", 5), ("text", "\ud800"), ("raw", "x"), ("raw", bytearray(b"x")),
    ("item", "x"), ("item", Basket()), ("items", None), ("items", "ab"), ("items", {1: 2}),
    ("real", 10**400),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_wrong_values_are_refused_with_their_path(field: str, value: object) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(Basket(**{field: value}))
    assert caught.value.path in (f"Shop.Basket.{field}", f"Shop.Basket.{field[:4]}List")


def test_error_names_the_row_but_never_the_value() -> None:
    rows = (Item(code="a"), Item(code="b"), Item(code=5), Item(code="c"))
    with pytest.raises(EncodeError) as caught:
        encode(Basket(items=rows))
    assert caught.value.path == "Shop.Basket.itemList[2].code"
    assert caught.value.reason == "expected str, not int"
    with pytest.raises(EncodeError) as caught:
        encode(Basket(item=Item(code=None)))
    assert (caught.value.path, caught.value.reason) == (
        "Shop.Basket.item.code",
        "required field is missing",
    )
    with pytest.raises(EncodeError) as caught:
        encode(Basket(i32=123456789012345))
    assert "123456789012345" not in str(caught.value)


def test_members_and_plain_ints_are_the_same_on_the_wire() -> None:
    assert encode(Basket(colour=Colour.RED)) == encode(Basket(colour=1)) == b"\x50\x01"
    assert decode(Basket, encode(Basket(colour=99))).colour is Colour(99)


class Index:
    """An integer of another type, as numpy's are."""

    def __init__(self, value: int, action: Any = None) -> None:
        self.value = value
        self.action = action

    def __index__(self) -> int:
        if self.action is not None:
            self.action()
        return self.value

    def __float__(self) -> float:
        return float(self.__index__())


def test_numbers_of_other_types_are_taken() -> None:
    assert encode(Basket(i32=Index(5), real=Index(2), numbers=(Index(1),))) == encode(
        Basket(i32=5, real=2.0, numbers=(1,))
    )
    assert encode(Basket(real=2, short=1)) == encode(Basket(real=2.0, short=1.0))


def test_lists_are_taken_for_tuples() -> None:
    assert encode(Basket(numbers=[1, 2])) == encode(Basket(numbers=(1, 2)))


def test_an_encoder_within_an_encoder_does_not_disturb_it() -> None:
    inner: list[bytes] = []
    big = Basket(text="x" * 100_000)

    def encode_another() -> None:
        inner.append(encode(big))

    basket = Basket(i32=1, numbers=tuple(Index(i, encode_another) for i in range(20)), text="end")
    assert encode(basket) == encode(Basket(i32=1, numbers=tuple(range(20)), text="end"))
    assert inner == [encode(big)] * 20


def test_values_that_vanish_while_they_are_encoded_are_held() -> None:
    basket = Basket(item=Item(code="x" * 50), text="kept" * 20)

    def forget() -> None:
        force_setattr(basket, "items", None)
        force_setattr(basket, "item", None)
        force_setattr(basket, "text", None)

    force_setattr(basket, "items", (Item(code="q", price=Index(7, forget)),))
    assert b"q" in encode(basket)


def test_errors_of_other_peoples_code_pass_through() -> None:
    class Boom(Exception):
        pass

    def explode() -> None:
        raise Boom

    for field in ("i32", "real"):
        with pytest.raises(Boom):
            encode(Basket(**{field: Index(1, explode)}))
    assert encode(Basket(i32=1)) == b"\x08\x01"


def test_a_body_longer_than_a_frame_may_carry_is_refused() -> None:
    with pytest.raises(EncodeError, match="at most"):
        encode(Basket(raw=bytes(MAX_BODY_BYTES)))
    longest = Basket(raw=bytes(MAX_BODY_BYTES - 5))
    assert len(encode(longest)) == MAX_BODY_BYTES
    assert len(encode_frame(longest, 1, 1)) == MAX_BODY_BYTES + 44


@pytest.mark.parametrize("native", [True, False])
def test_frame_and_body_are_made_in_one_go(native: bool) -> None:
    if wire._use_native_sha1(native) is not native:
        pytest.skip("no libcrypto behind _hashlib")
    try:
        for basket in (Basket(), Basket(text="x" * 300), Basket(raw=bytes(100_000))):
            body = encode(basket)
            reader = FrameReader()
            reader.feed(encode_frame(basket, 3005, 17))
            assert list(reader) == [Envelope(3005, 17, 0, body)]
            digest = encode_frame(basket, 3005, 17)[16:36]
            assert digest == hashlib.sha1(body).digest()
    finally:
        wire._use_native_sha1(True)


@pytest.mark.parametrize("number", [-1, 2**32, "1"])
def test_frame_numbers_must_fit_the_header(number: Any) -> None:
    with pytest.raises(UsageError):
        encode_frame(Basket(), number, 1)
    with pytest.raises(UsageError):
        encode_frame(Basket(), 1, number)


def test_a_plan_encodes_only_its_own_class() -> None:
    plan = wire.plan_of(Item)
    assert wire.encode(plan, Item(code="a")) == b"\x0a\x01a"
    assert wire.encode_frame(plan, Item(code="a"), 1, 2)[44:] == b"\x0a\x01a"
    for stranger in (Basket(), 5, None):
        with pytest.raises(EncodeError):
            wire.encode(plan, stranger)  # type: ignore[arg-type]


def test_float32_overflow_becomes_infinite_as_upb_has_it() -> None:
    assert decode(Basket, encode(Basket(short=1e300))).short == float("inf")
