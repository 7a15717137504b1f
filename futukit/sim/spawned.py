"""A simulator in a child process, with the same commands as one in this process."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from dataclasses import fields
from types import TracebackType
from typing import Any, Final

import msgspec

from futukit.errors import ConnectError, ConnectionLost, LocalProtocolError, UsageError
from futukit.sim.commands import (
    Advance,
    Command,
    Done,
    Moved,
    SetMarketState,
    Statistics,
    Stats,
    Step,
    Stop,
)
from futukit.sim.controlling import Control, Result, urls_of
from futukit.sim.host import Ports
from futukit.sim.settings import Settings

__all__ = ["Ready", "SpawnedOpenD"]

_COMMAND: Final = (sys.executable, "-m", "futukit.cli.sim")
_LOOPBACK: Final = "127.0.0.1"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_RESULTS: Final[dict[type[Any], type[Any]]] = {
    Advance: Moved,
    Step: Moved,
    Stats: Statistics,
    SetMarketState: Done,
}


_OPTIONS: Final = {item.name for item in fields(Settings)} | {
    "tcp",
    "ws",
    "tcps",
    "grpc",
    "host",
    "control",
}


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The line that a simulator's process prints when it serves: its ports."""

    event: str
    tcp: int | None = None
    tcps: int | None = None
    ws: int | None = None
    wss: int | None = None
    grpc: int | None = None
    grpcs: int | None = None
    control: int | None = None


class _Reply(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class SpawnedOpenD(Control):
    """A simulated OpenD in a process of its own. Use it in a ``with`` block.

    ``options`` are the long options of ``futukit sim`` as keywords: ``seed=7``, ``freeze=True``,
    ``keep_alive_interval=2``. The process ends with the block, by SIGTERM; on Windows, which
    has none, by the command ``stop``.
    """

    def __init__(self, **options: Any) -> None:
        self._arguments = list(_arguments({"tcp": 0, "control": 0, **options}))
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: Ready | None = None
        self._socket: socket.socket | None = None
        self._lines = b""
        self._talking = threading.Lock()

    def __enter__(self) -> SpawnedOpenD:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*_COMMAND, *self._arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            self._ready = self._read_ready(self._process)
            if self._ready.control is not None:
                self._socket = socket.create_connection((_LOOPBACK, self._ready.control))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def urls(self) -> dict[str, str]:
        """Where clients connect to, by the URL's scheme."""
        up = self._up
        tls = up.wss is not None or up.grpcs is not None
        return urls_of(_LOOPBACK, Ports(up.tcp, up.tcps, up.ws, up.grpc).schemes(tls=tls))

    @property
    def port(self) -> int:
        """The TCP port that serves; 0 without one."""
        return self._up.tcp or 0

    @property
    def control_port(self) -> int | None:
        """The port that takes commands."""
        return self._up.control

    @property
    def pid(self) -> int:
        """The process id."""
        if self._process is None:
            raise LocalProtocolError("the simulator does not run: enter it with `with` first")
        return self._process.pid

    def perform(self, command: Command) -> Result:
        """Have one command obeyed. Raises UsageError, or ConnectionLost when the process ended."""
        with self._talking:
            reply = msgspec.json.decode(self._ask(msgspec.json.encode(command)), type=_Reply)
        if not reply.ok:
            raise UsageError(reply.error)
        wanted = _RESULTS.get(type(command), Done)
        result: Result = msgspec.json.decode(reply.result, type=wanted)
        return result

    def wait(self, timeout_seconds: float = _STOP_SECONDS) -> int:
        """Wait until the process has ended; returns its exit status."""
        if self._process is None:
            raise LocalProtocolError("the simulator does not run: enter it with `with` first")
        return self._process.wait(timeout_seconds)

    def _ask(self, line: bytes) -> bytes:
        if self._socket is None:
            raise LocalProtocolError("this simulator has no control port")
        try:
            self._socket.sendall(line + b"\n")
            while b"\n" not in self._lines:
                more = self._socket.recv(65536)
                if not more:
                    raise ConnectionLost("the simulator's process has ended")
                self._lines += more
        except OSError as error:
            raise ConnectionLost(f"the simulator's process is gone: {error}") from error
        answer, _, self._lines = self._lines.partition(b"\n")
        return answer

    def _read_ready(self, process: subprocess.Popen[bytes]) -> Ready:
        """Read the line that says where it serves; a process that never says so is ended."""
        assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
        impatience = threading.Timer(_START_SECONDS, process.kill)
        impatience.start()
        try:
            line = process.stdout.readline()
        finally:
            impatience.cancel()
        try:
            return msgspec.json.decode(line, type=Ready)
        except msgspec.MsgspecError:
            status = process.wait(_STOP_SECONDS)
            raise ConnectError(
                f"the simulator's process did not start: exit status {status}"
            ) from None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            if sys.platform == "win32":
                with contextlib.suppress(ConnectionLost, LocalProtocolError):
                    self._ask(msgspec.json.encode(Stop()))
            else:
                process.terminate()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._ready = None

    @property
    def _up(self) -> Ready:
        if self._ready is None:
            raise LocalProtocolError("the simulator does not run: enter it with `with` first")
        return self._ready


def _arguments(options: dict[str, Any]) -> list[str]:
    """Options of ``futukit sim`` from keywords: True is a bare flag, False and None are absent."""
    arguments = []
    for name, value in options.items():
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise UsageError(f"unknown option {name!r} of a simulator; known are {known}")
        if value is None or value is False:
            continue
        arguments.append(f"--{name.replace('_', '-')}")
        if value is not True:
            arguments.append(str(value))
    return arguments
