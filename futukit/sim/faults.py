"""Faults on purpose: what goes wrong between the simulator and its clients.

A fault waits until a frame leaves for a connection that it fits, spoils that frame, and counts
down. Frames are replies and pushes alike; a fault for proto id 1001 spoils the handshake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from futukit.errors import UsageError

__all__ = ["Corruption", "Fault", "FaultKind", "FaultPlan", "spoil", "spoil_message"]

FaultKind = Literal["delay", "cut", "corrupt", "silence", "refuse"]
Corruption = Literal["magic", "version", "length", "digest", "body", "garbage"]

_HEADER_BYTES = 44
_VERSION_AT = 7
_LENGTH_AT = 12
_DIGEST_AT = 16
_GARBAGE = bytes(range(0x80, 0xC0))


@dataclass(slots=True)
class Fault:
    """One kind of harm and the frames it waits for.

    kind: ``delay`` holds a frame back for ``seconds`` of the simulated clock, later frames
    overtake it; ``cut`` closes the connection instead, after the first ``at_byte`` bytes of the
    frame; ``corrupt`` spoils the frame in the way ``what`` says; ``silence`` swallows it;
    ``refuse`` answers a request with ``ret_type`` and ``message`` in place of its answer.

    connection_id and proto_id narrow the frames down, ``None`` is any. ``count`` frames are hit,
    ``None`` is every one until the faults are cleared.
    """

    kind: FaultKind
    connection_id: int | None = None
    proto_id: int | None = None
    count: int | None = 1
    seconds: float = 0.0
    at_byte: int = 0
    what: Corruption = "digest"
    ret_type: int = -1
    message: str = "refused by a fault of the simulator"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise UsageError(f"no fault {self.kind!r}: there are {', '.join(get_args(FaultKind))}")
        if self.what not in get_args(Corruption):
            raise UsageError(f"cannot corrupt {self.what!r}: {', '.join(get_args(Corruption))}")
        if self.count is not None and self.count < 1:
            raise UsageError("a fault hits at least one frame")
        if self.seconds < 0 or self.at_byte < 0:
            raise UsageError("seconds and at_byte are not negative")

    def fits(self, connection_id: int, proto_id: int) -> bool:
        """Whether a frame with ``proto_id`` on ``connection_id`` is one to hit."""
        return self.connection_id in (None, connection_id) and self.proto_id in (None, proto_id)


class FaultPlan:
    """The faults that still wait, in the order they were set; the first that fits is taken."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set one more fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every waiting fault. Frames held back by a delay still come."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def take_refusal(self, connection_id: int, proto_id: int) -> Fault | None:
        """The ``refuse`` fault for this request, counted down; ``None`` if there is none."""
        return self._take(connection_id, proto_id, refusal=True)

    def take(self, connection_id: int, proto_id: int) -> Fault | None:
        """The fault for this outgoing frame, counted down; ``None`` if there is none."""
        return self._take(connection_id, proto_id, refusal=False)

    def _take(self, connection_id: int, proto_id: int, refusal: bool) -> Fault | None:
        for fault in self._waiting:
            if (fault.kind == "refuse") == refusal and fault.fits(connection_id, proto_id):
                if fault.count is not None:
                    fault.count -= 1
                    if not fault.count:
                        self._waiting.remove(fault)
                return fault
        return None


def spoil(frame: bytes, what: Corruption) -> bytes:
    """The frame (44-byte header and body) with one thing wrong, its length unchanged.

    ``magic``, ``version``, ``length`` and ``digest`` spoil that header field; ``body`` flips the
    last byte (of an empty body: the digest's); ``garbage`` is no frame at all.
    """
    spoiled = bytearray(frame)
    if what == "magic":
        spoiled[0:2] = b"XX"
    elif what == "version":
        spoiled[_VERSION_AT] = 0xEE
    elif what == "length":
        spoiled[_LENGTH_AT : _LENGTH_AT + 4] = b"\xff\xff\xff\xff"
    elif what == "digest":
        spoiled[_DIGEST_AT] ^= 0xFF
    elif what == "body":
        spoiled[-1 if len(frame) > _HEADER_BYTES else _DIGEST_AT] ^= 0xFF
    else:
        times = len(frame) // len(_GARBAGE) + 1
        return (_GARBAGE * times)[: len(frame)]
    return bytes(spoiled)


def spoil_message(message: bytes, what: Corruption, scripted: bool) -> bytes:
    """The same for the packet in an unmasked WebSocket message.

    The header of the script dialect has a sign (``magic``) and nothing else to check by:
    ``version``, ``length`` and ``digest`` spoil the body there.
    """
    start = {126: 4, 127: 10}.get(message[1] & 0x7F, 2)
    head, packet = message[:start], message[start:]
    return head + spoil(packet, "body" if scripted and what not in ("magic", "garbage") else what)
