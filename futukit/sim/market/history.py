"""The past of every security, drawn lazily and always the same: days first, then their minutes.

Each day's bar is drawn on its own (a random walk backwards from the last close for a stock, the
owner's bar through the pricing rule for a derivative, the members' bars for an index). A day is
cut into half-hour blocks, and a block into minutes, so that every coarser bar is exactly the sum
of its finer ones, whichever is asked for first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futukit.errors import UsageError
from futukit.sim.market.bars import Bar, join, split
from futukit.sim.market.draws import generator, seed_of
from futukit.sim.market.grid import SCALE
from futukit.sim.market.pricing import fair
from futukit.sim.market.rehab import adjustment, unadjusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from futukit.sim.market.calendar import Calendar
    from futukit.sim.market.instruments import Derivative, Instrument

__all__ = [
    "BLOCK_MINUTES",
    "BarCache",
    "BasketPast",
    "DerivedPast",
    "Frame",
    "Past",
    "WalkPast",
    "past_of",
]

BLOCK_MINUTES: Final = 30
YEARS_KEPT: Final = 10
_CACHED_DAYS: Final = 96
_TRADED_SHARE: Final = 0.3
"""Part of the order flow that trades, by experience with the flow's own mix."""

_FORWARD: Final = 1


class BarCache:
    """The cut days of all securities that were asked for last."""

    def __init__(self, size: int = _CACHED_DAYS) -> None:
        self._size = size
        self._rows: OrderedDict[tuple[str, int, bool], list[Bar]] = OrderedDict()

    def get(self, where: tuple[str, int, bool]) -> list[Bar] | None:
        """The bars of (key, day, whether minutes), if they are still here."""
        bars = self._rows.get(where)
        if bars is not None:
            self._rows.move_to_end(where)
        return bars

    def put(self, where: tuple[str, int, bool], bars: list[Bar]) -> None:
        """Keep bars, at the cost of those not used for longest."""
        self._rows[where] = bars
        if len(self._rows) > self._size:
            self._rows.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the pasts of one market share: ``today``, cut off at minute ``cutoff``, and the seed."""

    calendar: Calendar
    today: int
    cutoff: int
    seed: int
    cache: BarCache


class Past:
    """The days of one security up to its frame's ``today``.

    ``opening`` is today's bar up to the cutoff (None: nothing traded yet) and ``morning`` its
    minutes; from there on the live book takes over.
    """

    def __init__(self, inst: Instrument, frame: Frame) -> None:
        self.inst = inst
        self.frame = frame
        self.calendar = calendar = frame.calendar
        self.today = today = frame.today
        self.seed = seed_of(frame.seed, inst.key)
        self.first = max(inst.listed, today - YEARS_KEPT * 365)
        seconds = len(calendar.minutes(today)) * 60
        self.daily_lots = max(60, int(inst.rate * inst.size * _TRADED_SHARE * seconds))
        self._days: dict[int, Bar | None] = {}
        self.morning: list[Bar] = []
        self.opening: Bar | None = None

    @property
    def last_close(self) -> int:
        """The close before ``today``."""
        before = self.calendar.previous(self.today)
        bar = self.day(before)
        return bar.close if bar else self.inst.base

    def day(self, ordinal: int) -> Bar | None:
        """The bar of a day (``at`` = its number), today's up to the cutoff; None without trades."""
        if ordinal == self.today:
            return self.opening
        if not self.first <= ordinal < self.today:
            return None
        if ordinal not in self._days:
            self._draw(ordinal)
        return self._days.get(ordinal)

    def days(self, first: int, last: int) -> list[Bar]:
        """The bars of the days before today from ``first`` to ``last``, oldest first."""
        low, high = max(first, self.first), min(last, self.today - 1)
        found = (self.day(ordinal) for ordinal in self.calendar.days(low, high))
        return [bar for bar in found if bar]

    def blocks(self, ordinal: int) -> list[Bar]:
        """A past day's half-hour bars (``at`` = the minute in which they begin)."""
        return self._cached(ordinal, minutes=False)

    def minutes(self, ordinal: int) -> list[Bar]:
        """A past day's minute bars; minutes without trades are left out."""
        return self._cached(ordinal, minutes=True)

    def _cached(self, ordinal: int, minutes: bool) -> list[Bar]:
        where = (self.inst.key, ordinal, minutes)
        bars = self.frame.cache.get(where)
        if bars is None:
            bars = self._cut_minutes(ordinal) if minutes else self._cut_blocks(ordinal)
            self.frame.cache.put(where, bars)
        return bars

    def _cut_blocks(self, ordinal: int) -> list[Bar]:
        bar = self.day(ordinal)
        if bar is None:
            return []
        return self._split(bar, self.calendar.minutes(ordinal)[::BLOCK_MINUTES], ordinal, 0)

    def _cut_minutes(self, ordinal: int) -> list[Bar]:
        places = self.calendar.minutes(ordinal)
        starts = {place: number for number, place in enumerate(places)}
        bars: list[Bar] = []
        for block in self.blocks(ordinal):
            first = starts[block.at]
            bars += self._split(block, places[first : first + BLOCK_MINUTES], ordinal, first + 1)
        return bars

    def _split(self, bar: Bar, places: tuple[int, ...], ordinal: int, part: int) -> list[Bar]:
        inst = self.inst
        rng = generator(self.seed ^ (ordinal << 12 | part))
        grid = None if inst.members else inst.grid
        return split(bar, places, inst.unit, inst.multiplier, grid, rng)

    def _set_morning(self, bar: Bar | None) -> None:
        """Take today's bar up to the cutoff and cut it into the minutes gone by."""
        places = tuple(m for m in self.calendar.minutes(self.today) if m < self.frame.cutoff)
        if bar is None or not places:
            return
        self.morning = self._split(bar, places, self.today, 0)
        self.opening = join(self.today, self.morning)

    def _draw(self, ordinal: int) -> None:
        raise NotImplementedError

    def worth(self, owner_price: int, day: int) -> int:  # noqa: ARG002
        """The price on the grid that belongs to a price of the owner; for derivatives."""
        raise UsageError(f"{self.inst.key} has no owner")

    def level(self, prices: Iterable[float]) -> int:  # noqa: ARG002
        """The level that belongs to prices of the members; for indexes and plates."""
        raise UsageError(f"{self.inst.key} has no members")

    def _volume_and_turnover(
        self, rng: Random, high: int, low: int, part: float
    ) -> tuple[int, int]:
        lots = max(1, int(self.daily_lots * part * (0.5 + rng.random())))
        volume = lots * self.inst.unit
        steps = (high - low) * (300 + int(400 * rng.random())) // 1000
        return volume, (low + steps) * volume * self.inst.multiplier


class WalkPast(Past):
    """A stock or fund: a random walk backwards from its close before today."""

    def __init__(self, inst: Instrument, frame: Frame) -> None:
        super().__init__(inst, frame)
        calendar, today, cutoff = frame.calendar, frame.today, frame.cutoff
        self._rng = generator(self.seed)
        self._next = calendar.previous(today)
        self._close = inst.base
        self._target = float(inst.base)
        whole = self._today_bar()
        places = calendar.minutes(today)
        minutes: list[Bar] = []
        blocks = self._split(whole, places[::BLOCK_MINUTES], today, 0)
        starts = {place: number for number, place in enumerate(places)}
        for block in blocks:
            if block.at < cutoff:
                first = starts[block.at]
                minutes += self._split(
                    block, places[first : first + BLOCK_MINUTES], today, first + 1
                )
        self.morning = [bar for bar in minutes if bar.at < cutoff]
        self.opening = join(today, self.morning) if self.morning else None

    @property
    def last_close(self) -> int:
        """The close before ``today``: the base price of the data."""
        return self.inst.base

    def _today_bar(self) -> Bar:
        rng = generator(self.seed ^ self.today)
        change = self._change(rng)
        close = self.inst.grid.rounded(self.inst.base * (1.0 + change))
        return self._bar(rng, self.today, float(self.inst.base), close)

    def _change(self, rng: Random) -> float:
        return self.inst.volatility * 2.45 * (rng.random() + rng.random() - 1.0)

    def _draw(self, ordinal: int) -> None:
        inst, grid, rng = self.inst, self.inst.grid, self._rng
        while self._next >= max(ordinal, self.first):
            day, close = self._next, self._close
            # The pull to the target keeps ten years of a walk in a plausible range.
            change = self._change(rng) + 0.01 * (close / self._target - 1.0)
            change = min(0.08, max(-0.08, change))
            reference = close / (1.0 + change)
            self._days[day] = self._bar(rng, day, reference, close)
            self._close = grid.rounded(unadjusted(inst.actions, day, reference))
            self._target = unadjusted(inst.actions, day, self._target) / 1.0003
            self._next = self.calendar.previous(day)

    def _bar(self, rng: Random, day: int, reference: float, close: int) -> Bar:
        grid, draw = self.inst.grid, rng.random
        gap = self.inst.volatility * (draw() - 0.5)
        opening = grid.nearest(reference * (1.0 + gap))
        last = grid.number(close)
        reach = self.inst.volatility * close / grid.step_at(close)
        high = max(opening, last) + int(draw() * reach)
        low = max(1, min(opening, last) - int(draw() * reach))
        top, bottom = grid.price(high), grid.price(low)
        volume, turnover = self._volume_and_turnover(rng, top, bottom, 1.0)
        return Bar(day, grid.price(opening), top, bottom, close, volume, turnover)


class DerivedPast(Past):
    """A derivative: every day's bar is the owner's through the pricing rule."""

    def __init__(self, inst: Instrument, frame: Frame, terms: Derivative, owner: Past) -> None:
        super().__init__(inst, frame)
        today = frame.today
        self.terms = terms
        self.owner = owner
        self.scale = inst.base / owner.inst.base if inst.base else 1.0
        if owner.today == today:
            source = owner.opening
        elif owner.today < today:
            last = owner.opening.close if owner.opening else owner.last_close
            source = Bar(today, last, last, last, last, 0, 0)
        else:
            source = owner.day(today)
        minutes = frame.calendar.minutes(today)
        gone = sum(1 for minute in minutes if minute < frame.cutoff)
        part = gone / len(minutes)
        self._set_morning(self._derive(source, today, part) if source and gone else None)

    def worth(self, owner_price: int, day: int) -> int:
        """The price on the grid that belongs to a price of the owner."""
        value = fair(self.terms, owner_price / SCALE, day, self.scale)
        return self.inst.grid.rounded(value * SCALE)

    @property
    def last_close(self) -> int:
        """The close before today; worth of the owner's last close when there was no day."""
        bar = self.day(self.calendar.previous(self.today))
        return bar.close if bar else self.worth(self.owner.last_close, self.today)

    def _draw(self, ordinal: int) -> None:
        source = self.owner.day(ordinal) if self.calendar.trades(ordinal) else None
        self._days[ordinal] = self._derive(source, ordinal, 1.0) if source else None

    def _derive(self, source: Bar, day: int, part: float) -> Bar:
        opening = self.worth(source.open, day)
        ends = (self.worth(source.high, day), self.worth(source.low, day))
        close = self.worth(source.close, day)
        high, low = max(opening, close, *ends), min(opening, close, *ends)
        volume, turnover = self._volume_and_turnover(generator(self.seed ^ day), high, low, part)
        return Bar(day, opening, high, low, close, volume, turnover)


class BasketPast(Past):
    """An index or plate: the members' bars, weighted, on prices adjusted for corporate actions."""

    def __init__(self, inst: Instrument, frame: Frame, members: list[Past]) -> None:
        super().__init__(inst, frame)
        today = frame.today
        self.members = members
        self.first = max(self.first, *(member.first for member in members))
        self.factors = [
            inst.base * inst.members[member.inst.key] / member.inst.base for member in members
        ]
        bars = []
        for member in members:
            last = member.last_close
            bars.append(member.opening or Bar(today, last, last, last, last, 0, 0))
        self._set_morning(self._weigh(bars, today) if any(bar.volume for bar in bars) else None)

    def level(self, prices: Iterable[float]) -> int:
        """The level that belongs to prices of the members (in the data's order)."""
        total = 0.0
        for factor, price in zip(self.factors, prices, strict=True):
            total += factor * price
        return round(total / 10.0) * 10

    @property
    def last_close(self) -> int:
        """The close before today."""
        return self.inst.base

    def _draw(self, ordinal: int) -> None:
        bars = [member.day(ordinal) for member in self.members]
        whole = [bar for bar in bars if bar]
        complete = len(whole) == len(bars) and self.calendar.trades(ordinal)
        self._days[ordinal] = self._weigh(whole, ordinal) if complete else None

    def _weigh(self, bars: list[Bar], day: int) -> Bar:
        factors = [adjustment(m.inst.actions, _FORWARD, day) for m in self.members]
        rows = [
            [price * a + b * SCALE for price in bar[1:5]]
            for bar, (a, b) in zip(bars, factors, strict=True)
        ]
        opening, high, low, close = (self.level(column) for column in zip(*rows, strict=True))
        # Members do not reach their extremes at the same time.
        top, bottom = max(opening, close), min(opening, close)
        high = max(top, (high + top) // 20 * 10)
        low = min(bottom, (low + bottom) // 20 * 10)
        volume = sum(bar.volume for bar in bars)
        turnover = sum(bar.turnover for bar in bars)
        return Bar(day, opening, high, low, close, volume, turnover)


def past_of(inst: Instrument, frame: Frame, others: Mapping[str, Past]) -> Past:
    """The right kind of past; ``others`` holds those of its members and its owner."""
    if inst.members:
        return BasketPast(inst, frame, [others[key] for key in inst.members])
    if inst.derivative is not None:
        return DerivedPast(inst, frame, inst.derivative, others[inst.derivative.owner])
    return WalkPast(inst, frame)
