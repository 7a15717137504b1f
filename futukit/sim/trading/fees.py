"""What trading costs: the schedule of ``fees.toml``, reckoned over all fills of an order."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from futukit.sim.market import Instrument
from futukit.sim.market.grid import SCALE
from futukit.sim.trading.money import rounded_to_cents
from futukit.sim.trading.rules import segment_of

__all__ = ["Fee", "fees_of"]

_KINDS: Final = {"warrant": "etf", "etf": "etf", "option": "option", "future": "future"}
_MILLION: Final = 10**6


@dataclass(frozen=True, slots=True)
class Fee:
    """One row of a schedule; money in (broken) units, ``rate`` as a part of the amount."""

    title: str
    rate: Decimal
    each: Decimal
    flat: Decimal
    least: Decimal
    most: Decimal | None
    side: str

    def of(self, amount: int, quantity: int, *, buys: bool) -> int:
        """The fee in units of money for ``amount`` and ``quantity`` filled so far.

        It never falls when more is filled, so an order can be charged the difference.
        """
        if not quantity or self.side == ("sell" if buys else "buy"):
            return 0
        due = max(self.least, self.rate * amount + self.each * quantity + self.flat)
        return rounded_to_cents(due if self.most is None else min(due, self.most))


def fees_of(inst: Instrument, amount: int, quantity: int, *, buys: bool) -> dict[str, int]:
    """Title → fee of an order that has traded ``quantity`` for ``amount`` units of money."""
    return {fee.title: fee.of(amount, quantity, buys=buys) for fee in _schedule(inst)}


def _schedule(inst: Instrument) -> tuple[Fee, ...]:
    market = _schedules()[segment_of(inst)]
    rows = market.get(_KINDS.get(inst.kind, "stock"))
    return rows if rows is not None else market["stock"]


@lru_cache(maxsize=1)
def _schedules() -> dict[str, dict[str, tuple[Fee, ...]]]:
    text = resources.files(__package__).joinpath("fees.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text, parse_float=Decimal)
    return {
        market: {kind: tuple(map(_fee, rows)) for kind, rows in kinds.items()}
        for market, kinds in tables.items()
    }


def _fee(row: dict[str, Any]) -> Fee:
    money = {name: Decimal(row.get(name, 0)) * SCALE for name in ("each", "flat", "least")}
    return Fee(
        title=row["title"],
        rate=Decimal(row.get("rate", 0)) / _MILLION,
        most=Decimal(row["most"]) * SCALE if "most" in row else None,
        side=row.get("side", ""),
        **money,
    )
