"""A simulated OpenD to try strategies and clients on, without a broker.

>>> from futukit.sim import SimulatedOpenD
>>> with SimulatedOpenD(seed=1, freeze=True) as opend:
...     moved = opend.advance(60)  # a minute of simulated trading
>>> moved.trades > 0
True

The market is decided by the seed: the same seed and the same commands give the same quotes,
trades and K-lines, byte for byte. ``freeze`` stops its clock until ``advance`` or ``step``.
``fault`` breaks connections on purpose. The same from a shell: ``futukit sim --help``. Tests
take the fixtures ``opend`` and ``opend_process``, which pytest finds by itself.

Everything loads when first touched, so that pytest does not pay for fixtures nobody uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from futukit.sim.app import Call, OpenD
    from futukit.sim.commands import Done, Moved, Statistics
    from futukit.sim.controlling import Control
    from futukit.sim.refusal import RefusalError
    from futukit.sim.settings import Settings
    from futukit.sim.simulated import AsyncSimulatedOpenD, SimulatedOpenD
    from futukit.sim.spawned import SpawnedOpenD

__all__ = [
    "AsyncSimulatedOpenD",
    "Call",
    "Control",
    "Done",
    "Moved",
    "OpenD",
    "RefusalError",
    "Settings",
    "SimulatedOpenD",
    "SpawnedOpenD",
    "Statistics",
]

_HOMES: Final = {
    "AsyncSimulatedOpenD": "simulated",
    "Call": "app",
    "Control": "controlling",
    "Done": "commands",
    "Moved": "commands",
    "OpenD": "app",
    "RefusalError": "refusal",
    "Settings": "settings",
    "SimulatedOpenD": "simulated",
    "SpawnedOpenD": "spawned",
    "Statistics": "commands",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
