"""The market snapshot of one security (Qot_GetSecuritySnapshot)."""

from __future__ import annotations

from typing import Final

from futukit.messages.qot_common import AssetClass, OptionAreaType
from futukit.messages.qot_get_security_snapshot import (
    EquitySnapshotExData,
    FutureSnapshotExData,
    IndexSnapshotExData,
    OptionSnapshotExData,
    PlateSnapshotExData,
    Snapshot,
    SnapshotBasicData,
    TrustSnapshotExData,
    WarrantSnapshotExData,
)
from futukit.sim.market.book import ASK, BID
from futukit.sim.market.calendar import SECOND_US, Phase, date_text
from futukit.sim.market.candles import day_bars
from futukit.sim.market.grid import SCALE
from futukit.sim.market.listing import Listing
from futukit.sim.market.quotes import (
    extended_data,
    future_position,
    option_figures,
    percent,
    position_change,
    security_status,
)
from futukit.sim.market.rehab import adjustment

__all__ = ["Ranges", "snapshot"]

_YEAR_DAYS: Final = 364
_FORWARD: Final = 1
_RATIO_DAYS: Final = 5
_BOOK_LEVELS: Final = 10


class Ranges:
    """The 52-week range up to the day before, computed once a day for each security."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, float, float]] = {}

    def of(self, listing: Listing) -> tuple[float, float]:
        """(highest, lowest) of 52 weeks in price units, today included, adjusted to today."""
        key = listing.inst.key
        row = self._rows.get(key)
        if row is None or row[0] != listing.day:
            high, low = float(listing.last_close), float(listing.last_close)
            for bar in day_bars(listing, listing.day - _YEAR_DAYS, listing.day - 1):
                a, b = adjustment(listing.inst.actions, _FORWARD, bar.at)
                high = max(high, bar.high * a + b * SCALE)
                low = min(low, bar.low * a + b * SCALE)
            row = self._rows[key] = (listing.day, high, low)
        if not listing.minutes:
            return row[1], row[2]
        return max(row[1], listing.high), min(row[2], listing.low)


def _volume_ratio(listing: Listing) -> float:
    """Today's volume a minute over that of the last five days."""
    before = day_bars(listing, listing.day - 3 * _RATIO_DAYS, listing.day - 1)[-_RATIO_DAYS:]
    whole = len(listing.calendar.minutes(listing.day))
    usual = sum(bar.volume for bar in before) / (len(before) * whole) if before else 0.0
    gone = sum(1 for m in listing.calendar.minutes(listing.day) if m <= _last_minute(listing))
    return round(listing.volume / gone / usual, 3) if gone and usual else 0.0


def _last_minute(listing: Listing) -> int:
    return listing.minutes[-1][0] if listing.minutes else -1


def _five_minutes_ago(listing: Listing) -> int:
    last = _last_minute(listing)
    for row in reversed(listing.minutes):
        if row[0] <= last - 5:
            return row[4]
    return listing.last_close


def _best(listing: Listing, side: int) -> tuple[float, int, int]:
    """(price, volume) of the best level, and the volume of the best ten."""
    rows = listing.book.depth(side, _BOOK_LEVELS)
    if not rows:
        return 0.0, 0, 0
    volumes = [sum(order.left for order in queue) for _, queue in rows]
    return listing.inst.grid.price(rows[0][0]) / SCALE, volumes[0], sum(volumes)


def snapshot(listing: Listing, ranges: Ranges) -> Snapshot:
    """Everything that a snapshot tells of a security."""
    inst = listing.inst
    return Snapshot(
        basic=_basic(listing, ranges),
        equity_ex_data=_equity(listing) if inst.kind == "stock" else None,
        warrant_ex_data=_warrant(listing) if inst.kind == "warrant" else None,
        option_ex_data=_option(listing) if inst.kind == "option" else None,
        index_ex_data=_index(listing) if inst.kind == "index" else None,
        plate_ex_data=_plate(listing) if inst.kind == "plate" else None,
        future_ex_data=_future(listing) if inst.kind == "future" else None,
        trust_ex_data=_trust(listing) if inst.kind == "etf" else None,
    )


def _basic(listing: Listing, ranges: Ranges) -> SnapshotBasicData:
    inst = listing.inst
    ask, ask_volume, asked = _best(listing, ASK)
    bid, bid_volume, wanted = _best(listing, BID)
    high, low = ranges.of(listing)
    units = listing.volume * inst.multiplier
    stock = inst.kind == "stock"
    return SnapshotBasicData(
        security=inst.security,
        name=inst.name,
        type=inst.sec_type,
        is_suspend=False,
        list_time=date_text(inst.listed),
        lot_size=inst.lot_size,
        price_spread=inst.grid.step_at(listing.last) / SCALE,
        update_time=listing.calendar.stamp(listing.last_at),
        high_price=listing.high / SCALE,
        open_price=listing.open / SCALE,
        low_price=listing.low / SCALE,
        last_close_price=listing.last_close / SCALE,
        cur_price=listing.last / SCALE,
        volume=listing.volume,
        turnover=listing.turnover / SCALE,
        turnover_rate=percent(listing.volume, inst.shares),
        list_timestamp=listing.calendar.at(inst.listed, 0) / SECOND_US,
        update_timestamp=listing.last_at / SECOND_US,
        ask_price=ask,
        bid_price=bid,
        ask_vol=ask_volume,
        bid_vol=bid_volume,
        enable_margin=stock,
        mortgage_ratio=60.0 if stock else 0.0,
        long_margin_initial_ratio=40.0 if stock else 0.0,
        enable_short_sell=stock,
        short_sell_rate=3.0 if stock else 0.0,
        short_available_volume=inst.shares // 1000 if stock else 0,
        short_margin_initial_ratio=60.0 if stock else 0.0,
        amplitude=percent(listing.high - listing.low, listing.last_close),
        avg_price=_average(listing, units),
        bid_ask_ratio=percent(wanted - asked, wanted + asked),
        volume_ratio=_volume_ratio(listing),
        highest_52weeks_price=high / SCALE,
        lowest_52weeks_price=low / SCALE,
        pre_market=extended_data(listing, Phase.PRE),
        after_market=extended_data(listing, Phase.AFTER),
        sec_status=security_status(listing),
        close_price_5minute=_five_minutes_ago(listing) / SCALE,
        overnight=extended_data(listing, Phase.OVERNIGHT),
        hp_volume=float(listing.volume),
        hp_ask_vol=float(ask_volume),
        hp_bid_vol=float(bid_volume),
    )


def _average(listing: Listing, units: int) -> float:
    if listing.inst.members or not units:
        return listing.last / SCALE
    return round(listing.turnover / units / SCALE, 4)


def _equity(listing: Listing) -> EquitySnapshotExData:
    inst = listing.inst
    price = listing.last / SCALE
    year = listing.day - 365
    paid = sum(action.cash for action in inst.actions if action.ex > year) / SCALE
    return EquitySnapshotExData(
        issued_shares=inst.shares,
        issued_market_val=round(inst.shares * price, 2),
        net_asset=round(inst.shares * inst.nav, 2),
        net_profit=round(inst.shares * inst.eps, 2),
        earnings_pershare=inst.eps,
        outstanding_shares=inst.shares,
        outstanding_market_val=round(inst.shares * price, 2),
        net_asset_pershare=inst.nav,
        ey_rate=percent(inst.eps, price),
        pe_rate=round(price / inst.eps, 3),
        pb_rate=round(price / inst.nav, 3),
        pe_ttm_rate=round(price / inst.eps, 3),
        dividend_ttm=paid,
        dividend_ratio_ttm=percent(paid, price),
        dividend_lfy=paid,
        dividend_lfy_ratio=percent(paid, price),
    )


def _warrant(listing: Listing) -> WarrantSnapshotExData:
    derivative, owner = listing.terms, listing.underlying
    figures = option_figures(listing)
    price, spot = listing.last / SCALE, owner.last / SCALE
    paid = price * derivative.conversion
    inner = spot - derivative.strike if derivative.call else derivative.strike - spot
    street = int(derivative.issue_size * derivative.street_rate / 100.0)
    expiry = listing.calendar.at(derivative.expires, 0) / SECOND_US
    return WarrantSnapshotExData(
        conversion_rate=derivative.conversion,
        warrant_type=derivative.warrant_type,
        strike_price=derivative.strike,
        maturity_time=date_text(derivative.expires),
        end_trade_time=date_text(derivative.expires),
        owner=owner.inst.security,
        recovery_price=derivative.recovery,
        street_volumn=street,
        issue_volumn=derivative.issue_size,
        street_rate=derivative.street_rate,
        delta=figures.greeks.delta,
        implied_volatility=derivative.iv * 100.0,
        premium=figures.premium,
        maturity_timestamp=expiry,
        end_trade_timestamp=expiry,
        leverage=round(spot / paid, 3) if paid else 0.0,
        ipop=percent(inner, derivative.strike),
        break_even_point=derivative.strike + (paid if derivative.call else -paid),
        conversion_price=round(paid, 4),
        price_recovery_ratio=(
            percent(spot - derivative.recovery, derivative.recovery)
            if derivative.recovery
            else None
        ),
        score=50.0,
        issuer_code=derivative.issuer.name,
    )


def _option(listing: Listing) -> OptionSnapshotExData:
    inst, owner = listing.inst, listing.underlying
    derivative = listing.terms
    figures = option_figures(listing)
    hong_kong = inst.market == "HK"
    return OptionSnapshotExData(
        type=derivative.option_type,
        owner=owner.inst.security,
        strike_time=date_text(derivative.expires),
        strike_price=derivative.strike,
        contract_size=inst.multiplier,
        contract_size_float=float(inst.multiplier),
        open_interest=figures.open_interest,
        implied_volatility=derivative.iv * 100.0,
        premium=figures.premium,
        delta=figures.greeks.delta,
        gamma=figures.greeks.gamma,
        vega=figures.greeks.vega,
        theta=figures.greeks.theta,
        rho=figures.greeks.rho,
        strike_timestamp=listing.calendar.at(derivative.expires, 0) / SECOND_US,
        net_open_interest=figures.open_interest // 3 if hong_kong else None,
        expiry_date_distance=figures.days_left,
        contract_nominal_value=inst.multiplier * owner.last / SCALE if hong_kong else None,
        owner_lot_multiplier=inst.multiplier / owner.inst.lot_size if hong_kong else None,
        option_area_type=OptionAreaType.AMERICAN,
        contract_multiplier=float(inst.multiplier),
    )


def _breadth(listing: Listing) -> tuple[int, int, int]:
    moves = [member.last - member.last_close for member in listing.members]
    up, down = sum(move > 0 for move in moves), sum(move < 0 for move in moves)
    return up, down, len(moves) - up - down


def _index(listing: Listing) -> IndexSnapshotExData:
    up, down, equal = _breadth(listing)
    return IndexSnapshotExData(raise_count=up, fall_count=down, equal_count=equal)


def _plate(listing: Listing) -> PlateSnapshotExData:
    up, down, equal = _breadth(listing)
    return PlateSnapshotExData(raise_count=up, fall_count=down, equal_count=equal)


def _future(listing: Listing) -> FutureSnapshotExData:
    derivative = listing.terms
    return FutureSnapshotExData(
        last_settle_price=listing.last_close / SCALE,
        position=future_position(listing),
        position_change=position_change(listing),
        last_trade_time="" if derivative.main else date_text(derivative.expires),
        last_trade_timestamp=(
            None if derivative.main else listing.calendar.at(derivative.expires, 0) / SECOND_US
        ),
        is_main_contract=derivative.main,
    )


def _trust(listing: Listing) -> TrustSnapshotExData:
    inst = listing.inst
    price = listing.last / SCALE
    return TrustSnapshotExData(
        dividend_yield=0.0,
        aum=round(inst.shares * inst.nav, 2),
        outstanding_units=inst.shares,
        net_asset_value=inst.nav,
        premium=percent(price - inst.nav, inst.nav),
        asset_class=AssetClass.STOCK,
    )
