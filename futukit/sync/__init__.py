"""The blocking face::

    with sync.connect("tcp://127.0.0.1:11111") as client:
        state = client.system.get_global_state()

``client = sync.connect(url)`` works as well; then ``client.close()`` ends it. A client may be
used from many threads. It has a socket and a daemon thread of its own, and no event loop.
"""

from __future__ import annotations

from futukit.core.client import ClientState, Counters, OrderInDoubt, StateChange
from futukit.core.listening import Listener
from futukit.sync.client import Client, connect
from futukit.sync.pushes import Pushes
from futukit.sync.quote import Quote

__all__ = [
    "Client",
    "ClientState",
    "Counters",
    "Listener",
    "OrderInDoubt",
    "Pushes",
    "Quote",
    "StateChange",
    "connect",
]
