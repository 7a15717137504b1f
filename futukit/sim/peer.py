"""The simulator's side of one client, whatever carries it: frames, a WebSocket or gRPC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from futukit.core.push import PushSink

__all__ = ["Peer"]


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
