"""The TCP channel of the simulated OpenD: bytes to envelopes, envelopes to bytes.

Each connection has its frame reader and its session; what they are about is the OpenD's
business. Faults strike here, between the packed frame and the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from math import inf
from typing import Any, Final

from futukit._native.frame import Envelope, FrameReader
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.session import ServerSession
from futukit.core.session.machine import INIT_CONNECT
from futukit.errors import FrameError
from futukit.messages import init_connect
from futukit.sim.app import OpenD
from futukit.sim.faults import Fault, spoil
from futukit.sim.peer import Peer, Push

__all__ = ["MAX_REQUEST_BYTES", "TcpServer", "stop_accepting"]

MAX_REQUEST_BYTES: Final = 8 * 2**20
"""A request with a longer body closes its connection."""

_TURNS_OF_AN_ACCEPT: Final = 4
"""Turns of the event loop from an accepted socket to ``connection_made``, and one to spare."""

_SOCKETS_PER_CLIENT: Final = 2
"""Sockets held open for each allowed client: some wait to be told that there are too many."""


class TcpServer:
    """Listens on one address and serves one OpenD.

    In frozen mode sessions live by the simulated clock and no client is given up for silence.
    """

    def __init__(self, opend: OpenD) -> None:
        self.opend = opend
        self.slow_clients_cut = 0
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError where that cannot be."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            await stop_accepting(self._server)
        open_connections = tuple(self.connections)
        for connection in open_connections:
            connection.abort()
        for connection in open_connections:
            await connection.closed.wait()
        if self._server is not None:
            await self._server.wait_closed()

    async def settle(self) -> None:
        """Let the sockets take what was written; cut who has no mind to read."""
        await asyncio.sleep(0)
        for connection in tuple(self.connections):
            if connection.busy:
                await connection.drain(self.opend.settings.patience_seconds)

    @property
    def unintroduced(self) -> int:
        """How many connections have not said InitConnect."""
        return len(self.connections) - len(self.opend.peers)

    def session_time(self) -> float:
        """The time that sessions live by."""
        if self.opend.settings.freeze:
            return self.opend.now
        return asyncio.get_running_loop().time()

    def new_session(self, welcome: init_connect.S2C, refusal: str | None) -> ServerSession:
        """A session for a connection, which may be refused from the start."""
        frozen = self.opend.settings.freeze
        return _MarketTimeSession(
            self.opend,
            welcome,
            now=self.session_time(),
            idle_timeout=inf if frozen else None,
            refusal=refusal,
        )

    def refusal(self) -> str | None:
        """Why one more client is refused, ``None`` if it is not."""
        limit = self.opend.settings.max_connections
        return f"too many connections: {limit} are open" if len(self.connections) > limit else None

    @property
    def overrun(self) -> bool:
        """Whether there are more sockets than even refusals are worth."""
        limit = self.opend.settings.max_connections * _SOCKETS_PER_CLIENT
        return len(self.connections) > limit


async def stop_accepting(server: asyncio.Server) -> None:
    """Stop listening; whoever was accepted a moment ago has come to its protocol by then.

    asyncio drops a socket, unclosed, whose accept is under way when its server closes. So first
    no more are accepted, then those that were come through, and then the server closes.
    """
    loop = asyncio.get_running_loop()
    # The event loop of Windows has no readers to remove.
    with contextlib.suppress(NotImplementedError):
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_OF_AN_ACCEPT):
        await asyncio.sleep(0)
    server.close()


class _MarketTimeSession(ServerSession):
    """A session whose KeepAlive tells the time of the market, at whatever speed it goes."""

    def __init__(self, opend: OpenD, welcome: init_connect.S2C, **options: Any) -> None:
        super().__init__(welcome, **options)
        self._opend = opend

    def receive(self, envelopes: Iterable[Envelope], now: float) -> list[Event]:
        self._epoch = self._opend.now - now
        return super().receive(envelopes, now)


class _Connection(asyncio.BufferedProtocol):
    """One TCP client."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._opend = server.opend
        self._reader = FrameReader(MAX_REQUEST_BYTES)
        self.closed = asyncio.Event()
        self._drained = asyncio.Event()
        self._peer: Peer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._welcome: init_connect.S2C
        self._session: ServerSession

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        self._transport = transport
        transport.set_write_buffer_limits(high=self._opend.settings.write_limit_bytes // 2)
        self._drained.set()
        self._server.connections.add(self)
        self._welcome = self._opend.welcome()
        self._session = self._server.new_session(self._welcome, self._server.refusal())
        self._watch()
        if self._server.overrun:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.buffer_updated(nbytes)
        self._work()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._drained.set()
        self._server.connections.discard(self)
        self._opend.forget(self._welcome.conn_id)
        self.closed.set()

    def pause_writing(self) -> None:
        self._drained.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._drained.set()
        self._work()
        if not self.busy:
            self._transport.resume_reading()

    # What the server asks for.

    @property
    def busy(self) -> bool:
        """Whether the client leaves much unread."""
        return not self._drained.is_set()

    async def drain(self, patience_seconds: float) -> None:
        """Wait until the client has read; cut it when it reads nothing for so long."""
        while self.busy:
            before = self._transport.get_write_buffer_size()
            try:
                await asyncio.wait_for(self._drained.wait(), patience_seconds)
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= before:
                    self._cut_slow()

    def abort(self) -> None:
        """Close at once; what is unwritten is lost."""
        self._drained.set()
        self._transport.abort()

    def send_push(self, push: Push) -> None:
        """Send a push; see PushSink."""
        if self._transport.is_closing():
            return
        self._session.push_body(push.proto_id, push.body)
        self._write(push.proto_id)

    # Requests.

    def _work(self) -> None:
        """Serve the requests that are there; the rest waits while the client does not read."""
        try:
            for envelope in self._reader:
                self._take(envelope)
                if self.busy or self._transport.is_closing():
                    return
        except FrameError:
            # What follows cannot be told from garbage: only this connection ends.
            self.abort()

    def _take(self, envelope: Envelope) -> None:
        if envelope.proto_id == INIT_CONNECT and self._peer is None:
            self._refuse_by_fault()
        events = self._session.receive((envelope,), self._server.session_time())
        self._write(envelope.proto_id)
        self._obey(events)

    def _refuse_by_fault(self) -> None:
        fault = self._opend.faults.take_refusal(self._welcome.conn_id, INIT_CONNECT)
        if fault is not None:
            self._session = self._server.new_session(self._welcome, fault.message)

    def _obey(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Introduced):
                self._peer = self._opend.join(self._welcome, event.hello, self)
            elif isinstance(event, Request) and self._peer is not None:
                self._answer(self._peer, event.envelope)
            elif isinstance(event, Lost):
                self._transport.close()

    def _answer(self, peer: Peer, envelope: Envelope) -> None:
        response = self._opend.answer(peer, envelope.proto_id, envelope.body)
        self._session.reply(envelope, response)
        self._write(envelope.proto_id)
        afterwards, peer.after_reply = peer.after_reply, []
        for callback in afterwards:
            callback()

    # Bytes.

    def _write(self, proto_id: int) -> None:
        """Write what the session packed: one frame at most, because it is asked after each."""
        frame = self._session.take()
        if not frame:
            return
        fault = self._opend.faults.take(self._welcome.conn_id, proto_id)
        if fault is None:
            self._put(frame)
        else:
            self._strike(fault, frame)

    def _strike(self, fault: Fault, frame: bytes) -> None:
        if fault.kind == "delay":
            due = self._opend.now + fault.seconds
            self._opend.timetable.at(due, lambda: self._put(frame))
        elif fault.kind == "cut":
            self._put(frame[: fault.at_byte])
            self._transport.close()
        elif fault.kind == "corrupt":
            self._put(spoil(frame, fault.what))

    def _put(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(data)
        limit = self._opend.settings.write_limit_bytes
        if self._transport.get_write_buffer_size() > limit:
            self._cut_slow()

    def _cut_slow(self) -> None:
        self._server.slow_clients_cut += 1
        self.abort()

    # Silence.

    def _watch(self) -> None:
        if self._session.next_deadline < inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._session.next_deadline, self._tick)

    def _tick(self) -> None:
        if self._session.tick(self._server.session_time()):
            self.abort()
        else:
            self._watch()
