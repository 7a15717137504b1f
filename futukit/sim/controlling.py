"""The commands of a simulator as methods, blocking; who carries them out is left open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

from futukit.sim.commands import (
    Advance,
    ClearFaults,
    Command,
    Done,
    Moved,
    Notify,
    SetFault,
    SetMarketState,
    Statistics,
    Stats,
    Step,
)
from futukit.sim.faults import FaultKind

__all__ = ["Control", "Result", "urls_of"]

Result = Moved | Done | Statistics
"""What a command gives back."""


def urls_of(host: str, schemes: Mapping[str, int]) -> dict[str, str]:
    """Scheme → URL as a client takes it."""
    name = f"[{host}]" if ":" in host else host
    return {scheme: f"{scheme}://{name}:{port}" for scheme, port in schemes.items()}


class Control(ABC):
    """The commands of a running simulator, blocking."""

    @abstractmethod
    def perform(self, command: Command) -> Result:
        """Have one command obeyed. Raises UsageError for what cannot be."""

    @property
    @abstractmethod
    def urls(self) -> dict[str, str]:
        """Where clients connect to, by the URL's scheme."""

    @property
    def url(self) -> str:
        """Where clients connect to over TCP, or over whatever is served first."""
        return next(iter(self.urls.values()))

    def advance(self, seconds: float) -> Moved:
        """Let ``seconds`` of simulated time pass; returns after the pushes were written."""
        return cast(Moved, self.perform(Advance(seconds=seconds)))

    def step(self, trades: int = 1) -> Moved:
        """Let time pass until ``trades`` more trades have happened."""
        return cast(Moved, self.perform(Step(trades=trades)))

    def fault(self, kind: FaultKind, **details: Any) -> None:
        """Spoil frames to come: delay, cut, corrupt, silence or refuse.

        ``details`` are those of futukit.sim.faults.Fault: connection_id, proto_id, count,
        seconds, at_byte, what, ret_type, message.
        """
        self.perform(SetFault(kind=kind, **details))

    def clear_faults(self) -> None:
        """Forget the faults that still wait."""
        self.perform(ClearFaults())

    def notify(self, kind: str, **fields: Any) -> int:
        """Push a notice to who asked for notices; returns to how many.

        Kinds and fields are those of futukit.sim.notices.make_notice.
        """
        return cast(Done, self.perform(Notify(kind=kind, fields=fields))).count

    def set_market_state(self, market: str, state: str | int | None) -> None:
        """Force the state of a market (HK, US, SH, SZ, HK_FUTURE); ``None``: by the calendar."""
        self.perform(SetMarketState(market=market, state=state))

    def stats(self) -> Statistics:
        """Count connections, requests, pushes and quota."""
        return cast(Statistics, self.perform(Stats()))
