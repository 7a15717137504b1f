"""gRPC for threads: grpcio's own threads bring what arrives, the reader thread takes it.

They only append to queues and ring; what follows from it happens in the owner's reader thread,
under its lock, as with any other channel. Calls are made in that thread, too: Ctrl-C, which
interrupts the main thread anywhere, must not find it in the middle of grpcio's own locks.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from functools import partial
from typing import Any, Final

import grpc

from futukit._native.frame import Envelope
from futukit.channels.grpc import GrpcAccess, status_of
from futukit.channels.tcp_blocking import Wakeup
from futukit.core.links.grpc import GrpcLink, Status
from futukit.endpoint import Endpoint
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH

__all__ = ["GrpcChannel", "open_channel"]

_PUSHES_AHEAD: Final = 256
"""So many pushes are taken from gRPC before the reader thread has taken them from here."""

_JOIN_SECONDS: Final = 2.0


class GrpcChannel:
    """One connection to a gRPC server, which fills ``link``."""

    def __init__(self, access: GrpcAccess, wakeup: Wakeup, link: GrpcLink) -> None:
        self._link = link
        self._wakeup = wakeup
        self._metadata = access.metadata
        self._pid = os.getpid()
        self._channel = (
            grpc.insecure_channel(access.target, access.options)
            if access.credentials is None
            else grpc.secure_channel(access.target, access.credentials, access.options)
        )
        self._request = self._channel.unary_unary(REQUEST)
        self._requested: deque[Envelope] = deque()
        self._dropped: deque[int] = deque()
        self._calls: dict[int, Any] = {}
        self._ended: deque[tuple[Envelope, Any]] = deque()
        self._pushes: queue.Queue[bytes | Status] = queue.Queue(_PUSHES_AHEAD)
        self._closed = False
        self._reading = True
        link.carrier = self
        self._stream = self._channel.unary_stream(SUBSCRIBE_PUSH)(b"", metadata=self._metadata)
        self._thread = threading.Thread(
            target=self._read_pushes, name="futukit-grpc-pushes", daemon=True
        )
        self._thread.start()

    # What the link asks for, under the owner's lock.

    def carry(self, envelope: Envelope) -> None:
        """Have the reader thread make the call that a request is."""
        self._requested.append(envelope)
        self._wakeup.ring()

    def drop(self, serial: int) -> None:
        """Have the reader thread end a call that nobody waits for."""
        self._dropped.append(serial)
        self._wakeup.ring()

    # What the reader thread calls.

    def send(self, data: bytes) -> None:
        """Nothing: there are no bytes to write, the link hands over envelopes."""

    def flush(self) -> None:
        """Nothing: gRPC writes by itself."""

    @property
    def unsent(self) -> bool:
        """Never: gRPC writes by itself."""
        return False

    def wait(self, seconds: float, reading: bool) -> tuple[bool, bool]:
        """Wait for an answer, for a push if ``reading``, a ring or the time."""
        self._reading = reading
        if not self._is_ripe():
            self._wakeup.wait(seconds)
            self._wakeup.clear()
        return self._is_ripe(), False

    def receive(self) -> bool:
        """Make the calls that wait, give the link what is there; false if that is nothing."""
        self._make_calls()
        found = False
        while self._ended:
            envelope, call = self._ended.popleft()
            # The end of a call that we gave up ourselves is no sign of life from the server.
            if self._calls.pop(envelope.serial, None) is not None:
                found = True
                self._settle(envelope, call)
        # No more than what is there now: a fast server must not keep the reader thread in here.
        for _ in range(self._pushes.qsize() if self._reading else 0):
            found = True
            self._take(self._pushes.get_nowait())
        return found

    def finish(self) -> None:
        """Nothing: the end of the channel is the end."""

    def close(self) -> None:
        """End every call and let go of the connection; in a forked child only forget it."""
        self._closed = True
        self._link.carrier = None
        if os.getpid() != self._pid:
            return
        self._stream.cancel()
        self._channel.close()
        self._calls.clear()
        # The thread may wait for room.
        with contextlib.suppress(queue.Empty):
            while True:
                self._pushes.get_nowait()
        self._thread.join(_JOIN_SECONDS)

    # What happens in grpcio's threads and in ours for the stream.

    def _end_call(self, envelope: Envelope, call: Any) -> None:
        self._ended.append((envelope, call))
        self._wakeup.ring()

    def _read_pushes(self) -> None:
        try:
            for event in self._stream:
                self._pushes.put(event)
                self._wakeup.ring()
                if self._closed:
                    return
        except grpc.RpcError as error:
            end = status_of(error)
        else:
            end = status_of(self._stream)
        if not self._closed:
            self._pushes.put(end)
            self._wakeup.ring()

    # The small parts.

    def _make_calls(self) -> None:
        while self._requested:
            envelope = self._requested.popleft()
            call = self._request.future(self._link.request(envelope), metadata=self._metadata)
            self._calls[envelope.serial] = call
            call.add_done_callback(partial(self._end_call, envelope))
        while self._dropped:
            dropped = self._calls.pop(self._dropped.popleft(), None)
            if dropped is not None:
                dropped.cancel()

    def _is_ripe(self) -> bool:
        if self._requested or self._dropped or self._ended:
            return True
        return self._reading and not self._pushes.empty()

    def _settle(self, envelope: Envelope, call: Any) -> None:
        if call.cancelled():
            return
        if call.code() is grpc.StatusCode.OK:
            self._link.answered(envelope, call.result())
        else:
            self._link.undone(envelope, status_of(call))

    def _take(self, event: bytes | Status) -> None:
        if isinstance(event, Status):
            self._link.stream_ended(event)
        else:
            self._link.pushed(event)


def open_channel(
    endpoint: Endpoint,
    wakeup: Wakeup,
    reader: GrpcLink,
    *,
    security: GrpcAccess,
    timeout: float,
) -> GrpcChannel:
    """Begin to connect. Whether that succeeds, and in time, the first call shows."""
    del endpoint, timeout
    return GrpcChannel(security, wakeup, reader)
