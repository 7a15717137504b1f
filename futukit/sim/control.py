"""The control port: commands from another process, one line of JSON each.

Loopback only. One request, one reply, in order; see futukit.sim.commands for the commands.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from futukit.channels.serving import stop_accepting
from futukit.endpoint import check_port
from futukit.errors import ConnectError, UsageError
from futukit.sim.commands import Command
from futukit.sim.host import Host

__all__ = ["ControlPort", "Reply"]

_LOOPBACK: Final = "127.0.0.1"
_LONGEST_LINE_BYTES: Final = 64 * 1024


class Reply(msgspec.Struct, omit_defaults=True):
    """One line back: ``ok`` with the command's result, or the ``error`` text."""

    ok: bool
    result: Any = None
    error: str | None = None


class ControlPort:
    """Serves the commands of one Host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen on loopback; returns the port. Raises ConnectError or UsageError."""
        check_port(port)
        try:
            self._server = await asyncio.start_server(
                self._serve, _LOOPBACK, port, limit=_LONGEST_LINE_BYTES
            )
        except OSError as error:
            raise ConnectError(f"cannot listen on {_LOOPBACK}:{port}: {error.strerror}") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop whoever is connected."""
        if self._server is None:
            return
        await stop_accepting(self._server)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._open.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                line, reply = b"", Reply(ok=False, error="the line is too long")
                writer.write(msgspec.json.encode(reply) + b"\n")
            if not line:
                return
            reply = await self._obey(line)
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()

    async def _obey(self, line: bytes) -> Reply:
        try:
            command = msgspec.json.decode(line, type=Command)
        except msgspec.MsgspecError as error:
            return Reply(ok=False, error=f"no command: {error}")
        try:
            return Reply(ok=True, result=await self._host.perform(command))
        except UsageError as error:
            return Reply(ok=False, error=str(error))
