"""What is under the links: TCP, with or without TLS, or gRPC, for either way of waiting.

``opener(waiting, dialect)`` gives the function that opens a channel. The asyncio one is a coroutine
``open_channel(endpoint, session, deliver, *, security, timeout)``; the blocking one,
``open_channel(endpoint, wakeup, reader, *, security, timeout)``, gives a channel for its owner's
reader thread. ``security_of`` makes what both need for TLS, ``credentials_of`` what they need for
any scheme, before anything is sent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from futukit.endpoint import SCHEMES, Dialect, Endpoint
from futukit.options import Options

if TYPE_CHECKING:
    from ssl import SSLContext

    from futukit.channels.grpc import GrpcAccess

__all__ = [
    "AsyncioChannel",
    "BlockingChannel",
    "Credentials",
    "Security",
    "credentials_of",
    "opener",
    "security_of",
]


class Security(NamedTuple):
    """TLS as a client wants it: whom to trust, and the name that the certificate must have."""

    context: SSLContext
    server_name: str


Credentials: TypeAlias = "Security | GrpcAccess | None"
"""What a channel needs besides the address: TLS, or all that gRPC wants to know."""


class AsyncioChannel(Protocol):
    """What the asyncio client asks of a channel."""

    def send(self, data: bytes) -> None:
        """Write, or leave it to the loop to write."""

    def set_reading(self, reading: bool) -> bool:
        """Stop or resume reading from the peer; gives whether that changed anything."""

    def abort(self) -> None:
        """Close at once."""

    async def close(self) -> None:
        """Close when everything is written."""


class BlockingChannel(Protocol):
    """What the blocking client asks of a channel; see ``tcp_blocking`` for who may call what."""

    def send(self, data: bytes) -> None:
        """Write, or leave it to the reader thread to write."""

    def flush(self) -> None:
        """Write more of what was left over."""

    @property
    def unsent(self) -> bool:
        """Whether something is left over."""

    def wait(self, seconds: float, reading: bool) -> tuple[bool, bool]:
        """Wait for the peer, a ring or the time; gives (readable, writable)."""

    def receive(self) -> bool:
        """Read what is there into the reader; false if there was nothing after all."""

    def finish(self) -> None:
        """Tell the peer that nothing more comes."""

    def close(self) -> None:
        """Give back what the channel holds."""


def opener(waiting: Literal["asyncio", "blocking"], dialect: Dialect = "frames") -> Any:
    """The ``open_channel`` for a way of waiting and a dialect; its module loads now."""
    below = "grpc" if dialect == "grpc" else "tcp"
    return import_module(f"futukit.channels.{below}_{waiting}").open_channel


def credentials_of(endpoint: Endpoint, options: Options) -> Credentials:
    """What a channel to ``endpoint`` needs; its module loads now.

    Raises UsageError, naming the option, for what cannot be used, and for gRPC without grpcio.
    """
    if SCHEMES[endpoint.scheme].dialect != "grpc":
        return security_of(endpoint, options)
    from futukit.channels.grpc import access_of

    return access_of(endpoint, options)


def security_of(endpoint: Endpoint, options: Options) -> Security | None:
    """The TLS that a URL and its options ask for, None for none.

    Raises UsageError, naming the option, for a file or a name that cannot be used.
    """
    if not SCHEMES[endpoint.scheme].tls:
        return None
    # ssl loads only where it is wanted.
    from futukit.channels.tls import client_context, server_name_of

    context = client_context(options)
    return Security(context, server_name_of(endpoint, options, context))
