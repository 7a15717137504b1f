"""What a session tells its owner: plain nouns."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from futukit._native.frame import Envelope
from futukit.errors import FutukitError, ServerError
from futukit.messages import init_connect

__all__ = [
    "Answered",
    "Call",
    "ConnectionInfo",
    "Event",
    "Failed",
    "Introduced",
    "Lost",
    "Ready",
    "Request",
]


class ConnectionInfo(Struct, frozen=True, kw_only=True):
    """What OpenD said about this connection in its answer to InitConnect.

    ``encryption`` is what is in force: none, ftaes_ecb, aes_ecb or aes_cbc.
    """

    connection_id: int
    login_user_id: int
    server_version: int
    keep_alive_interval: float
    encryption: str


class Call:
    """A request that waits for its answer. ``note`` and ``waiter`` are the owner's to use."""

    __slots__ = ("deadline", "is_order", "note", "proto_id", "serial", "timeout", "waiter")

    def __init__(
        self,
        proto_id: int,
        serial: int,
        is_order: bool,
        deadline: float,
        timeout: float,
        waiter: Any = None,
    ) -> None:
        self.proto_id = proto_id
        self.serial = serial
        self.is_order = is_order
        self.deadline = deadline
        self.timeout = timeout
        self.note: Any = None
        self.waiter = waiter

    @property
    def in_doubt(self) -> tuple[int, ...]:
        """The serial, if this is an order whose outcome is unknown without an answer."""
        return (self.serial,) if self.is_order else ()

    def __repr__(self) -> str:
        return f"Call(proto_id={self.proto_id}, serial={self.serial})"


class Ready(Struct, frozen=True):
    """Client: InitConnect is answered and the subscriptions are back; requests may be sent.

    ``unrestored`` holds what OpenD said to subscriptions that it did not take back.
    """

    info: ConnectionInfo
    unrestored: tuple[ServerError, ...] = ()


class Answered(Struct, frozen=True, gc=False):
    """Client: the answer to a call came; ``body`` is its plain bytes."""

    call: Call
    body: bytes


class Failed(Struct, frozen=True):
    """Client: a call will not be answered any more."""

    call: Call
    error: FutukitError


class Introduced(Struct, frozen=True):
    """Server: the client has introduced itself and was answered."""

    hello: init_connect.C2S


class Request(Struct, frozen=True, gc=False):
    """Server: a request came; answer it with ``reply`` under this envelope."""

    envelope: Envelope


class Lost(Struct, frozen=True):
    """The session is over: write what ``take()`` still gives, then close the connection."""

    error: FutukitError


Event = Ready | Answered | Failed | Introduced | Request | Lost
