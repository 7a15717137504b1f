"""A TCP relay between a client and the simulator that notes which frames pass."""

from __future__ import annotations

import hashlib
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

# FT, proto id, format, version, serial, body length, SHA1, reserved
_HEADER: Final = struct.Struct("<2sIBBII20s8s")
_CHUNK_BYTES: Final = 65536


class Frame(NamedTuple):
    """One frame: who sent it, what for, and how."""

    sender: str
    proto_id: int
    serial: int
    body_format: int
    body: bytes
    """As it was on the wire."""
    in_clear: bool


class Relay:
    """Listens on ``port`` and passes every connection on to the simulator."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._seen: queue.Queue[Frame] = queue.Queue()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for end in (self._listener, *self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()

    def greetings(self) -> tuple[Frame, Frame]:
        """InitConnect and its answer, which may have been noted first."""
        frames = {frame.sender: frame for frame in self.wait_for(1001, 2)}
        return frames["client"], frames["server"]

    def wait_for(self, proto_id: int, count: int, seconds: float = 20.0) -> list[Frame]:
        """The next ``count`` frames of an id, in either direction; raises queue.Empty."""
        found: list[Frame] = []
        while len(found) < count:
            frame = self._seen.get(timeout=seconds)
            if frame.proto_id == proto_id:
                found.append(frame)
        return found

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += (client, server)
                self._start(self._pump, client, server, "client")
                self._start(self._pump, server, client, "server")

    def _pump(self, source: socket.socket, target: socket.socket, sender: str) -> None:
        pending = bytearray()
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                target.sendall(data)
                pending += data
                for frame in _frames(pending, sender):
                    self._seen.put(frame)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _frames(pending: bytearray, sender: str) -> Iterator[Frame]:
    """Take the complete frames out of the front of ``pending``."""
    while len(pending) >= _HEADER.size:
        magic, proto_id, body_format, _, serial, length, digest, _ = _HEADER.unpack_from(pending)
        assert magic == b"FT"
        end = _HEADER.size + length
        if len(pending) < end:
            return
        body = bytes(pending[_HEADER.size : end])
        del pending[:end]
        in_clear = hashlib.sha1(body).digest() == digest
        yield Frame(sender, proto_id, serial, body_format, body, in_clear)
