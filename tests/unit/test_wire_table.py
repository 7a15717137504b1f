"""Rows as columns, held against the ordinary decoder: the same values, or the ordinary way."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futukit import codec
from futukit._native import wire
from futukit.codec.table import decode_table
from futukit.errors import DecodeError, UsageError
from futukit.messages import qot_common, qot_get_ticker, qot_request_history_kl
from futukit.messages.common import RetType

PATH = ("s2c", "kl_list")
REALS = ("open_price", "close_price", "turnover", "hp_volume")
ATTRIBUTES = ("time", "is_blank", *REALS)
Response = qot_request_history_kl.Response


def a_row(number: int, **more: Any) -> qot_common.KLine:
    values = dict.fromkeys(REALS, number + 0.25)
    return qot_common.KLine(
        **{"time": f"2026-01-01 09:{number:02d}:00", "is_blank": False, **values, **more}
    )


def an_answer(*rows: qot_common.KLine, key: bytes | None = b"next") -> Any:
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
    s2c = qot_request_history_kl.S2C(
        security=security, name="TENCENT", kl_list=rows, next_req_key=key
    )
    return Response(ret_type=RetType.SUCCEED, s2c=s2c)


def values(column: Any) -> list[Any] | None:
    """A column of any kind as a list."""
    if column is None or isinstance(column, list):
        return column
    return list(struct.unpack(f"={len(column) // 8}d", column))


def in_columns(data: bytes) -> tuple[Any, dict[str, Any]] | None:
    table = decode_table(Response, data, PATH, ATTRIBUTES)
    if table is None:
        return None
    flags, texts = table.columns["is_blank"], table.columns["time"]
    reals = values(table.reals) or []
    count = len(reals) // len(REALS)
    told: dict[str, Any] = {"time": texts}
    for name in REALS:
        row = table.columns[name]
        told[name] = None if row is None else reals[row * count : (row + 1) * count]
    told["is_blank"] = None if flags is None else [bool(flag) for flag in flags]
    return table.message, told


def expected(message: Any) -> dict[str, Any]:
    rows = message.s2c.kl_list
    columns: dict[str, Any] = {}
    for name in ATTRIBUTES:
        column = [getattr(row, name) for row in rows]
        columns[name] = None if None in column else column
    return columns


def agree(data: bytes) -> bool:
    """Whether both decoders give the same; False where the columns leave it to the other."""
    found = in_columns(data)
    if found is None:
        return False
    message: Any = codec.decode(Response, data)
    assert found[1] == expected(message)
    assert codec.encode(found[0]) == codec.encode(
        Response(
            ret_type=message.ret_type,
            ret_msg=message.ret_msg,
            err_code=message.err_code,
            s2c=qot_request_history_kl.S2C(
                security=message.s2c.security,
                name=message.s2c.name,
                next_req_key=message.s2c.next_req_key,
            ),
        )
    )
    return True


@pytest.mark.parametrize("count", [0, 1, 2, 60, 200])
def test_columns_hold_what_the_rows_hold(count: int) -> None:
    rows = [a_row(number % 60, volume=number, is_blank=number % 3 == 0) for number in range(count)]
    assert agree(codec.encode(an_answer(*rows)))


def test_a_column_that_a_row_lacks_is_none() -> None:
    data = codec.encode(an_answer(a_row(1), a_row(2, turnover=None)))
    found = in_columns(data)
    assert found is not None
    assert found[1]["turnover"] is None
    assert found[1]["open_price"] == [1.25, 2.25]


def test_text_of_other_scripts() -> None:
    assert agree(codec.encode(an_answer(a_row(1, time="九時"), a_row(2, time=""))))


TIME = b"\x0a\x0209"
BLANK = b"\x10\x00"


def wrapped(*elements: bytes, twice: bool = False) -> bytes:
    """A Response around raw rows."""
    security = codec.encode(qot_common.Security(market=qot_common.QotMarket(1), code="00700"))
    s2c = b"\x0a" + bytes([len(security)]) + security + b"".join(elements)
    part = b"\x22" + bytes([len(s2c)]) + s2c
    return b"\x08\x00" + part * (2 if twice else 1)


KL_LIST = next(f[0] for f in wire.plan_of(qot_request_history_kl.S2C).fields if f[1] == PATH[1])
OPEN_PRICE = next(f[0] for f in wire.plan_of(qot_common.KLine).fields if f[1] == "open_price")


def row(*fields: bytes) -> bytes:
    body = b"".join(fields)
    return bytes([KL_LIST << 3 | 2, len(body)]) + body


def price(value: float) -> bytes:
    return bytes([OPEN_PRICE << 3 | 1]) + struct.pack("<d", value)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wrapped(row(TIME)), id="a required field is missing"),
        pytest.param(wrapped(row(TIME, BLANK, BLANK)), id="a field twice"),
        pytest.param(wrapped(row(TIME, BLANK, price(1), price(2))), id="a column twice"),
        pytest.param(wrapped(row(b"\x0a\x02\xff\xfe", BLANK)), id="not UTF-8"),
        pytest.param(wrapped(row(b"\x08\x01", TIME, BLANK)), id="another wire type"),
        pytest.param(wrapped(row(TIME, BLANK)[:-1]), id="cut short"),
        pytest.param(wrapped(row(TIME, BLANK, price(1)[:-1])), id="half a number"),
        pytest.param(wrapped(row(TIME, BLANK), twice=True), id="the sub-message twice"),
        pytest.param(wrapped(row(TIME, BLANK), b"\x00"), id="field number 0"),
        pytest.param(b"\x08", id="half a message"),
        pytest.param(b"\x08\x00", id="no sub-message"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_ordinary_decoder(data: bytes) -> None:
    assert decode_table(Response, data, PATH, ATTRIBUTES) is None


def test_unknown_fields_are_skipped() -> None:
    unknown = b"\xa2\x3f\x03abc"
    assert agree(wrapped(row(TIME, unknown, BLANK), unknown))


def test_an_answer_whose_rest_is_no_message_is_an_error() -> None:
    s2c = row(TIME, BLANK)  # without the security that it must have
    with pytest.raises(DecodeError, match="security"):
        decode_table(Response, b"\x08\x00\x22" + bytes([len(s2c)]) + s2c, PATH, ATTRIBUTES)


def test_every_changed_byte_gives_the_same_or_the_ordinary_way() -> None:
    data = codec.encode(an_answer(a_row(1), a_row(2)))
    chance = random.Random(7)
    taken = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        cut = bytes(
            changed[: chance.randint(1, len(changed))] if chance.random() < 0.2 else changed
        )
        try:
            codec.decode(Response, cut)
        except DecodeError:
            try:
                assert in_columns(cut) is None
            except DecodeError:
                continue
            continue
        taken += agree_in_writing(cut)
    assert taken > 100


def agree_in_writing(data: bytes) -> bool:
    """Whether both give columns that look alike: a NaN made by chance is no difference."""
    found = in_columns(data)
    if found is None:
        return False
    message = codec.decode(Response, data)
    if message.s2c is None:
        return False
    assert repr(expected(message)) == repr({name: found[1][name] for name in ATTRIBUTES})
    return True


@given(
    st.lists(
        st.builds(
            a_row,
            st.integers(0, 59),
            is_blank=st.booleans(),
            turnover=st.none() | st.floats(allow_nan=False),
            volume=st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=20,
    )
)
def test_any_rows_agree(rows: list[qot_common.KLine]) -> None:
    assert agree(codec.encode(an_answer(*rows)))


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        (("s2c",), ATTRIBUTES),
        (("ret_msg", "x"), ATTRIBUTES),
        (("s2c", "name"), ATTRIBUTES),
        (("s2c", "nothing"), ATTRIBUTES),
        (PATH, ("nothing",)),
        (PATH, ("volume",)),
    ],
)
def test_names_that_are_no_such_fields(path: Any, attributes: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        decode_table(Response, b"", path, attributes)


def test_too_many_rows_are_left_to_the_ordinary_decoder() -> None:
    data = codec.encode(an_answer(*[a_row(1)] * 50))
    before = wire._limit_cells(100)
    try:
        assert in_columns(data) is None
        with pytest.raises(DecodeError):
            codec.decode(Response, data)
    finally:
        wire._limit_cells(before)


# Columns of rows that are there already.


@pytest.mark.parametrize("trusted", [True, False])
def test_reals_of_rows(trusted: bool) -> None:
    plan = wire.plan_of(qot_common.KLine)
    rows = [a_row(1), a_row(2, turnover=None), a_row(3, open_price=4)]
    wire._trust_slots(trusted)
    try:
        first, second = wire.real_columns(plan, rows, ("open_price", "turnover"))
    finally:
        wire._trust_slots(True)
    assert values(first) == [1.25, 2.25, 4.0]
    assert second is None
    assert wire.real_columns(plan, (), ("open_price",)) == [bytearray()]


def test_rows_of_another_class_and_fields_that_are_no_doubles() -> None:
    plan = wire.plan_of(qot_common.KLine)
    stranger = qot_get_ticker.C2S(
        security=qot_common.Security(market=qot_common.QotMarket(1), code="1"), max_ret_num=1
    )
    with pytest.raises(TypeError):
        wire.real_columns(plan, [a_row(1), stranger], ("open_price",))
    with pytest.raises(TypeError):
        wire.real_columns(plan, iter([a_row(1)]), ("open_price",))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        wire.real_columns(plan, [a_row(1, open_price="text")], ("open_price",))
    with pytest.raises(UsageError):
        wire.real_columns(plan, [a_row(1)], ("time",))
