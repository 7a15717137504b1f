"""Live quotes and tickers from a client, for ``watch`` and ``demo``: one queue of happenings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from futukit.aio import Client, ClientState, StateChange
from futukit.enums import SubType
from futukit.errors import UsageError
from futukit.messages import qot_update_basic_qot, qot_update_ticker
from futukit.messages.qot_common import BasicQot, Ticker
from futukit.types import join_security, split_security

__all__ = ["Happening", "Live", "Quote", "Status", "Trade", "checked_codes"]

_QUEUE_SIZE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A new quote of ``code`` (``HK.00700``)."""

    code: str
    row: BasicQot


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade in ``code``."""

    code: str
    row: Ticker


@dataclass(frozen=True, slots=True)
class Status:
    """The connection changed: one line about it."""

    text: str


Happening = Quote | Trade | Status


def checked_codes(codes: Iterable[str]) -> list[str]:
    """The codes without repeats, as ``join_security`` writes them. Raises UsageError."""
    found = list(dict.fromkeys(join_security(*split_security(code)) for code in codes))
    if not found:
        raise UsageError("no security is named")
    return found


@dataclass(slots=True)
class Live:
    """Everything that happens to some securities on a client, in the order of its coming.

    A reader that falls far behind loses the oldest; ``lost`` counts them.
    """

    client: Client
    codes: list[str]
    pushes: int = 0
    lost: int = 0
    queue: asyncio.Queue[Happening] = field(default_factory=lambda: asyncio.Queue(_QUEUE_SIZE))

    async def start(self) -> None:
        """Subscribe and listen. Raises what ``client.quote.subscribe`` raises."""
        self.client.on(qot_update_basic_qot.Response, self._quotes)
        self.client.on(qot_update_ticker.Response, self._trades)
        self.client.on_state(self._state)
        self._put(Status(f"ready: connection {self.client.connection_id}"))
        await self.client.quote.subscribe(self.codes, [SubType.BASIC, SubType.TICKER])

    def _quotes(self, s2c: qot_update_basic_qot.S2C) -> None:
        self.pushes += 1
        for row in s2c.basic_qot_list:
            self._put(Quote(join_security(row.security.market, row.security.code), row))

    def _trades(self, s2c: qot_update_ticker.S2C) -> None:
        self.pushes += 1
        code = join_security(s2c.security.market, s2c.security.code)
        for row in s2c.ticker_list:
            self._put(Trade(code, row))

    def _state(self, change: StateChange) -> None:
        text = change.state.value
        if change.reason is not None:
            text += f": {change.reason}"
        if change.state is ClientState.READY:
            text += f": connection {self.client.connection_id}"
        self._put(Status(text))
        for error in change.unrestored:
            self._put(Status(f"not subscribed again: {error}"))

    def _put(self, happening: Happening) -> None:
        if self.queue.full():
            self.queue.get_nowait()
            self.lost += 1
        self.queue.put_nowait(happening)
