"""What a derivative is worth, given its owner's price: Black and Scholes, and simpler rules.

Prices are in currency units here (floats); the caller rounds to price steps.
"""

from __future__ import annotations

from math import erf, exp, log, pi, sqrt
from typing import Final, NamedTuple

from futukit.sim.market.instruments import Derivative

__all__ = ["RATE", "Greeks", "fair", "greeks", "years_left"]

RATE: Final = 0.03
"""The yearly interest rate, continuously compounded."""

_ROOT_2: Final = sqrt(2.0)
_ROOT_2_PI: Final = sqrt(2.0 * pi)
_LEAST_YEARS: Final = 1.0 / 365.0 / 4.0
_CARRY: Final = 0.01


def years_left(derivative: Derivative, day: int) -> float:
    """Years from a day to the expiry; never less than a quarter of a day."""
    return max(_LEAST_YEARS, (derivative.expires - day) / 365.0)


def _cumulative(x: float) -> float:
    return 0.5 * (1.0 + erf(x / _ROOT_2))


def _d1(derivative: Derivative, spot: float, years: float) -> float:
    spread = derivative.iv * sqrt(years)
    return (log(spot / derivative.strike) + (RATE + 0.5 * derivative.iv**2) * years) / spread


def _option(derivative: Derivative, spot: float, years: float) -> float:
    d1 = _d1(derivative, spot, years)
    d2 = d1 - derivative.iv * sqrt(years)
    strike_now = derivative.strike * exp(-RATE * years)
    if derivative.call:
        return spot * _cumulative(d1) - strike_now * _cumulative(d2)
    return strike_now * _cumulative(-d2) - spot * _cumulative(-d1)


def fair(derivative: Derivative, spot: float, day: int, scale: float) -> float:
    """The value of one unit when the owner stands at ``spot``. ``scale`` is a tracker's ratio."""
    if derivative.kind == "tracker":
        return spot * scale
    years = years_left(derivative, day)
    if derivative.kind == "future":
        return spot * (1.0 + _CARRY * years)
    if derivative.iv > 0.0:
        return _option(derivative, spot, years) / derivative.conversion
    # A bull or bear contract: intrinsic value plus the cost of financing the strike.
    inner = spot - derivative.strike if derivative.call else derivative.strike - spot
    return (max(0.0, inner) + derivative.strike * RATE * years) / derivative.conversion


class Greeks(NamedTuple):
    """Sensitivities of an option: theta per day, vega and rho per percentage point."""

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


def greeks(derivative: Derivative, spot: float, day: int) -> Greeks:
    """The greeks of an option or a call or put warrant."""
    years = years_left(derivative, day)
    root = sqrt(years)
    d1 = _d1(derivative, spot, years)
    d2 = d1 - derivative.iv * root
    density = exp(-0.5 * d1 * d1) / _ROOT_2_PI
    strike_now = derivative.strike * exp(-RATE * years)
    sign = 1.0 if derivative.call else -1.0
    decay = -spot * density * derivative.iv / (2.0 * root)
    return Greeks(
        delta=round(sign * _cumulative(sign * d1), 6),
        gamma=round(density / (spot * derivative.iv * root), 6),
        vega=round(spot * density * root / 100.0, 6),
        theta=round((decay - sign * RATE * strike_now * _cumulative(sign * d2)) / 365.0, 6),
        rho=round(sign * strike_now * years * _cumulative(sign * d2) / 100.0, 6),
    )
