"""One security as it trades: its book, and what its trades have made of the day so far.

A trade is recorded once, here; tickers, quote, minute bars, time-share and capital flow are all
kept from that one call, so they cannot disagree.
"""

from __future__ import annotations

from collections import deque
from enum import IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.errors import UsageError
from futukit.sim.market.bars import Bar
from futukit.sim.market.book import BID, Book
from futukit.sim.market.calendar import MINUTE_US, Phase

if TYPE_CHECKING:
    from futukit.sim.market.calendar import Calendar
    from futukit.sim.market.flow import Flow
    from futukit.sim.market.history import Past
    from futukit.sim.market.instruments import Derivative, Instrument

__all__ = ["Extended", "Kind", "Listing", "Tick"]

TICKS_KEPT: Final = 1000
DAYS_KEPT: Final = 60
"""Past simulated days whose minutes are kept; older ones keep their day bar."""

_LARGE: Final = (1_000_000_000, 200_000_000, 40_000_000)
"""From which turnover (price units) a trade counts as super, big and medium in capital flow."""


class Kind(IntFlag):
    """What of a security changed."""

    TICKER = 1
    BOOK = 2
    QUOTE = 4
    KLINE = 8
    RT = 16
    BROKER = 32
    EXTENDED = 64


_REGULAR_TRADE: Final = int(Kind.TICKER | Kind.QUOTE | Kind.KLINE | Kind.RT)
_EXTENDED_TRADE: Final = int(Kind.EXTENDED | Kind.QUOTE)


class Tick(NamedTuple):
    """One trade: ``at`` in µs, ``side`` of the aggressor, price and turnover in price units."""

    at: int
    sequence: int
    side: int
    price: int
    volume: int
    turnover: int
    phase: Phase


class Extended:
    """The running figures of one extended session, in price units."""

    __slots__ = ("high", "last", "low", "turnover", "volume")

    def __init__(self, price: int) -> None:
        self.high = self.low = self.last = price
        self.volume = self.turnover = 0


class Listing:
    """The state of one security. Prices are in price units, times in µs.

    ``last`` is the last regular price, ``latest`` that of any session; ``changed`` and ``since``
    (day and minute from which bars changed) gather what happened since the last report.
    """

    __slots__ = (
        "_followed",
        "baskets",
        "book",
        "book_at",
        "calendar",
        "changed",
        "day",
        "days",
        "dependants",
        "extended",
        "extended_ticks",
        "flow",
        "fresh",
        "fresh_extended",
        "generation",
        "high",
        "inflow",
        "inst",
        "last",
        "last_at",
        "last_close",
        "latest",
        "low",
        "members",
        "midnight",
        "minutes",
        "money",
        "open",
        "owner",
        "past",
        "phase",
        "recorded",
        "sequence",
        "since",
        "spoiled",
        "ticks",
        "turnover",
        "volume",
    )

    def __init__(self, inst: Instrument, calendar: Calendar, past: Past) -> None:
        self.inst = inst
        self.calendar = calendar
        self.past = past
        self.book = Book(first_id=(inst.index + 1) * 10**10)
        self.flow: Flow | None = None
        self.owner: Listing | None = None
        self.members: list[Listing] = []
        self.baskets: list[Listing] = []
        self.dependants: list[Listing] = []
        self.phase = Phase.CLOSED
        self.generation = 0
        self.book_at = 0
        self.spoiled = True
        self.ticks: deque[Tick] = deque(maxlen=TICKS_KEPT)
        self.extended_ticks: deque[Tick] = deque(maxlen=TICKS_KEPT)
        self.extended: dict[Phase, Extended] = {}
        self.sequence = 0
        self.days: list[Bar] = []
        self.recorded: dict[int, list[Bar]] = {}
        self.changed = 0
        self.since: tuple[int, int] | None = None
        self.fresh: list[Tick] = []
        self.fresh_extended: list[Tick] = []
        self._followed = (0, 0)
        self._start_day(past.today, past.last_close)
        self._take_morning(past)
        self.latest = self.last

    def _start_day(self, day: int, last_close: int) -> None:
        self.day = day
        self.midnight = self.calendar.midnight(day)
        self.last_close = self.last = last_close
        self.last_at = self.calendar.at(day, self.calendar.minutes(day)[0])
        self.open = self.high = self.low = 0
        self.volume = self.turnover = 0
        self.minutes: list[list[int]] = []
        self.money = [0] * 8
        self.inflow: list[list[int]] = []

    def _take_morning(self, past: Past) -> None:
        bar = past.opening
        if bar is None:
            return
        self.minutes = [list(minute) for minute in past.morning]
        _, self.open, self.high, self.low, self.last, self.volume, self.turnover = bar
        self.last_at = self.midnight + (past.morning[-1].at + 1) * MINUTE_US - 1

    # -- the day

    def roll(self, day: int) -> None:
        """Close the books of the day before and begin another."""
        bar = self.live_day()
        if bar is not None:
            self.days.append(bar)
            self.recorded[self.day] = [Bar(*row) for row in self.minutes]
            if len(self.recorded) > DAYS_KEPT:
                del self.recorded[next(iter(self.recorded))]
        self._start_day(day, self.last)

    def live_day(self) -> Bar | None:
        """The day's bar so far (``at`` = its number); None before the first trade."""
        if not self.minutes:
            return None
        return Bar(self.day, self.open, self.high, self.low, self.last, self.volume, self.turnover)

    def expired(self, day: int) -> bool:
        """Whether it no longer trades on a day."""
        derivative = self.inst.derivative
        return derivative is not None and 0 < derivative.expires < day

    def worth(self) -> int:
        """The step number that a derivative's owner, or its own latest price, stands for."""
        grid = self.inst.grid
        if self.owner is None:
            return grid.nearest(self.latest)
        return grid.nearest(self.past.worth(self.owner.last, self.day))

    @property
    def terms(self) -> Derivative:
        """What ties it to its owner. Raises UsageError when it stands for itself."""
        if self.inst.derivative is None:
            raise UsageError(f"{self.inst.key} is not a derivative")
        return self.inst.derivative

    @property
    def underlying(self) -> Listing:
        """The owner of a derivative. Raises UsageError when it stands for itself."""
        if self.owner is None:
            raise UsageError(f"{self.inst.key} is not a derivative")
        return self.owner

    # -- what the book does

    def follow(self, flow: Flow) -> None:
        """Send the flow's hidden value of a derivative to where its owner's last price is."""
        now = (self.underlying.last, self.day)
        if now != self._followed:
            self._followed = now
            flow.target = float(self.worth())

    def trade(self, at: int, side: int, price: int, volume: int) -> Tick:
        """Record a trade of the present session."""
        self.sequence = sequence = at if at > self.sequence else self.sequence + 1
        turnover = price * volume * self.inst.multiplier
        tick = Tick(at, sequence, side, price, volume, turnover, self.phase)
        self.latest = price
        if self.phase is not Phase.REGULAR:
            self._trade_extended(tick)
            return tick
        self.ticks.append(tick)
        self.fresh.append(tick)
        self.changed |= _REGULAR_TRADE
        self._count(at, price, volume, turnover)
        self._weigh_money(side, turnover)
        return tick

    def _count(self, at: int, price: int, volume: int, turnover: int) -> None:
        minutes = self.minutes
        minute = (at - self.midnight) // MINUTE_US
        last_minute = minutes[-1][0] if minutes else -1
        if self.since is None:
            self.since = (self.day, minute if last_minute == minute else last_minute + 1)
        if minutes:
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
        else:
            self.open = self.high = self.low = price
        self.last = price
        self.last_at = at
        self.volume += volume
        self.turnover += turnover
        if last_minute == minute:
            row = minutes[-1]
            if price > row[2]:
                row[2] = price
            elif price < row[3]:
                row[3] = price
            row[4] = price
            row[5] += volume
            row[6] += turnover
        else:
            minutes.append([minute, price, price, price, price, volume, turnover])

    def _weigh_money(self, side: int, turnover: int) -> None:
        size = 3
        for number, least in enumerate(_LARGE):
            if turnover >= least:
                size = number
                break
        self.money[size if side == BID else size + 4] += turnover
        minute = self.minutes[-1][0]
        if not self.inflow or self.inflow[-1][0] != minute:
            self.inflow.append([minute, 0, 0, 0, 0])
        self.inflow[-1][size + 1] += turnover if side == BID else -turnover

    def _trade_extended(self, tick: Tick) -> None:
        figures = self.extended.get(self.phase)
        if figures is None:
            figures = self.extended[self.phase] = Extended(tick.price)
        price = figures.last = tick.price
        figures.high = max(figures.high, price)
        figures.low = min(figures.low, price)
        figures.volume += tick.volume
        figures.turnover += tick.turnover
        self.extended_ticks.append(tick)
        self.fresh_extended.append(tick)
        self.changed |= _EXTENDED_TRADE

    def reweigh(self, at: int, volume: int, turnover: int) -> None:
        """A member of this index has traded: recompute the level from all members' last prices."""
        level = self.past.level([member.last for member in self.members])
        self._count(at, level, volume, turnover)
