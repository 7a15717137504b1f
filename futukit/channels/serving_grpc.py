"""The server's end of gRPC: a listener for the two methods of the service, and streams of pushes.

Who the clients are and what they may do is the business of whoever gives the two handlers.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import grpc.aio

from futukit.channels.grpc import AROUND_A_BODY_BYTES, retry_metadata
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH

__all__ = ["GrpcListener", "PushStream", "abort", "bearer"]

Request: TypeAlias = Callable[[bytes, Any], Awaitable[bytes]]
Subscribe: TypeAlias = Callable[[bytes, Any], Awaitable[None]]

_AUTHORIZATION: Final = "authorization"
_PING_SECONDS: Final = 30.0
"""After so much silence of a client it is asked whether it is there; half of it is its time."""

_TOLERATED_PING_MILLISECONDS: Final = 5000
"""Clients may ping so often."""


class PushStream:
    """What goes out on one stream; ``pump`` writes it, until the stream is cut.

    A stream on which more than ``limit_bytes`` pile up is cut. ``reason`` is why it was, and
    ``is_slow`` says whether for that.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.reason = ""
        self.is_slow = False
        self._limit_bytes = limit_bytes
        self._events: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._writer: asyncio.Task[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """How much the client has not taken yet."""
        return self._waiting_bytes

    def put(self, event: bytes) -> None:
        """Send an event."""
        if self.reason:
            return
        self._events.append(event)
        self._waiting_bytes += len(event)
        self._changed.set()
        if self._waiting_bytes > self._limit_bytes // 2:
            self._drained.clear()
        if self._waiting_bytes > self._limit_bytes:
            self._cut_slow()

    def cut(self, reason: str) -> None:
        """End the stream; what waits is lost."""
        self.reason = reason
        self._events.clear()
        self._waiting_bytes = 0
        self._changed.set()
        self._drained.set()
        if self._writer is not None:
            self._writer.cancel()

    async def settle(self, patience_seconds: float) -> None:
        """Wait until little waits; cuts the stream if nothing moves for so long."""
        while not self._drained.is_set():
            before = self._waiting_bytes
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    await self._drained.wait()
            if not self._drained.is_set() and self._waiting_bytes >= before:
                self._cut_slow()

    async def pump(self, write: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        """Write event after event until the stream is cut."""
        # A task of its own: a write to a client that does not read ends with it only.
        self._writer = asyncio.create_task(self._write_all(write))
        try:
            await asyncio.wait((self._writer,))
        finally:
            self._writer.cancel()
        if not self._writer.cancelled():
            self._writer.result()

    async def _write_all(self, write: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        while not self.reason:
            while self._events:
                event = self._events.popleft()
                await write(event)
                if self.reason:
                    return
                self._waiting_bytes -= len(event)
                if self._waiting_bytes <= self._limit_bytes // 2:
                    self._drained.set()
            self._changed.clear()
            if not (self._events or self.reason):
                await self._changed.wait()

    def _cut_slow(self) -> None:
        self.is_slow = True
        self.cut("the client does not read")


class GrpcListener:
    """Serves ``futu.service.FutuOpenD`` on one port. All methods belong to one event loop.

    ``request`` answers a FutuRequest and ``subscribe`` writes PushEvents to the context, both as
    bytes. ``tls`` are the PEM files of the certificate and its key, ``services`` add further
    services to the server before it starts. A client that is silent is pinged after
    ``ping_seconds``, and one that does not answer in half as long is given up: its calls are
    cancelled. ``options`` are further ones of grpcio's servers.
    """

    def __init__(
        self,
        request: Request,
        subscribe: Subscribe,
        *,
        tls: tuple[str | Path, str | Path] | None = None,
        services: Sequence[Callable[[Any], object]] = (),
        ping_seconds: float = _PING_SECONDS,
        options: Sequence[tuple[str, int]] = (),
    ) -> None:
        service, _, request_name = REQUEST[1:].partition("/")
        handlers = {
            request_name: grpc.unary_unary_rpc_method_handler(request),
            SUBSCRIBE_PUSH.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(subscribe),
        }
        own = grpc.method_handlers_generic_handler(service, handlers)
        self._handlers = (own,)
        self._services = services
        self._tls = tls
        self._options = (*_options(ping_seconds), *options)
        self._server: Any = None

    async def listen(self, host: str, port: int) -> int:
        """Listen on one port, under TLS where there is a certificate; returns it.

        A name is served on each of its addresses. Raises OSError where that cannot be, and for a
        file that cannot be read.
        """
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers(self._handlers)
        for add_to in self._services:
            add_to(server)
        credentials = None
        if self._tls is not None:
            chain, key = (Path(name).read_bytes() for name in self._tls)
            credentials = grpc.ssl_server_credentials(((key, chain),))
        for address in await _addresses(host, port):
            place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            try:
                if credentials is None:
                    port = server.add_insecure_port(place)
                else:
                    port = server.add_secure_port(place, credentials)
            except RuntimeError as error:
                raise OSError(None, "the address is in use or cannot be had") from error
        await server.start()
        self._server = server
        return port

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Stop listening and end every call; with grace they may end by themselves before."""
        if self._server is not None:
            await self._server.stop(grace_seconds)


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host; of a name, those that this machine has.

    grpcio is content with one of them, and who comes by another would reach another program.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = dict.fromkeys((family, place[0]) for family, _, _, _, place in found)
    if len(places) == 1:
        return [host]
    return [str(address) for family, address in places if _is_here(family, str(address))]


def _is_here(family: int, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _options(ping_seconds: float) -> tuple[tuple[str, int], ...]:
    milliseconds = int(ping_seconds * 1000)
    return (
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, no sharing of clients
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES + AROUND_A_BODY_BYTES),
        # A client whose machine or network went away says no goodbye, and a stream of pushes on
        # which nothing happens would never notice. So silent clients are pinged by HTTP/2, which
        # every gRPC library answers by itself.
        ("grpc.keepalive_time_ms", milliseconds),
        ("grpc.keepalive_timeout_ms", milliseconds // 2),
        ("grpc.http2.ping_timeout_ms", milliseconds // 2),  # a minute by itself
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Clients may ask the same of us; grpcio by itself cuts those that do so often.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _TOLERATED_PING_MILLISECONDS),
    )


async def abort(
    context: Any, status_name: str, reason: str, retry_after: float | None = None
) -> NoReturn:
    """End a call with a status; ``retry_after`` says in how many seconds one may come back."""
    await context.abort(grpc.StatusCode[status_name], reason, retry_metadata(retry_after))
    raise AssertionError("an aborted call goes on")


def bearer(context: Any) -> str | None:
    """The API key that a call carries (``authorization: Bearer <key>``), None without one."""
    given = [str(value) for name, value in context.invocation_metadata() if name == _AUTHORIZATION]
    if len(given) != 1:
        return None  # of several nobody could say which is meant
    scheme, _, key = given[0].partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
