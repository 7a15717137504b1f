"""What brokers and exchanges ask for, read from ``rules.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final, NamedTuple

from futukit.messages.qot_common import QotMarketState
from futukit.messages.trd_common import Currency, TrdMarket, TrdSecMarket
from futukit.sim.market import Instrument
from futukit.sim.trading.money import units

__all__ = [
    "ENDS_THE_DAY",
    "FUTURES",
    "PAUSES",
    "SEC_MARKETS",
    "TRD_MARKETS",
    "Margin",
    "MarketRules",
    "Rules",
    "rules",
    "segment_of",
]

_SEGMENTS: Final = {"HK": "HK", "US": "US", "SH": "CN", "SZ": "CN", "HK_FUTURE": "HK_FUTURE"}

SEC_MARKETS: Final = {
    "HK": TrdSecMarket.HK,
    "US": TrdSecMarket.US,
    "SH": TrdSecMarket.CN_SH,
    "SZ": TrdSecMarket.CN_SZ,
    "HK_FUTURE": TrdSecMarket.HK,
}
"""The market of an instrument → what ``secMarket`` calls it."""

TRD_MARKETS: Final[dict[TrdMarket, str]] = {
    TrdMarket.HK: "HK",
    TrdMarket.US: "US",
    TrdMarket.CN: "CN",
    TrdMarket.HKCC: "CN",
    TrdMarket.FUTURES: "HK_FUTURE",
    TrdMarket.FUTURES_SIMULATE_HK: "HK_FUTURE",
}
"""The trading market of an account → the segment of the simulated market that it trades in."""

FUTURES: Final = "HK_FUTURE"

ENDS_THE_DAY: Final = frozenset(
    (
        QotMarketState.CLOSED,
        QotMarketState.AFTER_HOURS_END,
        QotMarketState.FUTURE_DAY_CLOSE,
        QotMarketState.OVERNIGHT,
    )
)
"""States that begin after a trading day: orders for the day end with them."""

PAUSES: Final = frozenset(
    (
        QotMarketState.AUCTION,
        QotMarketState.WAITING_OPEN,
        QotMarketState.REST,
        QotMarketState.FUTURE_DAY_WAIT_FOR_OPEN,
        QotMarketState.FUTURE_DAY_BREAK,
        QotMarketState.PRE_MARKET_BEGIN,
        QotMarketState.OVERNIGHT,
    )
)
"""States with more trading to come on the same day: an order for the day can wait in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """The rules of one market; see ``rules.toml``."""

    currency: Currency
    settlement_days: int
    most: int
    price_factor: int = 0
    price_percent: int = 0
    growth_percent: int = 0
    growth_boards: tuple[str, ...] = ()
    same_day_sale: bool = True

    def price_bounds(self, key: str, last: int, last_close: int) -> tuple[int, int]:
        """The lowest and the highest limit price, in price units."""
        if self.price_factor:
            return -(-last // self.price_factor), last * self.price_factor
        growth = key.startswith(self.growth_boards) if self.growth_boards else False
        percent = self.growth_percent if growth else self.price_percent
        return -(-last_close * (100 - percent) // 100), last_close * (100 + percent) // 100


class Margin(NamedTuple):
    """Margins of one security, in percent of its value."""

    initial: int
    margin_call: int
    maintenance: int
    warning: int


_FULL: Final = Margin(100, 100, 100, 100)


class Rules:
    """All rules. ``rates`` are Hong Kong dollars in ten-thousandths, by currency."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.rates = {Currency[name]: int(rate) for name, rate in tables["rates"].items()}
        self.pool: int = tables["shorting"]["pool"]
        self.short_fee_percent: float = float(tables["shorting"]["fee_percent"])
        self._markets = {name: _market(row) for name, row in tables["market"].items()}
        self._margins: dict[str, dict[str, dict[str, list[int]]]] = tables["margin"]
        self._contracts = {
            key: (units(row["margin"][0]), units(row["margin"][1]))
            for key, row in tables["contract"].items()
        }

    def market(self, inst: Instrument) -> MarketRules:
        """The rules of the market that an instrument trades in."""
        return self._markets[segment_of(inst)]

    def segment(self, name: str) -> MarketRules:
        """The rules of a segment of the market: HK, US, CN or HK_FUTURE."""
        return self._markets[name]

    def lends(self, inst: Instrument, *, short: bool) -> bool:
        """Whether a margin account may hold it with borrowed money, or borrow it to sell."""
        return ("short" if short else "long") in self._margin_rows(inst)

    def margin(self, inst: Instrument, *, short: bool) -> Margin:
        """The margins of a security; its whole value where nothing is lent."""
        row = self._margin_rows(inst).get("short" if short else "long")
        return Margin(*row) if row else _FULL

    def least_margin(self, segments: tuple[str, ...], *, short: bool) -> int | None:
        """The lowest initial margin in percent in some segments, ``None`` where nothing is lent."""
        side = "short" if short else "long"
        rows = [row for name in segments for row in self._margins.get(name, {}).values()]
        return min((row[side][0] for row in rows if side in row), default=None)

    def contract_margin(self, inst: Instrument) -> tuple[int, int]:
        """Initial and maintenance margin of one futures contract, in units of money."""
        for prefix, margins in self._contracts.items():
            if inst.key.startswith(prefix):
                return margins
        whole = inst.base * inst.multiplier
        return whole, whole

    def _margin_rows(self, inst: Instrument) -> dict[str, list[int]]:
        return self._margins.get(segment_of(inst), {}).get(inst.kind, {})


def _market(row: dict[str, Any]) -> MarketRules:
    values = row | {"currency": Currency[row["currency"]]}
    values["growth_boards"] = tuple(row.get("growth_boards", ()))
    return MarketRules(**values)


def segment_of(inst: Instrument) -> str:
    """The part of the market that an instrument belongs to: HK, US, CN or HK_FUTURE."""
    return _SEGMENTS[inst.market]


@lru_cache(maxsize=1)
def rules() -> Rules:
    """The rules of ``rules.toml``."""
    text = resources.files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")
    return Rules(tomllib.loads(text))
