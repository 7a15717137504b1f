"""How a client introduces itself: InitConnect, or InitWebSocket in the script dialect.

Over gRPC there is nobody to introduce oneself to: the first answer says that the server is there.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import ConnectionInfo
from futukit.core.links import Link
from futukit.core.secrecy import ClientSecrecy
from futukit.core.session.machine import INIT_CONNECT, INIT_WEB_SOCKET
from futukit.errors import DecodeError, HandshakeError
from futukit.messages import init_connect, init_web_socket

__all__ = ["ConnectGreeting", "Greeting", "ScriptGreeting", "hashed_key"]

_DEFAULT_INTERVAL: Final = 10.0

_M = TypeVar("_M", bound=Struct)


class Greeting(Protocol):
    """The first exchange of a connection."""

    @property
    def proto_id(self) -> int:
        """What both of its packets are."""

    @property
    def name(self) -> str:
        """The same in words."""

    def begin(self, link: Link, /) -> Any:
        """The request to send; sets the link's ciphers for it and for its answer."""

    def accept(self, answer: Envelope, link: Link, /) -> ConnectionInfo:
        """Read the answer, and set the ciphers for everything after it. Raises HandshakeError."""


class ConnectGreeting:
    """InitConnect (1001)."""

    proto_id = INIT_CONNECT
    name = "InitConnect"

    def __init__(self, hello: init_connect.C2S, secrecy: ClientSecrecy | None = None) -> None:
        self._secrecy = secrecy or ClientSecrecy()
        self._request = init_connect.Request(c2s=hello)

    def begin(self, link: Link, /) -> init_connect.Request:
        """Seal it where there is a key."""
        self._secrecy.begin(link)
        return self._request

    def accept(self, answer: Envelope, link: Link, /) -> ConnectionInfo:
        """Who the server says that we are, and the encryption in force."""
        s2c = _content(init_connect.Response, answer, "InitConnect")
        encryption = self._secrecy.settle(link, s2c)
        interval = s2c.keep_alive_interval if s2c.keep_alive_interval > 0 else _DEFAULT_INTERVAL
        return ConnectionInfo(
            connection_id=s2c.conn_id,
            login_user_id=s2c.login_user_id,
            server_version=s2c.server_ver,
            keep_alive_interval=interval,
            encryption=encryption,
        )


class ScriptGreeting:
    """InitWebSocket, the login of the JavaScript SDK's dialect. OpenD tells less there."""

    proto_id = INIT_WEB_SOCKET
    name = "InitWebSocket"

    def __init__(self, client_id: str, key: str | None = None) -> None:
        self._request = init_web_socket.Request(
            c2s=init_web_socket.C2S(
                websocket_key=hashed_key(key),
                client_id=client_id,
                programming_language="Python",
            )
        )

    def begin(self, link: Link, /) -> init_web_socket.Request:
        """No cipher: this dialect has TLS or nothing."""
        link.sealer = link.opener = None
        return self._request

    def accept(self, answer: Envelope, link: Link, /) -> ConnectionInfo:
        """The connection id. The user and OpenD's version are not told."""
        del link
        s2c = _content(init_web_socket.Response, answer, "InitWebSocket")
        return ConnectionInfo(
            connection_id=s2c.conn_id or 0,
            login_user_id=0,
            server_version=0,
            keep_alive_interval=_DEFAULT_INTERVAL,
            encryption="none",
        )


def hashed_key(key: str | None) -> str:
    """What InitWebSocket carries of a key: its MD5 in lower-case hexadecimal, "" without one."""
    # The dialect prescribes MD5; the key is protected by TLS or by nothing.
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() if key else ""


def _content(cls: type[_M], answer: Envelope, name: str) -> Any:
    """The S2C of an answer that grants the connection."""
    try:
        response: Any = codec.decode_body(cls, answer.body, answer.body_format)
    except DecodeError as error:
        raise HandshakeError(f"{name} answered with nonsense: {error}") from error
    if response.ret_type or response.s2c is None:
        ret_type = int(response.ret_type)
        reason = f"{name} refused: {response.ret_msg or 'no reason given'}"
        raise HandshakeError(f"{reason} (retType {ret_type})", ret_type, response.err_code)
    return response.s2c
