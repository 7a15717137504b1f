"""TLS without IO: cipher text to and from a byte pipe, plain text to and from a link.

::

    socket ── feed ──▶ cipher text ─▶ OpenSSL ── move ──▶ reader
    socket ◀── take ── cipher text ◀─ OpenSSL ◀── write ── link

OpenSSL works on memory, so nothing in here waits, and "wants to read" is only ever "feed me more".
Whatever was called, ``take`` has to be asked afterwards: reading makes something to write, too.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Final

from futukit.channels import Security
from futukit.core.links import Reader
from futukit.errors import ConnectError, ConnectionLost

__all__ = ["Tunnel", "handshake_failure"]

_NAME_MISMATCHES: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


class Tunnel:
    """The client's end of one TLS connection. ``peer`` is what errors call the other end."""

    def __init__(self, security: Security, peer: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = security.context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=security.server_name
        )
        self._peer = peer
        self._unwritten = bytearray()
        self._end: ConnectionLost | None = None

    # Cipher text.

    def feed(self, data: memoryview) -> None:
        """So much came from the peer."""
        self._incoming.write(data)

    def feed_end(self) -> None:
        """The byte pipe has ended."""
        self._incoming.write_eof()

    def take(self) -> bytes:
        """What is to be sent to the peer now."""
        return self._outgoing.read()

    # Plain text.

    def shake_hands(self) -> bool:
        """Go on with the handshake; gives whether it is complete. Raises ConnectError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise handshake_failure(error, self._peer) from error
        return True

    def move(self, reader: Reader) -> bool:
        """Decrypt into ``reader`` as much as it takes at once; false if there was nothing.

        Raises ConnectionLost at the end of the connection, or else what the reader says of an
        end at this place.
        """
        with reader.get_buffer() as buffer:
            count = self._read_into(buffer)
        if count:
            reader.buffer_updated(count)
            return True
        if self._end is not None:
            reader.eof()
            raise self._end
        return False

    @property
    def ripe(self) -> bool:
        """Whether the next ``move`` may find something although nothing was fed since the last."""
        return bool(self._end is not None or self._tls.pending() or self._incoming.pending)

    def write(self, data: bytes) -> None:
        """Encrypt. On a connection that has failed this does nothing: ``move`` says why."""
        self._unwritten += data
        with contextlib.suppress(ssl.SSLError):
            # A renegotiation of TLS 1.2 may have to go first; the rest then waits for ``move``.
            while self._unwritten:
                del self._unwritten[: self._tls.write(self._unwritten)]

    def finish(self) -> None:
        """Tell the peer that nothing more comes. Its answer is not waited for."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()

    def _read_into(self, buffer: memoryview) -> int:
        filled = 0
        while filled < len(buffer) and self._end is None:
            try:
                # Into a buffer it gives a count; typeshed knows of the other form only.
                count: int = self._tls.read(len(buffer) - filled, buffer[filled:])  # type: ignore[assignment]
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                self._end = _loss(error)
                self._end.__cause__ = error
            else:
                if not count:
                    self._end = ConnectionLost("the peer closed the connection")
                filled += count
        if self._unwritten:
            self.write(b"")
        return filled


def handshake_failure(error: OSError, peer: str) -> ConnectError:
    """Why there is no TLS connection, in words that say what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        if error.verify_code in _NAME_MISMATCHES:
            return ConnectError(
                f"the certificate of {peer} is for another name: {reason}; "
                "give tls_server_name, or tls_verify=False for development"
            )
        return ConnectError(
            f"the certificate of {peer} is not trusted: {reason}; "
            "give tls_ca, or tls_verify=False for development"
        )
    if not isinstance(error, ssl.SSLError):
        return ConnectError(f"the connection to {peer} broke in the TLS handshake: {error}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConnectError(f"{peer} closed the connection in the TLS handshake; is that TLS?")
    if error.reason in _NOT_TLS:
        return ConnectError(f"{peer} does not speak TLS ({_words(error)})")
    return ConnectError(f"no TLS connection to {peer}: {_words(error)}")


def _loss(error: ssl.SSLError) -> ConnectionLost:
    if isinstance(error, ssl.SSLEOFError):
        return ConnectionLost("the connection was cut: it ended without TLS's close_notify")
    if isinstance(error, ssl.SSLZeroReturnError):
        return ConnectionLost("the peer closed the connection")
    return ConnectionLost(f"the TLS connection broke: {_words(error)}")


def _words(error: ssl.SSLError) -> str:
    """``TLSV13_ALERT_CERTIFICATE_REQUIRED`` in words, with what there is to do about it."""
    if not error.reason:
        return str(error)
    _, alert, what = error.reason.partition("_ALERT_")
    if not alert:
        return error.reason.lower().replace("_", " ")
    hint = "; give tls_cert" if what == "CERTIFICATE_REQUIRED" else ""
    return f"the peer says: {what.lower().replace('_', ' ')}{hint}"
