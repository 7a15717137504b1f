"""The door for frames and WebSockets: what the official clients and the browser come in by.

A client says who it is in its greeting: in frames the client id of InitConnect is the API key, in
the dialect of the JavaScript SDK it is the WebSocket key. What a client does is bounded: requests
under way, unread bytes, the size of a request, and how many clients there are.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import string
from collections.abc import Callable
from math import ceil
from time import time
from typing import Any, Final, NamedTuple

import msgspec

from futukit._native.frame import Envelope
from futukit.channels.serving import Listening, ServedConnection
from futukit.core.keys import load_rsa_key
from futukit.core.links import ByteLink
from futukit.core.push import Push
from futukit.core.requests import request_kind
from futukit.core.secrecy import ServerSecrecy
from futukit.core.session import ServerSession
from futukit.errors import (
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    FutukitError,
    RequestTimeout,
    ServerError,
)
from futukit.gateway.access import Grant, Refused
from futukit.gateway.members import Doors, Member
from futukit.gateway.refusals import told_of
from futukit.messages import init_connect, init_web_socket
from futukit.messages.common import RetType

__all__ = ["FramesDoor"]

_LETTERS: Final = string.ascii_letters + string.digits
_IV_LETTERS: Final = 16

_NO_WEB_SOCKET_KEY: Final = "wrong or expired key"
"""The script dialect has room for 20 characters."""

_TCP_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class FramesDoor(Listening):
    """Serves one hub over TCP and WebSocket, each with TLS or without.

    ``under_way`` requests of one client are answered at a time; then it is not read until one
    is. A client that leaves its answers unread for ``patience_seconds`` is cut, as is one that
    lets ``write_limit_bytes`` pile up. ``rsa_key`` (PEM text or a path) is what clients need for
    encryption; ``local_origins`` refuses WebSockets of pages from other machines, for a door
    that asks for no key. ``turned_away`` hears of each client whose key is refused, by its
    address, ``no_room`` of each that was one too many, and ``slow_cut`` of each that was cut.
    """

    def __init__(
        self,
        hub: Doors,
        *,
        max_connections: int = 128,
        under_way: int = 64,
        write_limit_bytes: int = 16 * 2**20,
        patience_seconds: float = 30.0,
        rsa_key: str | None = None,
        local_origins: bool = False,
        turned_away: Callable[[str, Refused], object] | None = None,
        no_room: Callable[[str, str], object] | None = None,
        slow_cut: Callable[[], object] | None = None,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        super().__init__(
            max_connections=max_connections,
            write_limit_bytes=write_limit_bytes,
            local_origins=local_origins,
        )
        self.hub = hub
        self.under_way = under_way
        self.patience_seconds = patience_seconds
        self.secrecy = ServerSecrecy(None if rsa_key is None else load_rsa_key(rsa_key))
        self.turned_away = turned_away
        self.no_room = no_room
        self._slow_cut = slow_cut
        self.now = wall_clock
        self.requests: set[asyncio.Task[None]] = set()
        """Those under way, of all clients."""

    def connect(self, link: ByteLink, *, in_web_socket: bool) -> ServedConnection:
        """A client of the gateway, which has still to say who it is."""
        del in_web_socket
        return _Connection(self, link)

    def refusal(self) -> str | None:
        """Why one more client is refused: this door or the whole gateway is full."""
        return super().refusal() or self.hub.refusal()

    def count_slow(self) -> None:
        """One more client did not read."""
        super().count_slow()
        if self._slow_cut is not None:
            self._slow_cut()

    async def stop(self) -> None:
        """Stop listening, close every connection and end every request."""
        await super().stop()
        await asyncio.gather(*self.requests, return_exceptions=True)


class _Connection(ServedConnection):
    """One client. It is a member of the hub from its greeting to its end."""

    def __init__(self, door: FramesDoor, link: ByteLink) -> None:
        super().__init__(door, link)
        self._door = door
        self._grant: Grant | None = None
        self._member: Member | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._welcome: init_connect.S2C

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._member}>"

    # What the server's end of a connection asks.

    def open_session(self) -> ServerSession:
        """A session under the gateway's own connection id and AES key, never OpenD's."""
        _keep_alive(self._transport.get_extra_info("socket"))
        self._welcome = self._door.hub.welcome()
        now = self._door.session_time()
        full = self._door.refusal()
        if full is not None and self._door.no_room is not None:
            self._door.no_room(self.peer_name, full)
        return ServerSession(
            self._welcome,
            now=now,
            epoch=self._door.now() - now,
            refusal=full,
            admit=self._admit,
            link=self.link,
            secrecy=self._door.secrecy,
            aes_cbc_iv="".join(secrets.choice(_LETTERS) for _ in range(_IV_LETTERS)),
        )

    def _admit(self, hello: init_connect.C2S | init_web_socket.C2S) -> str | None:
        access, now = self._door.hub.access, self._door.now()
        try:
            if isinstance(hello, init_web_socket.C2S):
                self._grant = access.authenticate_web_socket(hello.websocket_key, now)
            else:
                self._grant = access.authenticate(hello.client_id, now)
        except Refused as refused:
            if self._door.turned_away is not None:
                self._door.turned_away(self.peer_name, refused)
            if isinstance(hello, init_web_socket.C2S):
                return _NO_WEB_SOCKET_KEY
            return f"the client id must be an API key: {refused.reason}"
        return None

    def introduced(self, hello: init_connect.C2S) -> None:
        """The client becomes a member."""
        # The client id is the key: from here on nobody needs it.
        self.session.hello = msgspec.structs.replace(hello, client_id="")
        if self._grant is not None:
            self._member = self._door.hub.join(
                self._grant,
                self.peer_name,
                self,
                notify=bool(hello.recv_notify),
                connection_id=self._welcome.conn_id,
            )

    def requested(self, envelope: Envelope) -> None:
        """Begin to answer; a client with too many requests under way is not read for now."""
        if self._member is None:
            return
        task = asyncio.get_running_loop().create_task(self._serve(self._member, envelope))
        for tasks in (self._requests, self._door.requests):
            tasks.add(task)
        task.add_done_callback(self._done)
        if len(self._requests) >= self._door.under_way:
            self.hold()

    def gone(self) -> None:
        """The member leaves, and nobody waits for its answers any more."""
        self._leave()

    def catch_up(self, push: Push) -> None:
        """Send a push that others have had before; see MemberSink."""
        self.send_push(push)

    def end_pushes(self, reason: str) -> None:
        """Nothing: a connection is there for calls too."""

    def end(self, status: str = "", reason: str = "") -> None:
        """Close in order; see MemberSink. Frames have no words for the reason."""
        del status, reason
        self._leave()
        super().end()

    def _leave(self) -> None:
        for task in self._requests:
            task.cancel()
        member, self._member = self._member, None
        if member is not None:
            self._door.hub.leave(member)

    # Requests.

    async def _serve(self, member: Member, envelope: Envelope) -> None:
        refusal = None
        body = b""
        try:
            body = await self._door.hub.answer(
                member, envelope.proto_id, envelope.body, envelope.body_format
            )
        except FutukitError as error:
            refusal = _refusal(error, envelope.proto_id)
        # What is answered while the client does not read would pile up here.
        await self.drain(self._door.patience_seconds)
        if refusal is None:
            self.answer(envelope, body)
        else:
            self.refuse(envelope, *refusal)

    def _done(self, task: asyncio.Task[None]) -> None:
        for tasks in (self._requests, self._door.requests):
            tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # A fault of our own: the client shall not wait for ever, and somebody shall hear.
            self.abort()
            facts: dict[str, Any] = {"message": "a request could not be served", "exception": error}
            task.get_loop().call_exception_handler(facts)
        elif len(self._requests) < self._door.under_way and not self.is_closing:
            self.release()


class _Refusal(NamedTuple):
    """What stands in the Response of a request that is not answered."""

    ret_msg: str
    ret_type: int
    err_code: int | None = None


def _refusal(error: FutukitError, proto_id: int) -> _Refusal:
    """How a client in frames is told of an error, which has only a retType and a text."""
    if isinstance(error, Refused):
        # Rounded up: who comes too early is refused again.
        again = ceil(error.retry_after * 10) / 10
        told = f"; try again in {again:.1f} s" if again else ""
        return _Refusal(f"{error.reason}{told}", int(RetType.FAILED))
    if isinstance(error, DecodeError):
        return _Refusal(f"the request cannot be read: {error}", int(RetType.FAILED))
    if isinstance(error, ServerError):
        return _Refusal(error.ret_msg or "", error.ret_type, error.err_code)
    if not isinstance(error, RequestTimeout | ConnectionLost | ConnectError | ClientClosed):
        return _Refusal(str(error), int(RetType.FAILED))
    if request_kind(proto_id).is_order and not error.requests_in_doubt:
        # It never went out. The other two would leave the caller in doubt.
        return _Refusal(told_of(error), int(RetType.FAILED))
    lost = RetType.TIME_OUT if isinstance(error, RequestTimeout) else RetType.DIS_CONNECT
    return _Refusal(told_of(error), int(lost))


def _keep_alive(sock: socket.socket | None) -> None:
    """Have TCP find out who vanished: the script dialect has no KeepAlive."""
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, number in _TCP_KEEP_ALIVE:
        option = getattr(socket, name, None)  # not every platform has all of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, number)
