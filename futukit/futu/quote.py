"""``OpenQuoteContext``: the generated methods, and those with a logic of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from futukit.errors import UsageError
from futukit.futu._enums import KL_FIELD, AuType, KLType, SecurityFirm, Session, SubType
from futukit.futu._quote import QuoteMethods
from futukit.futu.arguments import (
    as_bytes,
    as_count,
    as_enum,
    as_enums,
    as_securities,
    as_security,
    listed,
    needed,
    window,
)
from futukit.futu.context import OpenContextBase
from futukit.futu.conversions import codes
from futukit.futu.frames import frame
from futukit.futu.outcome import RET_OK, Outcome, answering
from futukit.futu.reference import ReferenceMethods

if TYPE_CHECKING:
    from futukit.futu.history import Page
    from futukit.messages import qot_common

__all__ = ["OpenQuoteContext"]

_PAGE_ROWS = 1000


class OpenQuoteContext(QuoteMethods, ReferenceMethods, OpenContextBase):
    """Market data of one OpenD.

    The arguments are those of :class:`OpenContextBase`; ``security_firm`` is whose customer the
    quote rights are of. Raises ValueError for a firm that is none.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        is_async_connect: bool = False,
        security_firm: str = SecurityFirm.NONE,
        ai_type: int = 0,
    ) -> None:
        self._security_firm = security_firm
        from futukit.messages import qot_common

        self._header = qot_common.QotHeader(
            security_firm=needed(
                "security_firm", as_enum("security_firm", security_firm, SecurityFirm)
            )
        )
        super().__init__(host, port, is_encrypt, is_async_connect, ai_type)

    def get_security_firm(self) -> str:
        """The firm that this context was made for."""
        return self._security_firm

    def _quote_header(self) -> qot_common.QotHeader:
        return self._header

    def _on_ready(self) -> None:
        """Nothing: the client itself takes its subscriptions back, with the flags they had."""

    # Subscriptions.

    @answering()
    def subscribe(
        self,
        code_list: Sequence[str] | str,
        subtype_list: Sequence[str] | str,
        is_first_push: bool = True,
        subscribe_push: bool = True,
        is_detailed_orderbook: bool = False,
        extended_time: bool = False,
        session: str = Session.NONE,
    ) -> Outcome:
        """Subscribe every code to every data type. (proto id 3001)

        It comes back by itself after a reconnect, with the same flags. Each code with each type
        costs one unit of quota and cannot be given back within a minute.

        Args:
            code_list: Securities, like ``["HK.00700"]``.
            subtype_list: Data types, like ``[SubType.TICKER]``.
            is_first_push: Whether OpenD pushes at once what it has.
            subscribe_push: Whether OpenD pushes changes; without it the data can be pulled.
            is_detailed_orderbook: Whether order books list single orders.
            extended_time: Whether US data include the time before and after the market.
            session: Which US session K-lines and time-share are about.
        """
        self._subscribe(
            code_list,
            subtype_list,
            is_first_push=bool(is_first_push),
            is_reg_or_un_reg_push=bool(subscribe_push),
            is_sub_order_book_detail=bool(is_detailed_orderbook),
            extended_time=bool(extended_time),
            session=needed("session", as_enum("session", session, Session)),
        )
        return RET_OK, None

    @answering()
    def unsubscribe(
        self,
        code_list: Sequence[str] | str | None,
        subtype_list: Sequence[str] | str | None,
        unsubscribe_all: bool = False,
    ) -> Outcome:
        """End subscriptions that are at least a minute old. (proto id 3001)

        ``unsubscribe_all`` ends all of this connection; the lists do not matter then.
        """
        from futukit.messages import qot_sub

        if unsubscribe_all:
            c2s = qot_sub.C2S(
                is_sub_or_un_sub=False, is_unsub_all=True, header=self._quote_header()
            )
            self._call(3001, qot_sub.Request(c2s=c2s))
        else:
            self._subscribe(
                code_list,
                subtype_list,
                subscribe=False,
                is_first_push=False,
                is_reg_or_un_reg_push=False,
                is_sub_order_book_detail=False,
                extended_time=False,
                session=Session._numbers[Session.NONE],
            )
        return RET_OK, None

    def unsubscribe_all(self) -> Outcome:
        """End all subscriptions of this connection. (proto id 3001)"""
        return self.unsubscribe(None, None, True)

    def _subscribe(
        self, code_list: Any, subtype_list: Any, *, subscribe: bool = True, **flags: Any
    ) -> None:
        from futukit.messages import qot_sub

        securities = as_securities("code_list", _unsplit(code_list))
        sub_types = as_enums("subtype_list", _unsplit(subtype_list), SubType)
        if not securities or not sub_types:
            raise UsageError("a subscription names at least one code and one data type")
        c2s = qot_sub.C2S(
            security_list=securities,
            sub_type_list=sub_types,
            is_sub_or_un_sub=subscribe,
            header=self._quote_header(),
            **flags,
        )
        self._call(3001, qot_sub.Request(c2s=c2s))

    @answering()
    def query_subscription(self, is_all_conn: bool = True) -> Outcome:
        """Which codes are subscribed to which data type, and the quota, as a dict. (proto id 3003)

        ``is_all_conn`` asks for all connections to this OpenD, else only for this one.
        """
        from futukit.messages import qot_get_sub_info

        c2s = qot_get_sub_info.C2S(is_req_all_conn=bool(is_all_conn))
        answer = self._call(3003, qot_get_sub_info.Request(c2s=c2s))
        own = next((conn for conn in answer.conn_sub_info_list if conn.is_own_conn_data), None)
        firm = None if own is None else own.security_firm
        subscribed: dict[str, dict[str, None]] = {}
        for connection in answer.conn_sub_info_list:
            if is_all_conn or connection.is_own_conn_data:
                for sub_info in connection.sub_info_list:
                    word = SubType._words.get(sub_info.sub_type)
                    if word is not None:
                        names = subscribed.setdefault(word, {})
                        names.update(dict.fromkeys(codes(sub_info.security_list)))
        return RET_OK, {
            "total_used": answer.total_used_quota,
            "remain": answer.remain_quota,
            "option_used_quota": answer.option_used_quota or 0,
            "option_remain_quota": answer.option_remain_quota or 0,
            "own_used": 0 if own is None else own.used_quota,
            "own_security_firm": SecurityFirm._words.get(firm or 0, SecurityFirm.NONE),
            "own_option_used_quota": 0 if own is None else own.option_used_quota or 0,
            "sub_list": {word: list(names) for word, names in subscribed.items()},
        }

    # History.

    @answering(None)
    def request_history_kline(
        self,
        code: str,
        start: str | None = None,
        end: str | None = None,
        ktype: str = KLType.K_DAY,
        autype: str | None = AuType.QFQ,
        fields: Sequence[str] | str = (KL_FIELD.ALL,),
        max_count: int | None = 1000,
        page_req_key: bytes | None = None,
        extended_time: bool = False,
        session: str = Session.NONE,
    ) -> Outcome:
        """K-lines of the past, oldest first; returns also the key of the next page. (proto id 3103)

        Args:
            code: Security, like "HK.00700".
            start: First day or time, like "2024-03-08"; a year before ``end`` if left out.
            end: Last day or time; a year after ``start`` if left out, today without either.
            ktype: What one K-line spans.
            autype: Price adjustment.
            fields: Which columns; ``[KL_FIELD.ALL]`` for all.
            max_count: How many K-lines at most; more than 1000 cost several requests. None for all.
            page_req_key: What the call before returned, to go on from there.
            extended_time: Whether US K-lines include the time before and after the market.
            session: Which US session.
        """
        from futukit.futu.history import joined, page_of
        from futukit.messages import qot_request_history_kl

        begin, until = window(("start", start), ("end", end), 365)
        chosen, flags = _fields(tuple(_unsplit(fields)) or (KL_FIELD.ALL,))
        if not chosen:
            raise UsageError(f"fields are among those of KL_FIELD, not {fields!r}")
        left = None if max_count is None else as_count("max_count", max_count)
        rehab = as_enum("autype", AuType.NONE if autype in (None, "None") else autype, AuType)
        pages: list[Page] = []
        while True:
            c2s = qot_request_history_kl.C2S(
                rehab_type=needed("autype", rehab),
                kl_type=needed("ktype", as_enum("ktype", ktype, KLType)),
                security=needed("code", as_security("code", code)),
                begin_time=begin,
                end_time=until,
                max_ack_kl_num=min(_PAGE_ROWS, _PAGE_ROWS if left is None else left),
                need_kl_fields_flag=flags,
                next_req_key=as_bytes("page_req_key", page_req_key),
                extended_time=True if extended_time else None,
                session=needed("session", as_enum("session", session, Session)),
                header=self._quote_header(),
            )
            pages.append(page_of(self._call_body(3103, qot_request_history_kl.Request(c2s=c2s))))
            page_req_key = pages[-1].next_key
            left = None if left is None else left - pages[-1].rows
            # The presence of the key, even of an empty one, tells that there is more.
            if page_req_key is None or (left is not None and left <= 0):
                break
        columns = joined(pages)
        return RET_OK, frame({name: columns[name] for name in chosen}), page_req_key


@lru_cache(maxsize=256)
def _fields(fields: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """The columns of a table with these fields, none without any, and OpenD's number for them."""
    chosen = KL_FIELD.normalize_field_list(fields)
    names = [KL_FIELD.DICT_KL_FIELD_STR[field] for field in chosen]
    columns = ("code", "name", *names) if names else ()
    return columns, KL_FIELD.kl_fields_to_flag_val(chosen)


def _unsplit(value: Any) -> list[Any]:
    """A list as it is, anything else as its only element; each once."""
    return listed([value] if isinstance(value, str) else value)
