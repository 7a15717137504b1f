"""Amounts of money: whole thousandths of a currency, so that sums are exact."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Final

from futukit.messages.trd_common import Currency
from futukit.sim.market.grid import SCALE

__all__ = ["CENT", "convert", "number", "price_units", "rounded_to_cents", "units"]

CENT: Final = SCALE // 100
"""A hundredth of the currency, in units of money."""


def units(amount: float | Decimal) -> int:
    """An amount in the currency as units of money, rounded to the nearest."""
    scaled = Decimal(str(amount)) * SCALE
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def price_units(price: float) -> int | None:
    """A price as units of money, further decimals cut off; ``None`` for what is no price."""
    if not isfinite(price) or abs(price) >= 1e12:
        return None
    return int((Decimal(str(price)) * SCALE).quantize(Decimal(1), rounding=ROUND_DOWN))


def number(amount: int) -> float:
    """Units of money as an amount in the currency."""
    return amount / SCALE


def rounded_to_cents(amount: Decimal) -> int:
    """Broken units of money, rounded half up to a cent."""
    return int((amount / CENT).quantize(Decimal(1), rounding=ROUND_HALF_UP)) * CENT


def convert(amount: int, source: Currency, target: Currency, rates: dict[Currency, int]) -> int:
    """Units of one currency in another, rounded towards nothing."""
    if source == target:
        return amount
    scaled, rate = amount * rates[source], rates[target]
    return scaled // rate if scaled >= 0 else -(-scaled // rate)
