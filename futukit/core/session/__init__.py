"""A session without IO: InitConnect, serials, calls, push routing, KeepAlive, silence.

Both roles walk through the table in :mod:`futukit.core.states`. The owner of a session

- hands every envelope that arrived to ``receive`` and the end of the stream to ``lose``;
- calls ``tick`` when ``next_deadline`` has passed (it may move closer after any call here);
- writes what ``take`` returns after each of these, in that order;
- closes the connection when it meets ``Lost``.

``now`` is monotonic time in seconds; ``epoch`` is the Unix time at ``now`` = 0 (KeepAlive
carries Unix time).
"""

from __future__ import annotations

from futukit.core.session.client import ClientSession
from futukit.core.session.server import ServerSession

__all__ = ["ClientSession", "ServerSession"]
