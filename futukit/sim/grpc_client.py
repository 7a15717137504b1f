"""One client of the gRPC door: who it is to the OpenD, and its streams of pushes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import msgspec

from futukit import codec
from futukit.core.grpc_bodies import facts_of_push
from futukit.messages import init_connect
from futukit.messages.futu_service import PushEvent
from futukit.sim.app import OpenD
from futukit.sim.peer import Push

__all__ = ["CUT", "GARBAGE", "GrpcClient", "PushStream", "spoiled"]

_WAITING_PUSHES: Final = 1000
"""So many pushes wait for a client that has no stream yet."""

GARBAGE: Final = b"\xff\xfe"
"""No message at all."""

CUT: Final = "cut by a fault of the simulator"


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
                self._waiting_bytes -= len(event)
                if self._waiting_bytes <= self._limit_bytes // 2:
                    self._drained.set()
            self._changed.clear()
            if not (self._events or self.reason):
                await self._changed.wait()

    def _cut_slow(self) -> None:
        self.is_slow = True
        self.cut("the client does not read")


class GrpcClient:
    """A client as the OpenD knows it. ``heard`` is when it last called, in the loop's time."""

    def __init__(self, opend: OpenD, name: str) -> None:
        self.name = name
        self.heard = 0.0
        self.streams: set[PushStream] = set()
        self._opend = opend
        # The AES key is of no use here, and a key that is of no use is not shown.
        self.welcome = msgspec.structs.replace(opend.welcome(), conn_aes_key="")
        hello = init_connect.C2S(client_ver=0, client_id=name, recv_notify=True)
        self.peer = opend.join(self.welcome, hello, self)
        self._waiting: deque[bytes] = deque(maxlen=_WAITING_PUSHES)

    @property
    def connection_id(self) -> int:
        """OpenD's id of this client."""
        return self.peer.connection_id

    def open_stream(self) -> PushStream:
        """One more stream; the first gets what has waited."""
        stream = PushStream(self._opend.settings.write_limit_bytes)
        for event in self._waiting:
            stream.put(event)
        self._waiting.clear()
        self.streams.add(stream)
        return stream

    def cut(self, reason: str) -> None:
        """End all its streams."""
        for stream in self.streams:
            stream.cut(reason)

    def send_push(self, push: Push) -> None:
        """Send a push; see PushSink."""
        body = push.body_in(0)
        fault = self._opend.faults.take(self.connection_id, push.proto_id)
        if fault is None:
            self._put(_event(push, body))
        elif fault.kind == "delay":
            due = self._opend.now + fault.seconds
            self._opend.timetable.at(due, lambda: self._put(_event(push, body)))
        elif fault.kind == "cut":
            self.cut(CUT)
        elif fault.kind == "corrupt":
            self._put(GARBAGE if fault.what != "body" else _event(push, spoiled(body)))

    def _put(self, event: bytes) -> None:
        if not self.streams:
            self._waiting.append(event)
        for stream in self.streams:
            stream.put(event)


def spoiled(body: bytes) -> bytes:
    """A body with its last byte changed."""
    return body[:-1] + bytes((body[-1] ^ 0xFF,)) if body else GARBAGE


def _event(push: Push, body: bytes) -> bytes:
    facts = facts_of_push(push.proto_id, push.message)
    return codec.encode(
        PushEvent(
            proto_id=push.proto_id,
            sec_key=facts.sec_key,
            sub_type=facts.sub_type,
            body=body,
            event_type=facts.event_type,
            acc_id=facts.acc_id,
        )
    )
