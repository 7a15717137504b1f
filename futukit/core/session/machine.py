"""What both roles of a session share: the table, the bytes to write, the deadline."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final, Literal

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Event
from futukit.core.links import Link
from futukit.core.states import TABLE, Role, State, Step
from futukit.errors import FutukitError, LocalProtocolError, UnexpectedPacket

__all__ = [
    "INIT_CONNECT",
    "INIT_WEB_SOCKET",
    "KEEP_ALIVE",
    "LAST_SERIAL",
    "OPEND_LOST",
    "SILENT_INTERVALS",
    "Observer",
    "Session",
]

INIT_WEB_SOCKET: Final = 1
OPEND_LOST: Final = 2
"""A push of the script dialect: the WebSocket server has lost the OpenD behind it."""

INIT_CONNECT: Final = 1001
KEEP_ALIVE: Final = 1004

SILENT_INTERVALS: Final = 3.3
"""A peer that sent no packet for so many intervals is dead (33 s at the usual 10 s)."""

LAST_SERIAL: Final = 2**32 - 1

Observer = Callable[[Literal["sent", "received"], Envelope], None]
"""Sees every packet in plain, as it goes and comes. It must not raise."""


class Session:
    """The base of both roles."""

    role: Role

    def __init__(self, epoch: float, link: Link, observer: Observer | None) -> None:
        self.state = State.IDLE
        self.next_deadline = inf
        self._moves = TABLE[self.role][State.IDLE]
        self._epoch = epoch
        self.link = link
        self._observer = observer
        self._out: list[bytes] = []
        self._heard = 0.0

    def take(self) -> bytes:
        """The bytes that are to be written now; they are given once."""
        out = self._out
        own = self.link.take()
        if own:
            out.append(own)
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def _pack(self, proto_id: int, serial: int, message: Any, body_format: int) -> None:
        """Have a message, or the plain bytes of one, written."""
        link = self.link
        if self._observer is not None:
            if not isinstance(message, bytes):
                message = codec.encode_body(message, body_format, server=self.role is Role.SERVER)
            self._observer("sent", Envelope(proto_id, serial, body_format, message))
        if isinstance(message, bytes):
            data = link.body(proto_id, serial, message, body_format)
        else:
            data = link.message(proto_id, serial, message, body_format)
        if data:
            self._out.append(data)

    def lose(self, error: FutukitError) -> list[Event]:
        """The connection is gone or useless, because of ``error``."""
        raise NotImplementedError  # each end of a connection has its own

    def _step(self, step: Step, envelope: Envelope | None = None) -> None:
        state = self._moves.get(step)
        if state is None:
            raise self._breach(step, envelope)
        if state is not self.state:
            self.state = state
            self._moves = TABLE[self.role][state]

    def _stalled(self, now: float, allowed: float) -> bool:
        """Whether ``tick`` comes so late that this process must have stood still.

        Then the peer's packets may lie unread, and silence proves nothing.
        """
        return now - self.next_deadline > allowed

    def _breach(self, step: Step, envelope: Envelope | None) -> FutukitError:
        where = f"while {self.state.value}"
        if envelope is None:
            return LocalProtocolError(f"cannot {step.value} {where}")
        return UnexpectedPacket(f"{step.value} {where}", envelope.proto_id, envelope.serial)
