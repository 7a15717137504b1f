"""What JSON bodies are written as a client and as a server."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from msgspec import Struct

from futukit import codec
from futukit.codec import json_body
from futukit.errors import EncodeError, UsageError
from futukit.messages import common, qot_get_kl, trd_sub_acc_push
from futukit.types import OpenEnum
from tests.unit.codec.json_market import Basket, Colour, Item, Single


class Number:
    """A number of another type, as numpy's are."""

    def __index__(self) -> int:
        return 7

    def __float__(self) -> float:
        return 7.0


def written(message: Struct, *, server: bool = False) -> Any:
    """The document, which both ways must write alike."""
    body = codec.encode_json(message, server=server)
    assert json_body._write_by_rules(message, server) == body
    return json.loads(body, parse_constant=pytest.fail)


def test_a_client_writes_the_json_mapping_of_protobuf() -> None:
    basket = Basket(
        i32=-1, i64=-(2**63), u32=2**32 - 1, u64=2**64 - 1, flag=False, real=1.0, text="腾\0",
        raw=b"\xfb\xff", colour=Colour.RED, item=Item(code=""), items=(Item(code="a"),),
        numbers=(1, -2), long_name=5,
    )  # fmt: skip
    assert written(basket) == {
        "i32": -1, "i64": "-9223372036854775808", "u32": 4294967295, "u64": "18446744073709551615",
        "flag": False, "real": 1.0, "text": "腾\0", "raw": "+/8=", "colour": 1,
        "item": {"code": ""}, "itemList": [{"code": "a"}], "numbers": ["1", "-2"], "longName": 5,
    }  # fmt: skip


def test_a_server_writes_what_the_official_python_sdk_reads() -> None:
    basket = Basket(i64=5, u64=2**64 - 1, numbers=(1, -2), long_name=5, true_colour=Colour.RED)
    assert written(basket, server=True) == {
        "i64": "5",
        "u64": "18446744073709551615",
        "numbers": [1, -2],
        "long_name": 5,
        "trueColour": 1,
    }


def test_what_is_absent_is_left_out_and_the_rest_is_in_the_order_of_numbers() -> None:
    assert codec.encode_json(Basket()) == codec.encode_json(Basket(), server=True) == b"{}"
    assert codec.encode_json(Basket(text="x", flag=True)) == b'{"flag":true,"text":"x"}'


def test_ret_type_is_always_written() -> None:
    answer = qot_get_kl.Response(ret_type=common.RetType.SUCCEED)
    assert codec.encode_json(answer, server=True) == b'{"retType":0}'
    assert codec.encode_json(answer) == b'{"retType":0}'


def test_unlisted_numbers_of_enums_are_written_as_numbers() -> None:
    for server in (False, True):
        basket = Basket(colour=Colour(77), true_colour=Colour(78))
        assert written(basket, server=server) == {"colour": 77, "trueColour": 78}


def test_true_enums_are_written_by_the_names_that_the_schema_gives_them() -> None:
    class Size(OpenEnum):
        __schema_names__ = ("Size_Small", "Size_XL")
        SMALL = 0
        XL = 1

    class Shirt(Struct, kw_only=True, frozen=True, gc=False):
        size: Size
        other: Size | None = None
        sizes: tuple[Size, ...] = ()

    rows = (
        (1, "size", "size", "size", "enum", "required", Size, None),
        (2, "other", "other", "other", "int32", "optional", Size, None),
        (3, "sizes", "sizes", "sizes", "enum", "repeated", Size, None),
    )
    codec.define(Shirt, "Market.Shirt", rows)
    shirt = Shirt(size=Size.XL, other=Size.XL, sizes=(Size.SMALL, Size(5)))
    assert written(shirt) == {"size": "Size_XL", "other": 1, "sizes": ["Size_Small", 5]}
    assert written(shirt, server=True) == {"size": 1, "other": 1, "sizes": [0, 5]}
    assert codec.decode_json(Shirt, codec.encode_json(shirt)) == shirt


@pytest.mark.parametrize(
    ("number", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_numbers_that_are_not_finite_are_words_or_left_out(number: float, text: str) -> None:
    basket = Basket(real=number, items=(Item(code="null", price=number),))
    assert written(basket) == {"real": text, "itemList": [{"code": "null", "price": text}]}
    assert written(basket, server=True) == {"itemList": [{"code": "null"}]}
    assert written(Single(short=number)) == {"short": text}
    assert written(Single(short=number), server=True) == {}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.10000000149011612, b"0.1"),
        (0.1, b"0.1"),
        (16777216.0, b"16777216.0"),
        (3.4028234663852886e38, b"3.4028234663852886e38"),
        (1e300, b'"Infinity"'),
        (-0.0, b"-0.0"),
        (1.401298464324817e-45, b"1.4013e-45"),
    ],
)
def test_numbers_of_single_precision_are_written_short(number: float, text: bytes) -> None:
    assert codec.encode_json(Single(short=number)) == b'{"short":' + text + b"}"


def test_a_text_that_says_null_is_a_text() -> None:
    assert written(Basket(text="null", i64=1)) == {"text": "null", "i64": "1"}


def test_numbers_of_other_types_are_written_as_numbers() -> None:
    values: Any = {"i32": Number(), "i64": Number(), "real": Number(), "u32": True, "colour": 1}
    document = {"i32": 7, "i64": "7", "real": 7.0, "u32": 1, "colour": 1}
    assert written(Basket(**values)) == document
    assert written(Basket(real=5)) == {"real": 5.0}
    assert written(Basket(numbers=[1, 2]), server=True) == {"numbers": [1, 2]}  # type: ignore[arg-type]


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("i32", "1"), ("i32", 1.0), ("i32", 2**31), ("i64", 2**63), ("u64", -1), ("u64", 2**64),
        ("flag", 1), ("real", "1.0"), ("text", b"x"), ("text", "\ud800"), ("raw", "x"),
        ("colour", "RED"), ("trueColour", "RED"), ("trueColour", 2**31), ("item", Basket()),
        ("numbers", None), ("numbers", (1, "2")), ("itemList", (Item(code=5),)),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_protobuf_refuses_json_refuses_with_the_same_words(
    field: str, value: object, server: bool
) -> None:
    attribute = {"trueColour": "true_colour", "itemList": "items"}.get(field, field)
    basket = Basket(**{attribute: value})  # type: ignore[arg-type]
    with pytest.raises(EncodeError) as expected:
        codec.encode(basket)
    with pytest.raises(EncodeError) as caught:
        codec.encode_json(basket, server=server)
    assert caught.value.path.startswith(f"Market.Basket.{field}")
    assert str(caught.value) == str(expected.value)


def test_a_struct_that_is_no_message_is_refused() -> None:
    class Own(Struct):
        number: int

    with pytest.raises(UsageError):
        codec.encode_json(Own(number=1))


def test_a_body_longer_than_a_frame_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "MAX_BODY_BYTES", 20)
    with pytest.raises(EncodeError, match="20 bytes at most") as caught:
        codec.encode_json(Basket(text="x" * 20))
    assert caught.value.path == "Market.Basket"


def test_ids_in_a_list_are_texts_for_a_server_and_numbers_for_a_client() -> None:
    message = trd_sub_acc_push.C2S(acc_id_list=(281756455988247915,))
    assert codec.encode_json(message) == b'{"accIDList":["281756455988247915"]}'
    assert codec.encode_json(message, server=True) == b'{"accIDList":[281756455988247915]}'


def test_nothing_is_held_after_writing_and_reading() -> None:
    message = Basket(text="a text of its own", i64=2**40, items=(Item(code="b"),))

    def work(times: int) -> int:
        for _ in range(times):
            codec.encode_json(message)
            codec.decode_json(Basket, codec.encode_json(message, server=True))
        return sys.getrefcount(message.text)

    assert work(1) == work(100)
