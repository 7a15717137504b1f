"""How a WebSocket server says no in a packet's header, where there is no body to say it."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DISCONNECTED", "OPEND_TIMEOUT", "TIMEOUT", "Refused"]

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
