"""The commands that control a running simulator, and what they give back.

They are the same from Python and from another process: there each is one line of JSON with the
command's name under ``"do"`` (``{"do": "advance", "seconds": 1.5}``), answered by one line
``{"ok": true, "result": …}`` or ``{"ok": false, "error": "…"}``.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from futukit.sim.faults import Corruption, FaultKind

__all__ = [
    "Advance",
    "ClearFaults",
    "Command",
    "Done",
    "Moved",
    "Notify",
    "SetFault",
    "SetMarketState",
    "Statistics",
    "Stats",
    "Step",
    "Stop",
]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    pass


class Advance(_Command, frozen=True, kw_only=True, tag="advance"):
    """Let ``seconds`` of simulated time pass. Gives Moved, after the pushes were written."""

    seconds: float


class Step(_Command, frozen=True, kw_only=True, tag="step"):
    """Let time pass until ``trades`` more trades have happened. Gives Moved."""

    trades: int = 1


class SetFault(_Command, frozen=True, kw_only=True, tag="fault"):
    """Spoil frames to come; see futukit.sim.faults.Fault for the fields."""

    kind: FaultKind
    connection_id: int | None = None
    proto_id: int | None = None
    count: int | None = 1
    seconds: float = 0.0
    at_byte: int = 0
    what: Corruption = "digest"
    ret_type: int = -1
    message: str = "refused by a fault of the simulator"


class ClearFaults(_Command, frozen=True, kw_only=True, tag="clear_faults"):
    """Forget the faults that still wait."""


class Notify(_Command, frozen=True, kw_only=True, tag="notify"):
    """Push a notice; see futukit.sim.notices.make_notice for kinds and fields."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)


class SetMarketState(_Command, frozen=True, kw_only=True, tag="set_market_state"):
    """Force the state of a market (HK, US, SH, SZ, HK_FUTURE); no state: back to the calendar.

    ``state`` is a Qot_Common.QotMarketState, by name or number.
    """

    market: str
    state: str | int | None = None


class Stats(_Command, frozen=True, kw_only=True, tag="stats"):
    """Count what there is. Gives Statistics."""


class Stop(_Command, frozen=True, kw_only=True, tag="stop"):
    """End the process that serves (only for one that was started as a process)."""


Command = Advance | Step | SetFault | ClearFaults | Notify | SetMarketState | Stats | Stop


class Moved(Struct, frozen=True, kw_only=True):
    """Time has passed: the simulated time now (epoch seconds), trades and pushes meanwhile."""

    now: float
    trades: int
    pushes: int


class Done(Struct, frozen=True, kw_only=True):
    """The command was obeyed; ``count`` is how many clients it reached, where that is known."""

    count: int = 0


class Statistics(Struct, frozen=True, kw_only=True):
    """What is going on in a simulator.

    now: simulated time, epoch seconds. connections: the ids of the introduced clients.
    unintroduced: connections without InitConnect so far. requests, pushes: by proto id, since
    the start. used_quota, option_used_quota, history_used_quota: units. orphans: subscriptions
    of closed connections that run to their minute. faults: how many wait. slow_clients_cut:
    how many clients were cut because they did not read.
    """

    now: float
    connections: tuple[int, ...]
    unintroduced: int
    requests: dict[int, int]
    pushes: dict[int, int]
    used_quota: int
    option_used_quota: int
    history_used_quota: int
    orphans: int
    faults: int
    slow_clients_cut: int
