"""Bars of whole numbers: joining small ones into a large one, and splitting a large one exactly.

A bar is ``Bar(at, open, high, low, close, volume, turnover)``: prices and turnover in price units
(thousandths), volume in shares. ``at`` is the minute of the day at which a minute bar begins, or
a day number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from futukit.sim.market.grid import Grid

__all__ = ["Bar", "grouped", "join", "share", "split"]

_NOISE = 0.35
_WICK = 0.25


class Bar(NamedTuple):
    """One bar of whole numbers."""

    at: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


def join(at: int, bars: Sequence[Bar]) -> Bar:
    """One bar over several in time order (at least one)."""
    return Bar(
        at,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(bar.turnover for bar in bars),
    )


def share(total: int, weights: Sequence[float]) -> list[int]:
    """Share a whole number out by weights; the parts add up to it exactly."""
    scale = total / sum(weights)
    parts = []
    running = 0.0
    given = 0
    for weight in weights:
        running += weight
        upto = min(total, int(running * scale))
        parts.append(upto - given)
        given = upto
    parts[-1] += total - given
    return parts


def _path(
    opening: int, closing: int, high: tuple[int, int], low: tuple[int, int], count: int, rng: Random
) -> list[int]:
    """Closing step numbers of ``count`` parts: a noisy line through both extremes.

    ``high`` and ``low`` are (part that touches it, step number).
    """
    draw = rng.random
    top, bottom = high[1], low[1]
    noise = (top - bottom) * _NOISE
    first, second = (high, low) if high[0] <= low[0] else (low, high)
    closes: list[int] = []
    at, level = -1, opening
    for part, target in (first, second, (count - 1, closing)):
        span = part - at
        if span <= 0:
            level = target
            continue
        slope = (target - level) / span
        for offset in range(1, span + 1):
            close = int(level + slope * offset + noise * (draw() - 0.5))
            closes.append(top if close > top else bottom if close < bottom else close)
        at, level = part, target
    closes[-1] = closing
    return closes


def split(
    bar: Bar, places: Sequence[int], lot: int, multiplier: int, grid: Grid | None, rng: Random
) -> list[Bar]:
    """Cut a bar into bars at ``places`` that join to it exactly.

    Every part opens where the one before closed. A place that gets no volume has no bar. Without
    a ``grid`` (an index: turnover has nothing to do with its price) prices move in steps of ten
    price units and turnover goes with volume.
    """
    draw = rng.random
    lots = share(bar.volume // lot, [0.4 + draw() for _ in places])
    active = [(place, part * lot) for place, part in zip(places, lots, strict=True) if part]
    count = len(active)
    if count == 1:
        return [bar._replace(at=active[0][0])]
    if grid is None:
        low_step, high_step = bar.low // 10, bar.high // 10
        prices = list(range(bar.low, bar.high + 1, 10))
        first, last = bar.open // 10, bar.close // 10
    else:
        low_step, high_step = grid.number(bar.low), grid.number(bar.high)
        prices = grid.prices(low_step, high_step)
        first, last = grid.number(bar.open), grid.number(bar.close)
    spread = high_step - low_step
    high_at, low_at = int(draw() * count), int(draw() * count)
    closes = _path(first - low_step, last - low_step, (high_at, spread), (low_at, 0), count, rng)
    wick = 1.0 + spread * _WICK
    opening = first - low_step
    parts: list[list[int]] = []
    for (place, volume), close in zip(active, closes, strict=True):
        high, low = (opening, close) if opening > close else (close, opening)
        high += int(draw() * draw() * wick)
        low -= int(draw() * draw() * wick)
        parts.append(
            [
                place,
                prices[opening],
                prices[high if high < spread else spread],
                prices[low if low > 0 else 0],
                prices[close],
                volume,
                0,
            ]
        )
        opening = close
    parts[high_at][2] = bar.high
    parts[low_at][3] = bar.low
    if grid is None:
        for part, turnover in zip(
            parts, share(bar.turnover, [part[5] for part in parts]), strict=True
        ):
            part[6] = turnover
    else:
        _turn_over(parts, bar, multiplier)
    return [Bar(*part) for part in parts]


def _turn_over(parts: list[list[int]], bar: Bar, multiplier: int) -> None:
    """Give every part a turnover between low and high times volume so that they add up."""
    left = bar.turnover
    for part in parts:
        _, opening, high, low, close, volume, _ = part
        part[6] = (opening + high + low + close) * volume * multiplier // 4
        left -= part[6]
    if not left:
        return
    edge = 2 if left > 0 else 3
    limit = bar.high if left > 0 else bar.low
    slack = [abs(part[edge] * part[5] * multiplier - part[6]) for part in parts]
    room = sum(slack)
    for number, part in enumerate(parts):
        # Rarely the parts' own ranges leave no room: then some of them touch the extreme too.
        if room >= abs(left):
            break
        part[edge] = limit
        room -= slack[number]
        slack[number] = abs(limit * part[5] * multiplier - part[6])
        room += slack[number]
    sign = 1 if left > 0 else -1
    rest = abs(left)
    for number, part in enumerate(parts):
        given = abs(left) * slack[number] // room
        slack[number] -= given
        part[6] += sign * given
        rest -= given
    for number, part in enumerate(parts):
        given = min(rest, slack[number])
        part[6] += sign * given
        rest -= given


def grouped(bars: Iterable[Bar], ends: dict[int, int], size: int) -> list[Bar]:
    """Join minute bars of one day into bars of ``size`` minutes, ``at`` = the minute of their end.

    ``ends`` is the calendar's table for the regular session; other minutes (a market that was
    opened by hand) go by the clock.
    """
    joined: list[Bar] = []
    group: list[Bar] = []
    end = -1
    for bar in bars:
        at = ends.get(bar.at)
        if at is None:
            at = (bar.at // size + 1) * size
        if at != end and group:
            joined.append(join(end, group))
            group = []
        end = at
        group.append(bar)
    if group:
        joined.append(join(end, group))
    return joined
