"""A small OpenD for the client's tests: real sockets, answers as the test says.

Each connection is served in a thread of its own, through the server role of the session. What a
connection does instead of that can be scripted, to be refused, silent or garbage.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Event, Introduced, Lost, Request
from futukit.core.links.frames import FrameLink
from futukit.core.requests import request_kind
from futukit.core.session import ServerSession
from futukit.core.session.machine import KEEP_ALIVE
from futukit.errors import DecodeError
from futukit.messages import init_connect, notify, qot_common, qot_update_kl, qot_update_ticker
from futukit.messages.common import RetType

Answer = Callable[["Connection", Envelope], None]
Script = Callable[[socket.socket], None]

WAIT = 5.0


class Connection:
    """One accepted client."""

    def __init__(self, opend: FakeOpenD, sock: socket.socket, number: int) -> None:
        self.opend = opend
        self.sock = sock
        self.number = number
        self.lock = threading.RLock()
        self.requests: list[Envelope] = []
        self.ended = threading.Event()
        self.answers_keep_alive = True
        self.keep_alive_came = threading.Semaphore(0)
        link = FrameLink(server=True)
        self.reader = link.reader
        self.session = ServerSession(
            opend.welcome(number), now=time.monotonic(), idle_timeout=inf, link=link
        )

    def serve(self) -> None:
        try:
            self._serve()
        finally:
            hang_up(self.sock)
            self.ended.set()

    def _serve(self) -> None:
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.reader.feed(data)
                events = self._hear()
            self.write()
            for event in events:
                if isinstance(event, Introduced):
                    self.opend.introduced.put(self)
                elif isinstance(event, Request):
                    self.take(event.envelope)
                elif isinstance(event, Lost):
                    self.cut()
                    return

    def _hear(self) -> list[Event]:
        events: list[Event] = []
        for envelope in self.reader:
            if envelope.proto_id == KEEP_ALIVE:
                self.keep_alive_came.release()
                if not self.answers_keep_alive:
                    continue
            events += self.session.receive_one(envelope, time.monotonic())
        return events

    def take(self, envelope: Envelope) -> None:
        self.requests.append(envelope)
        answer = self.opend.answers.get(envelope.proto_id, succeed)
        answer(self, envelope)
        self.opend.requests.put((self, envelope))

    def reply(self, envelope: Envelope, message: Any) -> None:
        with self.lock:
            self.session.reply(envelope, message)
        self.write()

    def push(self, proto_id: int, message: Any) -> None:
        with self.lock:
            self.session.push(proto_id, message)
        self.write()

    def write(self) -> None:
        with self.lock:
            try:
                self.sock.sendall(self.session.take())
            except OSError:
                return

    def cut(self) -> None:
        hang_up(self.sock)

    def asked(self, proto_id: int) -> list[Any]:
        """The C2S of every request of one id."""
        return [
            request_kind(proto_id).c2s_of(envelope.body)
            for envelope in self.requests
            if envelope.proto_id == proto_id
        ]


class FakeOpenD:
    """Listens on a free port of ``host`` until closed."""

    scheme = "tcp"

    def __init__(self, host: str = "127.0.0.1", keep_alive_interval: int = 10) -> None:
        self.interval = keep_alive_interval
        self.answers: dict[int, Answer] = {}
        self.scripts: deque[Script | None] = deque()
        self.connections: list[Connection] = []
        self.introduced: queue.Queue[Connection] = queue.Queue()
        self.requests: queue.Queue[tuple[Connection, Envelope]] = queue.Queue()
        self.tries = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.url = f"tcp://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    def welcome(self, number: int) -> init_connect.S2C:
        return init_connect.S2C(
            server_ver=1011,
            login_user_id=4711,
            conn_id=1000 + number,
            conn_aes_key="0123456789abcdef",
            keep_alive_interval=self.interval,
        )

    def next_connection(self) -> Connection:
        """The next client that has introduced itself."""
        return self.introduced.get(timeout=WAIT)

    def next_request(self) -> tuple[Connection, Envelope]:
        """The next request that came, on whatever connection."""
        return self.requests.get(timeout=WAIT)

    def close(self) -> None:
        for sock in (self._listener, *self._sockets):
            hang_up(sock)
        for thread in self._threads:
            thread.join(WAIT)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.tries += 1
            self._sockets.append(sock)
            script = self.scripts.popleft() if self.scripts else None
            if script is not None:
                self._start(script, sock)
                continue
            connection = Connection(self, sock, len(self.connections))
            self.connections.append(connection)
            self._start(connection.serve)


def hang_up(sock: socket.socket) -> None:
    """Close, and end what another thread does with the socket."""
    # The peer or another thread may have ended it already.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def succeed(connection: Connection, envelope: Envelope) -> None:
    """Answer with success and an empty S2C, where the S2C may be empty."""
    kind = request_kind(envelope.proto_id)
    try:
        s2c = codec.decode(kind.s2c, b"")
    except (DecodeError, TypeError):
        refuse("no answer is set")(connection, envelope)
    else:
        connection.reply(envelope, kind.response(ret_type=RetType.SUCCEED, s2c=s2c))


def stay_silent(connection: Connection, envelope: Envelope) -> None:
    """Never answer."""


def refuse(text: str) -> Answer:
    """Answer with retType -1."""

    def answer(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.refuse(envelope, text, err_code=7)
        connection.write()

    return answer


def say(data: bytes, close: bool = True) -> Script:
    """A connection that sends these bytes to whoever comes."""

    def script(sock: socket.socket) -> None:
        try:
            sock.recv(65536)
            sock.sendall(data)
            if close:
                sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    return script


def refuse_connection(sock: socket.socket) -> None:
    """A connection whose InitConnect is refused."""
    link = FrameLink(server=True)
    session = ServerSession(
        init_connect.S2C(
            server_ver=1, login_user_id=1, conn_id=1, conn_aes_key="", keep_alive_interval=10
        ),
        now=time.monotonic(),
        refusal="the house is full",
        link=link,
    )
    try:
        link.reader.feed(sock.recv(65536))
        session.receive(time.monotonic())
        sock.sendall(session.take())
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


# Pushes to send.


def login_notice(logged_in: bool = True) -> notify.Response:
    """A Notify push (1003)."""
    return notify.Response(
        ret_type=RetType.SUCCEED,
        s2c=notify.S2C(
            type=notify.NotifyType.CONN_STATUS,
            connect_status=notify.ConnectStatus(qot_logined=logged_in, trd_logined=True),
        ),
    )


def ticker(code: str = "00700", name: str | None = None) -> qot_update_ticker.Response:
    """A ticker push (3011)."""
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=code)
    s2c = qot_update_ticker.S2C(security=security, name=name)
    return qot_update_ticker.Response(ret_type=RetType.SUCCEED, s2c=s2c)


def bar(code: str, kl_type: qot_common.KLType, name: str) -> qot_update_kl.Response:
    """A K-line push (3007)."""
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=code)
    s2c = qot_update_kl.S2C(
        rehab_type=qot_common.RehabType.FORWARD, kl_type=kl_type, security=security, name=name
    )
    return qot_update_kl.Response(ret_type=RetType.SUCCEED, s2c=s2c)
