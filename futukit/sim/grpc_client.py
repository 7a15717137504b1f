"""One client of the gRPC door: who it is to the OpenD, and its streams of pushes."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from futukit.channels.serving_grpc import PushStream
from futukit.core.push import Push
from futukit.messages import init_connect
from futukit.sim.app import OpenD

__all__ = ["CUT", "GARBAGE", "GrpcClient", "spoiled"]

_WAITING_PUSHES: Final = 1000
"""So many pushes wait for a client that has no stream yet."""

GARBAGE: Final = b"\xff\xfe"
"""No message at all."""

CUT: Final = "cut by a fault of the simulator"


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

    def send_push(self, push: Push, /) -> None:
        """Send a push; see PushSink."""
        fault = self._opend.faults.take(self.connection_id, push.proto_id)
        if fault is None:
            self._put(push.event())
        elif fault.kind == "delay":
            due = self._opend.now + fault.seconds
            self._opend.timetable.at(due, lambda: self._put(push.event()))
        elif fault.kind == "cut":
            self.cut(CUT)
        elif fault.kind == "corrupt":
            self._put(GARBAGE if fault.what != "body" else _spoiled_event(push))

    def _put(self, event: bytes) -> None:
        if not self.streams:
            self._waiting.append(event)
        for stream in self.streams:
            stream.put(event)


def spoiled(body: bytes) -> bytes:
    """A body with its last byte changed."""
    return body[:-1] + bytes((body[-1] ^ 0xFF,)) if body else GARBAGE


def _spoiled_event(push: Push) -> bytes:
    return Push(push.proto_id, push.message, spoiled(push.body_in(0))).event()
