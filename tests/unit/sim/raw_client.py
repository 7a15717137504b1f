"""A client of the simplest kind: a blocking socket, struct and hashlib. It shares no framing code
with the product, so what it reads is what stands on the wire."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from msgspec import Struct

from futukit import codec
from futukit.messages import init_connect, keep_alive, qot_common, qot_sub, registry
from futukit.types import split_security

SECONDS = 10.0
_HEADER = struct.Struct("<2sIBBII20s8s")

INIT_CONNECT = 1001
KEEP_ALIVE = 1004
SUB = 3001


class Frame(NamedTuple):
    """One frame as it came."""

    proto_id: int
    serial: int
    body: bytes

    def read(self) -> Any:
        """The response message in it."""
        return codec.decode(registry.response_class(self.proto_id), self.body)


def frame(proto_id: int, serial: int, body: bytes, body_format: int = 0, version: int = 0) -> bytes:
    """A frame, header and body."""
    digest = hashlib.sha1(body).digest()
    header = _HEADER.pack(
        b"FT", proto_id, body_format, version, serial, len(body), digest, bytes(8)
    )
    return header + body


def security(text: str) -> qot_common.Security:
    """``"HK.00700"`` as a message."""
    market, code = split_security(text)
    return qot_common.Security(market=qot_common.QotMarket(market), code=code)


def securities(*texts: str) -> tuple[qot_common.Security, ...]:
    """Several of them."""
    return tuple(map(security, texts))


def until(condition: Callable[[], bool]) -> None:
    """Ask again until it is so; each question gives the simulator a turn. Fails after a while."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"


class RawClient:
    """One connection; ``hello`` false leaves InitConnect out, ``client_id`` is what it says."""

    def __init__(
        self,
        port: int,
        *,
        hello: bool = True,
        recv_notify: bool = False,
        receive_buffer_bytes: int | None = None,
        client_id: str = "raw",
    ) -> None:
        self._client_id = client_id
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.pushes: list[Frame] = []
        self.raw = bytearray()
        self._pending = b""
        self._serial = 0
        self.welcome: Any = None
        if hello:
            self.welcome = self.hello(recv_notify=recv_notify).s2c

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def hello(self, recv_notify: bool = False) -> Any:
        """Say InitConnect; the whole response."""
        c2s = init_connect.C2S(client_ver=100, client_id=self._client_id, recv_notify=recv_notify)
        return self.call(INIT_CONNECT, c2s)

    def send(self, proto_id: int, body: bytes) -> int:
        """Send a request; its serial."""
        self._serial += 1
        self.socket.sendall(frame(proto_id, self._serial, body))
        return self._serial

    def call_bytes(self, proto_id: int, body: bytes) -> Frame:
        """Send a request and read to its reply; pushes on the way are kept."""
        serial = self.send(proto_id, body)
        while True:
            got = self.read()
            if got.serial == serial and got.proto_id == proto_id:
                return got
            self.pushes.append(got)

    def call(self, proto_id: int, c2s: Struct) -> Any:
        """Send a C2S (or a flat request) and read the response."""
        request = registry.request_class(proto_id)
        whole = c2s if isinstance(c2s, request) else request(c2s=c2s)
        return self.call_bytes(proto_id, codec.encode(whole)).read()

    def ask(self, proto_id: int, c2s: Struct) -> Any:
        """The S2C of a call that succeeds."""
        response = self.call(proto_id, c2s)
        assert response.ret_type == 0, response.ret_msg
        return response.s2c

    def refused(self, proto_id: int, c2s: Struct) -> str:
        """The text of a call that is refused."""
        response = self.call(proto_id, c2s)
        assert response.ret_type == -1
        assert response.s2c is None
        assert response.err_code
        return str(response.ret_msg)

    def subscribe(self, keys: tuple[str, ...], *sub_types: int, **flags: Any) -> Any:
        """Subscribe, with pushes and without a first one unless the flags say otherwise."""
        chosen = {"is_reg_or_un_reg_push": True, "is_first_push": False, **flags}
        c2s = qot_sub.C2S(
            security_list=securities(*keys),
            sub_type_list=tuple(map(qot_common.SubType, sub_types)),
            is_sub_or_un_sub=True,
            **chosen,
        )
        return self.call(SUB, c2s)

    def unsubscribe(self, keys: tuple[str, ...], *sub_types: int) -> Any:
        """Unsubscribe; the whole response."""
        c2s = qot_sub.C2S(
            security_list=securities(*keys),
            sub_type_list=tuple(map(qot_common.SubType, sub_types)),
            is_sub_or_un_sub=False,
        )
        return self.call(SUB, c2s)

    def sync(self) -> list[Frame]:
        """All pushes sent so far: what comes before the reply to a KeepAlive."""
        self.call(KEEP_ALIVE, keep_alive.C2S(time=0))
        pushes, self.pushes = self.pushes, []
        return pushes

    def read(self) -> Frame:
        """The next frame, its SHA1 checked."""
        head = self._take(_HEADER.size)
        magic, proto_id, body_format, version, serial, length, digest, reserved = _HEADER.unpack(
            head
        )
        assert (magic, body_format, version, reserved) == (b"FT", 0, 0, bytes(8))
        body = self._take(length)
        assert hashlib.sha1(body).digest() == digest
        return Frame(proto_id, serial, body)

    def at_end(self) -> bool:
        """Whether the server has closed, with nothing left to read."""
        if self._pending:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def rest(self) -> bytes:
        """Everything until the server closes."""
        data = self._pending
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def _take(self, count: int) -> bytes:
        while len(self._pending) < count:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self.raw += more
            self._pending += more
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken
