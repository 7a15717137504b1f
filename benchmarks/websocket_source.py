"""A child process that plays a WebSocket server for benchmarks: no library, canned messages.

Run as ``python -m benchmarks.websocket_source FILE SIZE``, where the file holds messages of
``SIZE`` bytes one after the other. It prints ``{"port": N}``. A binary message that begins with
``?`` is answered with the next message of the file; one that begins with ``+`` and a 32-bit
number (big endian) with so many of them, as fast as the reader takes them.

It never sleeps while somebody is connected, so that a round trip measures the client and not
how the operating system wakes this process. It ends with its input.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import selectors
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["MANY", "ONE", "Source", "framed", "unmasked"]

ONE: Final = b"?"
MANY: Final = b"+"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(rb"\r\nSec-WebSocket-Key: *(\S+)", re.IGNORECASE)
_FIN_BINARY: Final = 0x82
_CLOSE: Final = 8
_CLOSE_FRAME: Final = b"\x88\x02\x03\xe8"
_COMMAND_BYTES: Final = 5


def framed(message: bytes) -> bytes:
    """An unmasked binary frame; the message is shorter than 64 KiB."""
    if len(message) < 126:
        return bytes((_FIN_BINARY, len(message))) + message
    return bytes((_FIN_BINARY, 126)) + len(message).to_bytes(2, "big") + message


def unmasked(data: bytes, start: int) -> tuple[int, bytes, int] | None:
    """The masked frame at ``start``: opcode, its first bytes, and where the next one starts.

    None while it is not there as a whole; it is shorter than 64 KiB.
    """
    if len(data) - start < 2:
        return None
    size, at = data[start + 1] & 0x7F, start + 2
    if size == 126:
        size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    end = at + 4 + size
    if len(data) < end:
        return None
    mask, head = data[at : at + 4], data[at + 4 : min(end, at + 4 + 4 + _COMMAND_BYTES)]
    plain = bytes(byte ^ mask[number % 4] for number, byte in enumerate(head))
    return data[start] & 0x0F, plain[:_COMMAND_BYTES], end


class Source:
    """The server. ``port`` is where it listens on the IPv4 loopback."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._frames = [framed(message) for message in messages]
        self._next = 0
        self._connections: dict[socket.socket, bytes] = {}
        self._open: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._commands = sys.stdin.fileno()
        self._selector.register(self._commands, selectors.EVENT_READ)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Serve until the input ends."""
        print(json.dumps({"port": self.port}), flush=True)
        while True:
            for key, _ in self._selector.select(0 if self._connections else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
                elif not os.read(self._commands, 65536):
                    return

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
            if data:
                data = self._connections[connection] + data
                if connection not in self._open:
                    data = self._upgrade(connection, data)
                self._connections[connection] = self._answer(connection, data)
                return
        except OSError:  # the client has gone away in its own manner
            pass
        self._selector.unregister(connection)
        self._open.discard(connection)
        del self._connections[connection]
        connection.close()

    def _upgrade(self, connection: socket.socket, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return data
        found = _KEY.search(head)
        if found is None:
            raise OSError("no WebSocket is asked for")
        accept = base64.b64encode(hashlib.sha1(found[1] + _GUID).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._open.add(connection)
        return rest

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer the whole frames in ``data``; gives what is left."""
        start = 0
        while connection in self._open and (frame := unmasked(data, start)) is not None:
            opcode, head, start = frame
            if opcode == _CLOSE:
                connection.sendall(_CLOSE_FRAME)
                raise OSError("closed in order")
            if head[:1] == ONE:
                connection.sendall(self._take(1))
            elif head[:1] == MANY:
                connection.sendall(self._take(int.from_bytes(head[1:], "big")))
        return data[start:]

    def _take(self, count: int) -> bytes:
        frames, first = self._frames, self._next
        self._next = (first + count) % len(frames)
        rounds = count // len(frames) + 2
        return b"".join((frames * rounds)[first : first + count])


def main(arguments: Sequence[str]) -> None:
    """Read the command line and serve."""
    data, size = Path(arguments[0]).read_bytes(), int(arguments[1])
    Source([data[at : at + size] for at in range(0, len(data), size)]).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
