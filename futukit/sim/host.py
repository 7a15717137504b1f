"""A running simulator: one OpenD, its servers, its clock, and the commands that control it."""

from __future__ import annotations

import asyncio
from importlib import import_module
from math import isfinite
from ssl import SSLContext
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.endpoint import check_port, is_local
from futukit.errors import ConnectError, UsageError
from futukit.messages import qot_common
from futukit.sim.app import OpenD
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
    Stop,
)
from futukit.sim.controlling import Result
from futukit.sim.faults import Fault
from futukit.sim.market import Change, Event
from futukit.sim.notices import make_notice
from futukit.sim.server import Server
from futukit.sim.settings import LONGEST_ADVANCE_SECONDS, Settings

if TYPE_CHECKING:
    from futukit.sim.grpc_door import GrpcDoor

__all__ = ["Host", "Ports"]

_SLICE_SECONDS: Final = 1.0
"""The market moves in slices of so much simulated time; a slice is one push of each kind."""

_IDLE_SLICE_SECONDS: Final = 60.0
"""The slice when nobody has pushes coming: the market ends up the same."""

_TICK_SECONDS: Final = 0.05
_LONGEST_TICK_SECONDS: Final = 5.0
_MICROSECOND: Final = 1e-6


class Ports(NamedTuple):
    """Ports of a simulator; 0 is any free one, None is no such door.

    ``ws`` takes both WebSocket dialects, under TLS where there is a certificate; so does ``grpc``.
    """

    tcp: int | None = None
    tcps: int | None = None
    ws: int | None = None
    grpc: int | None = None

    def schemes(self, *, tls: bool) -> dict[str, int]:
        """The URL schemes that these ports serve."""
        web = ("wss", "ft+wss") if tls else ("ws", "ft+ws")
        ports = {"tcp": self.tcp, "tcps": self.tcps, **dict.fromkeys(web, self.ws)}
        ports["grpcs" if tls else "grpc"] = self.grpc
        return {scheme: port for scheme, port in ports.items() if port is not None}


class Host:
    """Owns everything that runs. All methods belong to the event loop that called ``start``."""

    def __init__(self, settings: Settings) -> None:
        self.opend = OpenD(settings)
        self.server = Server(self.opend)
        self.ports = Ports()
        self._grpc: GrpcDoor | None = None
        self.stopped = asyncio.Event()
        self._moving = asyncio.Lock()
        self._live: asyncio.Task[None] | None = None
        self._trades = 0

    async def start(self, host: str, ports: Ports) -> None:
        """Serve on ``host``; ``ports`` then says on which ports.

        Raises ConnectError, or UsageError for what is no port or may not be served there.
        """
        for port in ports:
            if port is not None:
                check_port(port)
        tls = self._tls(ports)
        for what, needed in (("a WebSocket", ports.ws), ("gRPC", ports.grpc)):
            if needed is not None and tls is None and not is_local(host):
                raise UsageError(f"{what} on an address that is not local needs tls_cert")
        if ports.grpc is not None:
            self._grpc = self._grpc_door()
        doors: tuple[tuple[int | None, bool, SSLContext | None], ...] = (
            (ports.tcp, False, None),
            (ports.tcps, False, tls),
            (ports.ws, True, tls),
        )
        served: list[int | None] = []
        for port, web_socket, under in doors:
            try:
                served.append(
                    None
                    if port is None
                    else await self.server.listen(host, port, web_socket=web_socket, tls=under)
                )
            except OSError as error:
                await self.server.stop()
                reason = f"cannot listen on {host}:{port}: {error.strerror}"
                raise ConnectError(reason) from error
        grpc = await self._open_grpc(host, ports.grpc)
        self.ports = Ports(*served)._replace(grpc=grpc)
        if not self.opend.settings.freeze:
            self._live = asyncio.create_task(self._run_live())

    async def _open_grpc(self, host: str, port: int | None) -> int | None:
        if port is None or self._grpc is None:
            return None
        try:
            return await self._grpc.listen(host, port)
        except OSError as error:
            await self.server.stop()
            reason = f"cannot listen on {host}:{port}: {error.strerror}"
            raise ConnectError(reason) from error

    def _grpc_door(self) -> GrpcDoor:
        # Only who wants it pays. The first of these says what to install where grpcio is missing.
        import_module("futukit.channels.grpc")
        from futukit.sim.grpc_door import GrpcDoor

        return GrpcDoor(self.opend)

    @property
    def schemes(self) -> dict[str, int]:
        """The URL schemes that are served, and on which port each."""
        return self.ports.schemes(tls=self.opend.settings.tls_cert is not None)

    def _tls(self, ports: Ports) -> SSLContext | None:
        settings = self.opend.settings
        if settings.tls_cert is None or settings.tls_key is None:
            if ports.tcps is not None:
                raise UsageError("a port for tcps:// needs tls_cert and tls_key")
            return None
        from futukit.channels.tls import server_context

        return server_context(settings.tls_cert, settings.tls_key)

    async def stop(self) -> None:
        """End the clock and close every connection."""
        self.stopped.set()
        if self._live is not None:
            self._live.cancel()
            await asyncio.gather(self._live, return_exceptions=True)
        if self._grpc is not None:
            await self._grpc.stop()
        await self.server.stop()

    async def perform(self, command: Command) -> Result:
        """Obey one command. Raises UsageError for what cannot be."""
        if isinstance(command, Advance | Step):
            return await self._move(command)
        if isinstance(command, SetMarketState):
            await self._set_market_state(command)
            return Done()
        if isinstance(command, Stats):
            return self._statistics()
        return Done(count=self._do(command))

    def _do(self, command: SetFault | ClearFaults | Notify | Stop) -> int:
        if isinstance(command, SetFault):
            names = command.__struct_fields__
            self.opend.faults.add(Fault(**{name: getattr(command, name) for name in names}))
        elif isinstance(command, ClearFaults):
            self.opend.faults.clear()
        elif isinstance(command, Notify):
            return self.opend.notify(make_notice(command.kind, command.fields))
        else:
            self.stopped.set()
        return 0

    def _statistics(self) -> Statistics:
        opend = self.opend
        used, option_used = opend.book.used()
        return Statistics(
            now=opend.now,
            connections=tuple(opend.peers),
            unintroduced=self.server.unintroduced,
            requests=dict(sorted(opend.requests.items())),
            pushes=dict(sorted(opend.pushes.items())),
            used_quota=used,
            option_used_quota=option_used,
            history_used_quota=len(opend.history_quota.used(opend.now)),
            orphans=opend.book.orphans,
            faults=len(opend.faults),
            slow_clients_cut=self.server.slow_clients_cut
            + (0 if self._grpc is None else self._grpc.slow_clients_cut),
        )

    # Time.

    async def _move(self, command: Advance | Step) -> Moved:
        async with self._moving:
            trades, pushes = self._trades, self.opend.pushes.total()
            if isinstance(command, Advance):
                await self._advance(command.seconds)
            else:
                await self._step(command.trades)
            return Moved(
                now=self.opend.now,
                trades=self._trades - trades,
                pushes=self.opend.pushes.total() - pushes,
            )

    async def _advance(self, seconds: float) -> None:
        if not (isfinite(seconds) and seconds >= 0):
            raise UsageError(f"time advances by a number of seconds from 0 on, not {seconds!r}")
        if seconds > LONGEST_ADVANCE_SECONDS:
            raise UsageError(f"one command advances at most {LONGEST_ADVANCE_SECONDS} seconds")
        end = self.opend.now + seconds
        while True:
            self._happened(self.opend.market.advance(self._slice(end)))
            await self._settle()
            if end - self.opend.now < _MICROSECOND:
                return

    async def _settle(self) -> None:
        await self.server.settle()
        if self._grpc is not None:
            await self._grpc.settle()

    def _slice(self, end: float) -> float:
        """How far to go at once: to what is due next, and never past ``end``."""
        now = self.opend.now
        longest = _SLICE_SECONDS if self.opend.book.pushed_securities() else _IDLE_SLICE_SECONDS
        stops = [end, now + longest]
        if self.opend.timetable.next is not None:
            stops.append(self.opend.timetable.next)
        return max(_MICROSECOND if end > now else 0.0, min(stops) - now)

    async def _step(self, trades: int) -> None:
        if trades < 1:
            raise UsageError(f"a step is at least one trade, not {trades}")
        wanted = self._trades + trades
        while self._trades < wanted:
            before = self._trades
            self._happened(self.opend.market.step(1))
            await self._settle()
            if self._trades == before:
                raise UsageError("nothing trades any more: every market is closed")

    def _happened(self, events: list[Event]) -> None:
        self._trades += sum(
            len(event.tickers) + len(event.extended)
            for event in events
            if isinstance(event, Change)
        )
        self.opend.happened(events)

    async def _set_market_state(self, command: SetMarketState) -> None:
        state = command.state
        if isinstance(state, str):
            names = qot_common.QotMarketState.__members__
            if state.upper() not in names:
                raise UsageError(f"no market state {state!r}: there are {', '.join(names)}")
            state = int(names[state.upper()])
        async with self._moving:
            self.opend.market.set_market_state(command.market, state)
            self._happened(self.opend.market.advance(0.0))

    async def _run_live(self) -> None:
        """Let simulated time follow real time."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = loop.time()
            # A machine that slept does not make up for it.
            elapsed = min(now - last, _LONGEST_TICK_SECONDS) * self.opend.settings.speed
            last = now
            async with self._moving:
                await self._advance_live(elapsed)

    async def _advance_live(self, seconds: float) -> None:
        end = self.opend.now + seconds
        while end - self.opend.now >= _MICROSECOND:
            self._happened(self.opend.market.advance(self._slice(end)))
            await asyncio.sleep(0)
