"""A child process that plays OpenD for benchmarks: canned answers, and pushes without a pause.

Run as ``python -m benchmarks.source [--spin] NAME=FILE …``, where a file holds frames one after
the other. It prints ``{"port": N}`` and then answers each line of its input:

``{"arm": NAME, "first": i, "count": n}``
    The next Qot_Sub (3001) on any connection is answered and then followed by ``n`` frames of
    the file from number ``i`` on, cyclically, as fast as the reader takes them.

Each proto id in the file named ``answers`` is answered with its first frame there.

With ``--spin`` it never sleeps while somebody is connected, so that a round trip measures the
client and not how the operating system wakes this process. It ends with its input.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import baseline
from futukit import codec
from futukit.messages import common, get_global_state, init_connect, keep_alive, qot_sub
from futukit.messages.qot_common import QotMarketState

__all__ = ["FrameFile", "Source", "canned", "introduction"]

_HEADER: Final = baseline.HEADER
_INIT_CONNECT: Final = 1001
_SUBSCRIBE: Final = 3001
_SERIAL: Final = slice(8, 12)  # where a frame has its serial number
_SUCCEED: Final = common.RetType.SUCCEED

# So long that no client has a reason to send anything of its own while it is measured.
_KEEP_ALIVE_SECONDS: Final = 3600


class FrameFile:
    """Frames one after the other, and where each begins."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0]
        while self._starts[-1] < len(data):
            start = self._starts[-1]
            self._starts.append(start + _HEADER.size + _HEADER.unpack_from(data, start)[5])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def answers(self) -> dict[int, bytearray]:
        """The first frame of each proto id."""
        found: dict[int, bytearray] = {}
        for number in range(len(self)):
            frame = self.stream(number, 1)
            found.setdefault(_HEADER.unpack_from(frame)[1], bytearray(frame))
        return found

    def stream(self, first: int, count: int) -> bytes:
        """``count`` frames from number ``first`` on, going round at the end."""
        first %= len(self)
        parts = []
        while count:
            taken = min(count, len(self) - first)
            parts.append(self._data[self._starts[first] : self._starts[first + taken]])
            count -= taken
            first = 0
        return b"".join(parts)


class Source:
    """The server. ``port`` is where it listens on the IPv4 loopback."""

    def __init__(self, files: dict[str, FrameFile], *, spin: bool) -> None:
        self._files = files
        self._spin = spin
        self._armed = b""
        self._connections: dict[socket.socket, bytes] = {}
        self._opened = 0
        self._answers = canned() | files.pop("answers", FrameFile(b"")).answers()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._commands = sys.stdin.fileno()
        self._selector.register(self._commands, selectors.EVENT_READ)
        self._typed = b""
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Serve until the input ends."""
        _say(port=self.port)
        while True:
            sleepless = self._spin and self._connections
            for key, _ in self._selector.select(0 if sleepless else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        typed = os.read(self._commands, 65536)
        *lines, self._typed = (self._typed + typed).split(b"\n")
        for line in lines:
            command = json.loads(line)
            frames = self._files[command["arm"]]
            self._armed = frames.stream(command["first"], command["count"])
            _say(armed=len(self._armed))
        return bool(typed)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
            if data:
                self._connections[connection] = self._answer(
                    connection, self._connections[connection] + data
                )
                return
        except OSError:  # the client has gone away in its own manner
            pass
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.close()

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer the complete requests in ``data``; gives what is left."""
        start = 0
        while len(data) - start >= _HEADER.size:
            _, proto_id, _, _, serial, length, _ = _HEADER.unpack_from(data, start)
            if len(data) - start < _HEADER.size + length:
                break
            start += _HEADER.size + length
            connection.sendall(self._reply(proto_id, serial))
            if proto_id == _SUBSCRIBE and self._armed:
                connection.sendall(self._armed)
                self._armed = b""
        return data[start:]

    def _reply(self, proto_id: int, serial: int) -> bytes | bytearray:
        if proto_id == _INIT_CONNECT:
            self._opened += 1
            return baseline.build(proto_id, serial, introduction(self._opened))
        answer = self._answers[proto_id]
        answer[_SERIAL] = serial.to_bytes(4, "little")
        return answer


def introduction(number: int) -> bytes:
    """The answer to InitConnect, which makes ``number`` the connection id."""
    s2c = init_connect.S2C(
        server_ver=1011,
        login_user_id=1,
        conn_id=number,
        conn_aes_key="0123456789abcdef",
        keep_alive_interval=_KEEP_ALIVE_SECONDS,
    )
    return codec.encode(init_connect.Response(ret_type=_SUCCEED, s2c=s2c))


def canned() -> dict[int, bytearray]:
    """Answers by proto id, but for their serial numbers."""
    closed = QotMarketState.CLOSED
    state = get_global_state.S2C(
        market_hk=QotMarketState.MORNING,
        market_us=closed,
        market_sh=QotMarketState.MORNING,
        market_sz=QotMarketState.MORNING,
        market_hk_future=QotMarketState.FUTURE_DAY_OPEN,
        qot_logined=True,
        trd_logined=True,
        server_ver=1011,
        server_build_no=7108,
        time=1772417700,
        local_time=1772417700.25,
        program_status=common.ProgramStatus(type=common.ProgramStatusType.READY),
        conn_id=1,
    )
    bodies = {
        1002: codec.encode(get_global_state.Response(ret_type=_SUCCEED, s2c=state)),
        1004: codec.encode(
            keep_alive.Response(ret_type=_SUCCEED, s2c=keep_alive.S2C(time=1772417700))
        ),
        _SUBSCRIBE: codec.encode(qot_sub.Response(ret_type=_SUCCEED, s2c=qot_sub.S2C())),
    }
    return {
        proto_id: bytearray(baseline.build(proto_id, 0, body)) for proto_id, body in bodies.items()
    }


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main(arguments: Sequence[str]) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.source")
    parser.add_argument("--spin", action="store_true")
    parser.add_argument("files", nargs="*", metavar="NAME=FILE")
    chosen = parser.parse_args(arguments)
    named = [file.partition("=") for file in chosen.files]
    files = {name: FrameFile(Path(path).read_bytes()) for name, _, path in named}
    Source(files, spin=chosen.spin).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
