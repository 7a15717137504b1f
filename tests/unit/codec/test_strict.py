"""A strict parse: known fields only, at every depth, and every required one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from msgspec import Struct

from futukit import codec
from futukit.codec.plan import define
from futukit.codec.strict import decode_strict
from futukit.errors import DecodeError
from futukit.messages import keep_alive, qot_get_basic_qot, qot_sub, trd_sub_acc_push
from futukit.messages.qot_common import QotMarket, Security, SubType

SUB = qot_sub.Request(
    c2s=qot_sub.C2S(
        security_list=(Security(market=QotMarket.HK_SECURITY, code="00700"),),
        sub_type_list=(SubType.BASIC, SubType.TICKER),
        is_sub_or_un_sub=True,
    )
)


class Inner(Struct, kw_only=True, frozen=True, gc=False):
    level: int
    count: int | None = None


class Outer(Struct, kw_only=True, frozen=True, gc=False):
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()


define(
    Inner,
    "Strict.Inner",
    (
        (1, "level", "level", "level", "int32", "required", None, 7),
        (2, "count", "count", "count", "int32", "optional", None, None),
    ),
)
define(
    Outer,
    "Strict.Outer",
    (
        (1, "inner", "inner", "inner", "message", "optional", Inner, None),
        (2, "inners", "innerList", "innerList", "message", "repeated", Inner, None),
    ),
)


def wrapped(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


def test_a_message_and_nothing_else_is_read() -> None:
    assert decode_strict(qot_sub.Request, codec.encode(SUB)) == SUB


@pytest.mark.parametrize(
    ("cls", "data", "reason"),
    [
        (keep_alive.C2S, b"\x08\x05\x78\x01", "unknown field 15"),
        (keep_alive.C2S, b"\x08\x05\x7a\x01a", "unknown field 15"),
        (keep_alive.C2S, b"\x08\x05\x7d\0\0\0\0", "unknown field 15"),
        (keep_alive.C2S, b"\x08\x05\x79\0\0\0\0\0\0\0\0", "unknown field 15"),
        (keep_alive.C2S, b"\x08\x05\x7b\x7c", "unknown field 15"),
        (keep_alive.C2S, b"\x08\x05\xf8\xff\xff\xff\x0f\0", "unknown field 536870911"),
        (keep_alive.C2S, b"\x08\x05\x0d\0\0\0\0", "unknown field 1"),
        (keep_alive.C2S, b"", "time"),
        (keep_alive.C2S, b"\x08", "time"),
        (keep_alive.Request, wrapped(1, b"\x08\x05\x10\x01"), r"\.c2s: an unknown field 2$"),
        (keep_alive.Response, b"", r"^KeepAlive\.Response\.retType: required field is missing$"),
        (Outer, wrapped(1, b""), r"^Strict\.Outer\.inner\.level: required"),
        (Outer, wrapped(2, b"\x08\x01") + wrapped(2, b""), r"innerList\[1\]\.level: required"),
        (
            Outer,
            wrapped(2, b"\x08\x01") + wrapped(2, b"\x0d\0\0\0\0"),
            r"\[1\]: an unknown field 1",
        ),
    ],
)
def test_what_is_not_strictly_the_message_is_refused(cls: Any, data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_strict(cls, data)


def test_the_ordinary_decoder_takes_more() -> None:
    data = codec.encode(SUB) + b"\x78\x01"
    assert codec.decode(qot_sub.Request, data) == SUB
    with pytest.raises(DecodeError):
        decode_strict(qot_sub.Request, data)


@pytest.mark.parametrize(
    "data", [b"\x08\x01\x08\x02", wrapped(1, b"\x01\x02"), b"\x08\x01\x0a\x01\x02"]
)
def test_numbers_may_come_packed(data: bytes) -> None:
    assert decode_strict(trd_sub_acc_push.C2S, data).acc_id_list == (1, 2)


def test_a_message_in_two_parts_is_whole_if_both_together_are() -> None:
    one, other = b"\x08\x01", b"\x12\x0500700"
    parts = wrapped(1, wrapped(1, one + other))
    assert decode_strict(qot_get_basic_qot.Request, parts).c2s.security_list[0].code == "00700"
    with pytest.raises(DecodeError):
        decode_strict(qot_get_basic_qot.Request, wrapped(1, wrapped(1, one)))
    # A default does not stand in for what the second part brings.
    late = wrapped(1, b"\x10\x05") + wrapped(1, b"\x08\x01")
    assert decode_strict(Outer, late) == Outer(inner=Inner(level=1, count=5))
    assert codec.decode(Outer, wrapped(1, b"\x10\x05")).inner == Inner(level=7, count=5)


def seconds(read: Callable[[type[Any], bytes], object], cls: type[Any], data: bytes) -> float:
    """The shortest of three."""
    times = []
    for _ in range(3):
        start = process_time()
        with suppress(DecodeError):
            read(cls, data)
        times.append(process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    ("cls", "data"),
    [
        (qot_get_basic_qot.Request, b"\x0a\0" * 500_000),
        (qot_get_basic_qot.Request, b"\x0a\0" * 500_000 + b"\x78\x01"),
        (qot_get_basic_qot.C2S, wrapped(1, b"\x08\x01\x12\0") * 150_000),
        (qot_sub.C2S, b"\x10\x01" * 500_000 + b"\x18\x01"),
    ],
    ids=["parts", "refused", "rows", "numbers"],
)
def test_it_takes_about_as_long_as_the_ordinary_decoder(cls: type[Any], data: bytes) -> None:
    # A megabyte of the smallest fields: a step of Python for each takes 30 times as long and more.
    assert seconds(decode_strict, cls, data) < 10 * seconds(codec.decode, cls, data)
