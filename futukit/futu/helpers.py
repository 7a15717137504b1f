"""Small functions of the official Python API that programs call themselves.

They return ``(RET_OK, …)`` or ``(RET_ERROR, text)``, as the methods do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from futukit.errors import UsageError
from futukit.futu._enums import Market
from futukit.futu.arguments import as_security, as_time, needed, window
from futukit.futu.conversions import QUOTE_MARKETS, security_code
from futukit.futu.outcome import RET_OK, Outcome, failed

__all__ = [
    "check_date_str_format",
    "is_str",
    "is_valid_date",
    "md5_transform",
    "merge_qot_mkt_stock_str",
    "merge_trd_mkt_stock_str",
    "normalize_date_format",
    "normalize_start_end_date",
    "split_stock_str",
    "unique_and_normalize_list",
]


def is_str(obj: object) -> bool:
    """Whether it is a text or bytes."""
    return isinstance(obj, str | bytes)


def is_valid_date(date_str: str) -> bool:
    """Whether a text is a day like ``2024-03-08``."""
    try:
        datetime.strptime(date_str, "%Y-%m-%d")
    except ValueError:
        return False
    return True


def check_date_str_format(s: str, default_time: str = "00:00:00") -> Outcome:
    """Read a day or a time; returns it as a datetime without a zone."""
    return _outcome(
        lambda: datetime.strptime(
            needed("s", as_time("s", s, default_time)),
            "%Y-%m-%d %H:%M:%S",
        )
    )


def normalize_date_format(date_str: str, default_time: str = "00:00:00") -> Outcome:
    """Write a day or a time as ``2024-03-08 09:30:00``."""
    return _outcome(lambda: needed("date_str", as_time("date_str", date_str, default_time)))


def normalize_start_end_date(
    start: str | None,
    end: str | None,
    delta_days: int = 0,
    default_time_start: str = "00:00:00",
    default_time_end: str = "23:59:59",
    prefer_end_now: bool = True,
    only_date: bool = False,
) -> Outcome:
    """Both ends of a span of which one or both may be left out: ``(ret, text, start, end)``."""
    try:
        begin, until = window(
            ("start", start),
            ("end", end),
            delta_days,
            start_clock=default_time_start,
            end_clock=default_time_end,
            prefer_end_now=prefer_end_now,
            only_date=only_date,
        )
    except UsageError as error:
        return failed(error, None, None)
    return RET_OK, "", begin, until


def split_stock_str(stock_str_param: object) -> Outcome:
    """``"HK.00700"`` → ``(RET_OK, (market number, "00700"))``."""

    def split() -> tuple[int, str]:
        security = needed("code", as_security("code", str(stock_str_param)))
        return int(security.market), security.code

    return _outcome(split)


def merge_qot_mkt_stock_str(qot_mkt: int, partial_stock_str: str) -> str:
    """A quote market's number and a code → ``"HK.00700"``."""
    return f"{Market.to_string2(qot_mkt)}.{partial_stock_str}"


def merge_trd_mkt_stock_str(trd_sec_mkt: int, partial_stock_str: str) -> str:
    """A number of Trd_Common.TrdSecMarket and a code → ``"HK.00700"``."""
    return security_code(QUOTE_MARKETS.get(trd_sec_mkt, 0), partial_stock_str)


def unique_and_normalize_list(lst: Any) -> list[Any]:
    """A list, or a single value, as a list of each once."""
    if not lst:
        return []
    unique: list[Any] = []
    for each in lst if isinstance(lst, list) else [lst]:
        if each not in unique:
            unique.append(each)
    return unique


def md5_transform(raw_str: str) -> str:
    """The MD5 of a text in hexadecimal, as OpenD wants the trade password."""
    import hashlib

    return hashlib.md5(raw_str.encode(), usedforsecurity=False).hexdigest()


def _outcome(work: Callable[[], Any]) -> Outcome:
    try:
        return RET_OK, work()
    except UsageError as error:
        return failed(error)
