"""TLS for asyncio, over the plain TCP transport.

asyncio has TLS of its own, but with a buffered protocol it loses what OpenSSL has not given out
yet when the stream ends, and it goes on reading into a paused connection. Here decrypted bytes go
straight into the link's reader, a pause stops the socket, and both faces have the same rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from futukit.channels import Security
from futukit.channels.tcp_asyncio import Session, TcpChannel
from futukit.channels.tunnel import Tunnel, handshake_failure
from futukit.core.events import Event
from futukit.errors import ConnectError, ConnectionLost, FutukitError, RemoteProtocolError

__all__ = ["TlsChannel"]

_READ_BYTES = 64 * 1024


class TlsChannel(TcpChannel):
    """One TLS connection of one session. It is of use once ``opened`` has returned."""

    def __init__(
        self,
        session: Session,
        deliver: Callable[[list[Event]], None],
        clock: Callable[[], float],
        security: Security,
        peer: str,
    ) -> None:
        super().__init__(session, deliver, clock)
        self._tunnel = Tunnel(security, peer)
        self._peer = peer
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._secure = False
        self._end: FutukitError | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._tunnel.feed(self._buffer[:nbytes])
        self._go_on()

    def eof_received(self) -> None:
        self._tunnel.feed_end()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._secure:
            super().connection_lost(exc)
            return
        error = exc if isinstance(exc, OSError) else ConnectionResetError("it was closed")
        self._fail(handshake_failure(error, self._peer))
        self._gone.set_result(None)

    def _reason(self, exc: Exception | None) -> FutukitError:
        return self._end or super()._reason(exc)

    # Handshake and decryption.

    def _go_on(self) -> None:
        """Do what can be done with the bytes that are there."""
        if not self._secure and not self._shake_hands():
            return
        while not self._is_closing() and self._move():
            self._deliver(self._session.receive(self._clock()))

    def _shake_hands(self) -> bool:
        if self._opened.done():
            return False  # it failed, or whoever opened has given up
        try:
            self._secure = self._tunnel.shake_hands()
        except ConnectError as error:
            self._write_out()  # the alert that tells the peer why
            self._fail(error)
        else:
            self._write_out()
        if self._secure:
            self._opened.set_result(None)
        return self._secure

    def _move(self) -> bool:
        try:
            return self._tunnel.move(self._reader)
        except (ConnectionLost, RemoteProtocolError) as error:
            self._end = error
            self.begin_close()
            return False
        finally:
            self._write_out()

    def _fail(self, error: ConnectError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            # Known from here on, even if whoever opened has been cancelled meanwhile.
            self._opened.exception()
        super().begin_close()

    # What the owner calls.

    async def opened(self) -> None:
        """Wait for the end of the handshake. Raises ConnectError."""
        await self._opened

    def send(self, data: bytes) -> None:
        """Encrypt and write, or leave it to the loop to write."""
        self._tunnel.write(data)
        self._write_out()

    def begin_close(self) -> None:
        """Close in order when everything is written, without waiting for it."""
        if self._secure and not self._is_closing():
            self._tunnel.finish()
            self._write_out()
        super().begin_close()

    def _write_out(self) -> None:
        data = self._tunnel.take()
        if data:
            super().send(data)

    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()
