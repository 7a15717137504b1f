"""``SimulatedOpenD``: a simulator in this process, blocking or awaited.

``with SimulatedOpenD(...) as opend`` runs it in a thread of its own; ``async with`` runs it in
the caller's event loop and gives the awaited form. Both offer the same commands.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from futukit.errors import LocalProtocolError
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
)
from futukit.sim.control import ControlPort
from futukit.sim.controlling import Control, Result, urls_of
from futukit.sim.faults import FaultKind
from futukit.sim.host import Host, Ports
from futukit.sim.settings import Settings
from futukit.sim.spawned import SpawnedOpenD
from futukit.sim.trading import TradingDesk

__all__ = ["AsyncSimulatedOpenD", "SimulatedOpenD"]

_LOOPBACK: Final = "127.0.0.1"
_T = TypeVar("_T")


class AsyncSimulatedOpenD:
    """The commands of a simulator in this event loop, awaited. ``async with SimulatedOpenD()``."""

    def __init__(self, host: Host, urls: dict[str, str], control_port: int | None) -> None:
        self._host = host
        self.urls = urls
        self.control_port = control_port

    @property
    def url(self) -> str:
        """Where clients connect to over TCP, or over whatever is served first."""
        return next(iter(self.urls.values()))

    @property
    def port(self) -> int:
        """The TCP port that serves; 0 without one."""
        return self._host.ports.tcp or 0

    @property
    def opend(self) -> OpenD:
        """The simulator itself, for handlers of one's own and for looking inside."""
        return self._host.opend

    @property
    def trading(self) -> TradingDesk:
        """The accounts and their orders, for looking inside."""
        return self._host.opend.trading

    async def perform(self, command: Command) -> Result:
        """Have one command obeyed. Raises UsageError for what cannot be."""
        return await self._host.perform(command)

    async def advance(self, seconds: float) -> Moved:
        """Let ``seconds`` of simulated time pass; returns after the pushes were written."""
        return cast(Moved, await self.perform(Advance(seconds=seconds)))

    async def step(self, trades: int = 1) -> Moved:
        """Let time pass until ``trades`` more trades have happened."""
        return cast(Moved, await self.perform(Step(trades=trades)))

    async def fault(self, kind: FaultKind, **details: Any) -> None:
        """Spoil frames to come; see Control.fault."""
        await self.perform(SetFault(kind=kind, **details))

    async def clear_faults(self) -> None:
        """Forget the faults that still wait."""
        await self.perform(ClearFaults())

    async def notify(self, kind: str, **fields: Any) -> int:
        """Push a notice to who asked for notices; returns to how many."""
        return cast(Done, await self.perform(Notify(kind=kind, fields=fields))).count

    async def set_market_state(self, market: str, state: str | int | None) -> None:
        """Force the state of a market; ``None``: back to the calendar."""
        await self.perform(SetMarketState(market=market, state=state))

    async def stats(self) -> Statistics:
        """Count connections, requests, pushes and quota."""
        return cast(Statistics, await self.perform(Stats()))


class SimulatedOpenD(Control):
    """A simulated OpenD on loopback.

    host, port: where to listen; port 0 is any free one, None no TCP. ws, grpc, tcps: also serve
    WebSockets (both dialects), gRPC (both under TLS with ``tls_cert`` and ``tls_key``) and TCP
    under TLS on these ports. control_port: also listen for commands there. The settings are those
    of futukit.sim.settings.Settings: seed, freeze, speed, rsa_key, ws_key and so on.

    As a context manager it serves in a thread of its own; ``url``, ``port`` and the commands
    are then at hand. With ``async with`` it serves in the running event loop.
    """

    def __init__(
        self,
        *,
        host: str = _LOOPBACK,
        port: int | None = 0,
        ws: int | None = None,
        tcps: int | None = None,
        grpc: int | None = None,
        control_port: int | None = None,
        **settings: Any,
    ) -> None:
        self._settings = Settings(**settings)
        self._address = host
        self._ports = Ports(tcp=port, tcps=tcps, ws=ws, grpc=grpc)
        self._wanted_control_port = control_port
        self._running: _Running | None = None
        self._thread: _LoopThread | None = None

    # Blocking.

    def __enter__(self) -> SimulatedOpenD:
        self._thread = _LoopThread()
        try:
            self._running = self._thread.run(self._start())
        except BaseException:
            self._thread.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is not None and self._running is not None:
            try:
                self._thread.run(self._running.stop())
            finally:
                self._thread.close()
                self._thread = self._running = None

    def perform(self, command: Command) -> Result:
        """Have one command obeyed. Raises UsageError for what cannot be."""
        if self._thread is None:
            raise LocalProtocolError("enter the simulator with `with`, or await its commands")
        return self._thread.run(self._up.host.perform(command))

    @property
    def urls(self) -> dict[str, str]:
        """Where clients connect to, by the URL's scheme."""
        return urls_of(self._address, self._up.host.schemes)

    @property
    def port(self) -> int:
        """The TCP port that serves; 0 without one."""
        return self._up.host.ports.tcp or 0

    @property
    def control_port(self) -> int | None:
        """The port that takes commands, if one was asked for."""
        return self._up.control_port

    @property
    def opend(self) -> OpenD:
        """The simulator itself, for handlers of one's own. It lives in another thread."""
        return self._up.host.opend

    @property
    def trading(self) -> TradingDesk:
        """The accounts and their orders, for looking inside. They live in another thread."""
        return self.opend.trading

    @staticmethod
    def spawn(**options: Any) -> SpawnedOpenD:
        """A simulator in a process of its own; takes what ``futukit sim`` takes as keywords."""
        return SpawnedOpenD(**options)

    # Awaited.

    async def __aenter__(self) -> AsyncSimulatedOpenD:
        self._running = await self._start()
        host = self._running.host
        urls = urls_of(self._address, host.schemes)
        return AsyncSimulatedOpenD(host, urls, self._running.control_port)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._running is not None:
            await self._running.stop()
            self._running = None

    async def _start(self) -> _Running:
        host = Host(self._settings)
        running = _Running(host)
        await host.start(self._address, self._ports)
        try:
            await running.listen(self._wanted_control_port)
        except BaseException:
            await host.stop()
            raise
        return running

    @property
    def _up(self) -> _Running:
        if self._running is None:
            raise LocalProtocolError("the simulator does not run: enter it with `with` first")
        return self._running


class _Running:
    """A host with its control port."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.control_port: int | None = None
        self._control = ControlPort(host)

    async def listen(self, control_port: int | None) -> None:
        if control_port is not None:
            self.control_port = await self._control.start(control_port)

    async def stop(self) -> None:
        await self._control.stop()
        await self.host.stop()


class _LoopThread:
    """An event loop in a thread that never keeps the process alive."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="simulated-opend", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop the loop and wait for the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
