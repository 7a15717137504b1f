"""Arguments → fields of messages, and what is refused; every refusal names its parameter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import numpy
import pytest

from futukit.errors import UsageError
from futukit.futu import arguments
from futukit.futu._enums import KLType, Market, SubType
from futukit.futu.arguments import (
    as_bytes,
    as_choices,
    as_code_filter,
    as_count,
    as_enum,
    as_enum_or_integer,
    as_enums,
    as_filled_text,
    as_flag,
    as_flags,
    as_fraction,
    as_identifier,
    as_identifiers,
    as_integer,
    as_integers,
    as_item,
    as_items,
    as_nonzero_integer,
    as_number,
    as_page,
    as_raw,
    as_securities,
    as_security,
    as_text,
    as_texts,
    as_time,
    needed,
    some,
    window,
)
from futukit.messages.qot_common import QotMarket, Security

TENCENT = Security(market=QotMarket.HK_SECURITY, code="00700")
APPLE = Security(market=QotMarket.US_SECURITY, code="AAPL")


def as_sub_types(name: str, value: Any) -> Any:
    return as_enums(name, value, SubType)


def as_kl_type(name: str, value: Any) -> Any:
    return as_enum(name, value, KLType)


def as_kl_type_or_number(name: str, value: Any) -> Any:
    return as_enum_or_integer(name, value, KLType)


def as_kl_types_or_numbers(name: str, value: Any) -> Any:
    return as_choices(name, value, KLType, Market)


def of_attribute(name: str, value: Any) -> Any:
    return needed(name, value.code)


def as_object(name: str, value: Any) -> Any:
    return as_item(name, value, of_attribute)


def as_objects(name: str, value: Any) -> Any:
    return as_items(name, value, of_attribute)


CALLS: list[tuple[Callable[[str, Any], Any], Any, Any]] = [
    (as_raw, "x", "x"),
    (as_security, "HK.00700", TENCENT),
    (as_security, TENCENT, TENCENT),
    (as_security, "US..DJI", Security(market=QotMarket.US_SECURITY, code=".DJI")),
    (as_securities, "HK.00700", (TENCENT,)),
    (as_securities, "US.AAPL,HK.00700,US.AAPL", (APPLE, TENCENT)),
    (as_securities, ["HK.00700", TENCENT], (TENCENT, TENCENT)),
    (as_securities, ("HK.00700", "HK.00700"), (TENCENT,)),
    (as_securities, {"HK.00700": 1}, (TENCENT,)),
    (as_securities, TENCENT, (TENCENT,)),
    (as_securities, [], ()),
    (as_securities, None, ()),
    (as_text, "", ""),
    (as_texts, "a,b,a", ("a", "b")),
    (as_texts, ["a,b"], ("a,b",)),
    (as_texts, None, ()),
    (as_filled_text, "a", "a"),
    (as_filled_text, "", None),
    (as_integer, 7, 7),
    (as_integer, "7", 7),
    (as_integer, 7.0, 7),
    (as_integer, numpy.int64(7), 7),
    (as_integer, 2**70, 2**70),
    (as_count, 0, 0),
    (as_count, numpy.int64(5), 5),
    (as_integers, [3, "4", 3.0], (3, 4)),
    (as_integers, 5, (5,)),
    (as_integers, None, ()),
    (as_nonzero_integer, 0, None),
    (as_nonzero_integer, "8", 8),
    (as_number, "1.5", 1.5),
    (as_number, numpy.float64(2), 2.0),
    (as_fraction, 5, 0.05),
    (as_flag, 0, False),
    (as_flag, "no", True),
    (as_flags, [1, 2, 2, 8], 11),
    (as_flags, None, 0),
    (as_bytes, b"key", b"key"),
    (as_page, 3, "3"),
    (as_page, "", ""),
    (as_kl_type, "K_DAY", 2),
    (as_kl_type, KLType.NONE, 0),
    (as_sub_types, "TICKER,QUOTE", (4, 1)),
    (as_sub_types, [SubType.QUOTE, SubType.QUOTE], (1,)),
    (as_kl_type_or_number, "K_DAY", 2),
    (as_kl_type_or_number, 99, 99),
    (as_kl_types_or_numbers, ["K_DAY", "HK", "17", 5], (2, 1, 17, 5)),
    (as_object, APPLE, "AAPL"),
    (as_objects, [APPLE, TENCENT], ("AAPL", "00700")),
    (as_objects, APPLE, ("AAPL",)),
    (as_objects, None, ()),
    (as_code_filter, "HK.00700", ("00700",)),
    (as_code_filter, "00700", ("00700",)),
    (as_code_filter, "", ()),
    (as_code_filter, None, ()),
    (as_identifier, 12, ("12",)),
    (as_identifier, "", ()),
    (as_identifier, None, ()),
    (as_identifiers, [1, "2"], ("1", "2")),
    (as_identifiers, None, ()),
    (as_time, "2024-03-08", "2024-03-08 00:00:00"),
    (as_time, "2024-3-8 9:30:05", "2024-03-08 09:30:05"),
    (as_time, "", None),
]


@pytest.mark.parametrize(("convert", "value", "wanted"), CALLS)
def test_a_value_becomes_a_field(
    convert: Callable[[str, Any], Any], value: Any, wanted: Any
) -> None:
    assert convert("given", value) == wanted


@pytest.mark.parametrize(
    "convert",
    [
        as_security,
        as_text,
        as_filled_text,
        as_integer,
        as_nonzero_integer,
        as_number,
        as_fraction,
        as_flag,
        as_bytes,
        as_page,
        as_kl_type,
        as_kl_type_or_number,
        as_object,
        as_time,
    ],
)
def test_none_leaves_a_field_out(convert: Callable[[str, Any], Any]) -> None:
    assert convert("given", None) is None


REFUSED: dict[Callable[[str, Any], Any], list[Any]] = {
    as_security: [
        *("", "HK", "HK.", ".x", "XX.1", "1.00700", 5, True, ["HK.00700"], b"HK.00700", object()),
    ],
    as_securities: ["", "HK.00700,", [["HK.00700"]], [None], 5, [{}]],
    as_text: [5, b"a", ["a"]],
    as_texts: [5, [5], [["a"]], [None]],
    as_filled_text: [0],
    as_integer: ["", "x", "1e3", 2.7, float("nan"), float("inf"), [], b""],
    as_count: [-1, None, 1.0, "7"],
    as_integers: [["x"], [[1]], [None], 2.5],
    as_nonzero_integer: ["x", 0.5],
    as_number: ["x", "", [], int, 10**400],
    as_fraction: ["x"],
    as_flags: [["x"], [[1]]],
    as_bytes: ["key", 5, bytearray(b"key")],
    as_kl_type: ["", "K_2M", 2, ["K_DAY"], True],
    as_sub_types: ["", "TICK", [1], [["TICKER"]], [None], 4],
    as_kl_type_or_number: ["K_2M", True, 2.0],
    as_kl_types_or_numbers: ["K_2M", [None], [[1]]],
    as_object: [5, "x", []],
    as_objects: [[5], "x", [None], [TENCENT, None]],
    as_identifiers: ["1,2", 5],
    as_time: ["x", "2024-02-30", "2024-03-08 09:30", 20240308, b"", datetime(2024, 3, 8)],
    needed: [None],
}


@pytest.mark.parametrize(
    ("convert", "value"), [(convert, value) for convert in REFUSED for value in REFUSED[convert]]
)
def test_a_refusal_names_the_parameter(convert: Callable[[str, Any], Any], value: Any) -> None:
    with pytest.raises(UsageError) as refused:
        convert("given", value)
    assert str(refused.value).startswith("given")
    assert "\n" not in str(refused.value)


def test_an_element_is_named_by_its_place() -> None:
    with pytest.raises(UsageError, match=r"^given\[1\] is needed$"):
        as_objects("given", [TENCENT, None])
    with pytest.raises(UsageError, match=r"^given\[1\] is not what it should be: 5$"):
        as_objects("given", [TENCENT, 5])


def test_a_refused_word_comes_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"K_1M,K_3M,.* not 'K_2M'"):
        as_kl_type("ktype", "K_2M")


def test_a_message_of_nothing_is_left_out() -> None:
    assert some(dict, a=None, b=()) is None
    assert some(dict, a=0, b=None, c=False) == {"a": 0, "c": False}


def test_a_message_without_what_it_needs_is_refused() -> None:
    with pytest.raises(UsageError, match="code: Missing required argument 'market'"):
        some(Security, market=None, code="00700")


def test_a_time_gets_the_clock_that_is_asked_for() -> None:
    assert as_time("t", "2024-03-08", "23:59:59") == "2024-03-08 23:59:59"


# Spans of time.

NOW = datetime(2024, 3, 8, 14, 30, 15, 99)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is NOW."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return NOW

    monkeypatch.setattr(arguments, "datetime", Clock)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("start", "end", "prefer_end_now", "only_date"),
    [
        *product(
            (None, "", "2024-01-10", "2024-01-10 10:00:00"),
            (None, "", "2024-02-20", "2024-02-20 12:30:00"),
            (True, False),
            (True, False),
        )
    ],
)
def test_what_is_left_out_of_a_span_follows_from_the_rest(
    start: str | None, end: str | None, prefer_end_now: bool, only_date: bool
) -> None:
    first = _day(start) or (
        _day(end) - timedelta(10)  # type: ignore[operator]
        if end
        else NOW - timedelta(10 if prefer_end_now else 0)
    )
    last = _day(end) or (
        _day(start) + timedelta(10)  # type: ignore[operator]
        if start
        else NOW + timedelta(0 if prefer_end_now else 10)
    )
    clocks = "09:00:00", "16:00:00"
    began, ended = window(
        ("start", start),
        ("end", end),
        10,
        start_clock=clocks[0],
        end_clock=clocks[1],
        prefer_end_now=prefer_end_now,
        only_date=only_date,
    )
    if only_date:
        assert (began, ended) == (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    else:
        assert began == f"{first:%Y-%m-%d} {_clock(start) or clocks[0]}"
        assert ended == f"{last:%Y-%m-%d} {_clock(end) or clocks[1]}"


def _day(text: str | None) -> datetime | None:
    return datetime.strptime(text[:10], "%Y-%m-%d") if text else None


def _clock(text: str | None) -> str:
    return text[11:] if text else ""


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        ("x", None, "start"),
        ("2024-02-30", "2024-03-01", "start"),
        ("2024-02-01", "2024-03-32", "end"),
        (20240101, None, "start"),
        (None, datetime(2024, 1, 1), "end"),
        (None, "0001-01-05", "end"),
        ("9999-12-31", None, "start"),
        ("9999-12-31", "", "start"),
    ],
)
def test_a_span_that_cannot_be_is_refused(start: Any, end: Any, name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}"):
        window(("start", start), ("end", end), 365)
