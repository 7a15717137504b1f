"""The rules of the quote helpers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from futukit.core import quotes
from futukit.core.securities import to_security
from futukit.errors import UnexpectedPacket, UsageError
from futukit.messages import qot_request_history_kl
from futukit.messages.common import Session
from futukit.messages.qot_common import KLine, KLType, RehabType, SubType

DEFAULTS: dict[str, Any] = {
    "push": True,
    "first_push": True,
    "rehab_types": (),
    "order_book_detail": None,
    "extended_time": None,
    "session": None,
}


def page(key: bytes | None, *times: str) -> qot_request_history_kl.S2C:
    lines = tuple(KLine(time=time, is_blank=False) for time in times)
    return qot_request_history_kl.S2C(
        security=to_security("HK.00700"), kl_list=lines, next_req_key=key
    )


def pages(**options: Any) -> quotes.HistoryPages:
    settings = {"page_size": 1000, "extended_time": None, "session": None, **options}
    return quotes.history_pages(
        "HK.00700", KLType.DAY, "2024-01-01", date(2024, 2, 1), 1, **settings
    )


def test_subscribing_says_what_was_said() -> None:
    options = {**DEFAULTS, "rehab_types": [0], "session": 3, "extended_time": True}
    c2s = quotes.subscribe_c2s(["HK.00700"], [4], **options)
    assert c2s.sub_type_list == (SubType.TICKER,)
    assert (c2s.is_sub_or_un_sub, c2s.is_reg_or_un_reg_push, c2s.is_first_push) == (True,) * 3
    assert c2s.reg_push_rehab_type_list == (RehabType.NONE,)
    assert (c2s.session, c2s.extended_time) == (Session.ALL, True)
    quiet = quotes.subscribe_c2s(["HK.00700"], [4], **{**DEFAULTS, "push": False})
    assert (quiet.is_reg_or_un_reg_push, quiet.is_first_push) == (False, None)


@pytest.mark.parametrize(
    ("codes", "types"),
    [([], [4]), (["HK.00700"], []), ("HK.00700", [4]), (["HK.00700"], 4), (["HK.00700"], "4")],
)
def test_a_subscription_names_something(codes: Any, types: Any) -> None:
    with pytest.raises(UsageError):
        quotes.subscribe_c2s(codes, types, **DEFAULTS)
    with pytest.raises(UsageError):
        quotes.unsubscribe_c2s(codes, types)


def test_pages_follow_while_there_is_a_key_even_an_empty_one() -> None:
    asking = pages()
    first = next(asking)
    assert (first.next_req_key, first.begin_time, first.end_time) == (
        None,
        "2024-01-01",
        "2024-02-01",
    )
    second = quotes.next_page(asking, page(b"", "a"))
    assert second is not None
    assert second.next_req_key == b""
    third = quotes.next_page(asking, page(b"k"))
    assert third is not None
    assert (third.next_req_key, third.begin_time) == (b"k", first.begin_time)
    assert quotes.next_page(asking, page(None, "b")) is None


def test_pages_that_do_not_advance_are_a_breach() -> None:
    asking = pages()
    next(asking)
    quotes.next_page(asking, page(b"k", "a"))
    with pytest.raises(UnexpectedPacket):
        quotes.next_page(asking, page(b"k"))


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_a_page_has_its_size(size: int) -> None:
    with pytest.raises(UsageError):
        pages(page_size=size)


@pytest.mark.parametrize("value", ["TICKER", None, 2**40])
def test_what_is_no_enum_number_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="is not a SubType"):
        quotes.subscribe_c2s(["HK.00700"], [value], **DEFAULTS)
    with pytest.raises(UsageError, match="is not a KLType"):
        quotes.history_pages(
            "HK.00700", value, "a", "b", 1, page_size=1, extended_time=None, session=None
        )
