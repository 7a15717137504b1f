"""WebSocket clients against one ``benchmarks.websocket_source``: libraries, and how driven.

Each has ``take(count)`` (the seconds for so many messages) and ``calls(count)`` (so many round
trips one after the other, seconds of each), and is a context manager. Every message is handed
over as bytes of its own.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from benchmarks.contenders import Contender
from benchmarks.websocket_source import MANY, ONE
from futukit.core.links.websocket_messages import Message, client_socket

__all__ = [
    "AsyncioEngine",
    "Engine",
    "Ours",
    "Picows",
    "SocketEngine",
    "Websockets",
    "WebsocketsAsyncio",
    "WebsocketsSync",
    "Wsproto",
]

_HOST: Final = "127.0.0.1"
_MAX_BYTES: Final = 1024 * 1024
# As much as the product's reader takes at once.
_READ_BYTES: Final = 64 * 1024
_PATIENCE: Final = 60.0


def request(size: int) -> bytes:
    """Asks for one message, and has that message's size itself."""
    return ONE.ljust(size, b".")


def order(count: int) -> bytes:
    """Asks for so many messages."""
    return MANY + count.to_bytes(4, "big")


class Engine(Protocol):
    """A WebSocket without IO."""

    def opening(self) -> bytes:
        """The client's first bytes."""

    def feed(self, data: bytearray) -> list[Message]:
        """Take bytes; the messages that are whole by now."""

    def pack(self, message: bytes) -> bytes:
        """The bytes of a binary message."""

    @property
    def is_open(self) -> bool:
        """Whether the opening handshake is through."""


class Ours:
    """The product's WebSocket, which stands on the library ``websockets``."""

    def __init__(self, port: int) -> None:
        self._socket = client_socket(_HOST, port, secure=False, max_message_bytes=_MAX_BYTES)

    def opening(self) -> bytes:
        """The request for a WebSocket."""
        self._socket.start()
        return self._socket.take()

    def feed(self, data: bytearray) -> list[Message]:
        """Raises what has ended the connection."""
        messages: list[Message] = []
        self._socket.feed(data, messages.append)
        if not messages:
            self._socket.check()
        return messages

    def pack(self, message: bytes) -> bytes:
        """Masked, as a client has to."""
        return self._socket.send(message)

    @property
    def is_open(self) -> bool:
        """Only an open one can ping."""
        return bool(self._socket.ping())


class Websockets:
    """The library websockets without IO, and nothing of ours: its parser takes every frame."""

    def __init__(self, port: int) -> None:
        uri = WebSocketURI(False, _HOST, port, "/", "")
        self._protocol = ClientProtocol(uri, max_size=_MAX_BYTES)

    def opening(self) -> bytes:
        """The request for a WebSocket."""
        self._protocol.send_request(self._protocol.connect())
        return b"".join(self._protocol.data_to_send())

    def feed(self, data: bytearray) -> list[Message]:
        """The source sends every message in one frame."""
        self._protocol.receive_data(data)
        return [
            cast("Message", event.data)
            for event in self._protocol.events_received()
            if isinstance(event, Frame) and event.opcode is Opcode.BINARY
        ]

    def pack(self, message: bytes) -> bytes:
        """Masked, as a client has to."""
        self._protocol.send_binary(message)
        return b"".join(self._protocol.data_to_send())

    @property
    def is_open(self) -> bool:
        """Whether the answer was a WebSocket."""
        return self._protocol.state is State.OPEN


class Wsproto:
    """The library wsproto."""

    def __init__(self, port: int) -> None:
        # By name: the type checker need not have it.
        wsproto, events = import_module("wsproto"), import_module("wsproto.events")
        self._connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._request = events.Request(host=f"{_HOST}:{port}", target="/")
        self._accepted = events.AcceptConnection
        self._bytes = events.BytesMessage
        self._parts = bytearray()
        self.is_open = False

    def opening(self) -> bytes:
        """The request for a WebSocket."""
        return bytes(self._connection.send(self._request))

    def feed(self, data: bytearray) -> list[Message]:
        """A message may come in several events, the last of which says so."""
        self._connection.receive_data(bytes(data))
        kind, messages, parts = self._bytes, list[Message](), self._parts
        for event in self._connection.events():
            if type(event) is kind:
                if event.message_finished and not parts:
                    messages.append(event.data)
                else:
                    parts += event.data
                    if event.message_finished:
                        messages.append(bytes(parts))
                        parts.clear()
            elif type(event) is self._accepted:
                self.is_open = True
        return messages

    def pack(self, message: bytes) -> bytes:
        """Masked, as a client has to."""
        packed: bytes = self._connection.send(self._bytes(data=message))
        return packed


class _Contender(Contender):
    """One that asks for messages of a size."""

    def __init__(self, port: int, size: int) -> None:
        super().__init__(port)
        self._request = request(size)


class SocketEngine(_Contender):
    """An engine over a blocking socket."""

    def __init__(self, port: int, size: int, make: Callable[[int], Engine]) -> None:
        super().__init__(port, size)
        self._engine = make(port)
        self._buffer = bytearray(_READ_BYTES)

    def _open(self) -> None:
        self._socket = socket.create_connection((_HOST, self._port), _PATIENCE)
        self._opened.callback(self._socket.close)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._engine.opening())
        while not self._engine.is_open:
            self._receive()

    def _receive(self) -> list[Message]:
        received = self._socket.recv_into(self._buffer)
        if not received:
            raise ConnectionError("the source closed the connection")
        return self._engine.feed(self._buffer[:received])

    def take(self, count: int) -> float:
        """Seconds for ``count`` messages."""
        gc.collect()
        started = time.perf_counter()
        self._socket.sendall(self._engine.pack(order(count)))
        while count:
            for _message in self._receive():
                count -= 1
        return time.perf_counter() - started

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        clock, spent = time.perf_counter, []
        gc.collect()
        for _ in range(count):
            started = clock()
            self._socket.sendall(self._engine.pack(self._request))
            while not self._receive():
                continue
            spent.append(clock() - started)
        return spent


class _Asyncio(_Contender):
    """What the contenders on asyncio share; the loop runs only while it is measured."""

    def _open(self) -> None:
        self._runner = self._opened.enter_context(asyncio.Runner())
        self._runner.run(self._connect())
        self._opened.callback(lambda: self._runner.run(self._close()))

    @abstractmethod
    async def _connect(self) -> None:
        """Connect."""

    @abstractmethod
    async def _close(self) -> None:
        """Close what was connected."""

    @abstractmethod
    async def _take(self, count: int) -> None:
        """Take so many messages."""

    @abstractmethod
    async def _call(self) -> None:
        """One round trip."""

    def take(self, count: int) -> float:
        """Seconds for ``count`` messages."""

        async def take() -> float:
            gc.collect()
            started = time.perf_counter()
            async with asyncio.timeout(_PATIENCE):
                await self._take(count)
            return time.perf_counter() - started

        return self._runner.run(take())

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""

        async def calls() -> list[float]:
            clock, call, spent = time.perf_counter, self._call, []
            gc.collect()
            for _ in range(count):
                started = clock()
                await call()
                spent.append(clock() - started)
            return spent

        return self._runner.run(calls())


class _Waiting(_Asyncio):
    """Those whose messages come by callback: ``_left`` of them are waited for."""

    _left = 0

    async def _wait(self, count: int, message: bytes) -> None:
        self._left = count
        self._done = asyncio.get_running_loop().create_future()
        self._send(message)
        await self._done

    @abstractmethod
    def _send(self, message: bytes) -> None:
        """Send a message, without waiting."""

    async def _take(self, count: int) -> None:
        await self._wait(count, order(count))

    async def _call(self) -> None:
        await self._wait(1, self._request)

    def _on_message(self, _message: Message) -> None:
        self._left -= 1
        if not self._left:
            self._done.set_result(None)


class AsyncioEngine(_Waiting, asyncio.BufferedProtocol):
    """An engine in an asyncio protocol that reads into a buffer of its own."""

    def __init__(self, port: int, size: int, make: Callable[[int], Engine]) -> None:
        super().__init__(port, size)
        self._engine = make(port)
        self._buffer = bytearray(_READ_BYTES)
        self._transport: asyncio.Transport

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        self._transport, _ = await loop.create_connection(lambda: self, _HOST, self._port)
        self._transport.write(self._engine.opening())
        await self._ready

    async def _close(self) -> None:
        self._transport.abort()

    def _send(self, message: bytes) -> None:
        self._transport.write(self._engine.pack(message))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Asyncio asks where to read."""
        del sizehint
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio has read."""
        for message in self._engine.feed(self._buffer[:nbytes]):
            self._on_message(message)
        if not self._ready.done() and self._engine.is_open:
            self._ready.set_result(None)


class Picows(_Waiting):
    """The library picows, with asyncio's own loop."""

    async def _connect(self) -> None:
        picows = import_module("picows")  # by name: the type checker need not have it
        listener = type("Listener", (picows.WSListener,), {"on_ws_frame": self._on_frame})
        self._binary = picows.WSMsgType.BINARY
        self._picows, _ = await picows.ws_connect(
            listener, f"ws://{_HOST}:{self._port}/", use_aiofastnet=False
        )

    def _on_frame(self, _transport: Any, frame: Any) -> None:
        self._on_message(frame.get_payload_as_bytes())

    async def _close(self) -> None:
        self._picows.disconnect(False)

    def _send(self, message: bytes) -> None:
        self._picows.send(self._binary, message)


class WebsocketsAsyncio(_Asyncio):
    """The library websockets with its own asyncio client, without compression."""

    async def _connect(self) -> None:
        from websockets.asyncio.client import connect

        self._client = await connect(
            f"ws://{_HOST}:{self._port}/", compression=None, ping_interval=None, proxy=None
        )

    async def _close(self) -> None:
        await self._client.close()

    async def _take(self, count: int) -> None:
        await self._client.send(order(count))
        receive = self._client.recv
        for _ in range(count):
            await receive()

    async def _call(self) -> None:
        await self._client.send(self._request)
        await self._client.recv()


class WebsocketsSync(_Contender):
    """The library websockets with its own blocking client, without compression."""

    def _open(self) -> None:
        from websockets.sync.client import connect

        url = f"ws://{_HOST}:{self._port}/"
        self._client = self._opened.enter_context(
            connect(url, compression=None, ping_interval=None, proxy=None)
        )

    def take(self, count: int) -> float:
        """Seconds for ``count`` messages."""
        gc.collect()
        started = time.perf_counter()
        self._client.send(order(count))
        for _ in range(count):
            self._client.recv(_PATIENCE)
        return time.perf_counter() - started

    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""
        clock, spent = time.perf_counter, []
        gc.collect()
        for _ in range(count):
            started = clock()
            self._client.send(self._request)
            self._client.recv(_PATIENCE)
            spent.append(clock() - started)
        return spent
