"""The requests that the simulator answers from its own state, one module per group.

Importing this package registers them all.
"""

from __future__ import annotations

from futukit.sim.handlers import (
    derivatives,
    history,
    personal,
    quotes,
    reference,
    subscribing,
    system,
    trading,
    trading_queries,
)

__all__ = [
    "derivatives",
    "history",
    "personal",
    "quotes",
    "reference",
    "subscribing",
    "system",
    "trading",
    "trading_queries",
]
