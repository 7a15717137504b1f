"""The rules of the hand-written quote helpers, for both faces: they only send and wait."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from futukit.core.securities import SecurityLike, to_securities, to_security
from futukit.errors import UnexpectedPacket, UsageError
from futukit.messages import qot_request_history_kl, qot_sub
from futukit.messages.common import Session
from futukit.messages.qot_common import KLine, KLType, RehabType, SubType
from futukit.types import OpenEnum, exchange_text

if TYPE_CHECKING:
    from datetime import date

__all__ = [
    "HISTORY",
    "MAX_PAGE",
    "SUBSCRIBE",
    "HistoryPages",
    "bars_of",
    "history_pages",
    "next_page",
    "subscribe_c2s",
    "unsubscribe_all_c2s",
    "unsubscribe_c2s",
]

E = TypeVar("E", bound=OpenEnum)

SUBSCRIBE: Final = 3001
HISTORY: Final = 3103

MAX_PAGE: Final = 1000
"""The most K-lines that OpenD gives in one page."""

HistoryPages = Generator[qot_request_history_kl.C2S, qot_request_history_kl.S2C, None]


def subscribe_c2s(
    codes: Iterable[SecurityLike],
    sub_types: Iterable[SubType | int],
    *,
    push: bool,
    first_push: bool,
    rehab_types: Iterable[RehabType | int],
    order_book_detail: bool | None,
    extended_time: bool | None,
    session: Session | int | None,
) -> qot_sub.C2S:
    """The C2S that subscribes every code to every data type."""
    return qot_sub.C2S(
        security_list=_some_securities(codes),
        sub_type_list=_some_types(sub_types),
        is_sub_or_un_sub=True,
        is_reg_or_un_reg_push=push,
        is_first_push=first_push if push else None,
        reg_push_rehab_type_list=tuple([_member(RehabType, rehab) for rehab in rehab_types]),
        is_sub_order_book_detail=order_book_detail,
        extended_time=extended_time,
        session=None if session is None else _member(Session, session),
    )


def unsubscribe_c2s(
    codes: Iterable[SecurityLike], sub_types: Iterable[SubType | int]
) -> qot_sub.C2S:
    """The C2S that ends every data type of every code, pushes included."""
    return qot_sub.C2S(
        security_list=_some_securities(codes),
        sub_type_list=_some_types(sub_types),
        is_sub_or_un_sub=False,
        is_reg_or_un_reg_push=False,
    )


def unsubscribe_all_c2s() -> qot_sub.C2S:
    """The C2S that ends all quote subscriptions of the connection."""
    return qot_sub.C2S(is_sub_or_un_sub=False, is_unsub_all=True)


def history_pages(
    code: SecurityLike,
    kl_type: KLType | int,
    begin: str | date,
    end: str | date,
    rehab: RehabType | int,
    *,
    page_size: int,
    extended_time: bool | None,
    session: Session | int | None,
) -> HistoryPages:
    """Ask for page after page: yields what to send, wants to be sent the answer.

    Another page follows wherever ``next_req_key`` is present, even empty. Raises UsageError at
    once for arguments that cannot be, UnexpectedPacket when the pages do not advance.
    """
    if not 0 < page_size <= MAX_PAGE:
        raise UsageError(f"page_size is 1 to {MAX_PAGE}, not {page_size!r}")
    security = to_security(code)
    first = qot_request_history_kl.C2S(
        rehab_type=_member(RehabType, rehab),
        kl_type=_member(KLType, kl_type),
        security=security,
        begin_time=exchange_text(begin, security.market),
        end_time=exchange_text(end, security.market),
        max_ack_kl_num=page_size,
        extended_time=extended_time,
        session=None if session is None else _member(Session, session),
    )
    return _pages(first)


def next_page(pages: HistoryPages, page: Any) -> qot_request_history_kl.C2S | None:
    """Hand in a page; gives the next request, None after the last page."""
    try:
        return pages.send(page)
    except StopIteration:
        return None


def bars_of(page: Any) -> tuple[KLine, ...]:
    """The bars of a page."""
    bars: tuple[KLine, ...] = page.kl_list
    return bars


def _pages(request: qot_request_history_kl.C2S) -> HistoryPages:
    while True:
        answer = yield request
        key = answer.next_req_key
        if key is None:
            return
        if not answer.kl_list and key == request.next_req_key:
            raise UnexpectedPacket("history pages do not advance", HISTORY)
        request = msgspec.structs.replace(request, next_req_key=key)


def _member(enum: type[E], value: int) -> E:
    try:
        return enum(value)
    except ValueError:
        raise UsageError(f"{value!r} is not a {enum.__name__}: a member or its number") from None


def _some_securities(codes: Iterable[SecurityLike]) -> tuple[Any, ...]:
    securities = to_securities(codes)
    if not securities:
        raise UsageError("no security is named")
    return securities


def _some_types(sub_types: Iterable[SubType | int]) -> tuple[SubType, ...]:
    if isinstance(sub_types, int | str):
        raise UsageError(f"a list of data types is wanted, not the single {sub_types!r}")
    types = tuple([_member(SubType, sub_type) for sub_type in sub_types])
    if not types:
        raise UsageError("no data type is named")
    return types
