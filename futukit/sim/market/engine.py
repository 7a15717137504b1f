"""The clock of the market: a queue of arrivals and session changes, worked off in time order.

Nothing here reads a clock or waits. The order of events is (time, market before security, index),
so that ten steps of a second give exactly what one step of ten seconds gives.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.messages.qot_common import QotMarketState
from futukit.sim.market.calendar import DAY_US, SECOND_US, Calendar, Phase, calendars, phase_of
from futukit.sim.market.draws import seed_of
from futukit.sim.market.flow import Flow
from futukit.sim.market.grid import SCALE
from futukit.sim.market.history import BarCache, Frame, Past, past_of
from futukit.sim.market.instruments import MARKETS, Instrument, brokers, instruments
from futukit.sim.market.listing import Kind, Listing, Tick

if TYPE_CHECKING:
    from futukit.sim.market.book import Match, Order

__all__ = ["Engine", "Fill", "Report", "Venue"]

_WARM_UP_US: Final = 20 * SECOND_US
_IDLE_LIMIT_US: Final = 15 * DAY_US
_BOOK: Final = int(Kind.BOOK)
_BROKER_BOOK: Final = int(Kind.BOOK | Kind.BROKER)
_QUOTE: Final = int(Kind.QUOTE)
_LEVEL_MOVE: Final = int(Kind.QUOTE | Kind.KLINE | Kind.RT)
_ENDS_THE_DAY: Final = frozenset(
    (
        QotMarketState.CLOSED,
        QotMarketState.AFTER_HOURS_END,
        QotMarketState.FUTURE_DAY_CLOSE,
        QotMarketState.OVERNIGHT,
    )
)


@dataclass(slots=True)
class Venue:
    """A market with its state. ``forced`` overrides the calendar's state."""

    name: str
    number: int
    calendar: Calendar
    state: QotMarketState
    listings: list[Listing]
    forced: QotMarketState | None = None
    scheduled: QotMarketState = QotMarketState.CLOSED


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade of an order from outside. ``price`` in currency units, ``time`` in epoch seconds."""

    order_id: int
    owner: str
    key: str
    side: int
    price: float
    volume: int
    time: float
    sequence: int


class Report(NamedTuple):
    """What changed of one security: kinds, the (day, minute) bars changed from, new trades."""

    listing: Listing
    kinds: int
    since: tuple[int, int]
    ticks: list[Tick]
    extended: list[Tick]


class Engine:
    """All books and the queue that drives them. ``now`` is in µs."""

    def __init__(self, seed: int, start: int, intensity: float) -> None:
        self.seed = seed
        self.intensity = intensity
        self.now = start
        self.trades = 0
        self.brokers = brokers()
        self.venues: dict[str, Venue] = {}
        self.listings: dict[str, Listing] = {}
        self.ordered: list[Listing] = []
        self.touched: list[Listing] = []
        self.state_changes: list[tuple[int, str, QotMarketState]] = []
        self.fills: list[Fill] = []
        self.expired_orders: list[tuple[str, int]] = []
        self._queue: list[tuple[int, int, int]] = []
        self._build(start)
        self.run(start)
        self.settle()

    # -- construction

    def _build(self, start: int) -> None:
        tables = calendars()
        begins = {name: tables[name].last_open(start, _WARM_UP_US) for name in MARKETS}
        cache = BarCache()
        frames: dict[str, Frame] = {}
        for number, name in enumerate(MARKETS):
            calendar = tables[name]
            begin = begins[name]
            today = calendar.regular_day(begin)
            same = calendar.ordinal(begin) == today
            cutoff = (begin - calendar.midnight(today)) // (60 * SECOND_US) if same else 24 * 60
            frames[name] = Frame(calendar, today, cutoff, self.seed, cache)
            venue = Venue(name, number, calendar, calendar.state_at(begin), [])
            venue.scheduled = venue.state
            self.venues[name] = venue
        facts = instruments(max(frame.today for frame in frames.values()))
        self._list_all(facts, frames)
        self.now = min(begins.values())
        for name, venue in self.venues.items():
            at = begins[name]
            self._push(venue.calendar.next_change(at)[0], -1 - venue.number, 0)
            for listing in venue.listings:
                self._set_phase(listing, phase_of(venue.state), at)

    def _list_all(self, facts: dict[str, Instrument], frames: dict[str, Frame]) -> None:
        pasts: dict[str, Past] = {}
        # Members before the baskets made of them, owners before what is derived from them.
        for inst in sorted(facts.values(), key=lambda i: (bool(i.derivative), bool(i.members))):
            pasts[inst.key] = past_of(inst, frames[inst.market], pasts)
        seats = tuple(self.brokers)
        for inst in facts.values():
            venue = self.venues[inst.market]
            listing = Listing(inst, venue.calendar, pasts[inst.key])
            if inst.has_book:
                seed = seed_of(self.seed, inst.key, "flow")
                usable = seats if inst.has_brokers else ()
                listing.flow = Flow(inst, listing.book, seed, self.intensity, usable)
            self.listings[inst.key] = listing
            self.ordered.append(listing)
            venue.listings.append(listing)
        for listing in self.ordered:
            inst = listing.inst
            listing.members = [self.listings[key] for key in inst.members]
            for member in listing.members:
                member.baskets.append(listing)
            if inst.derivative is not None:
                listing.owner = self.listings[inst.derivative.owner]
                if inst.derivative.kind in ("option", "warrant"):
                    listing.owner.dependants.append(listing)
        for listing in self.ordered:
            if listing.flow is not None:
                self._open_book(listing, listing.flow)

    # -- the queue

    def _push(self, at: int, number: int, generation: int) -> None:
        heapq.heappush(self._queue, (at, number, generation))

    def run(self, until: int) -> None:
        """Work off everything up to and including ``until`` and stand there."""
        queue = self._queue
        while queue[0][0] <= until:
            self._next()
        self.now = until

    def run_trades(self, count: int) -> None:
        """Run until ``count`` more trades have happened; gives up after two idle weeks."""
        target = self.trades + count
        limit = self.now + _IDLE_LIMIT_US
        done = self.trades
        while self.trades < target and self._queue[0][0] <= limit:
            self._next()
            if self.trades != done:
                done = self.trades
                limit = self.now + _IDLE_LIMIT_US

    def _next(self) -> None:
        at, number, generation = self._queue[0]
        self.now = at
        if number < 0:
            heapq.heappop(self._queue)
            self._change_session(self.venues[MARKETS[-1 - number]])
            return
        listing = self.ordered[number]
        if generation != listing.generation:
            heapq.heappop(self._queue)
            return
        flow = listing.flow
        if flow is None:
            raise RuntimeError(f"{listing.inst.key} has no order flow but an arrival")
        self._arrive(listing, flow, at)
        again = at + flow.gap_us(listing.phase)
        heapq.heapreplace(self._queue, (again, number, generation))

    def touch(self, listing: Listing, kinds: int) -> None:
        """Note that something of a security changed."""
        if not listing.changed:
            self.touched.append(listing)
        listing.changed |= kinds

    def _book_moved(self, listing: Listing) -> None:
        listing.book_at = self.now
        self.touch(listing, _BROKER_BOOK if listing.inst.has_brokers else _BOOK)

    def settle(self) -> list[Report]:
        """What changed since the last call, in the data's order."""
        touched = sorted(self.touched, key=lambda one: one.inst.index)
        self.touched = []
        reports = []
        for one in touched:
            since = one.since or (one.day, 24 * 60)
            reports.append(Report(one, one.changed, since, one.fresh, one.fresh_extended))
            one.changed = 0
            one.since = None
            one.fresh = []
            one.fresh_extended = []
        return reports

    # -- sessions

    def _change_session(self, venue: Venue) -> None:
        calendar = venue.calendar
        self._push(calendar.next_change(self.now)[0], -1 - venue.number, 0)
        venue.scheduled = calendar.state_at(self.now)
        if venue.forced is None:
            self.set_state(venue, venue.scheduled)

    def force(self, venue: Venue, state: QotMarketState | None) -> None:
        """Override a market's state, or give it back to the calendar."""
        venue.forced = state
        self.set_state(venue, venue.scheduled if state is None else state)

    def set_state(self, venue: Venue, state: QotMarketState) -> None:
        """Put a market into a state, at the present instant."""
        if state == venue.state:
            return
        venue.state = state
        self.state_changes.append((self.now, venue.name, state))
        for listing in venue.listings:
            if state in _ENDS_THE_DAY:
                self._end_orders(listing)
            self._set_phase(listing, phase_of(state), self.now)

    def _end_orders(self, listing: Listing) -> None:
        listing.spoiled = True
        key = listing.inst.key
        for order in [one for one in listing.book.orders.values() if one.owner]:
            listing.book.cancel(order)
            self.expired_orders.append((key, order.order_id))
            self._book_moved(listing)

    def _set_phase(self, listing: Listing, phase: Phase, at: int) -> None:
        day = listing.calendar.ordinal(at)
        outside = phase is not Phase.REGULAR and not listing.inst.extended
        if outside or listing.expired(day):
            phase = Phase.CLOSED
        if phase is Phase.REGULAR and day != listing.day:
            self._roll(listing, day)
        if phase is listing.phase:
            return
        listing.phase = phase
        listing.generation += 1
        listing.extended.pop(phase, None)
        if phase is Phase.CLOSED or listing.flow is None:
            return
        if listing.spoiled:
            self._open_book(listing, listing.flow)
        gap = listing.flow.gap_us(phase)
        self._push(at + gap, listing.inst.index, listing.generation)

    def _roll(self, listing: Listing, day: int) -> None:
        listing.roll(day)
        if listing.flow is not None:
            reference = listing.inst.grid.nearest(listing.last_close)
            listing.flow.anchor(listing.flow.value, float(reference))
        self.touch(listing, _QUOTE)

    def _open_book(self, listing: Listing, flow: Flow) -> None:
        listing.book.clear()
        listing.spoiled = False
        reference = listing.inst.grid.nearest(listing.last_close)
        flow.anchor(float(listing.worth()), float(reference))
        flow.sow()
        self._book_moved(listing)

    # -- arrivals and trades

    def _arrive(self, listing: Listing, flow: Flow, at: int) -> None:
        if flow.follows:
            listing.follow(flow)
        side, matches = flow.arrive()
        self._book_moved(listing)
        if matches:
            self.execute(listing, at, side, matches)

    def execute(self, listing: Listing, at: int, side: int, matches: list[Match]) -> list[int]:
        """Record the trades of one incoming order; returns their ticker sequences."""
        grid = listing.inst.grid
        sequences: list[int] = []
        for step, volume, resting in matches:
            price = grid.price(step)
            tick = listing.trade(at, side, price, volume)
            sequences.append(tick.sequence)
            if resting.owner:
                self.fills.append(self._fill(listing, resting, tick.sequence, price, volume))
            if tick.phase is Phase.REGULAR:
                for basket in listing.baskets:
                    self.touch(basket, _LEVEL_MOVE)
                    basket.reweigh(at, volume, tick.turnover)
                for dependant in listing.dependants:
                    self.touch(dependant, _QUOTE)
        self.trades += len(matches)
        return sequences

    def _fill(self, listing: Listing, order: Order, sequence: int, price: int, volume: int) -> Fill:
        return Fill(
            order_id=order.order_id,
            owner=order.owner,
            key=listing.inst.key,
            side=order.side + 1,
            price=price / SCALE,
            volume=volume,
            time=self.now / SECOND_US,
            sequence=sequence,
        )

    # -- orders from outside

    def place(
        self, listing: Listing, side: int, step: int, volume: int, broker: int, owner: str
    ) -> tuple[Order, list[Fill]]:
        """Let an owned order into the book, at the present instant."""
        order, matches = listing.book.submit(side, step, volume, broker, owner)
        self._book_moved(listing)
        sequences = self.execute(listing, self.now, side, matches)
        own = []
        for (at_step, traded, _), sequence in zip(matches, sequences, strict=True):
            price = listing.inst.grid.price(at_step)
            own.append(self._fill(listing, order, sequence, price, traded))
        self.fills += own
        return order, own

    def cancel(self, listing: Listing, order_id: int) -> int:
        """Take an owned order out; returns the volume it still had, 0 when it is not there."""
        order = listing.book.orders.get(order_id)
        if order is None or not order.owner:
            return 0
        listing.book.cancel(order)
        self._book_moved(listing)
        return order.left
