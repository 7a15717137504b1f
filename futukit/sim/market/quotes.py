"""What is pulled and pushed about one security now: quote, tickers, order book, broker queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.errors import UsageError
from futukit.messages import qot_get_capital_distribution, qot_get_capital_flow
from futukit.messages.common import Session
from futukit.messages.qot_common import (
    BasicQot,
    Broker,
    DarkStatus,
    FutureBasicQotExData,
    OptionAreaType,
    OptionBasicQotExData,
    OrderBook,
    OrderBookDetail,
    PreAfterMarketData,
    PushDataType,
    SecurityStatus,
    Ticker,
    TickerDirection,
    TickerType,
    WarrantBasicQotExData,
)
from futukit.sim.market.book import ASK, BID
from futukit.sim.market.calendar import MINUTE_US, SECOND_US, Phase, date_text
from futukit.sim.market.draws import seed_of
from futukit.sim.market.grid import SCALE
from futukit.sim.market.pricing import Greeks, greeks

if TYPE_CHECKING:
    from futukit.sim.market.instruments import Derivative
    from futukit.sim.market.listing import Listing, Tick

__all__ = [
    "BookView",
    "BrokerView",
    "ExtendedTicker",
    "basic_qot",
    "brokers",
    "capital_distribution",
    "capital_flow",
    "extended_data",
    "option_figures",
    "order_book",
    "premium",
    "security_status",
    "ticker",
]

_BROKERS_SHOWN: Final = 40
_SESSIONS: Final = {
    Phase.PRE: Session.ETH,
    Phase.AFTER: Session.ETH,
    Phase.OVERNIGHT: Session.OVERNIGHT,
}
_DIRECTIONS: Final = (TickerDirection.BID, TickerDirection.ASK)


class ExtendedTicker(NamedTuple):
    """A trade outside the regular session, with the session that it belongs to."""

    session: Session
    ticker: Ticker


class BookView(NamedTuple):
    """The best price levels, and when the sides last changed (exchange time and epoch seconds)."""

    bids: tuple[OrderBook, ...]
    asks: tuple[OrderBook, ...]
    bid_time: str
    bid_timestamp: float
    ask_time: str
    ask_timestamp: float


class BrokerView(NamedTuple):
    """The broker queue of both sides, best first."""

    asks: tuple[Broker, ...]
    bids: tuple[Broker, ...]


class OptionFigures(NamedTuple):
    """What an option's or a warrant's figures are made from; ``premium`` in percent."""

    greeks: Greeks
    premium: float
    days_left: int
    open_interest: int


def percent(part: float, whole: float) -> float:
    """``part`` of ``whole`` in percent, three decimals; 0 of nothing."""
    return round(part * 100.0 / whole, 3) if whole else 0.0


def security_status(listing: Listing) -> SecurityStatus:
    """Normal, or expired."""
    return SecurityStatus.EXPIRED if listing.expired(listing.day) else SecurityStatus.NORMAL


def ticker(listing: Listing, tick: Tick) -> Ticker:
    """A trade as it is sent."""
    regular = tick.phase is Phase.REGULAR
    at = tick.at / SECOND_US
    return Ticker(
        time=listing.calendar.stamp(tick.at),
        sequence=tick.sequence,
        dir=_DIRECTIONS[tick.side],
        price=tick.price / SCALE,
        volume=tick.volume,
        turnover=tick.turnover / SCALE,
        recv_time=at,
        type=TickerType.AUTOMATCH if regular else TickerType.EXTENDED_TRADING_HOURS,
        type_sign=0,
        push_data_type=PushDataType.REALTIME,
        timestamp=at,
        hp_volume=float(tick.volume),
    )


def extended_ticker(listing: Listing, tick: Tick) -> ExtendedTicker:
    """A trade outside the regular session as it is sent."""
    return ExtendedTicker(_SESSIONS[tick.phase], ticker(listing, tick))


# -- quote


def basic_qot(listing: Listing) -> BasicQot:
    """The basic quote. Before the first trade of the day its open, high and low are 0."""
    inst = listing.inst
    at = listing.last_at
    return BasicQot(
        security=inst.security,
        name=inst.name,
        is_suspended=False,
        list_time=date_text(inst.listed),
        price_spread=inst.grid.step_at(listing.last) / SCALE,
        update_time=listing.calendar.stamp(at),
        high_price=listing.high / SCALE,
        open_price=listing.open / SCALE,
        low_price=listing.low / SCALE,
        cur_price=listing.last / SCALE,
        last_close_price=listing.last_close / SCALE,
        volume=listing.volume,
        turnover=listing.turnover / SCALE,
        turnover_rate=percent(listing.volume, inst.shares),
        amplitude=percent(listing.high - listing.low, listing.last_close),
        dark_status=DarkStatus.NONE,
        option_ex_data=_option_data(listing) if inst.is_option else None,
        list_timestamp=listing.calendar.at(inst.listed, 0) / SECOND_US,
        update_timestamp=at / SECOND_US,
        pre_market=extended_data(listing, Phase.PRE),
        after_market=extended_data(listing, Phase.AFTER),
        sec_status=security_status(listing),
        future_ex_data=_future_data(listing) if inst.kind == "future" else None,
        warrant_ex_data=_warrant_data(listing) if inst.kind == "warrant" else None,
        overnight=extended_data(listing, Phase.OVERNIGHT),
        hp_volume=float(listing.volume),
    )


def extended_data(listing: Listing, phase: Phase) -> PreAfterMarketData | None:
    """The figures of an extended session against the last regular price; None before any trade."""
    figures = listing.extended.get(phase)
    if figures is None:
        return None
    change = figures.last - listing.last
    return PreAfterMarketData(
        price=figures.last / SCALE,
        high_price=figures.high / SCALE,
        low_price=figures.low / SCALE,
        volume=figures.volume,
        turnover=figures.turnover / SCALE,
        change_val=change / SCALE,
        change_rate=percent(change, listing.last),
        amplitude=percent(figures.high - figures.low, listing.last),
    )


def premium(derivative: Derivative, price: float, spot: float) -> float:
    """How far the owner must move for the buyer to break even, in percent of its price."""
    paid = price * derivative.conversion
    even = derivative.strike + paid if derivative.call else derivative.strike - paid
    return percent(even - spot if derivative.call else spot - even, spot)


def option_figures(listing: Listing) -> OptionFigures:
    """The computed figures of an option or warrant, at its own and its owner's last price."""
    derivative, owner = listing.terms, listing.underlying
    spot = owner.last / SCALE
    sensitive = derivative.iv > 0.0
    return OptionFigures(
        greeks=greeks(derivative, spot, listing.day)
        if sensitive
        else Greeks(0.0, 0.0, 0.0, 0.0, 0.0),
        premium=premium(derivative, listing.last / SCALE, spot),
        days_left=derivative.expires - listing.day,
        open_interest=200 + listing.past.seed % 9800,
    )


def _option_data(listing: Listing) -> OptionBasicQotExData:
    inst, owner = listing.inst, listing.underlying
    derivative = listing.terms
    figures = option_figures(listing)
    hong_kong = inst.market == "HK"
    return OptionBasicQotExData(
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
        net_open_interest=figures.open_interest // 3 if hong_kong else None,
        expiry_date_distance=figures.days_left,
        contract_nominal_value=inst.multiplier * owner.last / SCALE if hong_kong else None,
        owner_lot_multiplier=inst.multiplier / owner.inst.lot_size if hong_kong else None,
        option_area_type=OptionAreaType.AMERICAN,
        contract_multiplier=float(inst.multiplier),
    )


def _future_data(listing: Listing) -> FutureBasicQotExData:
    derivative = listing.terms
    return FutureBasicQotExData(
        last_settle_price=listing.last_close / SCALE,
        position=future_position(listing),
        position_change=position_change(listing),
        expiry_date_distance=derivative.expires - listing.day,
    )


def future_position(listing: Listing) -> int:
    """Contracts held over the day before."""
    return 20_000 + listing.past.seed % 80_000


def position_change(listing: Listing) -> int:
    """The change of the position on the present day."""
    return seed_of(listing.past.seed, listing.day) % 4001 - 2000


def _warrant_data(listing: Listing) -> WarrantBasicQotExData:
    derivative = listing.terms
    figures = option_figures(listing)
    sensitive = derivative.iv > 0.0
    return WarrantBasicQotExData(
        delta=figures.greeks.delta if sensitive else None,
        implied_volatility=derivative.iv * 100.0 if sensitive else None,
        premium=figures.premium,
    )


# -- order book


def order_book(listing: Listing, num: int, detail: bool) -> BookView:
    """The best ``num`` levels of both sides; with ``detail`` each with its single orders."""
    if num < 1:
        raise UsageError(f"number of price levels must be positive, not {num}")
    stamp = listing.calendar.stamp(listing.book_at)
    timestamp = listing.book_at / SECOND_US
    bids, asks = (_levels(listing, side, num, detail) for side in (BID, ASK))
    return BookView(bids, asks, stamp, timestamp, stamp, timestamp)


def _levels(listing: Listing, side: int, num: int, detail: bool) -> tuple[OrderBook, ...]:
    price = listing.inst.grid.price
    made = []
    for step, queue in listing.book.depth(side, num):
        volume = sum(order.left for order in queue)
        rows = (
            tuple(OrderBookDetail(order_id=o.order_id, volume=o.left) for o in queue)
            if detail
            else ()
        )
        made.append(
            OrderBook(
                price=price(step) / SCALE,
                volume=volume,
                oreder_count=len(queue),
                detail_list=rows,
                hp_volume=float(volume),
            )
        )
    return tuple(made)


def brokers(listing: Listing, names: dict[int, str]) -> BrokerView:
    """The brokers behind the orders in the queue; ``pos`` counts price levels from 1."""
    if not listing.inst.has_brokers:
        return BrokerView((), ())
    return BrokerView(_seats(listing, ASK, names), _seats(listing, BID, names))


def _seats(listing: Listing, side: int, names: dict[int, str]) -> tuple[Broker, ...]:
    rows = [
        Broker(
            id=order.broker,
            name=names.get(order.broker, f"Broker {order.broker}"),
            pos=number,
            order_id=order.order_id,
            volume=order.left,
        )
        for number, (_, queue) in enumerate(listing.book.depth(side, _BROKERS_SHOWN), 1)
        for order in queue
    ]
    return tuple(rows[:_BROKERS_SHOWN])


# -- capital


def capital_flow(listing: Listing) -> qot_get_capital_flow.S2C:
    """The day's net inflow by size of trade, cumulative by minute; of simulated trades only."""
    total = [0, 0, 0, 0]
    items = []
    for minute, *nets in listing.inflow:
        total = [so_far + net for so_far, net in zip(total, nets, strict=True)]
        sums = [net / SCALE for net in total]
        at = listing.midnight + minute * MINUTE_US
        items.append(
            qot_get_capital_flow.CapitalFlowItem(
                in_flow=sum(total) / SCALE,
                time=listing.calendar.stamp(at),
                timestamp=at / SECOND_US,
                main_in_flow=(total[0] + total[1]) / SCALE,
                super_in_flow=sums[0],
                big_in_flow=sums[1],
                mid_in_flow=sums[2],
                sml_in_flow=sums[3],
            )
        )
    return qot_get_capital_flow.S2C(
        flow_item_list=tuple(items),
        last_valid_time=listing.calendar.stamp(listing.last_at),
        last_valid_timestamp=listing.last_at / SECOND_US,
    )


def capital_distribution(listing: Listing) -> qot_get_capital_distribution.S2C:
    """The day's money by side of the aggressor and size of trade."""
    money = [amount / SCALE for amount in listing.money]
    return qot_get_capital_distribution.S2C(
        capital_in_super=money[0],
        capital_in_big=money[1],
        capital_in_mid=money[2],
        capital_in_small=money[3],
        capital_out_super=money[4],
        capital_out_big=money[5],
        capital_out_mid=money[6],
        capital_out_small=money[7],
        update_time=listing.calendar.stamp(listing.last_at),
        update_timestamp=listing.last_at / SECOND_US,
    )
