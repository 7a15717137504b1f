"""The market's face: one object with a clock that is moved by hand, and typed views of all data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from futukit.errors import UsageError
from futukit.messages.qot_common import (
    BasicQot,
    KLine,
    PlateInfo,
    QotMarket,
    QotMarketState,
    Rehab,
    Security,
    SecurityStaticInfo,
    Ticker,
    TimeShare,
)
from futukit.sim.market import candles, quotes, reference
from futukit.sim.market.book import ASK, BID
from futukit.sim.market.calendar import SECOND_US, Phase
from futukit.sim.market.engine import Engine, Fill
from futukit.sim.market.grid import SCALE
from futukit.sim.market.listing import TICKS_KEPT, Kind, Listing
from futukit.sim.market.quotes import BookView, BrokerView, ExtendedTicker
from futukit.sim.market.rehab import rehab_rows
from futukit.sim.market.snapshots import Ranges, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futukit.messages import qot_get_capital_distribution, qot_get_capital_flow
    from futukit.messages.qot_get_future_info import FutureInfo
    from futukit.messages.qot_get_option_chain import OptionChain
    from futukit.messages.qot_get_option_expiration_date import OptionExpirationDate
    from futukit.messages.qot_get_security_snapshot import Snapshot
    from futukit.messages.qot_get_warrant import WarrantData
    from futukit.messages.qot_request_trade_date import TradeDate
    from futukit.sim.market.candles import HistoryPage
    from futukit.sim.market.instruments import Instrument

__all__ = ["DEFAULT_START", "Change", "Event", "Market", "Placed", "StateChange"]

DEFAULT_START: Final = datetime(2026, 3, 2, 2, 15, tzinfo=UTC).timestamp()
"""Monday 2026-03-02 10:15 in Hong Kong, in epoch seconds."""

_PREFIXES: Final[dict[int, str]] = {
    QotMarket.HK_SECURITY: "HK",
    QotMarket.HK_FUTURE: "HK",
    QotMarket.US_SECURITY: "US",
    QotMarket.CNSH_SECURITY: "SH",
    QotMarket.CNSZ_SECURITY: "SZ",
}


@dataclass(frozen=True, slots=True)
class StateChange:
    """A market went into another state. ``time`` is in epoch seconds."""

    market: str
    state: QotMarketState
    time: float


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one security: its new tickers, and the kinds of data that are now others.

    ``since`` is for ``Market.changed_klines`` and ``Market.changed_rt``.
    """

    key: str
    kinds: Kind
    tickers: tuple[Ticker, ...]
    extended: tuple[ExtendedTicker, ...]
    since: tuple[int, int]


Event = StateChange | Change


@dataclass(frozen=True, slots=True)
class Placed:
    """The fate of an order from outside: what traded at once, and the volume that rests."""

    order_id: int
    fills: tuple[Fill, ...]
    remaining: int


class Market:
    """A deterministic market: the same seed, start and advances give the same data.

    ``seed`` picks the random order flow and the past; ``start`` is the clock's beginning, in epoch
    seconds or as an aware datetime (default ``DEFAULT_START``); ``intensity`` multiplies the rate
    of orders. Every view raises UsageError for a key that does not exist.
    """

    def __init__(
        self, seed: int = 1, start: float | datetime | None = None, intensity: float = 1.0
    ) -> None:
        if intensity <= 0.0:
            raise UsageError("intensity must be positive")
        if isinstance(start, datetime):
            if start.tzinfo is None:
                raise UsageError("start must be a datetime with a time zone")
            start = start.timestamp()
        begin = DEFAULT_START if start is None else float(start)
        self.seed = seed
        self.start = begin
        self._engine = Engine(seed, round(begin * SECOND_US), intensity)
        self._ranges = Ranges()
        self._engine.state_changes.clear()

    # -- clock

    @property
    def now(self) -> float:
        """The simulated time in epoch seconds."""
        return self._engine.now / SECOND_US

    def advance(self, seconds: float) -> list[Event]:
        """Let time pass (to the microsecond) and tell what changed.

        All tickers of the span come back, so cut long spans to bound memory.
        """
        if not seconds >= 0.0:
            raise UsageError("time does not go backwards")
        self._engine.run(self._engine.now + round(seconds * SECOND_US))
        return self._events()

    def step(self, n_trades: int) -> list[Event]:
        """Let time pass until at least ``n_trades`` more trades have happened anywhere.

        Closed hours are jumped over; after fifteen simulated days without any trade it gives up.
        """
        if n_trades < 1:
            raise UsageError("n_trades must be positive")
        self._engine.run_trades(n_trades)
        return self._events()

    def _events(self) -> list[Event]:
        engine = self._engine
        events: list[Event] = [
            StateChange(name, state, at / SECOND_US) for at, name, state in engine.state_changes
        ]
        engine.state_changes.clear()
        for listing, kinds, since, ticks, extended in engine.settle():
            events.append(
                Change(
                    key=listing.inst.key,
                    kinds=Kind(kinds),
                    tickers=tuple(quotes.ticker(listing, tick) for tick in ticks),
                    extended=tuple(quotes.extended_ticker(listing, tick) for tick in extended),
                    since=since,
                )
            )
        return events

    def changed_klines(self, change: Change, kl_type: int, rehab_type: int) -> tuple[KLine, ...]:
        """The bars of a type that a change went into; ask before time goes on."""
        return candles.changed_klines(self._listing(change.key), kl_type, rehab_type, change.since)

    def changed_rt(self, change: Change) -> tuple[TimeShare, ...]:
        """The time-share points that a change brought; ask before time goes on."""
        return candles.changed_rt(self._listing(change.key), change.since)

    # -- look-up

    def __contains__(self, key: object) -> bool:
        return key in self._engine.listings

    def __iter__(self) -> Iterator[str]:
        return iter(self._engine.listings)

    def _listing(self, key: str) -> Listing:
        listing = self._engine.listings.get(key)
        if listing is None:
            raise UsageError(f"unknown security {key}")
        return listing

    def key_of(self, security: Security) -> str:
        """The key of a Security."""
        key = f"{_PREFIXES.get(security.market, int(security.market))}.{security.code}"
        return self._listing(key).inst.key

    def security(self, key: str) -> Security:
        """The Security of a key."""
        return self._listing(key).inst.security

    def keys(self) -> tuple[str, ...]:
        """All securities, in the data's order."""
        return tuple(self._engine.listings)

    def instrument(self, key: str) -> Instrument:
        """The constant facts of a security."""
        return self._listing(key).inst

    # -- live data

    def basic_qot(self, key: str) -> BasicQot:
        """The basic quote."""
        return quotes.basic_qot(self._listing(key))

    def klines(self, key: str, kl_type: int, rehab_type: int, num: int) -> tuple[KLine, ...]:
        """The last ``num`` bars, oldest first, with the one that is still growing."""
        return candles.klines(self._listing(key), kl_type, rehab_type, num)

    def history(
        self,
        key: str,
        kl_type: int,
        rehab_type: int,
        begin: str,
        end: str,
        limit: int | None = None,
        next_key: bytes | None = None,
    ) -> HistoryPage:
        """Bars between two exchange-local times, both included, ``limit`` at a time."""
        listing = self._listing(key)
        return candles.history(listing, kl_type, rehab_type, begin, end, limit, next_key)

    def rt(self, key: str) -> tuple[TimeShare, ...]:
        """The day's time-share points up to the last trade."""
        return candles.rt(self._listing(key))

    def tickers(self, key: str, num: int) -> tuple[Ticker, ...]:
        """The last trades of the regular session (at most 1000), oldest first."""
        listing = self._listing(key)
        if num < 1:
            raise UsageError(f"number of tickers must be positive, not {num}")
        return tuple(quotes.ticker(listing, tick) for tick in list(listing.ticks)[-num:])

    def extended_tickers(self, key: str, num: int) -> tuple[ExtendedTicker, ...]:
        """The last trades outside the regular session (at most 1000), oldest first."""
        listing = self._listing(key)
        ticks = list(listing.extended_ticks)[-min(num, TICKS_KEPT) :]
        return tuple(quotes.extended_ticker(listing, tick) for tick in ticks)

    def order_book(self, key: str, num: int, detail: bool = False) -> BookView:
        """The best ``num`` price levels of both sides, with ``detail`` order by order."""
        return quotes.order_book(self._listing(key), num, detail)

    def brokers(self, key: str) -> BrokerView:
        """The broker queue, empty where there is none."""
        return quotes.brokers(self._listing(key), self._engine.brokers)

    def snapshot(self, key: str) -> Snapshot:
        """What 3203 gives of a security: static facts, quote, best prices, 52-week range."""
        return snapshot(self._listing(key), self._ranges)

    def capital_flow(self, key: str) -> qot_get_capital_flow.S2C:
        """The day's net inflow by minute."""
        return quotes.capital_flow(self._listing(key))

    def capital_distribution(self, key: str) -> qot_get_capital_distribution.S2C:
        """The day's money in and out by size of trade."""
        return quotes.capital_distribution(self._listing(key))

    # -- reference data

    def static_info(self, key: str) -> SecurityStaticInfo:
        """The constant facts as Qot_GetStaticInfo tells them."""
        return reference.static_info(self._listing(key))

    def static_list(
        self, market_no: int | None, sec_type: int | None
    ) -> tuple[SecurityStaticInfo, ...]:
        """The static info of a market (QotMarket) and type (SecurityType); None or 0 is any."""
        wanted = _PREFIXES.get(market_no or 0)
        if market_no and wanted is None:
            return ()
        return tuple(
            reference.static_info(one)
            for one in self._engine.ordered
            if (wanted is None or one.inst.key.startswith(wanted + "."))
            and (not sec_type or one.inst.sec_type == sec_type)
        )

    def plates(self, market_no: int, plate_set_type: int) -> tuple[PlateInfo, ...]:
        """The plates of a market (QotMarket) in a set (PlateSetType)."""
        return reference.plates(self._engine.ordered, market_no, plate_set_type)

    def plate_members(
        self, plate_key: str, sort_field: int | None = None, ascend: bool = True
    ) -> tuple[SecurityStaticInfo, ...]:
        """The securities in a plate or index, by a SortField."""
        listing = self._listing(plate_key)
        if not listing.members:
            raise UsageError(f"{plate_key} is not a plate")
        ordered = reference.sorted_members(listing.members, sort_field, ascend)
        return tuple(reference.static_info(one) for one in ordered)

    def owner_plates(self, key: str) -> tuple[PlateInfo, ...]:
        """The plates that a security is in."""
        return tuple(
            PlateInfo(plate=one.inst.security, name=one.inst.name, plate_type=one.inst.plate_set)
            for one in self._listing(key).baskets
            if one.inst.plate_set is not None
        )

    def reference(self, key: str, reference_type: int) -> tuple[SecurityStaticInfo, ...]:
        """The warrants on a stock, or the contracts behind a main future (ReferenceType)."""
        return reference.reference(self._engine.ordered, self._listing(key), reference_type)

    def rehab(self, key: str) -> tuple[Rehab, ...]:
        """The corporate actions of a security with their factors, oldest first."""
        listing = self._listing(key)
        return rehab_rows(listing.inst.actions, listing.calendar)

    def option_chain(
        self,
        owner_key: str,
        begin: str,
        end: str,
        option_type: int | None = None,
        condition: int | None = None,
    ) -> tuple[OptionChain, ...]:
        """The options on a security that expire between two days."""
        owner = self._listing(owner_key)
        ordered = self._engine.ordered
        return reference.option_chain(ordered, owner, begin, end, option_type, condition)

    def option_expirations(self, owner_key: str) -> tuple[OptionExpirationDate, ...]:
        """The days on which options on a security expire."""
        owner = self._listing(owner_key)
        today = owner.calendar.ordinal(self._engine.now)
        return reference.option_expirations(self._engine.ordered, owner, today)

    def future_info(self, key: str) -> FutureInfo:
        """The contract of a future."""
        return reference.future_info(self._listing(key), self._engine.listings)

    def warrants(
        self,
        owner_key: str | None = None,
        begin: int = 0,
        num: int = 200,
        sort_field: int = 1,
        ascend: bool = True,
    ) -> tuple[tuple[WarrantData, ...], int, bool]:
        """(a page of warrants, number of all, whether the page is the last)."""
        owner = None if owner_key is None else self._listing(owner_key)
        ordered = self._engine.ordered
        return reference.warrant_page(ordered, owner, begin, num, sort_field, ascend)

    def trading_days(self, trade_date_market: int, begin: str, end: str) -> tuple[TradeDate, ...]:
        """The trading days of a TradeDateMarket between two days, both included."""
        calendars = {name: venue.calendar for name, venue in self._engine.venues.items()}
        return reference.trading_days(calendars, trade_date_market, begin, end)

    def trading_days_of(self, key: str, begin: str, end: str) -> tuple[TradeDate, ...]:
        """The trading days of one security."""
        return reference.days_between([self._listing(key).calendar], begin, end)

    # -- market states

    def market_state(self, key: str) -> QotMarketState:
        """The state of the market that a security trades in."""
        return self.state_of(self._listing(key).inst.market)

    def state_of(self, market: str) -> QotMarketState:
        """Its present trading phase, forced or by the calendar; ``market`` is one of ``MARKETS``.

        Raises UsageError for another market.
        """
        venue = self._engine.venues.get(market)
        if venue is None:
            raise UsageError(f"unknown market {market}")
        return venue.state

    def global_state(self) -> dict[str, QotMarketState]:
        """The states as GetGlobalState names them; futures not simulated are closed."""
        closed = QotMarketState.FUTURE_CLOSE
        return {
            "market_hk": self.state_of("HK"),
            "market_us": self.state_of("US"),
            "market_sh": self.state_of("SH"),
            "market_sz": self.state_of("SZ"),
            "market_hk_future": self.state_of("HK_FUTURE"),
            "market_us_future": closed,
            "market_sg_future": closed,
            "market_jp_future": closed,
        }

    def set_market_state(self, market: str, state: int | None) -> None:
        """Force a market into a state (QotMarketState), or give it back to the calendar (None).

        MORNING and AFTERNOON (FUTURE_DAY_OPEN) trade as the regular session, PRE_MARKET_BEGIN,
        AFTER_HOURS_BEGIN and OVERNIGHT as the extended ones, all others do not trade.
        """
        venue = self._engine.venues.get(market)
        if venue is None:
            raise UsageError(f"unknown market {market}")
        self._engine.force(venue, None if state is None else QotMarketState(state))

    # -- orders from outside

    def place(
        self, key: str, side: int, price: float, volume: int, owner: str, broker_id: int = 0
    ) -> Placed:
        """Put a limit order (side 1 buy, 2 sell) into the book, where it is matched at once.

        ``price`` must lie on the price grid, ``volume`` be whole lots, ``owner`` any non-empty
        name that comes back with the fills. Raises UsageError otherwise, and when the market of
        the security is not trading.
        """
        listing = self._listing(key)
        inst = listing.inst
        units = round(price * SCALE)
        if side not in (1, 2) or not owner:
            raise UsageError("an order needs side 1 (buy) or 2 (sell) and an owner")
        if volume < 1 or volume % inst.unit:
            raise UsageError(f"volume {volume} is not in whole lots of {inst.unit}")
        if abs(units - price * SCALE) > 1e-6 or not inst.grid.holds(units):
            raise UsageError(f"price {price} is not on the price grid of {key}")
        if not inst.has_book or listing.phase is Phase.CLOSED:
            raise UsageError(f"{key} is not trading now")
        step = inst.grid.number(units)
        book_side = BID if side == 1 else ASK
        order, fills = self._engine.place(listing, book_side, step, volume, broker_id, owner)
        return Placed(order.order_id, tuple(fills), order.left)

    def cancel(self, key: str, order_id: int) -> int:
        """Take an outside order out of the book; returns the volume it still had, 0 if gone."""
        return self._engine.cancel(self._listing(key), order_id)

    def take_fills(self) -> list[Fill]:
        """The trades of orders from outside since the last call."""
        fills, self._engine.fills = self._engine.fills, []
        return fills

    def take_expired(self) -> list[tuple[str, int]]:
        """(key, order id) of orders from outside that ended with their day since the last call."""
        expired, self._engine.expired_orders = self._engine.expired_orders, []
        return expired
