"""The small functions that programs call themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from futukit.futu.helpers import (
    check_date_str_format,
    is_str,
    is_valid_date,
    md5_transform,
    merge_qot_mkt_stock_str,
    merge_trd_mkt_stock_str,
    normalize_date_format,
    normalize_start_end_date,
    split_stock_str,
    unique_and_normalize_list,
)
from futukit.futu.outcome import RET_ERROR, RET_OK, Message


@pytest.mark.parametrize(
    ("value", "wanted"), [("", True), (b"", True), (5, False), (None, False), (["a"], False)]
)
def test_texts_and_bytes_are_strings(value: object, wanted: bool) -> None:
    assert is_str(value) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2024-03-08", True), ("2024-02-30", False), ("20240308", False), ("", False)],
)
def test_a_day_is_told_from_what_is_none(text: str, wanted: bool) -> None:
    assert is_valid_date(text) is wanted


def test_a_time_is_read_and_written() -> None:
    assert check_date_str_format("2024-03-08") == (RET_OK, datetime(2024, 3, 8))
    late = datetime(2024, 3, 8, 23, 59, 59)
    assert check_date_str_format("2024-03-08", "23:59:59") == (RET_OK, late)
    assert normalize_date_format("2024-3-8 9:05:00") == (RET_OK, "2024-03-08 09:05:00")


@pytest.mark.parametrize("given", ["x", "", None, 5, "2024-03-08 09:30"])
def test_what_is_no_time_is_refused(given: Any) -> None:
    for read in (check_date_str_format, normalize_date_format):
        ret, message = read(given)
        assert ret == RET_ERROR
        assert isinstance(message, Message)
        assert message.startswith(("s", "date_str"))


def test_a_span_of_time() -> None:
    span = normalize_start_end_date("2024-03-01", None, 7)
    assert span == (RET_OK, "", "2024-03-01 00:00:00", "2024-03-08 23:59:59")
    span = normalize_start_end_date(None, "2024-03-08", 7, "09:00:00", "16:00:00", only_date=True)
    assert span == (RET_OK, "", "2024-03-01", "2024-03-08")
    ret, message, start, end = normalize_start_end_date("x", None)
    assert (ret, start, end) == (RET_ERROR, None, None)
    assert message.startswith("start")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("HK.00700", (1, "00700")), ("US..DJI", (11, ".DJI")), ("US.BRK.B", (11, "BRK.B"))],
)
def test_a_security_is_split_at_its_first_dot(text: str, wanted: tuple[int, str]) -> None:
    assert split_stock_str(text) == (RET_OK, wanted)
    assert merge_qot_mkt_stock_str(*wanted) == text


@pytest.mark.parametrize("text", ["", "HK", "HK.", ".x", "XX.1", "1.2", 700, None])
def test_what_is_no_security_is_not_split(text: object) -> None:
    ret, message = split_stock_str(text)
    assert ret == RET_ERROR
    assert message.startswith("code")


def test_markets_are_put_before_a_code() -> None:
    assert merge_qot_mkt_stock_str(99, "x") == "N/A.x"
    assert merge_trd_mkt_stock_str(1, "00700") == "HK.00700"
    assert merge_trd_mkt_stock_str(2, "AAPL") == "US.AAPL"
    assert merge_trd_mkt_stock_str(99, "x") == "N/A.x"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("a", ["a"]),
        (["b", "a", "b"], ["b", "a"]),
        ([[1], [1]], [[1]]),
        (("a", "a"), [("a", "a")]),
    ],
)
def test_a_list_of_each_once(given: Any, wanted: list[Any]) -> None:
    assert unique_and_normalize_list(given) == wanted


def test_the_md5_of_a_password() -> None:
    assert md5_transform("123456") == "e10adc3949ba59abbe56e057f20f883e"
    assert len(md5_transform("密码")) == 32
