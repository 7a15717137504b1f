"""TLS for threads: the rules of the TCP channel, with encryption above its buffers."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from futukit.channels import Security
from futukit.channels.tcp_blocking import TcpChannel, Wakeup, is_ready
from futukit.channels.tunnel import Tunnel, handshake_failure
from futukit.core.links import Reader
from futukit.endpoint import Endpoint
from futukit.errors import ConnectError, ConnectionLost

__all__ = ["TlsChannel", "secured"]

_READ_BYTES = 64 * 1024


class TlsChannel(TcpChannel):
    """One TLS connection. What is unsent here is cipher text."""

    def __init__(self, sock: socket.socket, wakeup: Wakeup, reader: Reader, tunnel: Tunnel) -> None:
        super().__init__(sock, wakeup, reader)
        self._tunnel = tunnel
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._ripe = False

    def shake_hands(self, deadline: float) -> bool:
        """Do the handshake; false if the wake-up rang. Raises ConnectError and OSError."""
        try:
            while not self._tunnel.shake_hands():
                self._write_out()
                interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
                seconds = deadline - time.monotonic()
                if not is_ready(self._socket, interest, self._wakeup, seconds):
                    return False
                with contextlib.suppress(BlockingIOError):
                    self._fetch()
        finally:
            self._write_out()
        return True

    def send(self, data: bytes) -> None:
        """Encrypt and write, or leave it to the reader thread to write."""
        self._tunnel.write(data)
        self._send_out()

    def finish(self) -> None:
        """Tell the peer that nothing more comes; ``flush`` what that leaves over."""
        self._tunnel.finish()
        self._send_out()

    def wait(self, seconds: float, reading: bool) -> tuple[bool, bool]:
        """Wait for something to read, the socket, a ring or the time."""
        # What OpenSSL has decrypted already makes no socket readable.
        ripe = reading and self._ripe
        readable, writable = super().wait(0.0 if ripe else seconds, reading)
        return readable or ripe, writable

    def receive(self) -> bool:
        """Decrypt what is there into the reader; false if there was nothing after all."""
        try:
            if not self._ripe:
                self._fetch()
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConnectionLost(f"the connection broke: {error}") from error
        try:
            return self._tunnel.move(self._reader)
        finally:
            self._ripe = self._tunnel.ripe
            self._send_out()

    def _fetch(self) -> None:
        received = self._socket.recv_into(self._buffer)
        if received:
            self._tunnel.feed(self._buffer[:received])
        else:
            self._tunnel.feed_end()

    def _send_out(self) -> None:
        data = self._tunnel.take()
        if data:
            super().send(data)

    def _write_out(self) -> None:
        """The same without a ring, which would end the handshake's own wait."""
        self._unsent += self._tunnel.take()
        self.flush()


def secured(
    sock: socket.socket,
    wakeup: Wakeup,
    reader: Reader,
    security: Security,
    endpoint: Endpoint,
    deadline: float,
) -> TlsChannel | None:
    """Do the handshake on a connected socket; None if ``wakeup`` rang.

    Raises ConnectError, or TimeoutError when it takes too long.
    """
    channel = TlsChannel(sock, wakeup, reader, Tunnel(security, str(endpoint)))
    done = False
    try:
        done = channel.shake_hands(deadline)
    except (ConnectError, TimeoutError):
        raise
    except OSError as error:
        raise handshake_failure(error, str(endpoint)) from error
    finally:
        if not done:
            channel.close()
    return channel if done else None
