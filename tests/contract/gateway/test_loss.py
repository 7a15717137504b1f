"""OpenD goes, comes back, or says nothing; and what those who run the gateway see of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import (
    reflection_pb2,
    reflection_pb2_grpc,
)

from futukit import aio
from futukit.errors import ConnectionLost, ServerDisconnected, ServerTimeout
from futukit.gateway import Gateway, GatewayPorts, GatewaySettings
from futukit.messages import (
    get_user_info,
    notify,
    trd_common,
    trd_modify_order,
    trd_sub_acc_push,
    trd_unlock_trade,
)
from futukit.messages.futu_service import DESCRIPTOR
from futukit.sim import SimulatedOpenD
from tests.contract.gateway.conftest import (
    QUICK_RETURN,
    STATE,
    Scene,
    failure,
    is_connection_notice,
    run,
    scene,
    sub,
    until,
)
from tests.contract.gateway.test_orders import NO_PACKET, order, paper

SERVICE = "futu.service.FutuOpenD"
IMPATIENT = f"{QUICK_RETURN}&request_timeout=0.2"


async def lose(it: Scene) -> None:
    """OpenD goes and does not come back; the gateway knows."""
    it.wire.down()
    await until(lambda: "upstream_up 0.0" in it.gateway.metrics.text())


async def come_back(it: Scene) -> None:
    """OpenD is there again; the gateway knows."""
    it.wire.up()
    await until(lambda: "upstream_up 1.0" in it.gateway.metrics.text())
    await it.settled()


# OpenD goes.


def test_calls_under_way_and_new_ones_fail_with_unavailable() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await it.opend.fault("silence", proto_id=1002)
            waiting = asyncio.ensure_future(one.ask(1002, STATE))
            await until(lambda: it.upstream(1002))
            await lose(it)
            for call in (waiting, one.ask(1002, STATE)):
                error = await failure(call)
                assert error.code().name == "UNAVAILABLE"
                assert error.details().startswith("OpenD is not there")
                assert "order" not in error.details()
            assert len(it.upstream(1002)) == 1
            await come_back(it)
            assert (await one.must(1002, STATE)).qot_logined

    run(scenario())


@pytest.mark.parametrize("door", ["tcp", "ws", "ft+ws"])
def test_clients_in_frames_are_told_too(door: str) -> None:
    async def scenario() -> None:
        async with scene() as it:
            key = {"ws_key" if door == "ws" else "client_id": it.texts["desk"]}
            async with aio.connect(it.gateway.url(door), **key) as client:
                told: asyncio.Queue[notify.S2C] = asyncio.Queue()
                client.on(notify.Response, told.put_nowait)
                await it.opend.fault("silence", proto_id=1005)
                waiting = asyncio.ensure_future(client.call(1005, get_user_info.C2S()))
                await until(lambda: it.upstream(1005))
                await lose(it)
                for call in (waiting, client.call(1005, get_user_info.C2S())):
                    with pytest.raises(ServerDisconnected, match="OpenD is not there"):
                        await call
                assert _logged_in(await told.get()) is False
                await come_back(it)
                assert _logged_in(await told.get()) is True
                await client.call(1005, get_user_info.C2S())

    run(scenario())


def _logged_in(news: notify.S2C) -> bool | None:
    assert news.type is notify.NotifyType.CONN_STATUS
    assert news.connect_status is not None
    return news.connect_status.qot_logined


def test_every_stream_is_told_and_subscriptions_come_back() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two, idle = it.plain(), it.plain("other"), it.plain()
            streams = [await client.stream() for client in (one, two, idle)]
            for client in (one, two):
                await client.must(3001, sub())
            first = it.upstream_id
            mark = await it.mark()
            for stream in streams:
                await stream.before(mark)
            await lose(it)
            for stream in streams:
                assert is_connection_notice(await stream.next(), up=False)
            await come_back(it)
            assert it.upstream_id != first
            assert len(it.upstream(3001)) == 2
            await it.opend.advance(20)
            mark = await it.mark()
            for stream, numbers in zip(streams, ({1003, 3011}, {1003, 3011}, {1003}), strict=True):
                got = await stream.before(mark)
                assert {event.proto_id for event in got} == numbers
                assert any(is_connection_notice(event, up=True) for event in got)
            assert it.gateway.counts.subscriptions == 2

    run(scenario())


def test_order_pushes_come_back_too() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            header, *_ = await paper(one)
            await one.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            await lose(it)
            await come_back(it)
            await one.must(2202, order(header))
            got = await stream.before(await it.mark())
            assert 2208 in {event.proto_id for event in got}

    run(scenario())


def test_what_ends_while_upstream_is_away_is_not_asked_for_again() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            for client, code in ((one, "00700"), (two, "00005")):
                await client.stream()
                await client.must(3001, sub(code))
            await it.pass_time(61)
            await lose(it)
            await one.close()
            await until(lambda: it.gateway.counts.clients == 1)
            await it.settled()
            await come_back(it)
            await it.pass_time(122)
            assert (await it.quota(), it.gateway.counts.topics) == (1, 1)

    run(scenario())


def test_a_minute_begins_anew_with_the_new_connection() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await one.stream()
            await one.must(3001, sub())
            await it.pass_time(61)
            await lose(it)
            await come_back(it)
            await one.close()
            await until(lambda: it.gateway.counts.clients == 0)
            await it.settled()
            assert it.gateway.counts.topics == 1
            assert [c2s.is_sub_or_un_sub for c2s in it.upstream(3001)] == [True, True]
            await it.pass_time(61)
            assert (await it.quota(), it.gateway.counts.topics) == (0, 0)

    run(scenario())


def test_health_says_whether_upstream_is_there() -> None:
    async def scenario() -> None:
        async with scene() as it:
            health = health_pb2_grpc.HealthStub(it.plain("").channel)
            serving = health_pb2.HealthCheckResponse.ServingStatus

            async def told() -> list[Any]:
                asked = [health_pb2.HealthCheckRequest(service=name) for name in ("", SERVICE)]
                return [(await health.Check(request)).status for request in asked]

            assert await told() == [serving.SERVING] * 2
            await lose(it)
            await it.settled()
            assert await told() == [serving.NOT_SERVING] * 2
            await come_back(it)
            assert await told() == [serving.SERVING] * 2

    run(scenario())


def test_an_order_under_way_is_said_to_be_in_doubt() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            async with aio.connect(it.gateway.url("tcp"), client_id=it.texts["desk"]) as framed:
                header, *_ = await paper(one)
                await it.opend.fault("silence", proto_id=2205, count=None)
                change = trd_modify_order.C2S(
                    packet_id=NO_PACKET,
                    header=header,
                    order_id=1,
                    modify_order_op=trd_common.ModifyOrderOp.CANCEL,
                )
                calls = [one.ask(2205, change), framed.call(2205, change)]
                waiting = [asyncio.ensure_future(call) for call in calls]
                await until(lambda: len(it.upstream(2205)) == 2)
                await lose(it)
                error = await failure(waiting[0])
                assert error.code().name == "UNAVAILABLE"
                assert "what became of the order is not known" in error.details()
                with pytest.raises(ServerDisconnected, match="what became of the order"):
                    await waiting[1]
                status, text = await one.status(2205, change)
                assert (status, "order is not known" in text) == ("UNAVAILABLE", False)

    run(scenario())


def test_an_answer_that_does_not_come_in_time_is_a_deadline_exceeded() -> None:
    async def scenario() -> None:
        async with scene(query=IMPATIENT) as it:
            one = it.plain()
            await it.opend.fault("silence", proto_id=1002)
            status, text = await one.status(1002, STATE)
            assert (status, text[:20]) == ("DEADLINE_EXCEEDED", "OpenD did not answer")
            header, *_ = await paper(one)
            await it.opend.fault("silence", proto_id=2202)
            status, text = await one.status(2202, order(header))
            assert status == "DEADLINE_EXCEEDED"
            assert "what became of the order is not known" in text
            assert (await one.must(1002, STATE)).qot_logined

    run(scenario())


def test_futukits_own_clients_raise_what_that_means() -> None:
    async def scenario() -> None:
        async with scene(query=IMPATIENT) as it:
            key = it.texts["desk"]
            async with (
                aio.connect(it.gateway.url("grpc"), api_key=key) as over_grpc,
                aio.connect(it.gateway.url("tcp"), client_id=key) as framed,
            ):
                clients = (over_grpc, framed)
                await it.opend.fault("silence", proto_id=1005, count=2)
                for client in clients:
                    with pytest.raises(ServerTimeout):
                        await client.call(1005, get_user_info.C2S())
                await lose(it)
                errors = (ConnectionLost, ServerDisconnected)
                for client, error in zip(clients, errors, strict=True):
                    with pytest.raises(error):
                        await client.call(1005, get_user_info.C2S())
                await come_back(it)
                await framed.call(1005, get_user_info.C2S())

    run(scenario())


def test_a_subscription_that_times_out_leaves_nothing() -> None:
    async def scenario() -> None:
        async with scene(query=IMPATIENT) as it:
            one = it.plain()
            await it.opend.fault("silence", proto_id=3001)
            status, _ = await one.status(3001, sub())
            assert status == "DEADLINE_EXCEEDED"
            assert it.gateway.counts.subscriptions == 0
            await one.must(3001, sub())

    run(scenario())


@pytest.mark.parametrize("moment", ["idle", "with subscriptions"])
def test_the_gateway_stops_with_clients_there(moment: str) -> None:
    async def scenario() -> None:
        async with SimulatedOpenD(freeze=True) as opend:
            settings = GatewaySettings(upstream=opend.url)
            async with Gateway(settings, GatewayPorts(grpc=0, tcp=0)) as gateway:
                clients = [await aio.connect(gateway.url(door)) for door in ("grpc", "tcp")]
                if moment != "idle":
                    for client in clients:
                        await client.call(3001, sub())
            assert gateway.counts[:3] == (0, 0, 0)
            for client in clients:
                await client.close()

    run(scenario())


# What those see who run it.


def test_reflection_lists_the_service_and_describes_it() -> None:
    async def scenario() -> None:
        async with scene() as it:
            stub = reflection_pb2_grpc.ServerReflectionStub(it.plain("").channel)
            request = reflection_pb2.ServerReflectionRequest
            asked = (request(list_services=""), request(file_containing_symbol=SERVICE))
            call = stub.ServerReflectionInfo(iter(asked))
            names, described = [answer async for answer in call]
            assert {one.name for one in names.list_services_response.service} == {
                SERVICE,
                "grpc.health.v1.Health",
                "grpc.reflection.v1alpha.ServerReflection",
            }
            [serialized] = described.file_descriptor_response.file_descriptor_proto
            assert FileDescriptorProto.FromString(serialized) == FileDescriptorProto.FromString(
                DESCRIPTOR
            )

    run(scenario())


def test_metrics_count_and_never_show_a_key() -> None:
    async def scenario() -> None:
        async with scene(ports=GatewayPorts(grpc=0, metrics=0)) as it:
            one = it.plain()
            stream = await one.stream()
            await one.must(3001, sub())
            await it.opend.advance(20)
            await stream.before(await it.mark())
            assert (await it.plain("wrong").status(1002, STATE))[0] == "UNAUTHENTICATED"
            await one.refused(3001, sub("00000"))
            text = await asyncio.to_thread(_read, f"http://127.0.0.1:{it.gateway.ports.metrics}")
            for line in (
                'requests_total{outcome="answered",proto_id="3001"} 1.0',
                'requests_total{outcome="error",proto_id="3001"} 1.0',
                'refusals_total{status="UNAUTHENTICATED"} 1.0',
                "members 1.0",
                "push_streams 1.0",
                "upstream_up 1.0",
                "upstream_lost_total 0.0",
                "slow_clients_cut_total 0.0",
                "request_seconds_count 2.0",
            ):
                assert f"\nfutukit_gateway_{line}\n" in text
            counted = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
            assert float(counted["futukit_gateway_pushes_received_total"]) > 1
            assert float(counted["futukit_gateway_pushes_sent_total"]) > 1
            assert not any(secret in text for secret in _secrets(it))

    run(scenario())


def _read(url: str) -> str:
    with urlopen(f"{url}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _secrets(it: Scene) -> list[str]:
    """The keys and everything that stands for them."""
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in it.texts.values()]
    return [*it.texts.values(), *hashes, *(text[3:20] for text in it.texts.values()), "wrong"]


def test_audit_lines_say_who_did_what_and_how_it_ended(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    password = hashlib.md5(b"123456").hexdigest()

    async def scenario() -> None:
        limited = ("trade:simulate", {"max_order_value": Decimal(1)})
        async with scene(audit=str(file), keys={"small": limited}) as it:
            one, small = it.plain(), it.plain("small")
            header, *_ = await paper(one)
            await one.must(2202, order(header))
            await one.must(2005, trd_unlock_trade.C2S(unlock=True, pwd_md5=password))
            assert (await small.status(2202, order(header)))[0] == "PERMISSION_DENIED"
            await one.refused(3001, sub("00000"))
            await it.plain("wrong").status(1002, STATE)
            await lose(it)
            await come_back(it)
            text = file.read_text("utf-8")
            lines = [json.loads(line) for line in text.splitlines()]
            calls = {(line["key"], line["proto_id"]): line for line in lines if "proto_id" in line}
            placed = calls["desk", 2202]
            expected = {
                "event": "call",
                "name": "Trd_PlaceOrder",
                "ret_type": 0,
                "acc_id": header.acc_id,
                "code": "00700",
                "qty": 100.0,
                "price": 300.0,
                "trd_side": 1,
                "order_type": 1,
            }
            assert {name: placed[name] for name in expected} == expected
            assert placed["peer"].startswith("ipv4:127.0.0.1:")
            assert (calls["desk", 2005]["unlock"], calls["desk", 2005]["ret_type"]) == (True, 0)
            assert calls["desk", 3001]["ret_type"] == -1
            assert calls["small", 2202]["status"] == "PERMISSION_DENIED"
            assert calls["small", 2202]["code"] == "00700"
            events = [line["event"] for line in lines]
            assert {"joined", "turned_away", "upstream_lost", "upstream_up"} <= set(events)
            assert all(line["time"] for line in lines)
            assert not any(secret in text for secret in [*_secrets(it)[:-1], password])

    run(scenario())


def test_a_change_of_an_order_that_is_lost_is_in_the_audit_log(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"

    async def scenario() -> None:
        async with scene(audit=str(file)) as it:
            one = it.plain()
            header, *_ = await paper(one)
            await it.opend.fault("silence", proto_id=2202)
            waiting = asyncio.ensure_future(one.ask(2202, order(header)))
            await until(lambda: it.upstream(2202))
            await lose(it)
            await failure(waiting)
            lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
            [lost] = [line for line in lines if line.get("proto_id") == 2202]
            assert (lost["failure"], lost["code"]) == ("ConnectionLost", "00700")

    run(scenario())
