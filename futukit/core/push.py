"""A push on the server's side: one message on its way to any number of clients.

Whoever serves clients, the simulator or the gateway, encodes a push once for all of them, however
they are connected.
"""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Struct

from futukit import codec
from futukit.core.grpc_bodies import PushFacts, facts_of_push
from futukit.messages.futu_service import PushEvent

__all__ = ["Push", "PushSink"]

_PROTOBUF: Final = 0


class Push:
    """A push on its way: the body is encoded once in each format, and the gRPC event once.

    ``message`` is the whole ``Response`` of ``proto_id``; ``body`` is its protobuf form, where
    that is there already.
    """

    __slots__ = ("_bodies", "_event", "_facts", "message", "proto_id")

    def __init__(self, proto_id: int, message: Struct, body: bytes | None = None) -> None:
        self.proto_id = proto_id
        self.message = message
        self._bodies: dict[int, bytes] = {} if body is None else {_PROTOBUF: body}
        self._facts: PushFacts | None = None
        self._event: bytes | None = None

    def body_in(self, body_format: int) -> bytes:
        """The message in a body format (Common.ProtoFmt)."""
        body = self._bodies.get(body_format)
        if body is None:
            body = codec.encode_body(self.message, body_format, server=True)
            self._bodies[body_format] = body
        return body

    @property
    def facts(self) -> PushFacts:
        """Which security, subscription or account it is about."""
        if self._facts is None:
            self._facts = facts_of_push(self.proto_id, self.message)
        return self._facts

    def event(self) -> bytes:
        """The encoded ``futu_service.PushEvent`` that it travels in over gRPC."""
        if self._event is None:
            facts = self.facts
            event = PushEvent(
                proto_id=self.proto_id,
                sec_key=facts.sec_key,
                sub_type=facts.sub_type,
                body=self.body_in(_PROTOBUF),
                event_type=facts.event_type,
                acc_id=facts.acc_id,
            )
            self._event = codec.encode(event)
        return self._event


class PushSink(Protocol):
    """What a channel offers for sending without being asked."""

    def send_push(self, push: Push, /) -> None:
        """Send a push; never blocks and never raises."""
