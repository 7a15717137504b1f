"""A hub that answers as a test tells it, and a client that shares no code with the connection."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

from futukit import codec
from futukit._native.frame import Envelope, FrameReader, build_frame
from futukit.gateway.access import Access, Grant
from futukit.gateway.frames_door import FramesDoor
from futukit.gateway.keys import KeyStore, make_key
from futukit.gateway.members import Member, MemberSink
from futukit.messages import get_user_info, init_connect
from futukit.messages.common import RetType

SECONDS = 10.0
USER_INFO = 1005
INIT_CONNECT = 1001
SERVER_VERSION = 1011

ASK = codec.encode(get_user_info.Request(c2s=get_user_info.C2S()))
ANSWER = get_user_info.Response(
    ret_type=RetType.SUCCEED, s2c=get_user_info.S2C(nick_name="somebody")
)
Reply = Callable[[int], Awaitable[bytes]]


async def fine(body_format: int) -> bytes:
    """The same success whatever was asked."""
    return codec.encode_body(ANSWER, body_format, server=True)


class Gate:
    """Keeps every request until it opens."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, body_format: int) -> bytes:
        await self.open.wait()
        return await fine(body_format)


class FakeHub:
    """Keeps what the door asks of it; ``reply`` answers every request."""

    def __init__(self, access: Access, reply: Reply = fine) -> None:
        self.access = access
        self.reply = reply
        self.members: dict[int, Member] = {}
        self.asked: asyncio.Queue[tuple[Member, int, bytes, int]] = asyncio.Queue()
        self.cancelled = 0
        self._ids = count(7001)

    def welcome(self) -> init_connect.S2C:
        return init_connect.S2C(
            server_ver=SERVER_VERSION,
            login_user_id=4711,
            conn_id=next(self._ids),
            conn_aes_key="0123456789abcdef",
            keep_alive_interval=10,
        )

    def join(
        self, grant: Grant, name: str, sink: MemberSink, *, notify: bool, connection_id: int
    ) -> Member:
        member = Member(connection_id, grant, name, sink, notify=notify)
        assert connection_id not in self.members
        self.members[connection_id] = member
        return member

    def refusal(self) -> str | None:
        """There is room for everybody."""
        return None

    def leave(self, member: Member) -> None:
        del self.members[member.connection_id]

    async def answer(self, member: Member, proto_id: int, body: bytes, body_format: int) -> bytes:
        self.asked.put_nowait((member, proto_id, body, body_format))
        try:
            return await self.reply(body_format)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    @property
    def member(self) -> Member:
        """The only one there is."""
        [member] = self.members.values()
        return member


class Scene:
    """A door with a key or two, on a free port of each kind."""

    def __init__(self, hub: FakeHub, door: FramesDoor, key: str, expired: str) -> None:
        self.hub = hub
        self.door = door
        self.key = key
        self.expired = expired
        self.ports: dict[str, int] = {}

    async def raw(self, key: str | None = None, **hello: Any) -> Raw:
        """A client that has been let in."""
        client = await Raw.open(self.ports["tcp"])
        response = await client.greet(self.key if key is None else key, **hello)
        assert response.ret_type == 0
        return client


@contextlib.asynccontextmanager
async def scene(
    reply: Reply = fine, *, keys: bool = True, tls: Any = None, **options: Any
) -> AsyncIterator[Scene]:
    """Open a door, and see at the end that nothing is left of it."""
    with tempfile.TemporaryDirectory() as folder:
        store = KeyStore(Path(folder) / "keys.json")
        known, key = make_key("one", ["qot:read"])
        late, expired = make_key("late", ["qot:read"], expires="2001-01-01")
        store.add(known)
        store.add(late)
        hub = FakeHub(Access(store if keys else None), reply)
        door = FramesDoor(hub, **options)
        found = Scene(hub, door, key, expired)
        found.ports["tcp"] = await door.listen("127.0.0.1", 0)
        found.ports["ws"] = await door.listen("127.0.0.1", 0, web_socket=True)
        if tls is not None:
            found.ports["tcps"] = await door.listen("127.0.0.1", 0, tls=tls)
            found.ports["wss"] = await door.listen("127.0.0.1", 0, web_socket=True, tls=tls)
        try:
            async with asyncio.timeout(SECONDS):
                yield found
        finally:
            await door.stop()
        assert (hub.members, door.connections, door.requests) == ({}, set(), set())
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], bool]) -> None:
    """Give the others turns until it is so; the scene's time limit ends it."""
    while not condition():
        await asyncio.sleep(0)


class Raw:
    """A client of streams: frames in plain, no session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameReader()

    @classmethod
    async def open(cls, port: int) -> Raw:
        """A connection that has said nothing yet; it buffers next to nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1024))

    async def greet(self, key: str, **hello: Any) -> Any:
        """Say InitConnect; the whole answer."""
        c2s = init_connect.C2S(client_ver=1, client_id=key, **hello)
        self.send(INIT_CONNECT, 1, codec.encode(init_connect.Request(c2s=c2s)))
        return codec.decode(init_connect.Response, (await self.read()).body)

    def send(self, proto_id: int, serial: int, body: bytes = ASK, body_format: int = 0) -> None:
        """Write a frame."""
        self.writer.write(build_frame(proto_id, serial, body, body_format))

    async def read(self) -> Envelope:
        """The next frame."""
        while True:
            for envelope in self._frames:
                return envelope
            data = await self.reader.read(2**16)
            if not data:
                raise EOFError
            self._frames.feed(data)

    async def at_end(self) -> bool:
        """Read on until the door closes the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(2**16):
                pass
        return True

    async def close(self) -> None:
        """Close in order."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def run(scenario: Coroutine[Any, Any, None], *faults: type[Exception]) -> None:
    """Run a scenario in which the event loop hears of just these faults."""
    heard: list[Any] = []

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, facts: heard.append(facts.get("exception")))
        await scenario

    asyncio.run(watched())
    assert [type(error) for error in heard] == [*faults]
