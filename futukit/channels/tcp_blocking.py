"""TCP for threads: one thread reads, any thread writes, nobody blocks in a write.

The socket does not block. What a writer cannot get rid of at once is left to the reader thread,
which waits for the socket and for a wake-up in one place; so two peers that both only write can
never wait for each other.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from typing import Any

from futukit.channels import Security
from futukit.core.links import Reader
from futukit.endpoint import Endpoint
from futukit.errors import ConnectError, ConnectionLost

__all__ = ["TcpChannel", "Wakeup", "is_ready", "open_channel"]

_LONGEST_WAIT = 60.0  # an upper bound that every platform's selector takes


class Wakeup:
    """Ends a wait of the reader thread from another thread."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)

    def ring(self) -> None:
        """End the present wait, or else the next one."""
        try:
            self._sender.send(b"\0")
        except (BlockingIOError, OSError):
            # Full: the reader has enough reasons to wake up. Closed: there is no reader.
            return

    def clear(self) -> None:
        """Forget all rings so far."""
        try:
            while self.receiver.recv(1024):
                continue
        except OSError:
            return

    def wait(self, seconds: float) -> None:
        """Wait for a ring, at most so long."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.receiver, selectors.EVENT_READ)
            selector.select(max(0.0, min(seconds, _LONGEST_WAIT)))

    def close(self) -> None:
        """Give the sockets back."""
        self.receiver.close()
        self._sender.close()


class TcpChannel:
    """One TCP connection, whose bytes go into ``reader``.

    Any thread calls ``send`` under its owner's lock. The rest is called by the reader thread:
    ``wait`` without that lock, everything else under it.
    """

    def __init__(self, sock: socket.socket, wakeup: Wakeup, reader: Reader) -> None:
        self._reader = reader
        self._socket = sock
        self._wakeup = wakeup
        self._unsent = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)
        self._selector.register(wakeup.receiver, selectors.EVENT_READ)
        self._interest = selectors.EVENT_READ

    def send(self, data: bytes) -> None:
        """Write, or leave it to the reader thread to write."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # broken: the reader thread finds out and says why
        if sent < len(data):
            self._unsent += data[sent:]
            self._wakeup.ring()

    def flush(self) -> None:
        """Write more of what was left over."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except OSError:
                return
            del self._unsent[:sent]

    @property
    def unsent(self) -> bool:
        """Whether something is left over."""
        return bool(self._unsent)

    def wait(self, seconds: float, reading: bool) -> tuple[bool, bool]:
        """Wait for the socket, a ring or the time; gives (readable, writable)."""
        self._watch(reading)
        readable = writable = False
        for key, events in self._selector.select(max(0.0, min(seconds, _LONGEST_WAIT))):
            if key.fileobj is self._wakeup.receiver:
                self._wakeup.clear()
            else:
                readable = bool(events & selectors.EVENT_READ)
                writable = bool(events & selectors.EVENT_WRITE)
        return readable, writable

    def receive(self) -> bool:
        """Read what is there into the reader; false if there was nothing after all.

        Raises ConnectionLost, or what the reader says of an end at this place.
        """
        with self._reader.get_buffer() as buffer:
            try:
                received = self._socket.recv_into(buffer)
            except BlockingIOError:
                return False
            except OSError as error:
                raise ConnectionLost(f"the connection broke: {error}") from error
        if not received:
            self._reader.eof()
            raise ConnectionLost("the peer closed the connection")
        self._reader.buffer_updated(received)
        return True

    def finish(self) -> None:
        """Tell the peer that nothing more comes, where that takes bytes; ``flush`` the rest."""

    def close(self) -> None:
        """Give the descriptors back, without a word to the peer."""
        self._selector.close()
        self._socket.close()

    def _watch(self, reading: bool) -> None:
        interest = selectors.EVENT_READ if reading else 0
        if self._unsent:
            interest |= selectors.EVENT_WRITE
        if interest == self._interest:
            return
        if not interest:
            self._selector.unregister(self._socket)
        elif not self._interest:
            self._selector.register(self._socket, interest)
        else:
            self._selector.modify(self._socket, interest)
        self._interest = interest


def open_channel(
    endpoint: Endpoint,
    wakeup: Wakeup,
    reader: Reader,
    *,
    security: Security | None,
    timeout: float,
) -> TcpChannel | None:
    """Connect to ``endpoint`` within ``timeout`` seconds, TLS included.

    Gives None if ``wakeup`` rang meanwhile. Raises ConnectError.
    """
    deadline = time.monotonic() + timeout
    sock = _dial(endpoint, wakeup, deadline)
    if sock is None:
        return None
    if security is None:
        return TcpChannel(sock, wakeup, reader)
    from futukit.channels.tls_blocking import secured

    try:
        return secured(sock, wakeup, reader, security, endpoint, deadline)
    except TimeoutError as error:
        raise ConnectError(f"no TLS handshake with {endpoint} in {timeout:g} s") from error


def _dial(endpoint: Endpoint, wakeup: Wakeup, deadline: float) -> socket.socket | None:
    """Connect; None if ``wakeup`` rang. The addresses of a name are tried one after the other."""
    try:
        addresses = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"the name {endpoint.host!r} cannot be resolved: {error}") from error
    failure: OSError | None = None
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (deadline - time.monotonic()) / (len(addresses) - index)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # an address of a family that this machine does not have
            failure = error
            continue
        try:
            connected = _connect(sock, address, wakeup, share)
        except OSError as error:
            sock.close()
            failure = error
            continue
        if not connected:
            sock.close()
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise ConnectError(f"no connection to {endpoint}: {failure}") from failure


def _connect(sock: socket.socket, address: Any, wakeup: Wakeup, seconds: float) -> bool:
    """Connect without blocking; false if ``wakeup`` rang first. Raises OSError."""
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        if not is_ready(sock, selectors.EVENT_WRITE, wakeup, seconds):
            return False
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    return True


def is_ready(sock: socket.socket, events: int, wakeup: Wakeup, seconds: float) -> bool:
    """Wait until a socket is ready; false if ``wakeup`` rang first. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(sock, events)
        selector.register(wakeup.receiver, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            ready = [key.fileobj for key, _ in selector.select(max(0.0, min(left, _LONGEST_WAIT)))]
            if ready:
                return wakeup.receiver not in ready
            if left <= 0:
                raise TimeoutError("timed out")
