"""The gateway's door for frames and WebSockets: who comes in, and how everybody goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from futukit import aio, codec
from futukit.channels.tls import server_context
from futukit.core.push import Push
from futukit.errors import FutukitError, HandshakeError
from futukit.gateway.frames_door import FramesDoor
from futukit.gateway.refusals import Refused
from futukit.messages import notify
from futukit.messages.common import ProtoFmt, RetType
from tests.support.certificates import Certificates, certificates
from tests.support.rsa import rsa_pem
from tests.unit.gateway.fake_hub import ASK, USER_INFO, FakeHub, Gate, Raw, run, scene, until

NOTIFY = 1003
SCHEMES = ["tcp", "tcps", "ws", "ft+ws", "wss", "ft+wss"]
NEWS = notify.Response(ret_type=RetType.SUCCEED, s2c=notify.S2C(type=notify.NotifyType.GTW_EVENT))
NOT_A_KEY = "fk_not-the-key"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(Path(tmp_path_factory.mktemp("certificates")))


def credentials(scheme: str, key: str) -> dict[str, str]:
    return {"ws_key": key} if scheme in ("ws", "wss") else {"client_id": key}


# Who comes in.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_client_calls_and_gets_pushes_over_every_scheme(
    scheme: str, issued: Certificates
) -> None:
    async def scenario() -> None:
        tls = server_context(issued.certificate, issued.key)
        async with scene(tls=tls) as given:
            port = given.ports[scheme.removeprefix("ft+")]
            options: dict[str, Any] = credentials(scheme, given.key)
            if scheme.endswith("s") and scheme not in ("ws", "ft+ws"):
                options["tls_ca"] = issued.authority
            url = f"{scheme}://localhost:{port}"
            async with aio.connect(url, **options) as client:
                member = given.hub.member
                assert client.connection_id == member.connection_id
                assert (member.grant.name, member.notify) == ("one", True)
                assert (await client.system.get_user_info()).nick_name == "somebody"
                assert (await given.hub.asked.get())[1:] == (USER_INFO, ASK, 0)
                news: asyncio.Queue[Any] = asyncio.Queue()
                client.on(notify.Response, news.put_nowait)
                member.sink.send_push(Push(NOTIFY, NEWS))
                assert await news.get() == NEWS.s2c
            await until(lambda: not given.hub.members)

    run(scenario())


def test_json_and_encryption_are_the_clients_to_choose() -> None:
    async def scenario() -> None:
        async with scene(rsa_key=rsa_pem()) as given:
            url = f"tcp://127.0.0.1:{given.ports['tcp']}"
            async with aio.connect(
                url, client_id=given.key, body="json", encryption="aes_cbc", rsa_key=rsa_pem()
            ) as client:
                assert client.encryption == "aes_cbc"
                assert (await client.system.get_user_info()).nick_name == "somebody"
                _, proto_id, body, body_format = await given.hub.asked.get()
                assert (proto_id, body_format) == (USER_INFO, 1)
                assert body.startswith(b"{")

    run(scenario())


def test_a_push_goes_out_in_the_format_that_the_client_asked_for() -> None:
    async def scenario() -> None:
        async with scene() as given:
            client = await given.raw(push_proto_fmt=ProtoFmt.JSON, recv_notify=False)
            assert not given.hub.member.notify
            given.hub.member.sink.send_push(Push(NOTIFY, NEWS))
            push = await client.read()
            assert (push.proto_id, push.body_format) == (NOTIFY, 1)
            assert push.body == codec.encode_body(NEWS, 1, server=True)
            await client.close()

    run(scenario())


@pytest.mark.parametrize("key", [NOT_A_KEY, "", "futukit", "x" * 5000, None])
def test_a_client_id_that_is_no_key_is_refused_with_a_reason(key: str | None) -> None:
    async def scenario() -> None:
        turned_away: list[tuple[str, Refused]] = []
        async with scene(turned_away=lambda *facts: turned_away.append(facts)) as given:
            client = await Raw.open(given.ports["tcp"])
            refused = await client.greet(given.expired if key is None else key)
            assert refused.ret_type == RetType.FAILED
            assert refused.ret_msg.startswith("the client id must be an API key: ")
            assert await client.at_end()
            assert given.hub.members == {}
            [(peer, why)] = turned_away
            assert peer == "{}:{}".format(*client.writer.get_extra_info("sockname"))
            for secret in (given.expired, NOT_A_KEY):
                assert secret not in f"{refused.ret_msg} {peer} {why!r}"
            await client.close()

    run(scenario())


@pytest.mark.parametrize("key", [NOT_A_KEY, None])
def test_a_wrong_web_socket_key_is_refused(key: str | None) -> None:
    async def scenario() -> None:
        async with scene() as given:
            url = f"ws://127.0.0.1:{given.ports['ws']}"
            with pytest.raises(HandshakeError, match="wrong or expired key"):
                await aio.connect(url, ws_key=given.expired if key is None else key)
            with pytest.raises(HandshakeError, match="wrong or expired key"):
                await aio.connect(url)
            assert given.hub.members == {}

    run(scenario())


def test_without_keys_everybody_may_come() -> None:
    async def scenario() -> None:
        async with scene(keys=False) as given:
            for url in (
                f"tcp://127.0.0.1:{given.ports['tcp']}",
                f"ws://127.0.0.1:{given.ports['ws']}",
            ):
                async with aio.connect(url):
                    assert given.hub.member.grant.name == "anonymous"
                await until(lambda: not given.hub.members)

    run(scenario())


def test_the_key_is_kept_nowhere() -> None:
    async def scenario() -> None:
        async with scene() as given:
            client = await given.raw()
            member = given.hub.member
            assert member.name == "{}:{}".format(*client.writer.get_extra_info("sockname"))
            [connection] = given.door.connections
            told = f"{member!r} {connection!r} {connection.session.hello!r} {member.name}"
            assert given.key not in told
            await client.close()

    run(scenario())


def test_one_client_too_many_is_told_and_many_too_many_are_not() -> None:
    async def scenario() -> None:
        async with scene(max_connections=1) as given:
            client = await given.raw()
            late = await Raw.open(given.ports["tcp"])
            refused = await late.greet(given.key)
            assert "too many connections: 1 are open" in refused.ret_msg
            assert await late.at_end()
            await until(lambda: len(given.door.connections) == 1)
            silent = await Raw.open(given.ports["tcp"])
            third = await Raw.open(given.ports["tcp"])
            assert await third.at_end()
            client.send(USER_INFO, 2)
            assert (await client.read()).proto_id == USER_INFO
            for each in (client, late, silent, third):
                await each.close()

    run(scenario())


# The end.


def test_whose_key_is_taken_away_is_sent_away() -> None:
    async def scenario() -> None:
        async with scene(Gate()) as given:
            client = await given.raw()
            client.send(USER_INFO, 2)
            member, *_ = await given.hub.asked.get()
            member.sink.end("UNAUTHENTICATED", "the API key is not in force any more")
            assert given.hub.members == {}
            member.sink.send_push(Push(NOTIFY, NEWS))
            assert await client.at_end()
            assert given.hub.cancelled == 1
            await client.close()

    run(scenario())


def test_stopping_ends_everything() -> None:
    async def scenario() -> None:
        async with scene(Gate()) as given:
            clients = [await given.raw() for _ in range(3)]
            silent = await Raw.open(given.ports["ws"])
            for client in clients:
                client.send(USER_INFO, 2)
            await until(lambda: given.hub.asked.qsize() == 3)
            await given.door.stop()
            assert given.hub.cancelled == 3
            assert (given.hub.members, given.door.requests) == ({}, set())
            for client in (*clients, silent):
                assert await client.at_end()
                await client.close()

    run(scenario())


def test_the_rsa_key_is_read_at_once() -> None:
    async def scenario() -> None:
        async with scene() as given:
            hub: FakeHub = given.hub
            with pytest.raises(FutukitError, match="RSA"):
                FramesDoor(hub, rsa_key="-----BEGIN NOTHING")

    run(scenario())
