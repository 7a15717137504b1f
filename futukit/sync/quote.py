"""client.quote: the generated methods and the hand-written helpers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from futukit.core import quotes
from futukit.core.securities import SecurityLike
from futukit.messages import qot_request_history_kl
from futukit.messages.common import Session
from futukit.messages.qot_common import KLine, KLType, RehabType, SubType
from futukit.sync._quote import QuoteMethods

__all__ = ["Quote"]


class Quote(QuoteMethods):
    """Quotes: subscriptions, pushes, pulls, history."""

    __slots__ = ()

    def subscribe(
        self,
        codes: Iterable[SecurityLike],
        sub_types: Iterable[SubType | int],
        *,
        push: bool = True,
        first_push: bool = True,
        rehab_types: Iterable[RehabType | int] = (),
        order_book_detail: bool | None = None,
        extended_time: bool | None = None,
        session: Session | int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Subscribe every code to every data type (proto id 3001 Qot_Sub).

        The subscription comes back by itself after a reconnect, with the same flags. Each code
        with each type costs one unit of quota and cannot be given back within a minute.

        Args:
            codes: Securities, like ``["HK.00700"]``.
            sub_types: Data types, like ``[SubType.TICKER]``.
            push: Whether OpenD shall push changes; without it the data can be pulled.
            first_push: Whether OpenD shall push at once what it has already.
            rehab_types: Price adjustments of pushed K-lines; forward if none is named.
            order_book_detail: Whether order books list their orders (needs the SF right).
            extended_time: Whether US data include pre-market and after-hours.
            session: Which US session K-lines and time-share are about.
            timeout: Seconds to wait for the answer; the client's request_timeout if None.

        Raises:
            UsageError: No code or no type, or one that cannot be.
            ServerError: OpenD refused, for example for lack of quota or rights.
            RequestTimeout: No answer in time.
            ConnectionLost: The connection went away.
        """
        c2s = quotes.subscribe_c2s(
            codes,
            sub_types,
            push=push,
            first_push=first_push,
            rehab_types=rehab_types,
            order_book_detail=order_book_detail,
            extended_time=extended_time,
            session=session,
        )
        self._client.call(quotes.SUBSCRIBE, c2s, timeout=timeout)

    def unsubscribe(
        self,
        codes: Iterable[SecurityLike],
        sub_types: Iterable[SubType | int],
        *,
        timeout: float | None = None,
    ) -> None:
        """End every data type of every code, pushes included (proto id 3001 Qot_Sub).

        OpenD refuses before the subscription is one minute old. Raises as ``subscribe`` does.
        """
        c2s = quotes.unsubscribe_c2s(codes, sub_types)
        self._client.call(quotes.SUBSCRIBE, c2s, timeout=timeout)

    def unsubscribe_all(self, *, timeout: float | None = None) -> None:
        """End all quote subscriptions of this connection (proto id 3001 Qot_Sub).

        Event contracts have their own (``sub_event_contract``). Raises as ``subscribe`` does.
        """
        self._client.call(quotes.SUBSCRIBE, quotes.unsubscribe_all_c2s(), timeout=timeout)

    def history(
        self,
        code: SecurityLike,
        kl_type: KLType | int,
        begin: str | date,
        end: str | date,
        rehab: RehabType | int = RehabType.FORWARD,
        *,
        page_size: int = quotes.MAX_PAGE,
        extended_time: bool | None = None,
        session: Session | int | None = None,
        timeout: float | None = None,
    ) -> Iterator[KLine]:
        """Iterate over history K-lines, oldest first (proto id 3103 Qot_RequestHistoryKL).

        Pages are fetched as they are needed. One security costs one unit of history quota for
        seven days. ``list(client.quote.history(…))`` collects them.

        Args:
            code: The security, like ``"HK.00700"``.
            kl_type: The bars' length, like ``KLType.DAY``.
            begin: First time, exchange-local text ``"2024-01-02"`` (or with a time of day), a
                date or a datetime (an aware one is moved to the exchange's clock).
            end: Last time, in the same forms.
            rehab: Price adjustment.
            page_size: Bars per request, 1 to 1000.
            extended_time: Whether US bars include pre-market and after-hours.
            session: Which US session the bars are about.
            timeout: Seconds to wait for each page; the client's request_timeout if None.

        Raises:
            UsageError: At once, for an argument that cannot be.
            ServerError, RequestTimeout, ConnectionLost: While iterating.
        """
        pages = quotes.history_pages(
            code,
            kl_type,
            begin,
            end,
            rehab,
            page_size=page_size,
            extended_time=extended_time,
            session=session,
        )
        return self._bars(pages, timeout)

    def _bars(self, pages: quotes.HistoryPages, timeout: float | None) -> Iterator[KLine]:
        request: qot_request_history_kl.C2S | None = next(pages)
        while request is not None:
            page = self._client.call(quotes.HISTORY, request, timeout=timeout)
            yield from quotes.bars_of(page)
            request = quotes.next_page(pages, page)
