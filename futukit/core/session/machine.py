"""What both roles of a session share: the table, the bytes to write, the deadline."""

from __future__ import annotations

from math import inf
from typing import Final

from futukit._native.frame import Envelope
from futukit.core.events import Event
from futukit.core.packing import FramePacker, Packer
from futukit.core.states import TABLE, Role, State, Step
from futukit.errors import FutukitError, LocalProtocolError, UnexpectedPacket

__all__ = ["FRAMES", "INIT_CONNECT", "KEEP_ALIVE", "LAST_SERIAL", "SILENT_INTERVALS", "Session"]

INIT_CONNECT: Final = 1001
KEEP_ALIVE: Final = 1004

SILENT_INTERVALS: Final = 3.3
"""A peer that sent no packet for so many intervals is dead (33 s at the usual 10 s)."""

LAST_SERIAL: Final = 2**32 - 1

FRAMES: Final = FramePacker()


class Session:
    """The base of both roles."""

    role: Role

    def __init__(self, epoch: float, packer: Packer) -> None:
        self.state = State.IDLE
        self.next_deadline = inf
        self._moves = TABLE[self.role][State.IDLE]
        self._epoch = epoch
        self._packer = packer
        self._out: list[bytes] = []
        self._heard = 0.0

    def take(self) -> bytes:
        """The bytes that are to be written now; they are given once."""
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def lose(self, error: FutukitError) -> list[Event]:
        """The connection is gone or useless, because of ``error``."""
        raise NotImplementedError

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

    def _check_format(self, envelope: Envelope) -> None:
        if envelope.body_format != self._packer.body_format:
            raise UnexpectedPacket(
                f"body format {envelope.body_format} is not in use here",
                envelope.proto_id,
                envelope.serial,
            )
