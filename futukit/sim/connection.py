"""One client of the simulated OpenD: bytes to envelopes, envelopes to bytes.

Each connection has its link and its session; what they are about is the OpenD's business.
Faults strike here, between the packed frame and the socket.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from futukit._native.frame import Envelope
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.links import ByteLink
from futukit.core.session import ServerSession
from futukit.core.session.machine import INIT_CONNECT
from futukit.errors import ConnectionLost, RemoteProtocolError
from futukit.messages import init_connect
from futukit.sim.faults import Corruption, Fault, spoil, spoil_message
from futukit.sim.peer import Peer, Push

if TYPE_CHECKING:
    from futukit.sim.server import Server

__all__ = ["Connection"]


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, server: Server, link: ByteLink, *, in_web_socket: bool) -> None:
        self._server = server
        self._in_web_socket = in_web_socket
        self._opend = server.opend
        self._link = link
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
        self._session = self._server.new_session(self._welcome, self._link, self._server.refusal())
        self._watch()
        if self._server.overrun:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._link.reader.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self._link.reader.buffer_updated(nbytes)
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
    def introduced(self) -> bool:
        """Whether the client has said who it is."""
        return self._peer is not None

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
        self._session.push_body(push.proto_id, push.body_in(self._session.push_format))
        self._write(push.proto_id)

    # Requests.

    def _work(self) -> None:
        """Serve the requests that are there; the rest waits while the client does not read."""
        try:
            for envelope in self._link.reader:
                self._take(envelope)
                if self.busy or self._transport.is_closing():
                    return
        except (RemoteProtocolError, ConnectionLost) as error:
            # What follows cannot be told from garbage: only this connection ends.
            self._session.lose(error)
            self._end()
        else:
            self._put(self._session.take())

    def _end(self) -> None:
        """Close, after a last word of the link if it has one."""
        last = self._session.take()
        if not last or self._transport.is_closing():
            self.abort()
        else:
            self._put(last)
            self._transport.close()

    def _take(self, envelope: Envelope) -> None:
        if envelope.proto_id == INIT_CONNECT and self._peer is None:
            self._refuse_by_fault()
        events = self._session.receive_one(envelope, self._server.session_time())
        self._write(envelope.proto_id)
        self._obey(events)

    def _refuse_by_fault(self) -> None:
        fault = self._opend.faults.take_refusal(self._welcome.conn_id, INIT_CONNECT)
        if fault is not None:
            self._session = self._server.new_session(self._welcome, self._link, fault.message)

    def _obey(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Introduced):
                self._peer = self._opend.join(self._welcome, event.hello, self)
            elif isinstance(event, Request) and self._peer is not None:
                self._answer(self._peer, event.envelope)
            elif isinstance(event, Lost):
                self._transport.close()

    def _answer(self, peer: Peer, envelope: Envelope) -> None:
        response = self._opend.answer(peer, envelope.proto_id, envelope.body, envelope.body_format)
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
            self._put(self._spoiled(frame, fault.what))

    def _spoiled(self, frame: bytes, what: Corruption) -> bytes:
        if self._in_web_socket:
            return spoil_message(frame, what, self._link.scripted)
        return spoil(frame, what)

    def _put(self, data: bytes) -> None:
        if not data or self._transport.is_closing():
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
