"""What a JSON body may look like, and what is wrong with one that is refused."""

from __future__ import annotations

import json
import math

import pytest
from msgspec import Struct

from futukit import codec
from futukit.errors import UsageError
from futukit.messages import common, keep_alive, qot_common, qot_get_kl, qot_sub, test_cmd
from tests.unit.codec.json_market import Basket, Colour, Item, Single, read, refusal

LIMITS = [
    ("i32", -(2**31), 2**31 - 1),
    ("i64", -(2**63), 2**63 - 1),
    ("u32", 0, 2**32 - 1),
    ("u64", 0, 2**64 - 1),
    ("colour", -(2**31), 2**31 - 1),
    ("trueColour", -(2**31), 2**31 - 1),
]


# Names.


def test_both_spellings_of_a_name_are_read() -> None:
    assert read('{"long_name": 1}') == read('{"longName": 1}') == Basket(long_name=1)


@pytest.mark.parametrize("value", ["1", "2", '"2"'])
def test_a_field_under_both_its_names_is_refused(value: str) -> None:
    body = f'{{"long_name": 1, "longName": {value}}}'
    assert refusal(body) == ("Market.Basket.long_name", "the field is given twice")


def test_a_field_twice_is_not_hidden_by_a_default() -> None:
    class Answer(Struct, kw_only=True, frozen=True, gc=False):
        ret_type: common.RetType
        err_code: int | None = None

    rows = (
        (1, "ret_type", "retType", "retType", "int32", "required", common.RetType, -400),
        (2, "err_code", "err_code", "errCode", "int32", "optional", None, None),
    )
    codec.define(Answer, "Market.Answer", rows)
    assert refusal('{"err_code": 1, "errCode": 2}', Answer)[0] == "Market.Answer.err_code"


def test_of_two_names_a_null_is_not_given() -> None:
    assert read('{"long_name": 1, "longName": null}') == Basket(long_name=1)
    assert read('{"long_name": null, "longName": 1}') == Basket(long_name=1)


def test_a_name_that_no_field_has_is_skipped_with_all_that_it_holds() -> None:
    body = '{"news": {"a": [1, null, {"b": "c"}]}, "i32": 1, "item": {"code": "x", "more": 1.5}}'
    assert read(body) == Basket(i32=1, item=Item(code="x"))


def test_of_one_name_twice_the_last_counts() -> None:
    assert read('{"i32": "x", "i32": 2}') == Basket(i32=2)


def test_attributes_are_not_names_of_the_wire() -> None:
    assert read('{"true_colour": 1, "items": [1]}') == Basket()


# Values.


@pytest.mark.parametrize(("field", "low", "high"), LIMITS)
def test_whole_numbers_are_read_as_numbers_and_texts_within_their_range(
    field: str, low: int, high: int
) -> None:
    attribute = {"trueColour": "true_colour"}.get(field, field)
    for number in (low, 0, 1, high):
        for text in (f"{number}", f'"{number}"'):
            assert getattr(read(f'{{"{field}": {text}}}'), attribute) == number
    kind = "enum" if field == "trueColour" else field
    for number in (low - 1, high + 1, 10**30, -(10**300)):
        for text in (f"{number}", f'"{number}"'):
            path, reason = refusal(f'{{"{field}": {text}}}')
            assert path == f"Market.Basket.{field}", kind
            assert str(number) not in reason


@pytest.mark.parametrize("text", ["5.0", "5e0", "50e-1", "0.5E+1", '"5.0"', '"5e0"', '"05"'])
def test_a_real_number_that_is_whole_is_a_whole_number(text: str) -> None:
    assert read(f'{{"i32": {text}, "u64": {text}, "numbers": [{text}]}}') == Basket(
        i32=5, u64=5, numbers=(5,)
    )


@pytest.mark.parametrize(
    "text",
    ["1.5", '"1.5"', "true", "[]", "{}", '""', '" 5"', '"5 "', '"+5"', '"0x5"', '"1_0"', '"٥"',
     '"null"', '"5."', '".5"', '"--5"', '"1e400"', '"NaN"', '"Infinity"', '"\\u0000"'],
)  # fmt: skip
@pytest.mark.parametrize("field", ["i32", "i64", "u32", "u64"])
def test_what_is_no_whole_number_is_refused(field: str, text: str) -> None:
    path, reason = refusal(f'{{"{field}": {text}}}')
    assert path == f"Market.Basket.{field}"
    assert reason.startswith("a whole number is wanted, not a")


@pytest.mark.parametrize("text", ["1", '"1"', '"RED"', '"Colour_Red"', '"Colour_RED"', "1.0"])
def test_enums_are_read_by_number_or_name(text: str) -> None:
    basket = read(f'{{"colour": {text}, "trueColour": {text}}}')
    assert basket.colour is Colour.RED
    assert basket.true_colour is Colour.RED
    assert read('{"colour": "Colour_5Min"}').colour is Colour.N_5MIN


def test_an_unlisted_number_of_an_enum_survives() -> None:
    basket = read('{"colour": 77, "trueColour": "77"}')
    assert basket.colour is basket.true_colour is Colour(77)


@pytest.mark.parametrize("text", ['"GREEN"', '""', '"Colour_"', '"1 "'])
def test_an_unlisted_name_of_an_enum_is_refused(text: str) -> None:
    assert refusal(f'{{"trueColour": {text}}}') == (
        "Market.Basket.trueColour",
        "Colour has no a text",
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5.0), ("-0", 0.0), ("-0.0", -0.0), ('"-0"', 0.0), ('"-0.0"', -0.0), ("1e300", 1e300),
        ('"1.5"', 1.5), ('"-15E-1"', -1.5), ('"NaN"', math.nan), ('"Infinity"', math.inf),
        ('"-Infinity"', -math.inf), ('"inf"', math.inf), ("1" + "0" * 29, 1e29),
        ('"007.5"', 7.5), ("9007199254740993", 2.0**53), ("1e-400", 0.0), ('"1e-400"', 0.0),
    ],
)  # fmt: skip
def test_real_numbers_are_read_as_numbers_and_texts(text: str, number: float) -> None:
    assert repr(read(f'{{"real": {text}}}').real) == repr(number)


@pytest.mark.parametrize("text", ['""', '"x"', '" 1"', '"1."', '".5"', "true", "[]", '"+inf"'])
def test_what_is_no_number_is_refused(text: str) -> None:
    path, reason = refusal(f'{{"real": {text}}}')
    assert (path, reason[:24]) == ("Market.Basket.real", "a number is wanted, not ")


@pytest.mark.parametrize("digits", ["1" + "0" * 309, "9" * 390, "9" * 401, "9" * 5000])
def test_a_number_beyond_a_double_is_refused(digits: str) -> None:
    assert refusal(f'{{"real": "{digits}"}}')[0] == "Market.Basket.real"
    assert refusal(f'{{"real": {digits}}}')[0].startswith("Market.Basket")
    assert refusal('{"real": "1e400"}')[1] == "a text does not fit double"
    assert refusal('{"real": 1e400}')[1].startswith("not JSON")


def test_numbers_of_single_precision_are_rounded() -> None:
    assert read('{"short": 0.1}', Single).short == 0.10000000149011612
    assert read('{"short": "Infinity"}', Single).short == math.inf
    assert read('{"short": 3.4028235e+38}', Single).short == 3.4028234663852886e38
    assert refusal('{"short": 1e39}', Single) == (
        "Market.Single.short",
        "a number does not fit float",
    )


@pytest.mark.parametrize("text", ["1", "0", '"true"', '"1"', "[]", "1.0", '"null"'])
def test_only_true_and_false_are_truth_values(text: str) -> None:
    assert read('{"flag": true}').flag is True
    assert refusal(f'{{"flag": {text}}}')[0] == "Market.Basket.flag"


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "+/8", "-_8", "-/8="])
def test_bytes_are_base64_in_both_alphabets_with_and_without_padding(text: str) -> None:
    assert read(f'{{"raw": "{text}"}}').raw == b"\xfb\xff"
    assert read('{"raw": ""}').raw == b""


@pytest.mark.parametrize("text", ['"A"', '"+/8=="', '"AA="', '"A A="', '"é"', '"===="', "5", "[1]"])
def test_what_is_no_base64_is_refused_without_being_shown(text: str) -> None:
    assert refusal(f'{{"raw": {text}}}') == (
        "Market.Basket.raw",
        "bytes are wanted as base64 text",
    )


@pytest.mark.parametrize("text", ["5", "true", "[]", "{}"])
def test_a_text_is_a_text_only(text: str) -> None:
    assert refusal(f'{{"text": {text}}}')[0] == "Market.Basket.text"
    assert read('{"text": "a\\u0000\\ud83d\\ude00腾"}').text == "a\0😀腾"


def test_a_null_is_absent() -> None:
    names = [name for row in codec.plan_of(Basket).fields for name in row[2:4]]
    assert read(json.dumps(dict.fromkeys(names))) == Basket()
    assert refusal('{"item": {"code": null}}') == (
        "Market.Basket.item.code",
        "required field is missing",
    )


def test_a_null_within_a_list_is_refused() -> None:
    assert refusal('{"numbers": [1, null]}')[0] == "Market.Basket.numbers[1]"
    assert refusal('{"itemList": [null]}') == (
        "Market.Basket.itemList[0]",
        "an object is wanted, not null",
    )


def test_an_error_names_the_row_but_never_the_value() -> None:
    body = '{"itemList": [{"code": "a"}, {"code": "b", "price": "se-cret"}]}'
    assert refusal(body) == (
        "Market.Basket.itemList[1].price",
        "a number is wanted, not a text",
    )
    assert refusal('{"itemList": {"0": 1}}')[1] == "a list is wanted, not an object"
    assert refusal('{"itemList": [{"price": 1}]}')[0] == "Market.Basket.itemList[0].code"


def test_an_absent_ret_type_reads_as_the_schema_says() -> None:
    assert read("{}", qot_get_kl.Response).ret_type is common.RetType(-400)
    assert read('{"retType": null}', keep_alive.Response).ret_type is common.RetType(-400)


def test_a_request_as_the_official_python_sdk_writes_it() -> None:
    body = """{
  "c2s": {
    "securityList": [{"market": 1, "code": "00700"}],
    "subTypeList": [4, 6],
    "isSubOrUnSub": true
  }
}"""
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
    types = (qot_common.SubType.TICKER, qot_common.SubType.KL_DAY)
    c2s = qot_sub.C2S(security_list=(security,), sub_type_list=types, is_sub_or_un_sub=True)
    assert read(body, qot_sub.Request) == qot_sub.Request(c2s=c2s)


# Formats.


def test_a_body_is_read_and_written_in_its_format() -> None:
    message = test_cmd.C2S(cmd="x", param_bytes=b"\xfb\xff")
    assert codec.encode_body(message, 0) == codec.encode(message)
    assert codec.encode_body(message, 1) == b'{"cmd":"x","paramBytes":"+/8="}'
    for body_format in (0, 1):
        body = codec.encode_body(message, body_format, server=True)
        assert codec.decode_body(test_cmd.C2S, body, body_format) == message


@pytest.mark.parametrize("body_format", [-1, 2, 255])
def test_another_format_is_refused(body_format: int) -> None:
    with pytest.raises(UsageError):
        codec.decode_body(test_cmd.C2S, b"{}", body_format)
    with pytest.raises(UsageError):
        codec.encode_body(test_cmd.C2S(cmd="x"), body_format)
