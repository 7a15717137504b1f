"""Clients that take part in pushes and round trips, all against one ``benchmarks.source``.

Each has ``take(count)`` (subscribe, take so many pushes, give the seconds) and
``calls(count)`` (so many GetGlobalState round trips one after the other, seconds of each),
and is a context manager.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from benchmarks import baseline, upb
from benchmarks.bodies import BodySet
from benchmarks.children import Child
from futukit import aio, codec, sync
from futukit.messages import init_connect, qot_common, qot_sub

__all__ = ["Asyncio", "AsyncioStreams", "Blocking", "Contender", "Official", "PlainSocket"]

_INIT_CONNECT: Final = 1001
_GLOBAL_STATE: Final = 1002
_SUBSCRIBE: Final = 3001
# The size at which the plain loop is fastest: larger reads cost it more memory traffic.
_RECEIVE_BYTES: Final = 64 * 1024
_PATIENCE: Final = 100.0

# Callbacks of the blocking face stand behind a queue that drops when it is full. All of a turn's
# pushes have room in it, or they could not be counted.
_PUSH_QUEUE: Final = 1_000_000


def _url(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"


def _subscription() -> bytes:
    security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
    c2s = qot_sub.C2S(
        security_list=(security,),
        sub_type_list=(qot_common.SubType.TICKER,),
        is_sub_or_un_sub=True,
        is_reg_or_un_reg_push=True,
    )
    return codec.encode(qot_sub.Request(c2s=c2s))


class Contender(ABC):
    """A context manager that connects to the source, and closes what it opened, last first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opened = ExitStack()

    @abstractmethod
    def _open(self) -> None:
        """Connect."""

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()


class Asyncio(Contender):
    """futukit's asyncio client; its loop runs only while it is measured."""

    def __init__(self, port: int, pushes: Iterable[type[Any]] = ()) -> None:
        super().__init__(port)
        self._pushes = pushes
        self._left = 0
        self._done: asyncio.Future[None] | None = None

    def _open(self) -> None:
        self._runner = self._opened.enter_context(asyncio.Runner())
        self._client = self._runner.run(self._connect())
        self._opened.callback(lambda: self._runner.run(self._client.close()))
        for push in self._pushes:
            self._client.on(push, self._on_push)

    async def _connect(self) -> aio.Client:
        return await aio.connect(_url(self._port))

    def _on_push(self, _s2c: object) -> None:
        self._left -= 1
        if not self._left and self._done is not None:
            self._done.set_result(None)

    def take(self, count: int) -> float:
        """Seconds for ``count`` pushes."""
        return self._runner.run(self._take(count))

    async def _take(self, count: int) -> float:
        self._left = count
        self._done = asyncio.get_running_loop().create_future()
        request = _subscription()
        gc.collect()
        started = time.perf_counter()
        await self._client.call_bytes(_SUBSCRIBE, request)
        async with asyncio.timeout(_PATIENCE):
            await self._done
        return time.perf_counter() - started

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        return self._runner.run(self._calls(count))

    async def _calls(self, count: int) -> list[float]:
        call = self._client.system.get_global_state
        clock = time.perf_counter
        gc.collect()
        spent = []
        for _ in range(count):
            started = clock()
            await call()
            spent.append(clock() - started)
        return spent


class Blocking(Contender):
    """futukit's blocking client."""

    def __init__(self, port: int, pushes: Iterable[type[Any]] = ()) -> None:
        super().__init__(port)
        self._pushes = pushes
        self._left = 0
        self._done = threading.Event()

    def _open(self) -> None:
        self._client = sync.connect(_url(self._port), push_queue=_PUSH_QUEUE)
        self._opened.callback(self._client.close)
        for push in self._pushes:
            self._client.on(push, self._on_push)

    def _on_push(self, _s2c: object) -> None:
        self._left -= 1
        if not self._left:
            self._done.set()

    def take(self, count: int) -> float:
        """Seconds for ``count`` pushes."""
        self._left = count
        self._done.clear()
        request = _subscription()
        gc.collect()
        started = time.perf_counter()
        self._client.call_bytes(_SUBSCRIBE, request)
        if not self._done.wait(_PATIENCE):
            raise TimeoutError(f"{self._left} pushes did not come")
        return time.perf_counter() - started

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        return _calls(self._client.system.get_global_state, count)


class PlainSocket(Contender):
    """A blocking socket, struct, hashlib, upb, and every field read."""

    def __init__(self, port: int, kinds: Iterable[BodySet] = ()) -> None:
        super().__init__(port)
        self._serial = 0
        self._readers = _readers(kinds)

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), _PATIENCE)
        self._opened.callback(self._socket.close)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask(_INIT_CONNECT, _introduction())

    def _send(self, proto_id: int, body: bytes) -> None:
        self._serial += 1
        self._socket.sendall(baseline.build(proto_id, self._serial, body))

    def _ask(self, proto_id: int, body: bytes) -> bytes:
        """One round trip; raises ValueError when something else than the answer comes."""
        self._send(proto_id, body)
        data = b""
        while True:
            received = self._socket.recv(_RECEIVE_BYTES)
            if not received:
                raise ConnectionError("the source closed the connection")
            data += received
            frames, _ = baseline.split(data)
            if frames:
                [(answered, serial, _, answer)] = frames
                if (answered, serial) != (proto_id, self._serial):
                    raise ValueError("not the answer")
                return answer

    def take(self, count: int) -> float:
        """Seconds for ``count`` pushes."""
        readers = self._readers
        receive = self._socket.recv
        request = _subscription()
        rest = b""
        gc.collect()
        started = time.perf_counter()
        self._send(_SUBSCRIBE, request)
        while count:
            data = rest + receive(_RECEIVE_BYTES)
            frames, offset = baseline.split(data)
            rest = data[offset:]
            for proto_id, _, _, body in frames:
                reader = readers.get(proto_id)
                if reader is not None:
                    parse, read = reader
                    read(parse(body))
                    count -= 1
        return time.perf_counter() - started

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        request, parse, read = _state_messages()
        return _calls(
            lambda: read(parse(self._ask(_GLOBAL_STATE, request().SerializeToString()))), count
        )


class AsyncioStreams(Contender):
    """asyncio's streams, struct, hashlib, upb, and every field read."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._serial = 0

    def _open(self) -> None:
        self._runner = self._opened.enter_context(asyncio.Runner())
        self._reader, self._writer = self._runner.run(
            asyncio.open_connection("127.0.0.1", self._port)
        )
        self._opened.callback(lambda: self._runner.run(self._close()))
        self._runner.run(self._ask(_INIT_CONNECT, _introduction()))

    async def _close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def _ask(self, proto_id: int, body: bytes) -> bytes:
        self._serial += 1
        self._writer.write(baseline.build(proto_id, self._serial, body))
        header = await self._reader.readexactly(baseline.HEADER.size)
        length = baseline.HEADER.unpack(header)[5]
        frames, _ = baseline.split(header + await self._reader.readexactly(length))
        [(answered, serial, _, answer)] = frames
        if (answered, serial) != (proto_id, self._serial):
            raise ValueError("not the answer")
        return answer

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        return self._runner.run(self._calls(count))

    async def _calls(self, count: int) -> list[float]:
        request, parse, read = _state_messages()
        clock = time.perf_counter
        gc.collect()
        spent = []
        for _ in range(count):
            started = clock()
            # A client has a time limit for each call; the plain socket has one, too.
            async with asyncio.timeout(_PATIENCE):
                answer = await self._ask(_GLOBAL_STATE, request().SerializeToString())
            read(parse(answer))
            spent.append(clock() - started)
        return spent


class Official:
    """The official SDK in its child process; ``handler`` is "raw" or "table"."""

    def __init__(self, child: Child, handler: str = "raw") -> None:
        self._child = child
        self._handler = handler

    def take(self, count: int) -> float:
        """Seconds for ``count`` pushes."""
        answer = self._child.ask(do="pushes", handler=self._handler, count=count)
        return float(answer["seconds"])

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        spent: list[float] = self._child.ask(do="calls", count=count)["seconds"]
        return spent


def _calls(call: Callable[[], object], count: int) -> list[float]:
    clock = time.perf_counter
    gc.collect()
    spent = []
    for _ in range(count):
        started = clock()
        call()
        spent.append(clock() - started)
    return spent


def _introduction() -> bytes:
    c2s = init_connect.C2S(client_ver=1, client_id="baseline")
    return codec.encode(init_connect.Request(c2s=c2s))


def _readers(
    kinds: Iterable[BodySet],
) -> Mapping[int, tuple[Callable[[bytes], Any], Callable[[Any], None]]]:
    return {
        kind.proto_id: (
            upb.message_class(kind.full_name).FromString,
            upb.field_reader(kind.full_name),
        )
        for kind in kinds
    }


def _state_messages() -> tuple[Callable[[], Any], Callable[[bytes], Any], Callable[[Any], None]]:
    """How to make the request, parse the answer and read it, with upb."""
    cls = upb.message_class("GetGlobalState.Request")
    name = "GetGlobalState.Response"

    def request() -> Any:
        message = cls()
        message.c2s.userID = 1
        return message

    return request, upb.message_class(name).FromString, upb.field_reader(name)
