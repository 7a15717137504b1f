"""What carries the envelopes of a session: one module per transport and way of waiting.

``opener(scheme, waiting)`` finds the function that opens a channel for a URL's scheme. The
asyncio one is a coroutine ``open_channel(endpoint, session, deliver, …)``; the blocking one
gives a channel for its owner's reader thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

__all__ = ["opener"]

_MODULES: Final = {
    ("tcp", "asyncio"): "futukit.channels.tcp_asyncio",
    ("tcp", "blocking"): "futukit.channels.tcp_blocking",
}


def opener(scheme: str, waiting: Literal["asyncio", "blocking"]) -> Any:
    """The ``open_channel`` of a transport; its module loads now."""
    return import_module(_MODULES[scheme, waiting]).open_channel
