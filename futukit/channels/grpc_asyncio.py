"""gRPC for asyncio: a task for each call, and one that reads the stream of pushes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import grpc.aio

from futukit._native.frame import Envelope
from futukit.channels.grpc import GrpcAccess, status_of
from futukit.core.events import Event
from futukit.core.links.grpc import GrpcLink, Status
from futukit.endpoint import Endpoint
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH

__all__ = ["GrpcChannel", "open_channel"]

_END_SECONDS: Final = 1.0
"""So long at most the core may take to end the calls of a channel that is closed."""

# The event loop itself holds its tasks by weak references only.
_closing: Final[set[asyncio.Task[None]]] = set()


class Session(Protocol):
    """What the channel needs of a session."""

    @property
    def link(self) -> GrpcLink:
        """Gets what calls bring."""

    def receive(self, now: float, /) -> list[Event]:
        """Take what the link has."""


class GrpcChannel:
    """One connection to a gRPC server. ``deliver`` gets the session's events (maybe none)."""

    def __init__(
        self, session: Session, deliver: Callable[[list[Event]], None], access: GrpcAccess
    ) -> None:
        self._session = session
        self._link = session.link
        self._deliver = deliver
        self._metadata = access.metadata
        self._loop = asyncio.get_running_loop()
        self._channel = (
            grpc.aio.insecure_channel(access.target, access.options)
            if access.credentials is None
            else grpc.aio.secure_channel(access.target, access.credentials, access.options)
        )
        self._request = self._channel.unary_unary(REQUEST)
        self._calls: dict[int, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._closing: asyncio.Task[None] | None = None
        self._link.carrier = self
        self._stream = self._channel.unary_stream(SUBSCRIBE_PUSH)(b"", metadata=self._metadata)
        self._spawn(self._read_pushes())

    # What the link asks for.

    def carry(self, envelope: Envelope) -> None:
        """Make the call that a request is."""
        if self._closing is None:
            call = self._request(self._link.request(envelope), metadata=self._metadata)
            self._calls[envelope.serial] = call
            self._spawn(self._await(envelope, call))

    def drop(self, serial: int) -> None:
        """End a call that nobody waits for."""
        call = self._calls.pop(serial, None)
        if call is not None:
            _end(call)

    # What the owner calls.

    def send(self, data: bytes) -> None:
        """Nothing: there are no bytes to write, the link hands over envelopes."""

    def set_reading(self, reading: bool) -> bool:
        """Stop or resume reading pushes; gRPC then slows the server down."""
        if reading is self._may_read.is_set():
            return False
        if reading:
            self._may_read.set()
        else:
            self._may_read.clear()
        return True

    def abort(self) -> None:
        """End every call and let go of the connection."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
            _closing.add(self._closing)
            self._closing.add_done_callback(_closing.discard)

    async def close(self) -> None:
        """The same, and wait until it is gone."""
        self.abort()
        if self._closing is not None:
            # Who gives up waiting does not keep it open.
            await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._link.carrier = None
        self._may_read.set()
        for call in (self._stream, *self._calls.values()):
            _end(call)
        if self._tasks:
            _, stuck = await asyncio.wait(self._tasks, timeout=_END_SECONDS)
            for task in stuck:
                task.cancel()
        # The stream's status comes right behind what its reader waited for: let it in.
        await asyncio.sleep(0)
        await self._channel.close()
        # With its last channel grpcio stops to hand on what is late.
        del self._channel, self._request, self._stream

    # The tasks.

    async def _await(self, envelope: Envelope, call: Any) -> None:
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            self._link.undone(envelope, status_of(error))
        else:
            self._link.answered(envelope, answer)
        self._calls.pop(envelope.serial, None)
        self._arrived()

    async def _read_pushes(self) -> None:
        stream = self._stream
        try:
            while True:
                await self._may_read.wait()
                event = await stream.read()
                if event is grpc.aio.EOF:
                    break
                self._link.pushed(event)
                self._arrived()
        except grpc.aio.AioRpcError as error:
            self._link.stream_ended(status_of(error))
        else:
            self._link.stream_ended(Status((await stream.code()).name, await stream.details()))
        self._arrived()

    def _arrived(self) -> None:
        if self._closing is None:
            self._deliver(self._session.receive(self._loop.time()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _end(call: Any) -> None:
    """Cancel a call, but not the waiting for what the core has to say about that.

    grpcio's ``cancel`` does both. What comes when nobody waits may meet an event loop that is
    closed by then, and grpcio prints a traceback.
    """
    cancel_in_core = getattr(call, "_cancel", None)
    if cancel_in_core is None:
        call.cancel()
    else:
        cancel_in_core("ended by the client")


async def open_channel(
    endpoint: Endpoint,
    session: Session,
    deliver: Callable[[list[Event]], None],
    *,
    security: GrpcAccess,
    timeout: float,
) -> GrpcChannel:
    """Begin to connect. Whether that succeeds, and in time, the first call shows."""
    del endpoint, timeout
    return GrpcChannel(session, deliver, security)
