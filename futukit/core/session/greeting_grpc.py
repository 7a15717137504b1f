"""How a client finds out that a gRPC server is ready: it asks for the global state."""

from __future__ import annotations

from typing import Final

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import ConnectionInfo
from futukit.core.links import Link
from futukit.core.links.grpc import GET_GLOBAL_STATE, GrpcLink, refuse_bare_state
from futukit.errors import DecodeError, HandshakeError
from futukit.messages import get_global_state

__all__ = ["GrpcGreeting"]

_KEEP_ALIVE_INTERVAL: Final = 10.0


class GrpcGreeting:
    """GetGlobalState (1002): gRPC has no InitConnect, and every server answers this.

    It tells OpenD's version and, where OpenD says so, the connection id; never the user.
    """

    proto_id = GET_GLOBAL_STATE
    name = "GetGlobalState"

    def begin(self, link: Link, /) -> get_global_state.Request:
        """No cipher: gRPC has TLS or nothing."""
        link.sealer = link.opener = None
        return get_global_state.Request(c2s=get_global_state.C2S(user_id=0))

    def accept(self, answer: Envelope, link: Link, /) -> ConnectionInfo:
        """Who we are, as far as that is told; from now on the link gives out pushes."""
        refuse_bare_state(answer.body)
        try:
            response = codec.decode(get_global_state.Response, answer.body)
        except DecodeError as error:
            raise HandshakeError(f"GetGlobalState was answered with nonsense: {error}") from error
        s2c = response.s2c
        if response.ret_type or s2c is None:
            ret_type = int(response.ret_type)
            reason = f"GetGlobalState failed: {response.ret_msg or 'no reason given'}"
            raise HandshakeError(f"{reason} (retType {ret_type})", ret_type, response.err_code)
        if isinstance(link, GrpcLink):
            link.greeted()
        return ConnectionInfo(
            connection_id=s2c.conn_id or 0,
            login_user_id=0,
            server_version=s2c.server_ver,
            keep_alive_interval=_KEEP_ALIVE_INTERVAL,
            encryption="none",
        )
