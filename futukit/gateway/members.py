"""Who shares the gateway's OpenD: members, and what the doors ask of the hub.

A door (gRPC, frames, WebSocket) finds out who calls, joins a member to the hub and hands over its
requests; the hub sends pushes into the member's sink.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from futukit.core.push import Push, PushSink
from futukit.gateway.access import Access, Grant
from futukit.messages import init_connect

__all__ = ["Doors", "Member", "MemberSink"]


class MemberSink(PushSink, Protocol):
    """Where a member's pushes go."""

    def catch_up(self, push: Push, /) -> None:
        """Send a push that others have had before."""

    def end_pushes(self, reason: str) -> None:
        """Its key may get no pushes any more: whatever is there for them alone ends."""

    def end(self, status: str, reason: str) -> None:
        """The member may not stay: end its connection or streams. It must not raise.

        ``status`` is gRPC's name, UNAUTHENTICATED or PERMISSION_DENIED.
        """


class Member:
    """One client: a connection in frames or a WebSocket, or one gRPC channel with one key.

    ``name`` is its peer address, ``connection_id`` the gateway's own, ``notify`` whether it wants
    Notify pushes (1003), ``accounts`` those of which it gets orders and fills (2008). ``turn`` is
    held while one of its requests is in the line for OpenD.
    """

    __slots__ = (
        "accounts",
        "connection_id",
        "gone",
        "grant",
        "name",
        "notify",
        "sink",
        "turn",
        "under_way",
    )

    def __init__(
        self, connection_id: int, grant: Grant, name: str, sink: MemberSink, *, notify: bool
    ) -> None:
        self.connection_id = connection_id
        self.grant = grant
        self.name = name
        self.sink = sink
        self.notify = notify
        self.accounts: frozenset[int] = frozenset()
        self.turn = asyncio.Lock()
        self.under_way = 0
        self.gone = False

    def __repr__(self) -> str:
        return f"<Member {self.name} {self.grant.name}>"


class Doors(Protocol):
    """The hub, as the doors see it."""

    access: Access

    def welcome(self) -> init_connect.S2C:
        """A greeting with a connection id of the gateway's own, for a client to come."""

    def refusal(self) -> str | None:
        """Why one more client is refused, None if it is not."""

    def join(
        self, grant: Grant, name: str, sink: MemberSink, *, notify: bool, connection_id: int
    ) -> Member:
        """A client has said who it is: from now on it can ask and be pushed to."""

    def leave(self, member: Member) -> None:
        """A client is gone: its subscriptions end. Harmless to repeat."""

    async def answer(self, member: Member, proto_id: int, body: bytes, body_format: int) -> bytes:
        """Answer a whole Request with a whole Response, both plain and in the same body format.

        Raises Refused for what the caller may not do or may not do now, DecodeError for a body
        that is no such request, and what the client to OpenD raises: ConnectionLost, ...
        """
