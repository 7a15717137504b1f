"""The doors of the simulated OpenD: who may come in, and when everybody has to leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from math import inf
from ssl import SSLContext
from typing import Any, Final

from futukit._native.frame import Envelope
from futukit.core.events import Event
from futukit.core.keys import load_rsa_key
from futukit.core.links import ByteLink
from futukit.core.links.frames import FrameLink
from futukit.core.secrecy import ServerSecrecy
from futukit.core.session import ServerSession
from futukit.endpoint import BODIES
from futukit.messages import init_connect
from futukit.sim.app import OpenD
from futukit.sim.connection import Connection
from futukit.sim.settings import GRANTS

__all__ = ["MAX_REQUEST_BYTES", "Server", "stop_accepting"]

MAX_REQUEST_BYTES: Final = 8 * 2**20
"""A request with a longer body closes its connection."""

_TLS_FAREWELL_SECONDS: Final = 2.0
"""How long a client may take to say goodbye in TLS."""

_TURNS_OF_AN_ACCEPT: Final = 4
"""Turns of the event loop from an accepted socket to ``connection_made``, and one to spare."""

_SOCKETS_PER_CLIENT: Final = 2
"""Sockets held open for each allowed client: some wait to be told that there are too many."""


class Server:
    """Listens on any number of addresses and serves one OpenD.

    In frozen mode sessions live by the simulated clock and no client is given up for silence.
    """

    def __init__(self, opend: OpenD) -> None:
        self.opend = opend
        self.slow_clients_cut = 0
        self.connections: set[Connection] = set()
        settings = opend.settings
        key = None if settings.rsa_key is None else load_rsa_key(settings.rsa_key)
        self._secrecy = ServerSecrecy(key, GRANTS[settings.encryption])
        self._listening: list[asyncio.Server] = []

    async def listen(
        self, host: str, port: int, *, web_socket: bool = False, tls: SSLContext | None = None
    ) -> int:
        """Listen on one more port; returns it. Raises OSError where that cannot be."""
        loop = asyncio.get_running_loop()
        new_link: Callable[[], ByteLink] = partial(FrameLink, MAX_REQUEST_BYTES, server=True)
        if web_socket:
            from futukit.core.links.websocket import ServerWebSocketLink  # only who wants it pays

            new_link = partial(ServerWebSocketLink, MAX_REQUEST_BYTES)
        server = await loop.create_server(
            lambda: Connection(self, new_link(), in_web_socket=web_socket),
            host,
            port,
            ssl=tls,
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

    async def settle(self) -> None:
        """Let the sockets take what was written; cut who has no mind to read."""
        await asyncio.sleep(0)
        for connection in tuple(self.connections):
            if connection.busy:
                await connection.drain(self.opend.settings.patience_seconds)

    @property
    def unintroduced(self) -> int:
        """How many connections have not said InitConnect."""
        return sum(not connection.introduced for connection in self.connections)

    def session_time(self) -> float:
        """The time that sessions live by."""
        if self.opend.settings.freeze:
            return self.opend.now
        return asyncio.get_running_loop().time()

    def new_session(
        self, welcome: init_connect.S2C, link: ByteLink, refusal: str | None
    ) -> ServerSession:
        """A session for a connection, which may be refused from the start."""
        settings = self.opend.settings
        return _MarketTimeSession(
            self.opend,
            welcome,
            now=self.session_time(),
            idle_timeout=inf if settings.freeze else None,
            refusal=refusal,
            link=link,
            secrecy=self._secrecy,
            aes_cbc_iv=self.opend.new_iv(),
            web_socket_key=settings.ws_key,
            push_format=BODIES.index(settings.push_format),
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

    def receive_one(self, envelope: Envelope, now: float) -> list[Event]:
        self._epoch = self._opend.now - now
        return super().receive_one(envelope, now)
