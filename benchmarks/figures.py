"""Figures: what was measured, against what, and whether it passes its gate."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Absent", "Figure", "Outcome", "Spread", "Verdict", "exit_status", "figure", "spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of one ratio per round."""

    median: float
    lower: float
    upper: float
    rounds: int


class Verdict(Enum):
    """What a figure means for the run; the value is the mark in the table."""

    PASSED = "ok"
    BELOW_GATE = "BELOW GATE"
    BELOW_AIM = "below aim"
    NO_GOAL = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio: how many times better than ``baseline`` futukit does ``case``.

    ``ours`` and ``theirs`` are the medians of the two sides in ``unit``, for orientation only:
    they change with the machine. A ratio below ``gate`` fails the run, ``aim`` is only shown.
    """

    group: str
    case: str
    baseline: str
    ratio: Spread
    ours: float
    theirs: float
    unit: str
    gate: float | None = None
    aim: float | None = None

    @property
    def verdict(self) -> Verdict:
        """The gate's word first, then the aim's."""
        if self.gate is not None and self.ratio.median < self.gate:
            return Verdict.BELOW_GATE
        if self.aim is not None and self.ratio.median < self.aim:
            return Verdict.BELOW_AIM
        return Verdict.NO_GOAL if self.gate is None and self.aim is None else Verdict.PASSED


@dataclass(frozen=True, slots=True)
class Absent:
    """A figure that could not be measured here, and why."""

    group: str
    case: str
    baseline: str
    reason: str


Outcome = Figure | Absent


def spread(ratios: Sequence[float]) -> Spread:
    """Median and quartiles (inclusive method) of at least one ratio."""
    if len(ratios) == 1:
        return Spread(ratios[0], ratios[0], ratios[0], 1)
    lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return Spread(median, lower, upper, len(ratios))


def figure(
    group: str,
    case: str,
    baseline: str,
    pairs: Sequence[tuple[float, float]],
    *,
    unit: str,
    scale: float = 1.0,
    rate: bool = False,
    gate: float | None = None,
    aim: float | None = None,
) -> Figure:
    """Make a figure of ``(ours, theirs)`` pairs, one per round.

    The pairs are costs (less is better) in units that ``scale`` turns into ``unit``; with
    ``rate`` the two sides are shown as their reciprocals. The ratio is theirs / ours either way.
    """
    ours = statistics.median(pair[0] for pair in pairs) * scale
    theirs = statistics.median(pair[1] for pair in pairs) * scale
    if rate:
        ours, theirs = 1.0 / ours, 1.0 / theirs
    ratio = spread([pair[1] / pair[0] for pair in pairs])
    return Figure(group, case, baseline, ratio, ours, theirs, unit, gate, aim)


def exit_status(outcomes: Iterable[Outcome], *, quick: bool) -> int:
    """1 if a figure is below its gate; a quick run is too short to judge and gives 0."""
    below = any(isinstance(o, Figure) and o.verdict is Verdict.BELOW_GATE for o in outcomes)
    return 1 if below and not quick else 0
