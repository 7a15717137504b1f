"""How the gateway says no: one error, with the status that its transport shall answer."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from futukit.errors import ClientClosed, FutukitError, RequestTimeout

__all__ = [
    "Refused",
    "Status",
    "UnreadableAnswer",
    "denied",
    "exhausted",
    "told_of",
    "unauthenticated",
]

Status: TypeAlias = Literal["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"]
"""gRPC's name of a refusal; the other transports translate it."""

_RETRY_NEVER: Final = 0.0
_LONGEST_REASON: Final = 300


class Refused(FutukitError):
    """A call that the gateway does not pass on; OpenD has not seen it.

    ``status`` is what the caller is told, ``reason`` why, ``retry_after`` the seconds after which
    the same call may pass (0: waiting does not help). The text never holds a key or its hash.
    """

    def __init__(self, status: Status, reason: str, retry_after: float = _RETRY_NEVER) -> None:
        # A reason may quote the caller, who may have written a book.
        reason = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class UnreadableAnswer(FutukitError):
    """OpenD has answered, and the answer is not the message that it should be."""


def told_of(error: FutukitError) -> str:
    """The text for a caller whose request went without an answer.

    It does not say where OpenD is: that is nobody's business here.
    """
    what = "OpenD is not there"
    if isinstance(error, RequestTimeout):
        what = "OpenD did not answer"
    elif isinstance(error, ClientClosed):
        what = "the gateway stops"
    doubt = "; what became of the order is not known" if error.requests_in_doubt else ""
    return f"{what}{doubt}"


def unauthenticated(reason: str) -> Refused:
    """The refusal of a caller without a key that is known and in force."""
    return Refused("UNAUTHENTICATED", reason)


def denied(reason: str) -> Refused:
    """The refusal of what is outside the scopes or limits of a key."""
    return Refused("PERMISSION_DENIED", reason)


def exhausted(reason: str, retry_after: float) -> Refused:
    """The refusal of one order too many; ``retry_after`` seconds later there is room again."""
    return Refused("RESOURCE_EXHAUSTED", reason, retry_after)
