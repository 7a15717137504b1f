"""A gateway in front of a simulated OpenD, and clients of it that share no code with it.

Every scene ends with the same check: the clients have gone, a minute has passed, and nothing is
left, neither in the gateway nor at OpenD.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc.aio

from futukit import codec
from futukit.enums import SubType
from futukit.gateway import Gateway, GatewayPorts, GatewaySettings
from futukit.gateway.hub import Hub
from futukit.gateway.keys import SCOPES, KeyStore, make_key
from futukit.messages import get_global_state, notify, qot_sub, registry
from futukit.messages.futu_service import (
    REQUEST,
    SUBSCRIBE_PUSH,
    FutuRequest,
    FutuResponse,
    PushEvent,
)
from futukit.messages.qot_common import QotMarket, Security
from futukit.sim import SimulatedOpenD

SECONDS = 20.0
MINUTE = 61.0
QUICK_RETURN = "reconnect_delay=0.01&reconnect_max_delay=0.02"
EVERY_DOOR = GatewayPorts(grpc=0, tcp=0, ws=0)
STATE = get_global_state.C2S(user_id=0)
TENCENT = Security(market=QotMarket.HK_SECURITY, code="00700")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario in which the event loop hears of no fault."""
    heard: list[Any] = []

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, facts: heard.append(facts))
        await scenario

    asyncio.run(watched())
    # grpcio's poller wakes more loops than one when a process had several.
    assert [f for f in heard if not isinstance(f.get("exception"), BlockingIOError)] == []


async def until(condition: Callable[[], Any]) -> None:
    """Give the others turns until it is so; the scene's time limit ends it."""
    while not condition():
        await asyncio.sleep(0)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Wire:
    """A cable between two ends on loopback, which a test can cut."""

    def __init__(self, port: int) -> None:
        self.is_down = False
        self.tries = 0
        self._to = port
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """The port of the near end."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield int(self._server.sockets[0].getsockname()[1])
        finally:
            self._server.close()
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection without a goodbye; new ones may come."""
        for writer in self._writers:
            reset(writer)
        self._writers.clear()

    def down(self) -> None:
        """The same, and nobody comes through until it is up."""
        self.is_down = True
        self.cut()

    def up(self) -> None:
        """Whoever comes is carried again."""
        self.is_down = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.tries += 1
        if self.is_down:
            reset(writer)
            return
        there = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, there[1]]
        with contextlib.suppress(OSError):
            await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(2**16):
            sink.write(data)
            await sink.drain()
    sink.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Stream:
    """One stream of pushes of plain grpcio."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def next(self) -> PushEvent:
        """The next event. Raises AioRpcError at the end."""
        data = await self.call.read()
        if data is grpc.aio.EOF:
            raise grpc.aio.AioRpcError(
                await self.call.code(),
                await self.call.initial_metadata(),
                await self.call.trailing_metadata(),
                await self.call.details(),
            )
        return codec.decode(PushEvent, data)

    async def before(self, mark: str) -> list[PushEvent]:
        """What comes before a mark: see ``Scene.mark``."""
        found: list[PushEvent] = []
        while True:
            event = await self.next()
            told = s2c_of(event).event if event.event_type == "notify" else None
            if told is not None and told.desc == mark:
                return found
            found.append(event)

    async def end(self) -> Any:
        """Read to the end; the error that it is."""
        try:
            while True:
                await self.next()
        except grpc.aio.AioRpcError as error:
            return error


class Plain:
    """Plain grpcio: one channel of its own, one key."""

    def __init__(self, port: int, key: str | None, options: Iterable[tuple[str, int]] = ()) -> None:
        own = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *options)
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own)
        self.metadata = () if key is None else (("authorization", f"Bearer {key}"),)
        self._request = self.channel.unary_unary(REQUEST)
        self._subscribe = self.channel.unary_stream(SUBSCRIBE_PUSH)

    def send(self, data: bytes) -> Any:
        """A call with these bytes, to be awaited."""
        return self._request(data, metadata=self.metadata, timeout=SECONDS)

    async def ask(self, proto_id: int, message: Any = b"") -> FutuResponse:
        """Call with a Request, a C2S or bytes."""
        body = message if isinstance(message, bytes) else codec.encode(message)
        data = await self.send(codec.encode(FutuRequest(proto_id=proto_id, body=body)))
        return codec.decode(FutuResponse, data)

    async def must(self, proto_id: int, message: Any = b"") -> Any:
        """The S2C of a call that must succeed."""
        answer = await self.ask(proto_id, message)
        assert answer.ret_type == 0, answer.ret_msg
        return codec.decode(registry.response_class(proto_id), answer.body or b"").s2c

    async def refused(self, proto_id: int, message: Any = b"") -> str:
        """Why OpenD, or the gateway in its name, fails a call."""
        answer = await self.ask(proto_id, message)
        assert answer.ret_type == -1
        return answer.ret_msg or ""

    async def status(self, proto_id: int, message: Any = b"") -> tuple[str, str]:
        """Name and text of the gRPC status of a call that must fail."""
        error = await failure(self.ask(proto_id, message))
        return error.code().name, error.details()

    async def stream(self) -> Stream:
        """A stream that the gateway has."""
        call = self._subscribe(b"", metadata=self.metadata)
        await call.initial_metadata()
        return Stream(call)

    async def close(self) -> None:
        """Close the channel with everything on it."""
        await self.channel.close(None)


async def failure(call: Any) -> Any:
    """The AioRpcError of a call that must fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"no failure: {answer!r}")


class Scene:
    """A gateway in front of a simulator, with every key by its name."""

    def __init__(self, opend: Any, gateway: Gateway, texts: dict[str, str], path: Path) -> None:
        self.opend = opend
        self.gateway = gateway
        self.texts = texts
        self.path = path
        self.clock = Clock()
        self.wall = Clock()
        self.wire: Wire
        self.asked: list[tuple[int, Any]] = []
        self.stack = contextlib.AsyncExitStack()
        self._marks = count(1)
        self._watch_requests()

    def _watch_requests(self) -> None:
        inner = self.opend.opend.call

        def call(peer: Any, proto_id: int, request: Any) -> Any:
            self.asked.append((proto_id, getattr(request, "c2s", request)))
            return inner(peer, proto_id, request)

        self.opend.opend.call = call

    def plain(self, key: str = "desk", *, port: int = 0, **options: int) -> Plain:
        """A client on a channel of its own, closed at the end."""
        known = self.texts.get(key, key) or None
        settings = [(f"grpc.{name}", value) for name, value in options.items()]
        client = Plain(port or self.gateway.ports.grpc or 0, known, settings)
        self.stack.push_async_callback(client.close)
        return client

    def upstream(self, proto_id: int) -> list[Any]:
        """The C2S of every request of one id that OpenD got."""
        return [c2s for number, c2s in self.asked if number == proto_id]

    @property
    def upstream_id(self) -> int:
        """The connection id of the gateway at OpenD."""
        [number] = self.opend.opend.peers
        return int(number)

    async def mark(self) -> str:
        """Have OpenD notify everybody: what went before a mark has come when it comes."""
        text = f"mark {next(self._marks)}"
        await self.opend.notify("gtw_event", desc=text)
        return text

    async def quota(self) -> int:
        """Units of subscription quota in use at OpenD."""
        return int((await self.opend.stats()).used_quota)

    async def pass_time(self, seconds: float) -> None:
        """Time passes for OpenD and for the gateway, which then does what is due."""
        await self.opend.advance(seconds)
        self.clock.now += seconds
        await self.gateway.hub.subscriptions.release_due()

    async def settled(self) -> None:
        """Wait until the hub has no work of its own."""
        await until(lambda: not self.gateway.counts.tasks)

    def forget_idle(self, idle_seconds: float) -> None:
        """Send away who has been silent for longer."""
        door: Any = self.gateway._grpc
        usual, door._idle_seconds = door._idle_seconds, idle_seconds
        door.forget_idle()
        door._idle_seconds = usual

    async def empty(self) -> None:
        """Close every client; nothing may be left of them."""
        await self.stack.aclose()
        await until(lambda: self.is_alone() and not any(self.gateway.counts._replace(topics=0)))
        await self.pass_time(MINUTE)
        await until(lambda: not any(self.gateway.counts))
        await until(lambda: not self.opend.opend.book.used()[0])

    def is_alone(self) -> bool:
        """Whether all clients have gone; those without a stream are silent for long enough."""
        self.forget_idle(0.0)
        return not self.gateway.counts.clients


@contextlib.asynccontextmanager
async def scene(
    *,
    query: str = QUICK_RETURN,
    keys: dict[str, Any] | None = None,
    sim: dict[str, Any] | None = None,
    ports: GatewayPorts = EVERY_DOOR,
    **settings: Any,
) -> AsyncIterator[Scene]:
    """Open a gateway with two keys for everything, ``desk`` and ``other``, and ``keys`` besides."""
    clock, wall = Clock(), Clock(1_800_000_000.0)
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        held.enter_context(
            patch("futukit.gateway.gateway.Hub", partial(Hub, clock=clock, wall_clock=wall))
        )
        path = folder / "keys.json"
        texts = add_keys(path, {"desk": SCOPES, "other": SCOPES, **(keys or {})})
        async with (
            asyncio.timeout(SECONDS),
            SimulatedOpenD(freeze=True, **(sim or {})) as opend,
        ):
            wire = Wire(opend.port)
            async with wire.laid() as port:
                known = GatewaySettings(
                    upstream=f"tcp://127.0.0.1:{port}?{query}", keys=str(path), **settings
                )
                async with Gateway(known, ports) as gateway:
                    made = Scene(opend, gateway, texts, path)
                    made.clock, made.wall, made.wire = clock, wall, wire
                    try:
                        yield made
                    except BaseException:
                        await made.stack.aclose()
                        raise
                    await made.empty()
    me = asyncio.current_task()
    async with asyncio.timeout(SECONDS):
        await until(lambda: asyncio.all_tasks() == {me})


@contextlib.asynccontextmanager
async def beside(**options: Any) -> AsyncIterator[tuple[Scene, Plain]]:
    """A scene with a client that is well, and still is at the end."""
    async with scene(**options) as it:
        well = it.plain("other")
        stream = await well.stream()
        await well.must(3001, sub("00005"))
        yield it, well
        await it.opend.advance(20)
        assert "1_00005" in {event.sec_key for event in await stream.before(await it.mark())}
        assert (await well.must(1002, STATE)).qot_logined


def add_keys(path: Path, keys: dict[str, Any]) -> dict[str, str]:
    """Write keys, each of a name and its scopes, limits behind them; gives their texts."""
    store, texts = KeyStore(path), {}
    for name, scopes in keys.items():
        limits = scopes[-1] if isinstance(scopes[-1], dict) else {}
        words = [word for word in scopes if isinstance(word, str)]
        key, texts[name] = make_key(name, words, **limits)
        store.add(key)
    return texts


def sub(*codes: str, types: Iterable[int] = (SubType.TICKER,), **fields: Any) -> qot_sub.C2S:
    """Subscribe, with pushes unless the fields say otherwise; codes of Hong Kong."""
    rules = {"is_sub_or_un_sub": True, "is_reg_or_un_reg_push": True, **fields}
    return qot_sub.C2S(
        security_list=tuple(
            Security(market=QotMarket.HK_SECURITY, code=code) for code in codes or ("00700",)
        ),
        sub_type_list=tuple(map(SubType, types)),
        **rules,
    )


def unsub(*codes: str, types: Iterable[int] = (SubType.TICKER,)) -> qot_sub.C2S:
    """Unsubscribe."""
    return sub(*codes, types=types, is_sub_or_un_sub=False, is_reg_or_un_reg_push=None)


def unsub_all() -> qot_sub.C2S:
    """Unsubscribe everything."""
    return qot_sub.C2S(
        security_list=(), sub_type_list=(), is_sub_or_un_sub=False, is_unsub_all=True
    )


def s2c_of(event: PushEvent) -> Any:
    """The S2C of a push."""
    assert event.proto_id is not None
    return codec.decode(registry.response_class(event.proto_id), event.body or b"").s2c


def is_connection_notice(event: PushEvent, *, up: bool) -> bool:
    """Whether it tells that OpenD is gone, or there again."""
    if event.event_type != "notify":
        return False
    s2c: notify.S2C = s2c_of(event)
    return s2c.connect_status is not None and s2c.connect_status.qot_logined is up
