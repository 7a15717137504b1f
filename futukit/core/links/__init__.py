"""Between a connection's bytes and its envelopes: one link per connection, without IO.

A channel moves bytes; a link says what they mean; a session lives on the envelopes. The way in
is the link's ``reader``, which the channel fills and the session empties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from futukit._native.cipher import Cipher
from futukit._native.frame import Envelope
from futukit.core.links.refused import Refused, Undone

__all__ = ["ByteLink", "Link", "Opener", "PacketReader", "Reader", "Sealer", "Sink"]

Sink = Callable[[bytes], None]
"""Takes the body of a push. It must not raise."""


class SealsBodies(Protocol):
    """What encrypts a body of its own making, an RSA key for example."""

    def seal(self, plain: bytes, /) -> bytes:
        """Encrypt a body."""


class OpensBodies(Protocol):
    """What makes a plain body of what came over the wire."""

    def open(self, wire: bytes, digest: bytes, /) -> bytes:
        """Decrypt a body whose plain form has this SHA1. Raises DecryptError."""


Sealer = Cipher | SealsBodies | None
Opener = Cipher | OpensBodies | None


class PacketReader(Protocol):
    """Envelopes out, however they come in."""

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Refused | Undone | None:
        """Give pushes to their sinks; the first packet that is for nobody, None without one.

        Raises RemoteProtocolError for bytes that are not the protocol, and ConnectionLost where
        the peer ends the connection by a message.
        """

    def __iter__(self) -> Iterator[Envelope]:
        """The packets that are complete by now."""

    def __next__(self) -> Envelope: ...

    def clear(self) -> None:
        """Forget everything that has come."""


class Reader(PacketReader, Protocol):
    """Bytes in, envelopes out. The names are those of ``asyncio.BufferedProtocol``."""

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:
        """Memory for the next read."""

    def buffer_updated(self, nbytes: int, /) -> None:
        """So many bytes were read into it."""

    def route(self, sinks: dict[int, Sink], /) -> Envelope | Refused | None:
        """Give pushes to their sinks; the first packet that is for nobody, None without one."""

    def eof(self) -> None:
        """The stream has ended. Raises BadLength within a packet."""


class Link(Protocol):
    """One connection's dialect. ``sealer`` and ``opener`` are its ciphers, None for plain bodies.

    What ``message`` and ``body`` return is to be written; while a link is still opening they
    return nothing and ``take`` gives it all once the link is open. A link over gRPC has no bytes:
    it hands envelopes to its channel.
    """

    sealer: Sealer
    opener: Opener

    @property
    def scripted(self) -> bool:
        """Whether packets are those of the JavaScript SDK: login by InitWebSocket, no KeepAlive."""

    @property
    def reader(self) -> PacketReader:
        """Where what arrives comes out."""

    def start(self) -> None:
        """Client: begin the opening handshake, where there is one."""

    def message(self, proto_id: int, serial: int, message: Any, body_format: int = 0, /) -> bytes:
        """Pack a message. Raises EncodeError."""

    def body(self, proto_id: int, serial: int, body: bytes, body_format: int = 0, /) -> bytes:
        """Pack the plain bytes of a body."""

    def failure(self, proto_id: int, serial: int, error: int, text: str, /) -> bytes:
        """Pack an error in place of an answer, which only the script dialect has."""

    def abandon(self, serial: int, /) -> None:
        """Nobody waits for the answer to this request any more."""

    def ping(self) -> bytes | None:
        """A sign of life of the link's own; None where the session sends KeepAlive."""

    def take(self) -> bytes:
        """What the link itself has to write: handshakes, answers to pings, what had to wait."""

    def finish(self) -> bytes:
        """The bytes of an orderly end."""


class ByteLink(Link, Protocol):
    """A link for a channel that carries bytes."""

    @property
    def reader(self) -> Reader:
        """Where the bytes that arrive go in."""
