"""Clients that do not read: they are cut, in bounded memory, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from futukit.core.push import Push
from futukit.gateway.grpc_door import _Stream
from tests.contract.gateway.conftest import Scene, Stream, run, s2c_of, scene, sub, until
from tests.unit.gateway.fake_hub import Raw

QUEUE_BYTES = 2**18
LARGE = 2**16
AROUND = 1000
"""More than what stands around the text of a notice."""


class Peak:
    """The most that waited for one stream, before it was cut for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting_bytes = 0
        put = _Stream.put_push

        def watched(stream: _Stream, push: Push) -> None:
            if not stream.reason:
                self.waiting_bytes = max(self.waiting_bytes, stream.waiting_bytes)
            put(stream, push)

        monkeypatch.setattr(_Stream, "put_push", watched)


@contextlib.asynccontextmanager
async def beside() -> AsyncIterator[tuple[Scene, Stream]]:
    """A scene with a client that reads all the time."""
    async with scene(queue_bytes=QUEUE_BYTES) as it:
        well = it.plain("other")
        stream = await well.stream()
        await well.must(3001, sub())
        await stream.before(await it.mark())
        yield it, stream


async def flood(it: Scene, stream: Stream, size: int, times: int, clients: int = 1) -> None:
    """Notices for everybody, each of which the reader gets, until only it is left."""
    for number in range(times):
        text = f"{number}".ljust(size, ".")
        await it.opend.notify("gtw_event", desc=text)
        assert s2c_of(await stream.next()).event.desc == text
        if it.gateway.counts.clients == clients:
            return
    raise AssertionError(f"nobody was cut in {times * size} bytes")


def test_a_stream_that_is_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = Peak(monkeypatch)

    async def scenario() -> None:
        async with beside() as (it, stream):
            slow = it.plain(max_receive_message_length=-1)
            unread = await slow.stream()
            await slow.must(3001, sub("00005"))
            await flood(it, stream, LARGE, 400)
            assert QUEUE_BYTES // 2 < peak.waiting_bytes <= QUEUE_BYTES + LARGE + AROUND
            assert "slow_clients_cut_total 1.0" in it.gateway.metrics.text()
            await it.settled()
            assert (it.gateway.counts.subscriptions, it.gateway.counts.streams) == (1, 1)
            await it.opend.advance(20)
            got = await stream.before(await it.mark())
            assert {event.sec_key for event in got} == {"1_00700"}
            ended = await unread.end()
            assert ended.code().name == "RESOURCE_EXHAUSTED"
            assert ended.details() == "the client does not read"

    run(scenario())


def test_the_other_stream_of_its_channel_goes_on() -> None:
    async def scenario() -> None:
        async with beside() as (it, stream):
            slow = it.plain()
            await slow.must(3001, sub("00005"))
            _unread, read = await slow.stream(), await slow.stream()
            await read.before(await it.mark())
            await stream.next()
            for number in range(400):
                text = f"{number}".ljust(LARGE, ".")
                await it.opend.notify("gtw_event", desc=text)
                assert s2c_of(await stream.next()).event.desc == text
                assert s2c_of(await read.next()).event.desc == text
                if it.gateway.counts.streams == 2:
                    break
            assert it.gateway.counts[:4] == (2, 2, 0, 2)

    run(scenario())


def test_a_client_in_frames_that_does_not_read_is_cut() -> None:
    async def scenario() -> None:
        async with beside() as (it, stream):
            slow = await _deaf(it)
            [connection] = it.gateway._frames.connections  # type: ignore[union-attr]
            waiting = [0]
            for number in range(400):
                text = f"{number}".ljust(LARGE, ".")
                await it.opend.notify("gtw_event", desc=text)
                assert s2c_of(await stream.next()).event.desc == text
                if it.gateway.counts.clients == 1:
                    break
                waiting.append(connection._transport.get_write_buffer_size())
            assert it.gateway.counts.clients == 1
            assert max(waiting) <= QUEUE_BYTES + LARGE + AROUND
            assert "slow_clients_cut_total 1.0" in it.gateway.metrics.text()
            assert await slow.at_end()
            await slow.close()

    run(scenario())


async def _deaf(it: Scene) -> Raw:
    """A client over TCP that has been welcomed, and reads no more; little fits on its way."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", it.gateway.ports.tcp))
    raw = Raw(*await asyncio.open_connection(sock=sock, limit=1024))
    welcome = await raw.greet(it.texts["desk"], recv_notify=True)
    assert welcome.ret_type == 0
    await until(lambda: it.gateway.counts.clients == 2)
    transport: Any = raw.writer.transport
    transport.pause_reading()
    raw.at_end = _reading_again(raw, transport)  # type: ignore[method-assign]
    return raw


def _reading_again(raw: Raw, transport: Any) -> Any:
    read_on = raw.at_end

    async def at_end() -> bool:
        transport.resume_reading()
        return await read_on()

    return at_end
