"""The server's end of TCP and WebSocket: who may come in, and one connection of each who did.

What the clients are about is the business of the two subclasses that a server makes: one of
``Listening``, and one of ``ServedConnection``, which it gives for every client.

::

    socket ── link ── session ─┬─ introduced(hello)
                               ├─ requested(envelope) … answer(envelope, …), now or later
                               └─ send_push(push)
    socket ◀── send_frame ◀──── every packed frame
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from math import inf
from ssl import SSLContext
from typing import Final

from msgspec import Struct

from futukit._native.frame import Envelope
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.links import ByteLink
from futukit.core.links.frames import FrameLink
from futukit.core.push import Push
from futukit.core.session import ServerSession
from futukit.core.states import State
from futukit.errors import ConnectionLost, RemoteProtocolError
from futukit.messages import init_connect

__all__ = ["MAX_REQUEST_BYTES", "Listening", "ServedConnection", "stop_accepting"]

MAX_REQUEST_BYTES: Final = 8 * 2**20
"""A request with a longer body closes its connection."""

_FAREWELL_SECONDS: Final = 5.0
"""How long a client may take to read the last words; then they are lost."""

_TLS_GREETING_SECONDS: Final = 20.0
"""How long a client may take for the handshake of TLS."""

_TLS_FAREWELL_SECONDS: Final = 2.0
"""How long a client may take to say goodbye in TLS."""

_TURNS_OF_AN_ACCEPT: Final = 4
"""Turns of the event loop from an accepted socket to ``connection_made``, and one to spare."""

_SOCKETS_PER_CLIENT: Final = 2
"""Sockets held open for each allowed client: some wait to be told that there are too many."""


class Listening(ABC):
    """Listens on any number of addresses and makes a connection of everybody who comes.

    ``max_connections`` clients may be there at once. A client that lets ``write_limit_bytes``
    pile up unread is cut, and counted in ``slow_clients_cut``; from half of it on, nothing more
    is read from the client. With ``local_origins``, WebSockets of pages from other machines are
    refused. All methods belong to one event loop.
    """

    def __init__(
        self, *, max_connections: int, write_limit_bytes: int, local_origins: bool = False
    ) -> None:
        self.connections: set[ServedConnection] = set()
        self.slow_clients_cut = 0
        self.write_limit_bytes = write_limit_bytes
        self._max_connections = max_connections
        self._local_origins = local_origins
        self._listening: list[asyncio.Server] = []

    # What a subclass decides.

    @abstractmethod
    def connect(self, link: ByteLink, *, in_web_socket: bool) -> ServedConnection:
        """The connection of a client that comes now, over ``link``."""

    def session_time(self) -> float:
        """The time that sessions live by: the event loop's."""
        return asyncio.get_running_loop().time()

    def count_slow(self) -> None:
        """A client was cut because it did not read."""
        self.slow_clients_cut += 1

    # What the owner calls.

    async def listen(
        self, host: str, port: int, *, web_socket: bool = False, tls: SSLContext | None = None
    ) -> int:
        """Listen on one more port; returns it. Raises OSError where that cannot be."""
        new_link: Callable[[], ByteLink] = partial(FrameLink, MAX_REQUEST_BYTES, server=True)
        if web_socket:
            from futukit.core.links.websocket import ServerWebSocketLink  # only who wants it pays

            new_link = partial(
                ServerWebSocketLink, MAX_REQUEST_BYTES, local_origins=self._local_origins
            )
        server = await asyncio.get_running_loop().create_server(
            lambda: self.connect(new_link(), in_web_socket=web_socket),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else _TLS_GREETING_SECONDS,
            ssl_shutdown_timeout=None if tls is None else _TLS_FAREWELL_SECONDS,
        )
        self._listening.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        for server in self._listening:
            await stop_accepting(server)
        open_connections = tuple(self.connections)
        for connection in open_connections:
            connection.abort()
        for connection in open_connections:
            await connection.closed.wait()
        for server in self._listening:
            await server.wait_closed()

    @property
    def unintroduced(self) -> int:
        """How many connections have not said who they are."""
        return sum(not connection.is_introduced for connection in self.connections)

    # What connections ask.

    def refusal(self) -> str | None:
        """Why one more client is refused, ``None`` if it is not."""
        limit = self._max_connections
        return f"too many connections: {limit} are open" if len(self.connections) > limit else None

    @property
    def overrun(self) -> bool:
        """Whether there are more sockets than even refusals are worth."""
        return len(self.connections) > self._max_connections * _SOCKETS_PER_CLIENT


class ServedConnection(asyncio.BufferedProtocol, ABC):
    """One client: bytes to requests, answers and pushes to bytes, all under bounds.

    A subclass says what the session is and what becomes of requests; ``closed`` is set once
    the connection is gone.
    """

    session: ServerSession

    def __init__(self, listening: Listening, link: ByteLink) -> None:
        self.closed = asyncio.Event()
        self.link = link
        self._listening = listening
        self._drained = asyncio.Event()
        self._is_introduced = False
        self._is_held = False
        self._is_reading = True
        self._is_working = False
        self._timer: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    # What a subclass decides.

    @abstractmethod
    def open_session(self) -> ServerSession:
        """The session of a client that has just come."""

    @abstractmethod
    def introduced(self, hello: init_connect.C2S) -> None:
        """The client has said who it is and was welcomed."""

    @abstractmethod
    def requested(self, envelope: Envelope) -> None:
        """A request came: ``answer`` or ``refuse`` it, now or later."""

    @abstractmethod
    def gone(self) -> None:
        """The connection is no more, whether the client was introduced or not."""

    def send_frame(self, proto_id: int, frame: bytes) -> None:
        """Write a packed frame: every one goes this way."""
        del proto_id
        self.write(frame)

    def take(self, envelope: Envelope) -> None:
        """Let the session have one packet, and do what it says."""
        events = self.session.receive_one(envelope, self._listening.session_time())
        self._flush(envelope.proto_id)
        self._obey(events)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        self._transport = transport
        transport.set_write_buffer_limits(high=self._listening.write_limit_bytes // 2)
        self._drained.set()
        self._listening.connections.add(self)
        self.session = self.open_session()
        self._watch()
        if self._listening.overrun:
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.link.reader.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self.link.reader.buffer_updated(nbytes)
        self._go_on()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for timer in (self._timer, self._farewell):
            if timer is not None:
                timer.cancel()
        self._drained.set()
        self._listening.connections.discard(self)
        self.session.lose(ConnectionLost("the client closed the connection"))
        self.gone()
        self.closed.set()

    def pause_writing(self) -> None:
        self._drained.clear()
        self._adjust_reading()

    def resume_writing(self) -> None:
        self._drained.set()
        self._go_on()

    # What the owner asks for.

    @property
    def peer_name(self) -> str:
        """The client's address and port."""
        address = self._transport.get_extra_info("peername") or ("unknown", 0)
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def is_introduced(self) -> bool:
        """Whether the client has said who it is."""
        return self._is_introduced

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing() or self.session.state is State.CLOSED

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

    def answer(self, envelope: Envelope, response: Struct | bytes) -> None:
        """Answer a request with a Response, or its plain bytes in the request's body format.

        Writes at once; on a connection that is closing it does nothing.
        """
        if not self.is_closing:
            self.session.reply(envelope, response)
            self._flush(envelope.proto_id)

    def refuse(
        self, envelope: Envelope, ret_msg: str, ret_type: int = -1, err_code: int | None = None
    ) -> None:
        """Answer a request of any id with an error, in the same way."""
        if not self.is_closing:
            self.session.refuse(envelope, ret_msg, ret_type, err_code)
            self._flush(envelope.proto_id)

    def send_push(self, push: Push, /) -> None:
        """Send a push; see PushSink."""
        if not self.is_closing:
            self.session.push_body(push.proto_id, push.body_in(self.session.push_format))
            self._flush(push.proto_id)

    def hold(self) -> None:
        """Take no more requests for now: what has come waits, the rest is not read.

        Meanwhile the client is not given up for its silence, which nobody hears.
        """
        if not self._is_held:
            self._is_held = True
            self._adjust_reading()

    def release(self) -> None:
        """Go on with the requests that have come, and read again."""
        if self._is_held:
            self._is_held = False
            self.session.excuse(self._listening.session_time())
            self._go_on()

    def write(self, data: bytes) -> None:
        """Write bytes as they are; a client that does not read them is cut."""
        if not data or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._listening.write_limit_bytes:
            self._cut_slow()

    def end(self) -> None:
        """End the session in order, and close."""
        self.session.close()
        self._take_leave()

    def close(self) -> None:
        """Close once everything is written, for which the client gets a few seconds."""
        if not self._transport.is_closing():
            loop = asyncio.get_running_loop()
            self._farewell = loop.call_later(_FAREWELL_SECONDS, self.abort)
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is unwritten is lost."""
        self._drained.set()
        self._transport.abort()

    # Requests.

    def _go_on(self) -> None:
        """Serve what was left waiting; if nothing stands against it then, read again."""
        if not self._is_working:  # else the loop over the requests looks for itself
            self._work()
            self._adjust_reading()

    def _work(self) -> None:
        """Serve the requests that are there, as long as the client reads and is not held."""
        self._is_working = True
        try:
            while self._may_read and not self._transport.is_closing():
                envelope = next(self.link.reader, None)
                if envelope is None:
                    self.write(self.session.take())
                    return
                self.take(envelope)
        except (RemoteProtocolError, ConnectionLost) as error:
            # What follows cannot be told from garbage: only this connection ends.
            self.session.lose(error)
            self._take_leave()
        finally:
            self._is_working = False

    @property
    def _may_read(self) -> bool:
        return not (self.busy or self._is_held)

    def _adjust_reading(self) -> None:
        if self._is_reading is self._may_read or self._transport.is_closing():
            return
        self._is_reading = not self._is_reading
        if self._is_reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take_leave(self) -> None:
        """Close, after a last word of the link if it has one."""
        last = self.session.take()
        if not last or self._transport.is_closing():
            self.abort()
        else:
            self.write(last)
            self.close()

    def _obey(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Introduced):
                self._is_introduced = True
                self.introduced(event.hello)
            elif isinstance(event, Request):
                self.requested(event.envelope)
            elif isinstance(event, Lost):
                self.close()

    # Bytes.

    def _flush(self, proto_id: int) -> None:
        """Send what the session packed: one frame at most, because it is asked after each."""
        frame = self.session.take()
        if frame:
            self.send_frame(proto_id, frame)

    def _cut_slow(self) -> None:
        if not self._transport.is_closing():
            self._listening.count_slow()
        self.abort()

    # Silence.

    def _watch(self) -> None:
        if self.session.next_deadline < inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self.session.next_deadline, self._tick)

    def _tick(self) -> None:
        now = self._listening.session_time()
        if self._is_held:
            self.session.excuse(now)
        if self.session.tick(now):
            self.abort()
        else:
            self._watch()


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
