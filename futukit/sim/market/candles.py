"""K-lines and time-share points, from the minute bars of today and the drawn bars of the past.

A bar of minutes is labelled with the minute in which it ends, a day with the day, and a longer
one with the first calendar day of its week (Monday), month, quarter or year, so that a label
does not change while the bar grows. Minutes without trades have no bar.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.errors import UsageError
from futukit.messages.qot_common import KLine, KLType, RehabType, TimeShare
from futukit.sim.market.bars import Bar, grouped, join
from futukit.sim.market.calendar import DAY_MINUTES, MINUTE_US, SECOND_US, date_text, parse_when
from futukit.sim.market.grid import SCALE
from futukit.sim.market.history import BLOCK_MINUTES
from futukit.sim.market.rehab import adjustment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from futukit.sim.market.listing import Listing

__all__ = ["HistoryPage", "changed_klines", "changed_rt", "day_bars", "history", "klines", "rt"]

_MINUTES: Final[dict[int, int]] = {
    KLType.K_1MIN: 1,
    KLType.K_3MIN: 3,
    KLType.K_5MIN: 5,
    KLType.K_10MIN: 10,
    KLType.K_15MIN: 15,
    KLType.K_30MIN: 30,
    KLType.K_60MIN: 60,
    KLType.K_120MIN: 120,
    KLType.K_180MIN: 180,
    KLType.K_240MIN: 240,
}
_PERIODS: Final[dict[int, int]] = {
    KLType.DAY: 1,
    KLType.WEEK: 7,
    KLType.MONTH: 31,
    KLType.QUARTER: 92,
    KLType.YEAR: 366,
}
_CLOCK: Final = tuple(f"{m // 60:02d}:{m % 60:02d}:00" for m in range(DAY_MINUTES))
_EVER: Final = 10**7


class HistoryPage(NamedTuple):
    """A page of history. ``next_key`` fetches the next one; None on the last."""

    klines: tuple[KLine, ...]
    next_key: bytes | None


class _Row(NamedTuple):
    """A bar with its label (day number, minute of its end; 0 for a day or more)."""

    day: int
    end: int
    bar: Bar


def _label(row: _Row) -> str:
    extra, minute = divmod(row.end, DAY_MINUTES)
    return f"{date_text(row.day + extra)} {_CLOCK[minute]}"


# -- days


def day_bars(listing: Listing, first: int, last: int) -> list[Bar]:
    """The day bars of a span of days, oldest first, today's as far as it has come."""
    bars = listing.past.days(first, last)
    bars += [bar for bar in listing.days if first <= bar.at <= last]
    live = listing.live_day()
    if live is not None and first <= live.at <= last:
        bars.append(live)
    return bars


def _days_back(listing: Listing) -> Iterator[int]:
    """Days that may have bars, newest first."""
    yield listing.day
    for bar in reversed(listing.days):
        yield bar.at
    past = listing.past
    day = past.calendar.previous(past.today)
    while day >= past.first:
        yield day
        day = past.calendar.previous(day)


def _days_from(listing: Listing, first: int, last: int) -> Iterator[int]:
    """Days that may have bars, oldest first."""
    past = listing.past
    yield from past.calendar.days(max(first, past.first), min(last, past.today - 1))
    for bar in listing.days:
        if first <= bar.at <= last:
            yield bar.at
    if first <= listing.day <= last:
        yield listing.day


def _bar_before(listing: Listing, day: int) -> Bar | None:
    """The last day bar before a day."""
    for bar in reversed(listing.days):
        if bar.at < day:
            return bar
    past = listing.past
    before = past.calendar.previous(min(day, past.today))
    while before >= past.first:
        found = past.day(before)
        if found is not None:
            return found
        before = past.calendar.previous(before)
    return None


def _period(kl_type: int, day: int) -> int:
    """The first calendar day of the period that a day belongs to."""
    if kl_type == KLType.DAY:
        return day
    when = date.fromordinal(day)
    if kl_type == KLType.WEEK:
        return day - when.weekday()
    if kl_type == KLType.MONTH:
        return day - when.day + 1
    month = (when.month - 1) // 3 * 3 + 1 if kl_type == KLType.QUARTER else 1
    return date(when.year, month, 1).toordinal()


# -- rows of adjusted bars


def _adjusted(listing: Listing, rehab_type: int, day: int, bar: Bar) -> Bar:
    a, b = adjustment(listing.inst.actions, rehab_type, day)
    if a == 1.0 and b == 0.0:
        return bar
    shift = b * SCALE
    return bar._replace(
        open=round(bar.open * a + shift),
        high=round(bar.high * a + shift),
        low=round(bar.low * a + shift),
        close=round(bar.close * a + shift),
    )


def _minute_rows(listing: Listing, rehab_type: int, day: int, size: int) -> list[_Row]:
    past = listing.past
    if day == listing.day:
        bars = [Bar(*row) for row in listing.minutes]
    elif day in listing.recorded:
        bars = listing.recorded[day]
    elif day >= past.today:
        bars = []
    elif size % BLOCK_MINUTES == 0:
        bars = past.blocks(day)
    else:
        bars = past.minutes(day)
    if listing.inst.actions and rehab_type != RehabType.NONE:
        bars = [_adjusted(listing, rehab_type, day, bar) for bar in bars]
    if size == 1:
        return [_Row(day, bar.at + 1, bar) for bar in bars]
    ends = past.calendar.group_ends(size, day)
    return [_Row(day, bar.at, bar) for bar in grouped(bars, ends, size)]


def _period_rows(
    listing: Listing, kl_type: int, rehab_type: int, first: int, last: int
) -> list[_Row]:
    bars = day_bars(listing, first, last)
    if listing.inst.actions and rehab_type != RehabType.NONE:
        bars = [_adjusted(listing, rehab_type, bar.at, bar) for bar in bars]
    if kl_type == KLType.DAY:
        return [_Row(bar.at, 0, bar) for bar in bars]
    groups = groupby(bars, key=lambda bar: _period(kl_type, bar.at))
    return [_Row(start, 0, join(start, list(group))) for start, group in groups]


def _close_before(listing: Listing, rehab_type: int, day: int) -> int | None:
    bar = _bar_before(listing, day)
    if bar is not None:
        return _adjusted(listing, rehab_type, bar.at, bar).close
    past = listing.past
    return past.last_close if _bar_before(listing, past.today) is None else None


def _klines(listing: Listing, rows: list[_Row], before: int | None) -> list[KLine]:
    """The Structs of rows; ``before`` is the close before the first."""
    inst = listing.inst
    midnight = listing.calendar.midnight
    shares = inst.shares
    eps = inst.eps * SCALE
    last = rows[0].bar.open if before is None and rows else before or 0
    made = []
    day, day_label, day_start = -1, "", 0
    for row in rows:
        number, end, (_, opening, high, low, close, volume, turnover) = row
        if number != day:
            day = number
            day_label = date_text(day) + " "
            day_start = midnight(day) // SECOND_US
        made.append(
            KLine(
                time=day_label + _CLOCK[end] if end < DAY_MINUTES else _label(row),
                is_blank=False,
                high_price=high / SCALE,
                open_price=opening / SCALE,
                low_price=low / SCALE,
                close_price=close / SCALE,
                last_close_price=last / SCALE,
                volume=volume,
                turnover=turnover / SCALE,
                turnover_rate=volume / shares if shares else 0.0,
                pe=round(close / eps, 3) if eps else 0.0,
                change_rate=round((close - last) * 100.0 / last, 3) if last else 0.0,
                timestamp=float(day_start + end * 60),
                hp_volume=float(volume),
            )
        )
        last = close
    return made


def _check(kl_type: int, rehab_type: int) -> None:
    if kl_type not in _MINUTES and kl_type not in _PERIODS:
        raise UsageError(f"unknown K-line type {int(kl_type)}")
    if rehab_type not in (RehabType.NONE, RehabType.FORWARD, RehabType.BACKWARD):
        raise UsageError(f"unknown rehab type {int(rehab_type)}")


# -- what is asked for


def klines(listing: Listing, kl_type: int, rehab_type: int, num: int) -> tuple[KLine, ...]:
    """The last ``num`` bars, oldest first, with the one that is still growing."""
    _check(kl_type, rehab_type)
    if num < 1:
        raise UsageError(f"number of K-lines must be positive, not {num}")
    size = _MINUTES.get(kl_type)
    rows: list[_Row] = []
    if size is not None:
        parts: list[list[_Row]] = []
        count = 0
        for day in _days_back(listing):
            parts.append(_minute_rows(listing, rehab_type, day, size))
            count += len(parts[-1])
            if count >= num:
                break
        rows = [row for part in reversed(parts) for row in part]
    else:
        # Twice the calendar days make up for weekends and holidays; short of bars, take all.
        span = num * _PERIODS[kl_type] * 2 + 14
        for first in (_period(kl_type, max(1, listing.day - span)), 1):
            rows = _period_rows(listing, kl_type, rehab_type, first, _EVER)
            if len(rows) >= num:
                break
    if not rows:
        return ()
    before = _close_before(listing, rehab_type, rows[0].day)
    return tuple(_klines(listing, rows, before)[-num:])


def changed_klines(
    listing: Listing, kl_type: int, rehab_type: int, since: tuple[int, int]
) -> tuple[KLine, ...]:
    """The bars that trades since (day, minute) went into."""
    _check(kl_type, rehab_type)
    day, minute = since
    size = _MINUTES.get(kl_type)
    if size is None:
        rows = _period_rows(listing, kl_type, rehab_type, _period(kl_type, day), _EVER)
    elif day == listing.day:
        return _tail(listing, rehab_type, size, minute)
    else:
        rows = [
            row
            for one in _days_from(listing, day, _EVER)
            for row in _minute_rows(listing, rehab_type, one, size)
            if row.day > day or row.end > minute
        ]
    if not rows:
        return ()
    return tuple(_klines(listing, rows, _close_before(listing, rehab_type, rows[0].day)))


def _tail(listing: Listing, rehab_type: int, size: int, minute: int) -> tuple[KLine, ...]:
    """Today's bars that end after a minute, without touching the rest of the day."""
    ends = listing.calendar.group_ends(size, listing.day)
    bars: list[Bar] = []
    before: int | None = None
    for row in reversed(listing.minutes):
        bar = _adjusted(listing, rehab_type, listing.day, Bar(*row))
        if ends.get(bar.at, (bar.at // size + 1) * size) <= minute:
            before = bar.close
            break
        bars.append(bar)
    if before is None:
        before = _close_before(listing, rehab_type, listing.day)
    rows = [_Row(listing.day, bar.at, bar) for bar in grouped(reversed(bars), ends, size)]
    return tuple(_klines(listing, rows, before))


def history(
    listing: Listing,
    kl_type: int,
    rehab_type: int,
    begin: str,
    end: str,
    limit: int | None = None,
    next_key: bytes | None = None,
) -> HistoryPage:
    """The bars whose labels lie between two times, a page at a time."""
    _check(kl_type, rehab_type)
    if limit is not None and limit < 1:
        raise UsageError(f"number of K-lines must be positive, not {limit}")
    start, stop = parse_when(begin), parse_when(end, end=True)
    if start > stop:
        raise UsageError(f"the time range begins at {start}, after its end {stop}")
    if next_key:
        start = max(start, _start_of(next_key))
    if start > stop:
        return HistoryPage((), None)
    first, last = date.fromisoformat(start[:10]), date.fromisoformat(stop[:10])
    size = _MINUTES.get(kl_type)
    days = (first.toordinal(), last.toordinal())
    if size is None:
        rows = _period_rows(listing, kl_type, rehab_type, *days)
        if rows and rows[0].day < days[0]:
            rows = rows[1:]
    else:
        rows = _rows_until(listing, rehab_type, size, days, (start, stop), limit)
    before = _close_before(listing, rehab_type, rows[0].day) if rows else None
    made = _klines(listing, rows, before)
    low = bisect_left(made, start, key=lambda kline: kline.time)
    made = [kline for kline in made[low:] if kline.time <= stop]
    if limit is not None and len(made) > limit:
        return HistoryPage(tuple(made[:limit]), made[limit].time.encode())
    return HistoryPage(tuple(made), None)


def _start_of(next_key: bytes) -> str:
    try:
        return parse_when(next_key.decode("ascii"))
    except (UnicodeDecodeError, UsageError) as exc:
        raise UsageError("bad paging key") from exc


def _rows_until(
    listing: Listing,
    rehab_type: int,
    size: int,
    days: tuple[int, int],
    labels: tuple[str, str],
    limit: int | None,
) -> list[_Row]:
    """Whole days of rows, as many as it takes for one more than ``limit`` within the labels."""
    rows: list[_Row] = []
    count = 0
    for day in _days_from(listing, *days):
        found = _minute_rows(listing, rehab_type, day, size)
        rows += found
        count += sum(1 for row in found if labels[0] <= _label(row) <= labels[1])
        if limit is not None and count > limit:
            break
    return rows


# -- time-share


def rt(listing: Listing, after: int = -1) -> tuple[TimeShare, ...]:
    """The points of the day so far, one a minute up to the last trade; those past a minute only."""
    traded = {row[0]: row for row in listing.minutes}
    if not traded:
        return ()
    last = listing.minutes[-1][0]
    session = (m for m in listing.calendar.minutes(listing.day) if m <= last)
    return tuple(_points(listing, sorted({*session, *traded}), traded, after))


def changed_rt(listing: Listing, since: tuple[int, int]) -> tuple[TimeShare, ...]:
    """The points that trades since (day, minute) brought."""
    return rt(listing, since[1] - 1 if since[0] == listing.day else -1)


def _points(
    listing: Listing, places: Iterable[int], traded: dict[int, list[int]], after: int
) -> Iterator[TimeShare]:
    price = listing.last_close
    volume = turnover = level_sum = count = 0
    label = date_text(listing.day) + " "
    for place in places:
        row = traded.get(place)
        if row is not None:
            price = row[4]
            volume += row[5]
            turnover += row[6]
        level_sum += price
        count += 1
        if place <= after:
            continue
        if listing.inst.members:
            average = level_sum / count
        else:
            average = turnover / volume / listing.inst.multiplier if volume else float(price)
        end = place + 1
        yield TimeShare(
            time=label + _CLOCK[end]
            if end < DAY_MINUTES
            else _label(_Row(listing.day, end, _NO_BAR)),
            minute=end,
            is_blank=False,
            price=price / SCALE,
            last_close_price=listing.last_close / SCALE,
            avg_price=round(average / SCALE, 4),
            volume=row[5] if row is not None else 0,
            turnover=row[6] / SCALE if row is not None else 0.0,
            timestamp=(listing.midnight + end * MINUTE_US) / SECOND_US,
            hp_volume=float(row[5]) if row is not None else 0.0,
        )


_NO_BAR: Final = Bar(0, 0, 0, 0, 0, 0, 0)
