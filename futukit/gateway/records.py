"""What is written down of all that happens in the gateway: metrics and the audit log."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from futukit.errors import ConnectionLost, RequestTimeout
from futukit.gateway.audit import Audit, order_facts
from futukit.gateway.members import Member
from futukit.gateway.metrics import Metrics
from futukit.gateway.refusals import Refused
from futukit.messages import registry

__all__ = ["Call", "Records"]

_UNKNOWN = "unknown"


class Call:
    """One request of a member on its way; ``ret_type`` is OpenD's, once it has answered."""

    __slots__ = ("began", "c2s", "member", "proto_id", "ret_type")

    def __init__(self, member: Member, proto_id: int) -> None:
        self.member = member
        self.proto_id = proto_id
        self.c2s: Any = None
        self.ret_type: int | None = None
        self.began = perf_counter()


class Records:
    """Metrics and audit lines of one gateway."""

    def __init__(self, metrics: Metrics, audit: Audit) -> None:
        self.metrics = metrics
        self.audit = audit

    def joined(self, member: Member) -> None:
        """A client came."""
        self.metrics.members.inc()
        self.audit.write("joined", peer=member.name, key=member.grant.name)

    def left(self, member: Member) -> None:
        """A client went."""
        self.metrics.members.dec()
        self.audit.write("left", peer=member.name, key=member.grant.name)

    def turned_away(self, peer: str, refused: Refused) -> None:
        """Somebody without a key that counts came."""
        self._turned_away(peer, refused.status, refused.reason)

    def no_room(self, peer: str, reason: str) -> None:
        """One client too many came."""
        self._turned_away(peer, "UNAVAILABLE", reason)

    def _turned_away(self, peer: str, status: str, reason: str) -> None:
        self.metrics.refusals.labels(status).inc()
        self.audit.write("turned_away", peer=peer, status=status, reason=reason)

    def expelled(self, member: Member, refused: Refused) -> None:
        """A member's key does not count any more."""
        self.audit.write("expelled", peer=member.name, key=member.grant.name, reason=refused.reason)

    def stream_opened(self, member: Member) -> None:
        """A member began to take pushes over gRPC."""
        self.metrics.streams.inc()
        self.audit.write("stream_opened", peer=member.name, key=member.grant.name)

    def stream_closed(self, member: Member, reason: str | None = None) -> None:
        """A stream of pushes ended; ``reason`` is the gateway's, if it was the one to end it."""
        self.metrics.streams.dec()
        self.audit.write("stream_closed", peer=member.name, key=member.grant.name, reason=reason)

    def stream_refused(self, member: Member, refused: Refused) -> None:
        """A member may not have a stream of pushes."""
        self.metrics.refusals.labels(refused.status).inc()
        self.audit.write(
            "stream_refused",
            peer=member.name,
            key=member.grant.name,
            status=refused.status,
            reason=refused.reason,
        )

    def answered(self, call: Call) -> None:
        """OpenD, or the gateway in its place, has answered."""
        self._count(call, "answered" if call.ret_type == 0 else "error")
        self._write(call, ret_type=call.ret_type)

    def refused(self, call: Call, refused: Refused) -> None:
        """The gateway did not pass a request on."""
        self._count(call, "refused")
        self.metrics.refusals.labels(refused.status).inc()
        self._write(call, status=refused.status, reason=refused.reason)

    def failed(self, call: Call, error: BaseException) -> None:
        """A request went without an answer: it cannot be read, OpenD is gone, or its caller is."""
        lost = isinstance(error, ConnectionLost | RequestTimeout)
        self._count(call, "lost" if lost else "failed")
        self._write(call, failure=type(error).__name__)

    def unreadable(self, member: Member) -> None:
        """What a member sent over gRPC is no call: not even an id can be told."""
        self.metrics.requests.labels(_UNKNOWN, "failed").inc()
        self.metrics.refusals.labels("INVALID_ARGUMENT").inc()
        self.audit.write("call", peer=member.name, key=member.grant.name, status="INVALID_ARGUMENT")

    def pushed(self, sent: int) -> None:
        """A push came from OpenD and went to so many members."""
        self.metrics.pushes_received.inc()
        self.metrics.pushes_sent.inc(sent)

    def upstream(self, *, up: bool, reason: BaseException | None = None) -> None:
        """The connection to OpenD is there, or was lost."""
        self.metrics.up.set(up)
        if not up:
            self.metrics.upstream_lost.inc()
        text = None if reason is None else str(reason)
        self.audit.write("upstream_up" if up else "upstream_lost", reason=text)

    def _count(self, call: Call, outcome: str) -> None:
        known = call.proto_id in registry.REQUEST_IDS
        label = str(call.proto_id) if known else _UNKNOWN  # nobody makes labels without end
        self.metrics.requests.labels(label, outcome).inc()
        self.metrics.seconds.observe(perf_counter() - call.began)

    def _write(self, call: Call, **facts: Any) -> None:
        if not self.audit.on:
            return
        known = call.proto_id in registry.REQUEST_IDS
        self.audit.write(
            "call",
            peer=call.member.name,
            key=call.member.grant.name,
            proto_id=call.proto_id,
            name=registry.row(call.proto_id).name if known else None,
            **facts,
            ms=round((perf_counter() - call.began) * 1000, 3),
            **order_facts(call.c2s),
        )
