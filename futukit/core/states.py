"""The one state table of a session, for both roles.

A session is in one state; each thing that it does or that its peer does is a step; a step that
the table does not list for the state is a breach: ours raises LocalProtocolError, the peer's
ends the session with UnexpectedPacket.

::

    client:  IDLE ─InitConnect→ GREETING ─its answer→ RESTORING ─all restored→ READY
    server:  IDLE ─InitConnect→ GREETING ─its answer→ READY
    both:    any state ─END→ CLOSED

RESTORING is where a client repeats the subscriptions of the connection before; with none to
repeat it is passed through at once.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["TABLE", "Role", "State", "Step"]


class Role(Enum):
    """Which end of the connection a session is."""

    CLIENT = "client"
    SERVER = "server"


class State(Enum):
    """Where a session is."""

    IDLE = "idle"
    GREETING = "greeting"
    RESTORING = "restoring"
    READY = "ready"
    CLOSED = "closed"


class Step(Enum):
    """What a session does (SEND_…) or meets (GOT_…)."""

    __hash__ = object.__hash__  # members are single; the hash of their names costs a call

    SEND_INIT = "send InitConnect"
    SEND_WELCOME = "answer InitConnect"
    SEND_RESTORE = "restore a subscription"
    RESTORED = "finish the restoring"
    SEND_REQUEST = "send a request"
    SEND_REPLY = "send a reply"
    SEND_PUSH = "send a push"
    GOT_INIT = "InitConnect"
    GOT_REPLY = "a reply"
    GOT_REQUEST = "a request"
    GOT_PUSH = "a push"
    GOT_STRAY = "a packet that nothing waits for"
    END = "end"


_CLOSED: Final = {Step.END: State.CLOSED}

TABLE: Final = MappingProxyType(
    {
        Role.CLIENT: {
            State.IDLE: {
                Step.SEND_INIT: State.GREETING,
                Step.END: State.CLOSED,
            },
            State.GREETING: {
                Step.GOT_INIT: State.RESTORING,
                Step.END: State.CLOSED,
            },
            State.RESTORING: {
                Step.SEND_RESTORE: State.RESTORING,
                Step.GOT_REPLY: State.RESTORING,
                Step.GOT_PUSH: State.RESTORING,
                Step.GOT_STRAY: State.RESTORING,
                Step.RESTORED: State.READY,
                Step.END: State.CLOSED,
            },
            State.READY: {
                Step.SEND_REQUEST: State.READY,
                Step.GOT_REPLY: State.READY,
                Step.GOT_PUSH: State.READY,
                Step.GOT_STRAY: State.READY,
                Step.END: State.CLOSED,
            },
            State.CLOSED: _CLOSED,
        },
        Role.SERVER: {
            State.IDLE: {
                Step.GOT_INIT: State.GREETING,
                Step.END: State.CLOSED,
            },
            State.GREETING: {
                Step.SEND_WELCOME: State.READY,
                Step.END: State.CLOSED,
            },
            State.READY: {
                Step.GOT_REQUEST: State.READY,
                Step.SEND_REPLY: State.READY,
                Step.SEND_PUSH: State.READY,
                Step.END: State.CLOSED,
            },
            State.CLOSED: _CLOSED,
        },
    }
)
