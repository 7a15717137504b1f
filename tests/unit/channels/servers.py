"""A server on loopback whose every connection follows a script, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable

from futukit._native.frame import FrameReader, build_frame
from futukit.endpoint import Endpoint

Script = Callable[[socket.socket], object]

WAIT = 10.0
PUSH = 3011


class Server:
    """Listens on a free port until the end of its ``with`` block."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self.ended: queue.Queue[object] = queue.Queue()
        """What each script returned, or the OSError that ended it."""
        self._script = script
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def endpoint(self, host: str = "localhost", scheme: str = "tcps") -> Endpoint:
        return Endpoint(scheme, host, self.port, {})

    def outcome(self) -> object:
        """How the next script ended."""
        return self.ended.get(timeout=WAIT)

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(WAIT)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(WAIT)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(WAIT)
            # A descriptor of our own: the script's TLS takes the socket's own away.
            twin = sock.dup()
            self._sockets.append(twin)
            thread = threading.Thread(target=self._serve, args=[sock, twin])
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, twin: socket.socket) -> None:
        with sock, twin:
            try:
                self.ended.put(self._script(sock))
            except OSError as error:
                self.ended.put(error)


def over_tls(context: ssl.SSLContext, script: Callable[[ssl.SSLSocket], object]) -> Script:
    """A script within TLS, by blocking sockets. An end without close_notify is an SSLEOFError."""

    def serve(sock: socket.socket) -> object:
        with context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False) as secure:
            return script(secure)

    return serve


Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


def over_streams(context: ssl.SSLContext | None, script: Streams) -> Script:
    """A script that reads and writes at once, by asyncio."""

    async def run(sock: socket.socket) -> object:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            async with asyncio.timeout(WAIT):
                return await script(reader, writer)
        finally:
            transport.abort()
            await asyncio.sleep(0)

    return lambda sock: asyncio.run(run(sock))


def frames(count: int, size: int) -> bytes:
    """Frames whose bodies all differ; the serial is the place."""
    return b"".join(
        build_frame(PUSH, serial, serial.to_bytes(4, "little") * (size // 4))
        for serial in range(count)
    )


def serials(data: bytes) -> list[int]:
    """The serials in a stream of whole frames."""
    reader = FrameReader()
    found = []
    for at in range(0, len(data), 65536):
        reader.feed(data[at : at + 65536])
        found += [envelope.serial for envelope in reader]
    reader.eof()
    return found


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the end of the stream."""
    data = bytearray()
    while chunk := sock.recv(65536):
        data += chunk
    return bytes(data)
