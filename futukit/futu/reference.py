"""Methods on reference data that do more than send their arguments and show the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Final, cast

from futukit.errors import UsageError
from futukit.futu import _objects, _tables
from futukit.futu._enums import (
    IndexOptionType,
    Market,
    OptionCondType,
    OptionType,
    PeriodType,
    PriceReminderFreq,
    PriceReminderMarketStatus,
    PriceReminderType,
    SecurityType,
    SetPriceReminderOp,
    TradeDateMarket,
)
from futukit.futu.arguments import (
    as_enum,
    as_enums,
    as_integer,
    as_number,
    as_securities,
    as_security,
    as_text,
    listed,
    needed,
    window,
)
from futukit.futu.caller import Caller
from futukit.futu.conversions import MISSING
from futukit.futu.frames import Columns, frame, records
from futukit.futu.outcome import RET_OK, Outcome, answering
from futukit.futu.requests import (
    AccumulateFilter,
    CustomIndicatorFilter,
    FilterStockData,
    FinancialFilter,
    OptionDataFilter,
    PatternFilter,
    SimpleFilter,
    StockFilter,
    WarrantRequest,
)

if TYPE_CHECKING:
    from futukit.messages import qot_common

__all__ = ["ReferenceMethods"]

_REMINDER_SESSIONS: Final = (
    PriceReminderMarketStatus.OPEN,
    PriceReminderMarketStatus.US_PRE,
    PriceReminderMarketStatus.US_AFTER,
)

# Kind of filter → the list of the request that it stands in.
_FILTER_LISTS: Final[dict[type, str]] = {
    SimpleFilter: "base_filter_list",
    AccumulateFilter: "accumulate_filter_list",
    FinancialFilter: "financial_filter_list",
    PatternFilter: "pattern_filter_list",
    CustomIndicatorFilter: "custom_indicator_filter_list",
}

# Column → the company actions it is of: flag of the action, field, and what that is divided by.
_SPLIT, _JOIN, _BONUS, _TRANSFER, _ALLOT, _ADD, _DIVIDEND, _SPECIAL, _SPIN_OFF = (
    1 << bit for bit in range(9)
)
_ACTIONS: Final[dict[str, tuple[tuple[int, str, str | None], ...]]] = {
    "split_base": ((_SPLIT, "split_base", None),),
    "split_ert": ((_SPLIT, "split_ert", None),),
    "join_base": ((_JOIN, "join_base", None),),
    "join_ert": ((_JOIN, "join_ert", None),),
    "split_ratio": ((_SPLIT, "split_base", "split_ert"), (_JOIN, "join_base", "join_ert")),
    "per_cash_div": ((_DIVIDEND, "dividend", None),),
    "special_dividend": ((_SPECIAL, "sp_dividend", None),),
    "bonus_base": ((_BONUS, "bonus_base", None),),
    "bonus_ert": ((_BONUS, "bonus_ert", None),),
    "per_share_div_ratio": ((_BONUS, "bonus_base", "bonus_ert"),),
    "transfer_base": ((_TRANSFER, "transfer_base", None),),
    "transfer_ert": ((_TRANSFER, "transfer_ert", None),),
    "per_share_trans_ratio": ((_TRANSFER, "transfer_base", "transfer_ert"),),
    "allot_base": ((_ALLOT, "allot_base", None),),
    "allot_ert": ((_ALLOT, "allot_ert", None),),
    "allotment_ratio": ((_ALLOT, "allot_base", "allot_ert"),),
    "allotment_price": ((_ALLOT, "allot_price", None),),
    "add_base": ((_ADD, "add_base", None),),
    "add_ert": ((_ADD, "add_ert", None),),
    "stk_spo_ratio": ((_ADD, "add_base", "add_ert"),),
    "stk_spo_price": ((_ADD, "add_price", None),),
    "spin_off_base": ((_SPIN_OFF, "spin_off_base", None),),
    "spin_off_ert": ((_SPIN_OFF, "spin_off_ert", None),),
    "spin_off_ratio": ((_SPIN_OFF, "spin_off_base", "spin_off_ert"),),
}


class ReferenceMethods(Caller):
    """Reference data whose requests or tables have rules of their own."""

    @answering()
    def request_trading_days(
        self,
        market: str | None = None,
        start: str | None = None,
        end: str | None = None,
        code: str | None = None,
    ) -> Outcome:
        """The trading days of a market, or of the one security ``code``. (proto id 3219)

        Without ``start`` or ``end`` they are 365 days apart, the last of them today.
        """
        from futukit.messages import qot_request_trade_date as schema

        named = as_enum(
            "market", TradeDateMarket.NONE if market is None else market, TradeDateMarket
        )
        begin, until = window(("start", start), ("end", end), 365)
        request = schema.C2S(
            market=needed("market", named),
            begin_time=begin,
            end_time=until,
            security=as_security("code", code),
            header=self._quote_header(),
        )
        answer = self._call(3219, schema.Request(c2s=request))
        return RET_OK, records(_tables.trading_day(answer.trade_date_list, answer))

    @answering()
    def get_stock_basicinfo(
        self,
        market: str | None,
        stock_type: str | None = SecurityType.STOCK,
        code_list: Sequence[str] | str | None = None,
    ) -> Outcome:
        """What is lasting about securities. (proto id 3202)

        With ``code_list``, of these securities; else of all of one type in one market.
        """
        from futukit.messages import qot_get_static_info as schema

        securities = as_securities("code_list", code_list)
        of_market: dict[str, Any] = {"market": 0, "sec_type": 0}
        if not securities:
            of_market["market"] = needed("market", as_enum("market", market, Market))
            named = as_enum("stock_type", stock_type, SecurityType)
            of_market["sec_type"] = needed("stock_type", named)
        request = schema.C2S(
            **of_market,
            security_list=securities,
            header=self._quote_header(),
        )
        answer = self._call(3202, schema.Request(c2s=request))
        return RET_OK, frame(_tables.static_info(answer.static_info_list, answer))

    @answering()
    def get_owner_plate(self, code_list: Sequence[str] | str) -> Outcome:
        """The plates that securities belong to, one row for each of both. (proto id 3207)"""
        from futukit.messages import qot_get_owner_plate as schema

        securities = as_securities("code_list", code_list)
        request = schema.C2S(security_list=securities, header=self._quote_header())
        owned = self._call(3207, schema.Request(c2s=request)).owner_plate_list
        return RET_OK, frame(
            _beneath(_tables.owner_plate, ((each.plate_info_list, each) for each in owned))
        )

    @answering()
    def get_option_chain(
        self,
        code: str,
        index_option_type: str = IndexOptionType.NORMAL,
        start: str | None = None,
        end: str | None = None,
        option_type: str = OptionType.ALL,
        option_cond_type: str = OptionCondType.ALL,
        data_filter: OptionDataFilter | None = None,
    ) -> Outcome:
        """The options of ``code`` by strike time and strike price. (proto id 3209)

        ``start`` and ``end`` are the first and last day of exercise, at most 30 days; without
        either, from today on.
        """
        from futukit.messages import qot_get_option_chain as schema

        if data_filter is not None and not isinstance(data_filter, OptionDataFilter):
            raise UsageError(f"data_filter is an OptionDataFilter, not {data_filter!r}")
        begin, until = window(
            ("start", start), ("end", end), 29, end_clock="00:00:00", prefer_end_now=False
        )
        index_kind = as_enum("index_option_type", index_option_type, IndexOptionType)
        kind = as_enum("option_type", option_type, OptionType)
        condition = as_enum("option_cond_type", option_cond_type, OptionCondType)
        request = schema.C2S(
            owner=needed("code", as_security("code", code)),
            index_option_type=needed("index_option_type", index_kind),
            type=needed("option_type", kind),
            condition=needed("option_cond_type", condition),
            begin_time=begin,
            end_time=until,
            data_filter=None
            if data_filter is None
            else _objects.OptionDataFilter("data_filter", data_filter),
            header=self._quote_header(),
        )
        answer = self._call(3209, schema.Request(c2s=request))
        options = (
            option
            for day in answer.option_chain
            for pair in day.option
            for option in (pair.call, pair.put)
            if option is not None
        )
        return RET_OK, frame(_tables.option(sorted(options, key=_exercise), answer))

    @answering()
    def get_warrant(
        self, stock_owner: str | None = "", req: WarrantRequest | None = None
    ) -> Outcome:
        """Warrants that meet a request, of one underlying or of all. (proto id 3210)

        Returns, after RET_OK, a tuple: the table, whether this was the last page, and how many
        warrants there are on all pages.
        """
        from futukit.messages import qot_get_warrant as schema

        wanted = copy(req) if isinstance(req, WarrantRequest) else WarrantRequest()
        if stock_owner is not None:
            wanted.stock_owner = stock_owner
        if wanted.stock_owner in ("", Market.HK):
            wanted.stock_owner = None
        # -1 has always been another way to say that a volume has no bound.
        wanted.vol_min = None if wanted.vol_min == -1 else wanted.vol_min
        wanted.vol_max = None if wanted.vol_max == -1 else wanted.vol_max
        request = _objects.WarrantRequest("req", wanted)
        answer = self._call(3210, schema.Request(c2s=request))
        table = frame(_tables.warrant(answer.warrant_data_list, answer))
        return RET_OK, (table, answer.last_page, answer.all_count)

    @answering()
    def get_rehab(self, code: str) -> Outcome:
        """The company actions of a security and their price factors. (proto id 3105)"""
        from futukit.messages import qot_request_rehab as schema

        security = needed("code", as_security("code", code))
        request = schema.C2S(security=security, header=self._quote_header())
        rows = self._call(3105, schema.Request(c2s=request)).rehab_list
        columns: dict[str, list[Any]] = {
            "ex_div_date": [row.time.partition(" ")[0] for row in rows],
            **{column: [_action(row, column) for row in rows] for column in _ACTIONS},
            "forward_adj_factorA": [row.fwd_factor_a for row in rows],
            "forward_adj_factorB": [row.fwd_factor_b for row in rows],
            "backward_adj_factorA": [row.bwd_factor_a for row in rows],
            "backward_adj_factorB": [row.bwd_factor_b for row in rows],
        }
        return RET_OK, frame(columns)

    @answering()
    def get_capital_flow(
        self,
        stock_code: str,
        period_type: str = PeriodType.INTRADAY,
        start: str | None = None,
        end: str | None = None,
    ) -> Outcome:
        """The money that came into a security and left it, over time. (proto id 3211)

        Without ``start`` or ``end`` they are 365 days apart; within the day they do not matter.
        """
        from futukit.messages import qot_get_capital_flow as schema

        period = needed("period_type", as_enum("period_type", period_type, PeriodType))
        begin, until = as_text("start", start) or None, as_text("end", end) or None
        if period_type != PeriodType.INTRADAY:
            begin, until = window(("start", start), ("end", end), 365)
        request = schema.C2S(
            security=needed("stock_code", as_security("stock_code", stock_code)),
            period_type=period,
            begin_time=begin,
            end_time=until,
            header=self._quote_header(),
        )
        answer = self._call(3211, schema.Request(c2s=request))
        return RET_OK, frame(_tables.capital_flow(answer.flow_item_list, answer))

    @answering()
    def get_stock_filter(
        self,
        market: str,
        filter_list: StockFilter | Sequence[StockFilter] | None = None,
        plate_code: str | None = None,
        begin: int = 0,
        num: int = 200,
    ) -> Outcome:
        """The stocks of a market, or of one plate, that pass filters. (proto id 3215)

        Returns, after RET_OK, a tuple: whether this was the last page, how many stocks there are
        on all pages, and a list of FilterStockData.
        """
        from futukit.messages import qot_stock_filter as schema

        filters: dict[str, list[Any]] = {name: [] for name in _FILTER_LISTS.values()}
        for each in _filters(filter_list):
            filters[_filter_list(each)].append(each.message())
        request = schema.C2S(
            begin=needed("begin", as_integer("begin", begin)),
            num=needed("num", as_integer("num", num)),
            market=needed("market", as_enum("market", market, Market)),
            plate=as_security("plate_code", plate_code),
            header=self._quote_header(),
            **{name: tuple(messages) for name, messages in filters.items()},
        )
        answer = self._call(3215, schema.Request(c2s=request))
        found = [FilterStockData(item) for item in answer.data_list]
        return RET_OK, (answer.last_page, answer.all_count, found)

    @answering()
    def set_price_reminder(
        self,
        code: str,
        op: str,
        key: int | None = None,
        reminder_type: str | None = None,
        reminder_freq: str | None = None,
        value: float | None = None,
        note: str | None = None,
        reminder_session_list: Sequence[str] = _REMINDER_SESSIONS,
    ) -> Outcome:
        """Add, change, switch or delete a price reminder; returns its key. (proto id 3220)

        ``key`` names an existing reminder; ``reminder_session_list`` says in which sessions it
        counts, regular hours and the American ones before and after them if it is empty.
        """
        from futukit.messages import qot_set_price_reminder as schema

        none = PriceReminderMarketStatus.NONE
        sessions = [session for session in listed(reminder_session_list) if session != none]
        request = schema.C2S(
            security=needed("code", as_security("code", code)),
            op=needed("op", as_enum("op", op, SetPriceReminderOp)),
            key=as_integer("key", key),
            type=as_enum("reminder_type", reminder_type, PriceReminderType),
            freq=as_enum("reminder_freq", reminder_freq, PriceReminderFreq),
            value=as_number("value", value),
            note=as_text("note", note),
            reminder_session_list=as_enums(
                "reminder_session_list", sessions or _REMINDER_SESSIONS, PriceReminderMarketStatus
            ),
            header=self._quote_header(),
        )
        return RET_OK, self._call(3220, schema.Request(c2s=request)).key

    @answering()
    def get_price_reminder(self, code: str | None = None, market: str | None = None) -> Outcome:
        """The price reminders of a security, else of a market. (proto id 3221)"""
        from futukit.messages import qot_get_price_reminder as schema

        if code is None and market is None:
            raise UsageError("one of code and market is needed")
        # The market that is none asks for the reminders of all of them.
        of_market = code is None and market != Market.NONE
        request = schema.C2S(
            security=as_security("code", code),
            market=as_enum("market", market, Market) if of_market else None,
            header=self._quote_header(),
        )
        reminders = self._call(3221, schema.Request(c2s=request)).price_reminder_list
        return RET_OK, frame(
            _beneath(_tables.price_reminder, ((each.item_list, each) for each in reminders))
        )


def _beneath(
    table: Callable[[Sequence[Any], Any], Columns], groups: Iterable[tuple[Sequence[Any], Any]]
) -> Columns:
    """The columns of rows that stand beneath others, in groups of (rows, what they are beneath)."""
    columns = {name: list(values) for name, values in table((), None).items()}
    for rows, above in groups:
        for name, values in table(rows, above).items():
            columns[name] += values
    return columns


def _exercise(option: qot_common.SecurityStaticInfo) -> tuple[str, float]:
    """Strike time and price, what an option chain is sorted by."""
    terms = option.option_ex_data
    return ("", 0.0) if terms is None else (terms.strike_time, terms.strike_price)


def _action(row: qot_common.Rehab, column: str) -> float:
    """The value of a company action's column; missing if there was no such action."""
    for flag, field, divisor in _ACTIONS[column]:
        if row.company_act_flag & flag:
            value = _told(row, field)
            if divisor is None:
                return value
            below = _told(row, divisor)
            return value / below if below else MISSING
    return MISSING


def _told(row: qot_common.Rehab, field: str) -> float:
    """A number of a company action, 0 where OpenD left it out."""
    value: float | None = getattr(row, field)
    if value is None:
        # What is counted in shares is a whole number, except in a spin-off.
        counted = field.endswith(("_base", "_ert")) and not field.startswith("spin_off")
        return 0 if counted else 0.0
    return value


def _filters(told: StockFilter | Sequence[StockFilter] | None) -> Sequence[StockFilter]:
    """One filter, several or none, as several."""
    if told is None:
        return ()
    return told if isinstance(told, list | tuple) else (cast(StockFilter, told),)


def _filter_list(each: Any) -> str:
    """The list of the request that a filter stands in."""
    for kind, name in _FILTER_LISTS.items():
        if isinstance(each, kind):
            return name
    raise UsageError(f"filter_list holds filters, not {each!r}")
