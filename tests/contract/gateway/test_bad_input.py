"""What is wrong, foreign or too much: its sender is told, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from futukit import aio, codec
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.errors import ConnectionLost, HandshakeError
from futukit.gateway import Gateway, GatewayPorts, GatewaySettings
from futukit.gateway.keys import KeyStore
from futukit.messages import (
    get_user_info,
    trd_get_acc_list,
)
from tests.contract.clients.opend import Connection, FakeOpenD
from tests.contract.gateway.conftest import (
    STATE,
    Plain,
    Wire,
    add_keys,
    beside,
    failure,
    reset,
    run,
    sub,
    until,
)
from tests.contract.gateway.test_orders import order, paper

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


# Requests that are none.


@pytest.mark.parametrize(
    ("proto_id", "body", "status"),
    [
        (99_999, b"", "PERMISSION_DENIED"),
        (0, b"", "PERMISSION_DENIED"),
        (2**32 - 1, b"", "PERMISSION_DENIED"),
        (3011, b"", "PERMISSION_DENIED"),
        (3001, b"\xff\xff\xff", "INVALID_ARGUMENT"),
        (3001, codec.encode(sub())[:-1], "INVALID_ARGUMENT"),
        (3001, codec.encode(sub()) + b"\x78\x01", "INVALID_ARGUMENT"),
        (3204, codec.encode(sub()), "INVALID_ARGUMENT"),
        (1002, b"\x0a" * 100_000, "INVALID_ARGUMENT"),
    ],
    ids=["unknown", "zero", "largest", "push", "garbage", "cut", "more", "another's", "deep"],
)
def test_what_is_no_request_is_refused(proto_id: int, body: bytes, status: str) -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            bad = it.plain()
            before = list(it.asked)
            told, text = await bad.status(proto_id, body)
            assert told == status
            assert text
            assert it.asked == before
            assert (await bad.must(1002, STATE)).qot_logined

    run(scenario())


@pytest.mark.parametrize("data", [b"\xff", b"\x08", b"\x12\xff\xff\xff\xff\x0f"])
def test_what_is_no_futu_request_is_an_invalid_argument(data: bytes) -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            bad = it.plain()
            assert (await failure(bad.send(data))).code().name == "INVALID_ARGUMENT"
            assert (await bad.must(1002, STATE)).qot_logined

    run(scenario())


def test_a_body_over_the_limit_is_refused() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            bad = it.plain(max_send_message_length=-1)
            body = bytes(MAX_REQUEST_BYTES + 2**17)
            assert (await bad.status(1002, body))[0] == "RESOURCE_EXHAUSTED"
            assert (await bad.must(1002, STATE)).qot_logined

    run(scenario())


def test_an_answer_that_cannot_be_read_is_not_the_callers_mistake() -> None:
    def garbage(connection: Connection, envelope: Any) -> None:
        with connection.lock:
            connection.session.reply(envelope, b"\x08\x00\x22\x03\xff\xff\xff")
        connection.write()

    async def scenario() -> None:
        opend = FakeOpenD()
        opend.answers[2001] = garbage
        try:
            async with _gateway_of(opend.url) as client:
                status, _ = await client.status(2001, trd_get_acc_list.C2S(user_id=0))
                assert status == "INTERNAL"
        finally:
            opend.close()

    run(scenario())


@contextlib.asynccontextmanager
async def _gateway_of(url: str) -> AsyncIterator[Plain]:
    ports = GatewayPorts(grpc=0)
    async with Gateway(GatewaySettings(upstream=url), ports) as gateway:
        client = Plain(gateway.ports.grpc or 0, None)
        yield client
        await client.close()


# Keys.


@pytest.mark.parametrize("key", ["", "fk_of-nobody", "late", "x" * 5000])
def test_who_has_no_good_key_is_sent_away(key: str) -> None:
    async def scenario() -> None:
        late = ("qot:read", {"expires": "2020-01-01"})
        async with beside(keys={"late": late}) as (it, _):
            bad = it.plain(key)
            status, text = await bad.status(1002, STATE)
            assert status == "UNAUTHENTICATED"
            assert it.texts.get(key, key) not in text or not key
            ended = await (await bad.stream()).end()
            assert ended.code().name == "UNAUTHENTICATED"
            for door in ("tcp", "ft+ws"):
                with pytest.raises(HandshakeError):
                    await aio.connect(
                        it.gateway.url(door), client_id=it.texts.get(key, key) or "none"
                    )
            assert it.gateway.counts.clients == 1

    run(scenario())


def test_a_key_that_is_not_a_bearers_does_not_count() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            bad = it.plain()
            for value in (it.texts["desk"], f"Basic {it.texts['desk']}", "Bearer", "Bearer "):
                bad.metadata = (("authorization", value),)
                assert (await bad.status(1002, STATE))[0] == "UNAUTHENTICATED"

    run(scenario())


def test_a_key_that_is_taken_away_ends_its_stream() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            one = it.plain()
            stream = await one.stream()
            await one.must(3001, sub())
            framed = await aio.connect(
                it.gateway.url("tcp"), client_id=it.texts["desk"], reconnect=False
            )
            lost = framed.pushes(3011)
            KeyStore.load(it.path).remove("desk")
            assert (await one.must(1002, STATE)).qot_logined
            it.gateway.reload()
            ended = await stream.end()
            assert ended.code().name == "UNAUTHENTICATED"
            assert "not in force" in ended.details()
            assert (await one.status(1002, STATE))[0] == "UNAUTHENTICATED"
            with pytest.raises(ConnectionLost):
                await anext(lost)
            await framed.close()
            await it.settled()
            assert it.gateway.counts.clients == 1

    run(scenario())


def test_a_key_that_expires_ends_its_stream() -> None:
    async def scenario() -> None:
        day = ("qot:read", "acc:read", {"expires": "2027-01-16"})
        async with beside(keys={"day": day}) as (it, _):
            one = it.plain("day")
            stream = await one.stream()
            assert (await one.must(1002, STATE)).qot_logined
            it.wall.now += 86_400.0
            it.gateway.hub.expel()
            ended = await stream.end()
            assert ended.code().name == "UNAUTHENTICATED"
            assert "expired" in ended.details()
            assert (await one.status(1002, STATE))[0] == "UNAUTHENTICATED"

    run(scenario())


def test_a_broken_key_file_changes_nothing() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            one = it.plain()
            stream = await one.stream()
            it.path.write_text('{"keys": [')
            with pytest.raises(ValueError, match="not JSON"):
                it.gateway.reload()
            assert (await one.must(1002, STATE)).qot_logined
            assert await stream.before(await it.mark()) == []
            assert (await it.plain().must(1002, STATE)).qot_logined

    run(scenario())


def test_a_new_key_counts_from_the_reload_on() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            store = KeyStore.load(it.path)
            [text] = add_keys(it.path.with_name("more.json"), {"new": ("qot:read",)}).values()
            [new] = KeyStore.load(it.path.with_name("more.json")).keys
            store.add(new)
            assert (await it.plain(text).status(1002, STATE))[0] == "UNAUTHENTICATED"
            it.gateway.reload()
            assert (await it.plain(text).must(1002, STATE)).qot_logined

    run(scenario())


# Scopes.


def test_a_request_outside_the_scopes_is_denied() -> None:
    async def scenario() -> None:
        async with beside(keys={"quotes": ("qot:read",)}) as (it, well):
            one = it.plain("quotes")
            header, *_ = await paper(well)
            status, text = await one.status(2202, order(header))
            assert status == "PERMISSION_DENIED"
            assert "scope" in text
            assert it.upstream(2202) == []
            await one.must(3001, sub())

    run(scenario())


def test_a_stream_needs_a_scope_that_gets_pushes() -> None:
    async def scenario() -> None:
        async with beside(keys={"trader": ("trade:simulate",), "reader": ("acc:read",)}) as (it, _):
            one = it.plain("trader")
            ended = await (await one.stream()).end()
            assert ended.code().name == "PERMISSION_DENIED"
            assert "qot:read" in ended.details()
            assert it.gateway.counts.streams == 1
            assert await (await it.plain("reader").stream()).before(await it.mark()) == []

    run(scenario())


# Clients that vanish.


@pytest.mark.parametrize("what", ["stream", "request"])
def test_a_client_that_vanishes_is_noticed(what: str) -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            wire = Wire(it.gateway.ports.grpc or 0)
            async with wire.laid() as port:
                one = it.plain(port=port)
                if what == "stream":
                    stream = await one.stream()
                    await one.must(3001, sub())
                    wire.down()
                    await stream.end()
                else:
                    await it.opend.fault("silence", proto_id=1005)
                    waiting = asyncio.ensure_future(one.ask(1005, get_user_info.C2S()))
                    await until(lambda: it.upstream(1005))
                    assert it.gateway.counts.requests == 1
                    wire.down()
                    await failure(waiting)
                    await until(lambda: not it.gateway.counts.requests)
                    it.forget_idle(0.0)
                await until(lambda: it.gateway.counts.clients == 1)
                await one.close()
                await it.settled()
                assert it.gateway.counts.subscriptions == 1

    run(scenario())


def test_a_client_in_frames_that_vanishes_is_noticed() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            wire = Wire(it.gateway.ports.tcp or 0)
            async with wire.laid() as port:
                one = await aio.connect(
                    f"tcp://127.0.0.1:{port}", client_id=it.texts["desk"], reconnect=False
                )
                await one.call(3001, sub())
                await it.opend.fault("silence", proto_id=1005)
                waiting = asyncio.ensure_future(one.call(1005, get_user_info.C2S()))
                await until(lambda: it.upstream(1005))
                wire.down()
                await asyncio.gather(waiting, return_exceptions=True)
                await until(lambda: it.gateway.counts.clients == 1)
                await one.close()
                await it.settled()
                assert (it.gateway.counts.subscriptions, it.gateway.counts.requests) == (1, 0)

    run(scenario())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FT" + bytes(42),
        bytes(range(256)) * 64,
        PREFACE,
        PREFACE + SETTINGS,
        PREFACE + SETTINGS + b"\xff" * 64,
        PREFACE + b"\0\0\x04\x01\x04\0\0\0\x01\xff\xff\xff\xff",
    ],
    ids=["nothing", "http/1", "frames", "bytes", "preface", "settings", "no-frame", "no-headers"],
)
@pytest.mark.parametrize("goodbye", ["close", "reset"])
def test_bytes_that_are_no_grpc_hurt_nobody(data: bytes, goodbye: str) -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            port = it.gateway.ports.grpc
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            await writer.drain()
            if data.startswith(PREFACE):
                assert await reader.read(1)  # its own settings: the server has heard us
            if goodbye == "reset":
                reset(writer)
            else:
                writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            assert it.gateway.counts.clients == 1

    run(scenario())
