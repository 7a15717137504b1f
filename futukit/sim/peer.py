"""The simulator's side of one client, whatever carries it: TCP now, other channels later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from futukit.codec import encode_body

__all__ = ["Peer", "Push", "PushSink"]


class Push:
    """A push on its way to any number of clients: the body is encoded once in each format.

    ``message`` is the whole ``Response`` of ``proto_id``.
    """

    __slots__ = ("_bodies", "message", "proto_id")

    def __init__(self, proto_id: int, message: Struct) -> None:
        self.proto_id = proto_id
        self.message = message
        self._bodies: dict[int, bytes] = {}

    def body_in(self, body_format: int) -> bytes:
        """The message in a body format (Common.ProtoFmt)."""
        body = self._bodies.get(body_format)
        if body is None:
            body = self._bodies[body_format] = encode_body(self.message, body_format, server=True)
        return body


class PushSink(Protocol):
    """What a channel offers for sending without being asked."""

    def send_push(self, push: Push) -> None:
        """Send a push; never blocks and never raises."""


@dataclass(eq=False, slots=True)
class Peer:
    """One initialised connection.

    connection_id is unique over all connections of this OpenD, ``recv_notify`` is what its
    InitConnect asked for, ``sink`` takes its pushes. ``after_reply`` collects what a handler
    wants done once its answer has been handed to the channel.
    """

    connection_id: int
    recv_notify: bool
    sink: PushSink
    after_reply: list[Callable[[], None]] = field(default_factory=list)
