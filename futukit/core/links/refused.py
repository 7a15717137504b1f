"""How a server says no where there is no body to say it: in a header, or by a gRPC status."""

from __future__ import annotations

from typing import Final, NamedTuple

from futukit.errors import FutukitError

__all__ = ["DISCONNECTED", "OPEND_TIMEOUT", "TIMEOUT", "Refused", "Undone"]

TIMEOUT: Final = 1
OPEND_TIMEOUT: Final = 2
DISCONNECTED: Final = 3


class Refused(NamedTuple):
    """A packet of the JavaScript dialect whose ``error`` is not 0.

    1 is the WebSocket server's own time limit, 2 that of the OpenD behind it, 3 says that it has
    lost OpenD. ``text`` is the server's, printable ASCII, at most 20 characters. ``serial`` is
    the request's, 0 where it answers none.
    """

    proto_id: int
    serial: int
    error: int
    text: str


class Undone(NamedTuple):
    """A request whose call failed: ``error`` is what its caller is to be told."""

    proto_id: int
    serial: int
    error: FutukitError
