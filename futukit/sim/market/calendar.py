"""Exchange calendars: which day trades, what state a market is in, when the state changes next.

Everything is exchange-local by the rules in ``calendar.toml`` and leaves this module as integer
microseconds since the epoch (UTC), the one time unit of the engine.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from enum import IntEnum
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from futukit.errors import UsageError
from futukit.messages.qot_common import QotMarketState

__all__ = [
    "DAY_US",
    "MINUTE_US",
    "SECOND_US",
    "Calendar",
    "Phase",
    "calendars",
    "date_text",
    "parse_when",
    "phase_of",
]

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
DAY_MINUTES: Final = 24 * 60

_MINUTES_AND_SECONDS: Final = tuple(f"{s // 60:02d}:{s % 60:02d}" for s in range(3600))
_STAMP_CACHE_HOURS: Final = 4096


class Phase(IntEnum):
    """What a market state means for trading."""

    CLOSED = 0
    REGULAR = 1
    PRE = 2
    AFTER = 3
    OVERNIGHT = 4


_PHASES: Final[dict[int, Phase]] = {
    QotMarketState.MORNING: Phase.REGULAR,
    QotMarketState.AFTERNOON: Phase.REGULAR,
    QotMarketState.FUTURE_DAY_OPEN: Phase.REGULAR,
    QotMarketState.PRE_MARKET_BEGIN: Phase.PRE,
    QotMarketState.AFTER_HOURS_BEGIN: Phase.AFTER,
    QotMarketState.OVERNIGHT: Phase.OVERNIGHT,
}


def phase_of(state: int) -> Phase:
    """The trading phase of a QotMarketState; states without trading are CLOSED."""
    return _PHASES.get(state, Phase.CLOSED)


def date_text(ordinal: int) -> str:
    """A proleptic Gregorian day number as ``YYYY-MM-DD``."""
    return date.fromordinal(ordinal).isoformat()


def parse_when(text: str, end: bool = False) -> str:
    """Bring a request's time to ``YYYY-MM-DD HH:MM:SS``; a bare date is its first or last second.

    Raises UsageError for anything else; an empty text is the far past or future.
    """
    text = text.strip()
    if not text:
        return "9999-12-31 23:59:59" if end else "0001-01-01 00:00:00"
    try:
        when = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(f"bad time {text!r}: want YYYY-MM-DD or YYYY-MM-DD HH:MM:SS") from exc
    # isoformat() writes four digits of every year; strftime() leaves that to the platform.
    day = when.date().isoformat()
    if len(text) <= len("YYYY-MM-DD"):
        return f"{day} 23:59:59" if end else f"{day} 00:00:00"
    return f"{day} {when:%H:%M:%S}"


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class Calendar:
    """One market's days and states. ``rules`` is its table of ``calendar.toml``."""

    def __init__(self, name: str, rules: dict[str, Any]) -> None:
        self.name = name
        self.zone = ZoneInfo(rules["zone"])
        self._yearly = frozenset(rules.get("yearly", ()))
        self._holidays = frozenset(date.fromisoformat(d).toordinal() for d in rules["holidays"])
        self._half = frozenset(
            date.fromisoformat(d).toordinal() for d in rules.get("half_days", ())
        )
        self._states = self._timeline(rules["states"])
        self._half_states = self._timeline(rules.get("half_states", rules["states"]))
        self._closed_states = self._timeline(rules["closed_states"])
        overnight = rules.get("overnight_from")
        self._overnight_from = _minute(overnight) if overnight else None
        self._regular = (self._spans(self._states), self._spans(self._half_states))
        self._minutes = tuple(
            tuple(m for begin, end in spans for m in range(begin, end)) for spans in self._regular
        )
        self._group_ends: dict[tuple[int, bool], dict[int, int]] = {}
        self._trading: dict[int, bool] = {}
        self._hours: dict[int, str] = {}
        self._midnights: dict[int, int] = {}

    @staticmethod
    def _timeline(rows: list[list[str]]) -> tuple[tuple[int, QotMarketState], ...]:
        return tuple((_minute(start), QotMarketState[name]) for start, name in rows)

    @staticmethod
    def _spans(timeline: tuple[tuple[int, QotMarketState], ...]) -> tuple[tuple[int, int], ...]:
        ends = [start for start, _ in timeline[1:]] + [DAY_MINUTES]
        return tuple(
            (start, end)
            for (start, state), end in zip(timeline, ends, strict=True)
            if phase_of(state) is Phase.REGULAR
        )

    # -- days

    def trades(self, ordinal: int) -> bool:
        """Whether the exchange opens on this day."""
        known = self._trading.get(ordinal)
        if known is None:
            day = date.fromordinal(ordinal)
            known = (
                day.weekday() < 5
                and ordinal not in self._holidays
                and f"{day:%m-%d}" not in self._yearly
            )
            self._trading[ordinal] = known
        return known

    def half(self, ordinal: int) -> bool:
        """Whether this trading day ends early."""
        return ordinal in self._half

    def previous(self, ordinal: int) -> int:
        """The last trading day before this day."""
        ordinal -= 1
        while not self.trades(ordinal):
            ordinal -= 1
        return ordinal

    def minutes(self, ordinal: int) -> tuple[int, ...]:
        """The regular session's minutes of the day (0 = midnight), each by its beginning."""
        return self._minutes[self.half(ordinal)]

    def spans(self, ordinal: int) -> tuple[tuple[int, int], ...]:
        """The regular session's [begin, end) in minutes of the day."""
        return self._regular[self.half(ordinal)]

    def group_ends(self, size: int, ordinal: int) -> dict[int, int]:
        """For bars of ``size`` minutes: minute of the day → the minute at which its bar ends.

        Groups count trading minutes, so a bar may span the lunch break, and the last one ends
        with the session.
        """
        half = self.half(ordinal)
        table = self._group_ends.get((size, half))
        if table is None:
            minutes = self._minutes[half]
            table = {}
            for first in range(0, len(minutes), size):
                group = minutes[first : first + size]
                table.update(dict.fromkeys(group, group[-1] + 1))
            self._group_ends[size, half] = table
        return table

    # -- clock

    def midnight(self, ordinal: int) -> int:
        """Epoch µs of the clock's minute 0, counted back from noon (right on DST days too)."""
        at = self._midnights.get(ordinal)
        if at is None:
            day = date.fromordinal(ordinal)
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.zone)
            at = round(noon.timestamp()) * SECOND_US - 12 * HOUR_US
            self._midnights[ordinal] = at
        return at

    def at(self, ordinal: int, minute: int) -> int:
        """Epoch µs of a minute of a local day."""
        day = date.fromordinal(ordinal + minute // DAY_MINUTES)
        hour, minute = divmod(minute % DAY_MINUTES, 60)
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
        return round(local.timestamp()) * SECOND_US

    def local(self, at: int) -> datetime:
        """Epoch µs as exchange-local time."""
        return datetime.fromtimestamp(at // SECOND_US, UTC).astimezone(self.zone)

    def ordinal(self, at: int) -> int:
        """The local day of an instant."""
        return self.local(at).toordinal()

    def stamp(self, at: int) -> str:
        """Epoch µs as ``YYYY-MM-DD HH:MM:SS`` exchange-local (zones here are whole hours)."""
        hour, rest = divmod(at, HOUR_US)
        prefix = self._hours.get(hour)
        if prefix is None:
            if len(self._hours) >= _STAMP_CACHE_HOURS:
                self._hours.clear()
            prefix = f"{self.local(hour * HOUR_US):%Y-%m-%d %H:}"
            self._hours[hour] = prefix
        return prefix + _MINUTES_AND_SECONDS[rest // SECOND_US]

    # -- states

    def timeline(self, ordinal: int) -> list[tuple[int, QotMarketState]]:
        """The day's (epoch µs, state), first one at local midnight."""
        if not self.trades(ordinal):
            rows = self._closed_states
        else:
            rows = self._half_states if self.half(ordinal) else self._states
        if self._overnight_from is not None and self.trades(ordinal + 1):
            start = self._overnight_from
            rows = (*(r for r in rows if r[0] < start), (start, QotMarketState.OVERNIGHT))
        return [(self.at(ordinal, minute), state) for minute, state in rows]

    def state_at(self, at: int) -> QotMarketState:
        """The state at an instant."""
        rows = self.timeline(self.ordinal(at))
        return next(state for start, state in reversed(rows) if start <= at)

    def next_change(self, at: int) -> tuple[int, QotMarketState]:
        """The first instant after ``at`` with another state, and that state."""
        state = self.state_at(at)
        ordinal = self.ordinal(at)
        while True:
            for start, other in self.timeline(ordinal):
                if start > at and other != state:
                    return start, other
            ordinal += 1

    def regular_day(self, at: int) -> int:
        """The last day whose regular session had begun at ``at``."""
        ordinal = self.ordinal(at)
        while not (self.trades(ordinal) and self.at(ordinal, self.minutes(ordinal)[0]) <= at):
            ordinal -= 1
        return ordinal

    def last_open(self, at: int, length: int) -> int:
        """The latest instant from which a phase with trading runs up to ``at``, ``length`` µs back.

        When ``at`` is outside trading, counts back from the end of the last phase with trading;
        never goes behind the beginning of that phase.
        """
        ordinal = self.ordinal(at)
        while True:
            rows = self.timeline(ordinal)
            ends = [start for start, _ in rows[1:]] + [self.at(ordinal, DAY_MINUTES)]
            for (start, state), end in reversed(list(zip(rows, ends, strict=True))):
                if start < at and phase_of(state) is not Phase.CLOSED:
                    return max(start, min(at, end) - length)
            ordinal -= 1

    def days(self, first: int, last: int) -> list[int]:
        """All trading days from ``first`` to ``last``, both included."""
        return [day for day in range(first, last + 1) if self.trades(day)]


def calendars() -> dict[str, Calendar]:
    """Read ``calendar.toml``: a calendar per market, in the file's order."""
    text = resources.files(__package__).joinpath("calendar.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return {
        name: Calendar(name, tables[rules["like"]] | rules if "like" in rules else rules)
        for name, rules in tables.items()
    }
