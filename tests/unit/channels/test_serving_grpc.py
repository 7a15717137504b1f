"""The server's end of gRPC: how calls end, what a stream bounds, and who vanished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from futukit.channels.grpc import status_of
from futukit.channels.serving_grpc import GrpcListener, PushStream, abort, bearer
from futukit.core.links.grpc import Status
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH

SECONDS = 10.0
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


async def echo(data: bytes, context: Any) -> bytes:
    return data


async def wait_for_ever(data: bytes, context: Any) -> None:
    await context.send_initial_metadata(())
    await asyncio.Event().wait()


@asynccontextmanager
async def served(
    request: Callable[[bytes, Any], Awaitable[bytes]] = echo,
    subscribe: Callable[[bytes, Any], Awaitable[None]] = wait_for_ever,
    **options: Any,
) -> Any:
    """A listener on a free port and a client of it."""
    listener = GrpcListener(request, subscribe, **options)
    port = await listener.listen("127.0.0.1", 0)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", OWN_CONNECTION)
    try:
        async with asyncio.timeout(SECONDS):
            yield port, channel
    finally:
        await channel.close()
        await listener.stop()


@pytest.mark.parametrize(
    ("seconds", "told"), [(None, None), (0.0, None), (2.5, 2.5), (0.0001, 0.001)]
)
def test_a_client_reads_when_to_come_back(seconds: float | None, told: float | None) -> None:
    async def refuse(data: bytes, context: Any) -> bytes:
        await abort(context, "RESOURCE_EXHAUSTED", "not so fast", seconds)

    async def scenario() -> None:
        async with served(refuse) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(REQUEST)(b"")
            assert status_of(caught.value) == Status("RESOURCE_EXHAUSTED", "not so fast", told)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ((), None),
        ((("authorization", "Bearer sesame"),), "sesame"),
        ((("authorization", "Bearer"),), None),
        ((("authorization", "Bearer "),), None),
        ((("authorization", "Basic sesame"),), None),
        ((("authorization", "sesame"),), None),
    ],
)
def test_the_key_of_a_call(metadata: tuple[tuple[str, str], ...], key: str | None) -> None:
    async def tell(data: bytes, context: Any) -> bytes:
        return repr(bearer(context)).encode()

    async def scenario() -> None:
        async with served(tell) as (_, channel):
            answer = await channel.unary_unary(REQUEST)(b"", metadata=metadata)
            assert answer == repr(key).encode()

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_an_error() -> None:
    async def scenario() -> None:
        async with served() as (port, _):
            other = GrpcListener(echo, wait_for_ever)
            with pytest.raises(OSError, match="in use"):
                await other.listen("127.0.0.1", port)
            await other.stop()

    asyncio.run(scenario())


class Relay:
    """Carries bytes between a client and the server until it is frozen; it never closes."""

    def __init__(self, port: int) -> None:
        self.frozen = False
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, target)))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(2**16):
            if not self.frozen:
                target.write(data)


def test_a_client_that_vanished_without_a_word_ends_its_stream() -> None:
    ended = asyncio.Event()

    async def subscribe(data: bytes, context: Any) -> None:
        try:
            await wait_for_ever(data, context)
        finally:
            ended.set()

    async def scenario() -> None:
        async with served(subscribe=subscribe, ping_seconds=0.2) as (port, _):
            relay = Relay(port)
            async with relay as relayed:
                channel = grpc.aio.insecure_channel(f"127.0.0.1:{relayed}", OWN_CONNECTION)
                stream = channel.unary_stream(SUBSCRIBE_PUSH)(b"")
                await stream.initial_metadata()
                # Who answers the pings is kept.
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await ended.wait()
                relay.frozen = True
                await ended.wait()
                await channel.close()

    asyncio.run(scenario())


def test_a_stream_counts_what_waits_and_is_cut_beyond_its_limit() -> None:
    async def scenario() -> None:
        stream = PushStream(10)
        assert stream.waiting_bytes == 0
        stream.put(b"12345")
        stream.put(b"12345")
        assert (stream.waiting_bytes, stream.is_slow) == (10, False)
        stream.put(b"1")
        assert (stream.waiting_bytes, stream.is_slow) == (0, True)
        assert stream.reason == "the client does not read"
        stream.put(b"1")
        assert stream.waiting_bytes == 0

    asyncio.run(scenario())


def test_a_stream_writes_until_it_is_cut() -> None:
    async def scenario() -> None:
        stream = PushStream(100)
        written: list[bytes] = []

        async def write(event: bytes) -> None:
            written.append(event)
            if event == b"last":
                stream.cut("enough")

        stream.put(b"first")
        pumping = asyncio.create_task(stream.pump(write))
        await asyncio.sleep(0)
        stream.put(b"last")
        await pumping
        assert written == [b"first", b"last"]
        assert (stream.reason, stream.is_slow, stream.waiting_bytes) == ("enough", False, 0)

    asyncio.run(scenario())
