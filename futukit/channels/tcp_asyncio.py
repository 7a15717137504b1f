"""TCP for asyncio: bytes land in the link's own reader, without a copy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from futukit.channels import Security
from futukit.core.events import Event
from futukit.core.links import ByteLink
from futukit.endpoint import Endpoint
from futukit.errors import ConnectError, ConnectionLost, FutukitError, RemoteProtocolError

__all__ = ["Session", "TcpChannel", "open_channel"]

CLOSE_TIMEOUT = 2.0
"""How long an orderly close waits for what is still to be written."""

_RACE_DELAY = 0.25


class Session(Protocol):
    """What a channel needs of a session, of either role."""

    @property
    def link(self) -> ByteLink:
        """Its link's reader gets the bytes."""

    def receive(self, now: float, /) -> list[Event]:
        """Take what the reader has."""

    def lose(self, error: FutukitError, /) -> list[Event]:
        """The connection is gone."""


class TcpChannel(asyncio.BufferedProtocol):
    """One TCP connection of one session, of either role.

    Whatever arrives goes into the session; ``deliver`` then gets the events (maybe none) and
    has to write what the session's ``take`` gives.
    """

    def __init__(
        self,
        session: Session,
        deliver: Callable[[list[Event]], None],
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._deliver = deliver
        self._clock = clock
        self._reader = session.link.reader
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.get_running_loop().create_future()
        self._reading = True

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (for the type checker)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.buffer_updated(nbytes)
        self._deliver(self._session.receive(self._clock()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        self._deliver(self._session.lose(self._reason(exc)))

    def _reason(self, exc: Exception | None) -> FutukitError:
        if exc is not None:
            lost = ConnectionLost(f"the connection broke: {exc}")
            lost.__cause__ = exc
            return lost
        try:
            self._reader.eof()
        except (RemoteProtocolError, ConnectionLost) as error:
            return error  # a WebSocket says what had ended it before
        return ConnectionLost("the peer closed the connection")

    # What the owner calls.

    @property
    def connected(self) -> bool:
        """Whether there is, or was, a TCP connection."""
        return self._transport is not None

    async def opened(self) -> None:
        """Wait until it can be used, which plain TCP can at once. Raises ConnectError."""

    def send(self, data: bytes) -> None:
        """Write, or leave it to the loop to write."""
        if self._transport is not None:
            self._transport.write(data)

    def set_reading(self, reading: bool) -> bool:
        """Stop or resume reading from the peer; gives whether that changed anything."""
        if self._transport is None or reading is self._reading or self._transport.is_closing():
            return False
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        return True

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def begin_close(self) -> None:
        """Close when everything is written, without waiting for it."""
        if self._transport is not None:
            self._transport.close()

    async def close(self) -> None:
        """Close when everything is written; a peer that does not read is given two seconds."""
        self.begin_close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self.abort()
            await self._gone


def _race_delay(host: str) -> float | None:
    """After how many seconds the next address of a name is tried as well.

    A numeric host has one address; and asyncio's race leaves a socket behind when it is cancelled.
    """
    try:
        ip_address(host)
    except ValueError:
        return _RACE_DELAY
    return None


async def open_channel(
    endpoint: Endpoint,
    session: Session,
    deliver: Callable[[list[Event]], None],
    *,
    security: Security | None,
    timeout: float,
) -> TcpChannel:
    """Connect to ``endpoint`` within ``timeout`` seconds, TLS included. Raises ConnectError."""
    loop = asyncio.get_running_loop()
    channel = _new_channel(endpoint, session, deliver, security)
    usable = False
    try:
        async with asyncio.timeout(timeout):
            await loop.create_connection(
                lambda: channel,
                endpoint.host,
                endpoint.port,
                happy_eyeballs_delay=_race_delay(endpoint.host),
            )
            await channel.opened()
            usable = True
    except ConnectError:
        raise
    except TimeoutError as error:
        what = "TLS handshake with" if channel.connected else "connection to"
        raise ConnectError(f"no {what} {endpoint} in {timeout:g} s") from error
    except socket.gaierror as error:
        raise ConnectError(f"the name {endpoint.host!r} cannot be resolved: {error}") from error
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"no connection to {endpoint}: {error}") from error
    finally:
        if not usable:
            channel.abort()
    return channel


def _new_channel(
    endpoint: Endpoint,
    session: Session,
    deliver: Callable[[list[Event]], None],
    security: Security | None,
) -> TcpChannel:
    clock = asyncio.get_running_loop().time
    if security is None:
        return TcpChannel(session, deliver, clock)
    from futukit.channels.tls_asyncio import TlsChannel

    return TlsChannel(session, deliver, clock, security, str(endpoint))
