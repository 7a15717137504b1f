"""The TCP and WebSocket doors of the simulated OpenD, and the sessions behind them."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

from futukit._native.frame import Envelope
from futukit.channels.serving import Listening
from futukit.core.events import Event
from futukit.core.keys import load_rsa_key
from futukit.core.links import ByteLink
from futukit.core.secrecy import ServerSecrecy
from futukit.core.session import ServerSession
from futukit.endpoint import BODIES
from futukit.messages import init_connect
from futukit.sim.app import OpenD
from futukit.sim.connection import Connection
from futukit.sim.settings import GRANTS

__all__ = ["Server"]


class Server(Listening):
    """Listens on any number of addresses and serves one OpenD.

    In frozen mode sessions live by the simulated clock and no client is given up for silence.
    """

    def __init__(self, opend: OpenD) -> None:
        settings = opend.settings
        super().__init__(
            max_connections=settings.max_connections,
            write_limit_bytes=settings.write_limit_bytes,
        )
        self.opend = opend
        key = None if settings.rsa_key is None else load_rsa_key(settings.rsa_key)
        self._secrecy = ServerSecrecy(key, GRANTS[settings.encryption])

    def connect(self, link: ByteLink, *, in_web_socket: bool) -> Connection:
        """A client of the simulator."""
        return Connection(self, link, in_web_socket=in_web_socket)

    async def settle(self) -> None:
        """Let the sockets take what was written; cut who has no mind to read."""
        await asyncio.sleep(0)
        for connection in tuple(self.connections):
            if connection.busy:
                await connection.drain(self.opend.settings.patience_seconds)

    def session_time(self) -> float:
        """The time that sessions live by: the simulated one where it is frozen."""
        if self.opend.settings.freeze:
            return self.opend.now
        return super().session_time()

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


class _MarketTimeSession(ServerSession):
    """A session whose KeepAlive tells the time of the market, at whatever speed it goes."""

    def __init__(self, opend: OpenD, welcome: init_connect.S2C, **options: Any) -> None:
        super().__init__(welcome, **options)
        self._opend = opend

    def receive_one(self, envelope: Envelope, now: float) -> list[Event]:
        self._epoch = self._opend.now - now
        return super().receive_one(envelope, now)
