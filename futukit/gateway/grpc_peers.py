"""Which gRPC channels are still there: grpcio tells a server of calls, not of connections.

Its own account of them, channelz, names the peer of every connection. It is asked where a call
would not tell: a channel without a stream of pushes may have gone away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from futukit.errors import UsageError

try:
    from grpc_channelz.v1 import channelz, channelz_pb2
except ImportError as error:
    raise UsageError("the gateway needs grpcio-channelz: pip install 'futukit[gateway]'") from error

__all__ = ["SERVER_OPTIONS", "Peers"]

SERVER_OPTIONS: Final = (("grpc.enable_channelz", 1),)
"""What a server needs for its connections to be known."""


class Peers:
    """The peers that are connected to servers of this process."""

    def __init__(self) -> None:
        self._proven: set[str] = set()

    def prove(self, name: str) -> None:
        """Take note of a peer (``context.peer()``) that is connected now.

        Of an address of another form than channelz writes it, nothing can be said.
        """
        form = _form(name)
        if form not in self._proven and name in _connected():
            self._proven.add(form)

    def gone(self, names: list[str]) -> list[str]:
        """Those of these peers that are not connected any more."""
        known = [name for name in names if _form(name) in self._proven]
        there = _connected() if known else frozenset()
        return [name for name in known if name not in there]


def _form(name: str) -> str:
    return name.partition(":")[0]


def _connected() -> frozenset[str]:
    # A name is that of the transport and the peer's: "chttp2 ipv4:127.0.0.1:50798".
    return frozenset(
        socket.name.rpartition(" ")[2] for server in _servers() for socket in _sockets(server)
    )


def _servers() -> Iterator[int]:
    start, end = 0, False
    while not end:
        request = channelz_pb2.GetServersRequest(start_server_id=start)
        page = channelz.ChannelzServicer.GetServers(request, None)
        for server in page.server:
            yield server.ref.server_id
            start = server.ref.server_id + 1
        end = page.end or not page.server


def _sockets(server_id: int) -> Iterator[Any]:
    start, end = 0, False
    while not end:
        request = channelz_pb2.GetServerSocketsRequest(server_id=server_id, start_socket_id=start)
        try:
            page = channelz.ChannelzServicer.GetServerSockets(request, None)
        except AttributeError:
            return  # the server has stopped meanwhile, and there is no context to be told so
        for socket in page.socket_ref:
            yield socket
            start = socket.socket_id + 1
        end = page.end or not page.socket_ref
