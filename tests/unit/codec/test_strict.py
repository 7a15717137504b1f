"""A strict parse: known fields only, at every depth, and every required one."""

from __future__ import annotations

from typing import Any

import pytest

from futukit import codec
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
        (keep_alive.C2S, b"\x08\x05\x0d\0\0\0\0", "unknown field 1"),
        (keep_alive.C2S, b"", "time"),
        (keep_alive.C2S, b"\x08", "time"),
        (keep_alive.Request, wrapped(1, b"\x08\x05\x10\x01"), r"KeepAlive\.Request\.1.*field 2"),
        (keep_alive.Response, b"", "required field 1 is missing"),
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
