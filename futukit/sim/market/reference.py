"""What changes seldom: static info, plates, option chains, futures, warrants, trading days."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from futukit.errors import UsageError
from futukit.messages.qot_common import (
    ExpirationCycle,
    FutureStaticExData,
    IndexOptionType,
    OptionSettlementMode,
    OptionStandardType,
    OptionStaticExData,
    OptionType,
    PlateInfo,
    PlateSetType,
    QotMarket,
    SecurityStaticBasic,
    SecurityStaticInfo,
    SortField,
    TradeDateMarket,
    TradeDateType,
    WarrantStaticExData,
    WarrantStatus,
)
from futukit.messages.qot_get_future_info import FutureInfo, TradeTime
from futukit.messages.qot_get_option_chain import OptionChain, OptionCondType, OptionItem
from futukit.messages.qot_get_option_expiration_date import OptionExpirationDate
from futukit.messages.qot_get_reference import ReferenceType
from futukit.messages.qot_get_warrant import WarrantData
from futukit.messages.qot_request_trade_date import TradeDate
from futukit.sim.market.book import ASK, BID
from futukit.sim.market.calendar import SECOND_US, Calendar, date_text, parse_when
from futukit.sim.market.grid import SCALE
from futukit.sim.market.quotes import option_figures, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from futukit.sim.market.listing import Listing

__all__ = [
    "future_info",
    "option_chain",
    "option_expirations",
    "plates",
    "reference",
    "sorted_members",
    "static_info",
    "trading_days",
    "warrant_page",
]

_TRADE_DATE_MARKETS: Final[dict[int, tuple[str, ...]]] = {
    TradeDateMarket.HK: ("HK",),
    TradeDateMarket.US: ("US",),
    TradeDateMarket.CN: ("SH",),
    TradeDateMarket.NT: ("HK", "SH"),
    TradeDateMarket.ST: ("HK", "SH"),
}
_MOST_DAYS: Final = 40 * 366


# -- static info


def static_info(listing: Listing) -> SecurityStaticInfo:
    """The constant facts of a security."""
    inst = listing.inst
    return SecurityStaticInfo(
        basic=SecurityStaticBasic(
            security=inst.security,
            id=inst.security_id,
            lot_size=inst.lot_size,
            sec_type=inst.sec_type,
            name=inst.name,
            list_time=date_text(inst.listed),
            delisting=listing.expired(listing.day),
            list_timestamp=listing.calendar.at(inst.listed, 0) / SECOND_US,
            exch_type=inst.exchange,
        ),
        warrant_ex_data=_warrant_static(listing) if inst.kind == "warrant" else None,
        option_ex_data=_option_static(listing) if inst.kind == "option" else None,
        future_ex_data=_future_static(listing) if inst.kind == "future" else None,
    )


def _warrant_static(listing: Listing) -> WarrantStaticExData:
    derivative, owner = listing.terms, listing.underlying
    return WarrantStaticExData(type=derivative.warrant_type, owner=owner.inst.security)


def _option_static(listing: Listing) -> OptionStaticExData:
    inst, owner = listing.inst, listing.underlying
    derivative = listing.terms
    return OptionStaticExData(
        type=derivative.option_type,
        owner=owner.inst.security,
        strike_time=date_text(derivative.expires),
        strike_price=derivative.strike,
        suspend=False,
        market=inst.market,
        strike_timestamp=listing.calendar.at(derivative.expires, 0) / SECOND_US,
        index_option_type=IndexOptionType.UNKNOWN,
        expiration_cycle=ExpirationCycle.MONTH,
        option_standard_type=OptionStandardType.STANDARD,
        option_settlement_mode=OptionSettlementMode.PM,
    )


def _future_static(listing: Listing) -> FutureStaticExData:
    derivative = listing.terms
    if derivative.main:
        return FutureStaticExData(last_trade_time="", is_main_contract=True)
    return FutureStaticExData(
        last_trade_time=date_text(derivative.expires),
        last_trade_timestamp=listing.calendar.at(derivative.expires, 0) / SECOND_US,
        is_main_contract=False,
    )


# -- plates and relations


def plates(listings: Iterable[Listing], market: int, plate_set: int) -> tuple[PlateInfo, ...]:
    """The plates of a market in a set (0: all)."""
    wanted = QotMarket.HK_SECURITY if market == QotMarket.HK_FUTURE else market
    return tuple(
        PlateInfo(plate=one.inst.security, name=one.inst.name, plate_type=one.inst.plate_set)
        for one in listings
        if one.inst.plate_set is not None
        and one.inst.security.market == wanted
        and plate_set in (PlateSetType.ALL, one.inst.plate_set)
    )


def _change(listing: Listing) -> float:
    return listing.last - listing.last_close


_SORT_KEYS: Final[dict[int, Callable[[Listing], float]]] = {
    SortField.CUR_PRICE: lambda one: one.last,
    SortField.PRICE_CHANGE_VAL: _change,
    SortField.CHANGE_RATE: lambda one: _change(one) / one.last_close,
    SortField.VOLUME: lambda one: one.volume,
    SortField.TURNOVER: lambda one: one.turnover,
    SortField.AMPLITUDE: lambda one: (one.high - one.low) / one.last_close,
}


def sorted_members(
    members: Iterable[Listing], sort_field: int | None, ascend: bool
) -> list[Listing]:
    """Securities by a field of their quote; by code for any field that is not one of a quote."""
    key = _SORT_KEYS.get(sort_field or SortField.CODE)
    by_code = sorted(members, key=lambda one: one.inst.code, reverse=key is None and not ascend)
    return by_code if key is None else sorted(by_code, key=key, reverse=not ascend)


def reference(
    listings: Iterable[Listing], listing: Listing, reference_type: int
) -> tuple[SecurityStaticInfo, ...]:
    """The warrants on a stock, or the contracts behind a main future."""
    if reference_type == ReferenceType.WARRANT:
        found = [o for o in listings if o.inst.kind == "warrant" and o.owner is listing]
    elif reference_type == ReferenceType.FUTURE:
        derivative = listing.inst.derivative
        if derivative is None or not derivative.main:
            raise UsageError(f"{listing.inst.key} is not a main future contract")
        found = [
            one
            for one in listings
            if one.inst.kind == "future" and one is not listing and one.owner is listing.owner
        ]
    else:
        raise UsageError(f"unknown reference type {int(reference_type)}")
    return tuple(static_info(one) for one in found)


# -- options and futures


def _options_of(listings: Iterable[Listing], owner: Listing) -> list[Listing]:
    return [one for one in listings if one.inst.is_option and one.owner is owner]


def _in_the_money(listing: Listing) -> bool:
    derivative, owner = listing.terms, listing.underlying
    above = owner.last / SCALE > derivative.strike
    return above if derivative.call else not above


def option_chain(
    listings: Iterable[Listing],
    owner: Listing,
    begin: str,
    end: str,
    option_type: int | None,
    condition: int | None,
) -> tuple[OptionChain, ...]:
    """The options on a security that expire between two days, by expiry and strike."""
    first, last = parse_when(begin)[:10], parse_when(end, end=True)[:10]
    rows: dict[int, dict[float, dict[bool, SecurityStaticInfo]]] = {}
    for one in _options_of(listings, owner):
        derivative = one.terms
        if not first <= date_text(derivative.expires) <= last:
            continue
        if option_type not in (None, OptionType.UNKNOWN, derivative.option_type):
            continue
        if condition == OptionCondType.WITH_IN and not _in_the_money(one):
            continue
        if condition == OptionCondType.OUTSIDE and _in_the_money(one):
            continue
        strikes = rows.setdefault(derivative.expires, {})
        strikes.setdefault(derivative.strike, {})[derivative.call] = static_info(one)
    return tuple(
        OptionChain(
            strike_time=date_text(expires),
            option=tuple(
                OptionItem(call=pair.get(True), put=pair.get(False))
                for _, pair in sorted(strikes.items())
            ),
            strike_timestamp=owner.calendar.at(expires, 0) / SECOND_US,
        )
        for expires, strikes in sorted(rows.items())
    )


def option_expirations(
    listings: Iterable[Listing], owner: Listing, today: int
) -> tuple[OptionExpirationDate, ...]:
    """The days on which options on a security expire."""
    days = {one.terms.expires for one in _options_of(listings, owner)}
    return tuple(
        OptionExpirationDate(
            strike_time=date_text(day),
            strike_timestamp=owner.calendar.at(day, 0) / SECOND_US,
            option_expiry_date_distance=day - today,
            cycle=ExpirationCycle.MONTH,
        )
        for day in sorted(days)
    )


def future_info(listing: Listing, listings: Mapping[str, Listing]) -> FutureInfo:
    """The contract of a future."""
    inst = listing.inst
    if inst.kind != "future":
        raise UsageError(f"{inst.key} is not a future")
    derivative, owner = listing.terms, listing.underlying
    spans = listing.calendar.spans(listing.day)
    return FutureInfo(
        name=inst.name,
        security=inst.security,
        last_trade_time="" if derivative.main else date_text(derivative.expires),
        last_trade_timestamp=(
            None if derivative.main else listing.calendar.at(derivative.expires, 0) / SECOND_US
        ),
        owner=owner.inst.security,
        owner_other=owner.inst.name,
        exchange="HKEX",
        contract_type="Stock index future",
        contract_size=float(inst.multiplier),
        contract_size_unit="index points x HKD",
        quote_currency=inst.currency,
        min_var=inst.grid.step_at(listing.last) / SCALE,
        min_var_unit="index points",
        quote_unit="index points",
        trade_time=tuple(TradeTime(begin=float(start), end=float(end)) for start, end in spans),
        time_zone="UTC+8",
        exchange_format_url="",
        origin=listings[derivative.origin].inst.security if derivative.origin else None,
    )


# -- warrants


def warrant_page(
    listings: Iterable[Listing],
    owner: Listing | None,
    begin: int,
    num: int,
    sort_field: int,
    ascend: bool,
) -> tuple[tuple[WarrantData, ...], int, bool]:
    """(a page of warrants, number of all, whether this page is the last)."""
    if begin < 0 or num < 1:
        raise UsageError("warrants: begin must not be negative and num must be positive")
    found = [one for one in listings if one.inst.kind == "warrant" and owner in (None, one.owner)]
    ordered = sorted_members(found, sort_field, ascend)
    page = tuple(_warrant(one) for one in ordered[begin : begin + num])
    return page, len(found), begin + num >= len(found)


def _top(listing: Listing, side: int) -> tuple[float, int]:
    rows = listing.book.depth(side, 1)
    if not rows:
        return 0.0, 0
    step, queue = rows[0]
    return listing.inst.grid.price(step) / SCALE, sum(order.left for order in queue)


def _warrant(listing: Listing) -> WarrantData:
    inst, owner = listing.inst, listing.underlying
    derivative = listing.terms
    figures = option_figures(listing)
    price, spot = listing.last / SCALE, owner.last / SCALE
    paid = price * derivative.conversion
    inner = spot - derivative.strike if derivative.call else derivative.strike - spot
    leverage = round(spot / paid, 3) if paid else 0.0
    sensitive = derivative.iv > 0.0
    bid, ask = _top(listing, BID), _top(listing, ASK)
    expiry = listing.calendar.at(derivative.expires, 0) / SECOND_US
    return WarrantData(
        stock=inst.security,
        owner=owner.inst.security,
        type=derivative.warrant_type,
        issuer=derivative.issuer,
        maturity_time=date_text(derivative.expires),
        maturity_timestamp=expiry,
        list_time=date_text(inst.listed),
        list_timestamp=listing.calendar.at(inst.listed, 0) / SECOND_US,
        last_trade_time=date_text(derivative.expires),
        last_trade_timestamp=expiry,
        recovery_price=derivative.recovery or None,
        conversion_ratio=derivative.conversion,
        lot_size=inst.lot_size,
        strike_price=derivative.strike,
        last_close_price=listing.last_close / SCALE,
        name=inst.name,
        cur_price=price,
        price_change_val=(listing.last - listing.last_close) / SCALE,
        change_rate=percent(listing.last - listing.last_close, listing.last_close),
        status=WarrantStatus.NORMAL,
        bid_price=bid[0],
        ask_price=ask[0],
        bid_vol=bid[1],
        ask_vol=ask[1],
        volume=listing.volume,
        turnover=listing.turnover / SCALE,
        score=50.0,
        premium=figures.premium,
        break_even_point=derivative.strike + (paid if derivative.call else -paid),
        leverage=leverage,
        ipop=percent(inner, derivative.strike),
        price_recovery_ratio=(
            percent(spot - derivative.recovery, derivative.recovery)
            if derivative.recovery
            else None
        ),
        conversion_price=round(paid, 4),
        street_rate=derivative.street_rate,
        street_vol=int(derivative.issue_size * derivative.street_rate / 100.0),
        amplitude=percent(listing.high - listing.low, listing.last_close),
        issue_size=derivative.issue_size,
        high_price=listing.high / SCALE,
        low_price=listing.low / SCALE,
        implied_volatility=derivative.iv * 100.0 if sensitive else None,
        delta=figures.greeks.delta if sensitive else None,
        effective_leverage=round(leverage * abs(figures.greeks.delta), 3)
        if sensitive
        else leverage,
    )


# -- trading days


def trading_days(
    calendars: Mapping[str, Calendar], market: int, begin: str, end: str
) -> tuple[TradeDate, ...]:
    """The trading days of a TradeDateMarket between two days; a link trades when both ends do."""
    names = _TRADE_DATE_MARKETS.get(market)
    if names is None:
        raise UsageError(f"no trading days for market {int(market)}")
    return days_between([calendars[name] for name in names], begin, end)


def days_between(calendars: list[Calendar], begin: str, end: str) -> tuple[TradeDate, ...]:
    """The days on which all of the calendars trade."""
    if not begin or not end:
        raise UsageError("trading days: begin and end are needed")
    first = date.fromisoformat(parse_when(begin)[:10]).toordinal()
    last = date.fromisoformat(parse_when(end, end=True)[:10]).toordinal()
    if first > last:
        raise UsageError(f"trading days: the span begins at {begin}, after its end {end}")
    if last - first > _MOST_DAYS:
        raise UsageError("trading days: the span is too long")
    return tuple(
        TradeDate(
            time=date_text(day),
            timestamp=calendars[0].at(day, 0) / SECOND_US,
            trade_date_type=(
                TradeDateType.MORNING
                if any(calendar.half(day) for calendar in calendars)
                else TradeDateType.WHOLE
            ),
        )
        for day in range(first, last + 1)
        if all(calendar.trades(day) for calendar in calendars)
    )
