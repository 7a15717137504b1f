"""The asyncio face::

    async with aio.connect("tcp://127.0.0.1:11111") as client:
        state = await client.system.get_global_state()

``client = await aio.connect(url)`` works as well; then ``await client.close()`` ends it.
"""

from __future__ import annotations

from futukit.aio.client import Client, Connecting, connect
from futukit.aio.pushes import Pushes
from futukit.aio.quote import Quote
from futukit.core.client import ClientState, Counters, OrderInDoubt, StateChange
from futukit.core.listening import Listener

__all__ = [
    "Client",
    "ClientState",
    "Connecting",
    "Counters",
    "Listener",
    "OrderInDoubt",
    "Pushes",
    "Quote",
    "StateChange",
    "connect",
]
