"""A deterministic stock market without IO: books that trade, and everything that follows from it.

::

    market = Market(seed=1)
    for event in market.advance(1.0):
        ...
    market.basic_qot("HK.00700")

Layers, lowest first: ``calendar`` and ``grid`` (time and price), ``instruments`` (the data),
``bars`` and ``history`` (the past), ``book`` and ``flow`` (how trades come about), ``listing``
(what a security's trades add up to), ``engine`` (the clock), then the views, and ``Market``.
"""

from __future__ import annotations

from futukit.sim.market.candles import HistoryPage
from futukit.sim.market.engine import Fill
from futukit.sim.market.instruments import MARKETS, Instrument
from futukit.sim.market.listing import Kind
from futukit.sim.market.quotes import BookView, BrokerView, ExtendedTicker
from futukit.sim.market.simulation import (
    DEFAULT_START,
    Change,
    Event,
    Market,
    Placed,
    StateChange,
)

__all__ = [
    "DEFAULT_START",
    "MARKETS",
    "BookView",
    "BrokerView",
    "Change",
    "Event",
    "ExtendedTicker",
    "Fill",
    "HistoryPage",
    "Instrument",
    "Kind",
    "Market",
    "Placed",
    "StateChange",
]
