"""JSON bodies that want to harm: a clear error and nothing else."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit import codec
from futukit.codec import json_body
from futukit.errors import DecodeError
from futukit.messages import common, keep_alive
from tests.unit.codec.json_market import Basket, read, refusal


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"\x00", b"[]", b"5", b'"x"', b"null", b"true", b"{", b'{"i32"', b'{"i32":1,}',
        b"{}x", b"{}{}", b"{'i32': 1}", b'{"i32": NaN}', b'{"real": NaN}', b'{"real": Infinity}',
        b'{"real": -Infinity}', b'{"i32": 01}', b'{"i32": +1}', b'{"text": "\x01"}', b"{i32: 1}",
        b'\xef\xbb\xbf{"i32": 1}', '{"i32": 1}'.encode("utf-16"), b"// no\n{}", b'{"real": 1.}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert refusal(body)[0] == "Market.Basket"


@pytest.mark.parametrize("where", ['"text": "%s"', '"%s": 1', '"news": "%s"', '"news": {"%s": 1}'])
@pytest.mark.parametrize("what", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\\ud800", b"\\udc00x"])
def test_a_text_that_is_no_unicode_is_refused_everywhere(where: str, what: bytes) -> None:
    assert refusal(b"{" + where.encode().replace(b"%s", what) + b"}")[0] == "Market.Basket"


@pytest.mark.parametrize("name", ["news", "text", "i32", "item", "itemList", "flag", "raw"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [150, 900, 100_000])
def test_nesting_without_end_is_refused(name: str, opening: str, closing: str, depth: int) -> None:
    for end in (closing * depth, ""):
        assert refusal(f'{{"{name}": {opening * depth}1{end}}}')[0].startswith("Market.Basket")


def test_what_nobody_looks_at_may_nest_as_deep_as_in_protobuf() -> None:
    assert read('{"news": ' + "[" * 100 + "]" * 100 + "}") == Basket()
    assert refusal('{"news": ' + "[" * 101 + "]" * 101 + "}") == (
        "Market.Basket",
        "nested too deep",
    )


def test_deep_nesting_is_refused_near_the_end_of_the_stack_too() -> None:
    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)
        else:
            refusal('{"news": ' + "[" * 100_000)

    descend(sys.getrecursionlimit() // 2)


@pytest.mark.parametrize("part", ['{"itemList": [%s]}', '{"news": [%s]}', '{"numbers": [%s]}'])
@pytest.mark.parametrize("item", ["{}", "[]", "[0,0,0,0,0,0,0,0]"])
def test_more_values_than_memory_should_hold_are_refused_unread(part: str, item: str) -> None:
    body = part % ",".join([item] * (4_000_000 if item == "[]" else 2_000_000))
    with pytest.raises(DecodeError, match="too many values") as caught:
        codec.decode_json(Basket, body.encode())
    assert caught.value.path == "Market.Basket"


def test_a_large_body_of_ordinary_rows_is_read() -> None:
    row = '{"code":"%s","price":1.5}' % ("x" * 500)
    body = '{"itemList":[' + ",".join([row] * 8000) + "]}"
    assert len(body) > json_body._way(Basket).harmless
    assert len(codec.decode_json(Basket, body.encode()).items) == 8000


_NAMES = st.sampled_from(
    [*(row[2] for row in codec.plan_of(Basket).fields), "longName", "code", "price", "news"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["1", "-5", "1e2", "RED", "NaN", "AA==", "null", "true", 2**31, 2**64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
_SETTINGS = settings(max_examples=1000, deadline=None, database=None, derandomize=True)


@_SETTINGS
@given(st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_any_json_is_read_alike_by_both_ways(values: dict[str, Any]) -> None:
    with suppress(DecodeError):
        message = read(json.dumps(values))
        again = codec.decode_json(Basket, codec.encode_json(message))
        assert repr(again) == repr(message)


@_SETTINGS
@given(st.text("+-0123456789.eEinfatyINFATY_ x", max_size=8))
def test_any_text_as_a_number_is_read_alike_by_both_ways(text: str) -> None:
    for name in ("i32", "i64", "u32", "u64", "real", "colour", "flag", "raw", "numbers"):
        with suppress(DecodeError):
            read(json.dumps({name: [text] if name == "numbers" else text}))
        with suppress(DecodeError):
            read(f'{{"{name}": {text}}}')


@_SETTINGS
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(DecodeError):
        read(data)
    with suppress(DecodeError):
        read(b'{"text": "' + data + b'"}')


def test_first_use_in_many_threads_at_once() -> None:
    results: list[Any] = []

    def work() -> None:
        body = b'{"retType": 0, "s2c": {"time": "5"}}'
        results.append(codec.decode_json(keep_alive.Response, body))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    s2c = keep_alive.S2C(time=5)
    assert results == [keep_alive.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)] * 8
