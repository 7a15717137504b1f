"""Byte pipes under the links: TCP, with or without TLS, for either way of waiting.

``opener(waiting)`` gives the function that opens a channel. The asyncio one is a coroutine
``open_channel(endpoint, session, deliver, *, security, timeout)``; the blocking one,
``open_channel(endpoint, wakeup, reader, *, security, timeout)``, gives a channel for its owner's
reader thread. ``security_of`` makes what both need for TLS, before anything is sent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from futukit.endpoint import SCHEMES, Endpoint
from futukit.options import Options

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Security", "opener", "security_of"]

_MODULES: Final = {
    "asyncio": "futukit.channels.tcp_asyncio",
    "blocking": "futukit.channels.tcp_blocking",
}


class Security(NamedTuple):
    """TLS as a client wants it: whom to trust, and the name that the certificate must have."""

    context: SSLContext
    server_name: str


def opener(waiting: Literal["asyncio", "blocking"]) -> Any:
    """The ``open_channel`` for a way of waiting; its module loads now."""
    return import_module(_MODULES[waiting]).open_channel


def security_of(endpoint: Endpoint, options: Options) -> Security | None:
    """The TLS that a URL and its options ask for, None for none.

    Raises UsageError, naming the option, for a file or a name that cannot be used.
    """
    if not SCHEMES[endpoint.scheme].tls:
        return None
    # ssl loads only where it is wanted.
    from futukit.channels.tls import client_context, server_name_of

    context = client_context(options)
    return Security(context, server_name_of(endpoint, options, context))
