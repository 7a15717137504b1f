"""Members come and go: what holds them, what ends them, and what they are told."""

from __future__ import annotations

import asyncio
import socket
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from futukit import aio, codec, sync
from futukit.channels.serving_grpc import GrpcListener
from futukit.core.push import Push
from futukit.errors import PermissionDenied
from futukit.gateway.keys import KeyStore
from futukit.messages import (
    get_user_info,
    qot_common,
    qot_get_sub_info,
    qot_push_indicator_calc,
    qot_request_indicator_calc,
    qot_update_ticker,
    trd_sub_acc_push,
)
from futukit.messages.common import RetType
from tests.contract.gateway.conftest import (
    STATE,
    TENCENT,
    Scene,
    failure,
    is_connection_notice,
    run,
    s2c_of,
    scene,
    sub,
    until,
)
from tests.contract.gateway.test_loss import come_back, lose
from tests.contract.gateway.test_orders import order, paper


def change_key(it: Scene, name: str, **fields: Any) -> None:
    """Change a key in the file, and have the gateway read it."""
    store = KeyStore.load(it.path)
    store.add(replace(store.remove(name), **fields))
    it.gateway.reload()


# Channels that go away.


def test_a_channel_that_closes_takes_its_subscriptions_along() -> None:
    """Even where a stream of its key served it."""

    async def scenario() -> None:
        async with scene() as it:
            listener, caller = it.plain(), it.plain()
            await listener.stream()
            await caller.must(3001, sub())
            await until(lambda: it.gateway.counts.clients == 2)
            await caller.close()
            await until(lambda: it.gateway.counts.clients == 1)
            await until(lambda: not it.gateway.counts.subscriptions)

    run(scenario())


def test_who_holds_nothing_makes_room_for_another() -> None:
    async def scenario() -> None:
        async with scene(max_clients=3) as it:
            await it.plain().stream()
            held = it.plain()
            await held.must(3001, sub())
            for _ in range(5):
                await it.plain("other").must(1002, STATE)
            assert it.gateway.counts.clients == 3
            async with aio.connect(it.gateway.url("tcp"), client_id=it.texts["desk"]):
                assert it.gateway.counts.clients == 3
            assert (await held.must(3003, qot_get_sub_info.C2S())).conn_sub_info_list[0].used_quota

    run(scenario())


def test_who_holds_nothing_is_forgotten_though_its_key_has_a_stream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.plain().stream()
            await it.plain().must(1002, STATE)
            assert it.gateway.counts.clients == 2
            it.forget_idle(0.0)
            assert it.gateway.counts.clients == 1

    run(scenario())


def test_a_call_under_way_keeps_what_it_asks_for() -> None:
    """The stream that ends meanwhile is another channel's."""

    async def scenario() -> None:
        async with scene() as it:
            listener, caller = it.plain(), it.plain()
            stream = await listener.stream()
            await it.opend.fault("delay", proto_id=3001, seconds=5)
            asked = asyncio.ensure_future(caller.must(3001, sub()))
            await until(lambda: it.upstream(3001))
            stream.call.cancel()
            await until(lambda: not it.gateway.counts.streams)
            await it.opend.advance(5)
            await asked
            assert it.gateway.counts.subscriptions == 1
            pushed = await caller.stream()
            await it.opend.advance(20)
            assert await pushed.before(await it.mark())

    run(scenario())


def test_a_subscription_whose_own_stream_ends_meanwhile_is_refused() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            await it.opend.fault("delay", proto_id=3001, seconds=5)
            asked = asyncio.ensure_future(one.ask(3001, sub()))
            await until(lambda: it.upstream(3001))
            stream.call.cancel()
            await until(lambda: not it.gateway.counts.streams)
            await it.opend.advance(5)
            assert "has ended its subscriptions" in ((await asked).ret_msg or "")

    run(scenario())


def test_a_client_has_so_many_streams_and_no_more() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            streams = [await one.stream() for _ in range(64)]
            error = await (await one.stream()).end()
            assert error.code().name == "RESOURCE_EXHAUSTED"
            streams[0].call.cancel()
            await until(lambda: it.gateway.counts.streams == 63)
            await one.stream()

    run(scenario())


# Keys that change.


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"scopes": ("acc:read",)}, ["1_00700 type 4", "1_00005 type 4"]),
        ({"symbols": ("HK.00005",)}, ["1_00700 type 4"]),
        ({"markets": ("US",)}, ["1_00700 type 4", "1_00005 type 4"]),
        ({"scopes": ("qot:read",)}, ["account"]),
        ({"accounts": (1,)}, ["account"]),
        ({"orders_per_minute": 5, "sides": ("sell",)}, []),
    ],
)
def test_what_a_key_may_not_have_any_more_is_taken_and_told(
    change: dict[str, Any], lost: list[str]
) -> None:
    async def scenario() -> None:
        async with scene(keys={"held": ("qot:read", "acc:read", {"sides": ("buy",)})}) as it:
            one = it.plain("held")
            stream = await one.stream()
            header, *_ = await paper(it.plain())
            await one.must(3001, sub("00700", "00005"))
            await one.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            change_key(it, "held", **change)
            events = await stream.before(await it.mark())
            told = [s2c_of(each).event.desc for each in events if each.event_type == "notify"]
            assert len(told) == len(lost)
            for text, what in zip(told, lost, strict=True):
                assert what in text
                assert "not for key 'held' any more" in text
            topics = sum("type" in what for what in lost)
            assert it.gateway.counts.subscriptions == 2 - topics
            await it.plain().must(2202, order(header))
            await it.opend.advance(20)
            got = {event.sec_key for event in await stream.before(await it.mark())}
            assert ("1_00700" in got) is ("1_00700 type 4" not in lost)
            assert ("1_00005" in got) is ("1_00005 type 4" not in lost)
            assert ("" in got) is ("account" not in lost)

    run(scenario())


def test_what_waits_for_a_stream_is_held_to_the_key_of_then() -> None:
    async def scenario() -> None:
        async with scene(keys={"held": ("acc:read",)}) as it:
            kept, one = it.plain("held"), it.plain()
            header, *_ = await paper(one)
            await kept.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            await one.must(2202, order(header))
            change_key(it, "held", accounts=(1,))
            got = await (await kept.stream()).before(await it.mark())
            assert {event.event_type for event in got} == {"notify"}
            assert "not for key 'held' any more" in s2c_of(got[0]).event.desc

    run(scenario())


def test_a_key_that_loses_all_pushes_loses_its_streams() -> None:
    async def scenario() -> None:
        async with scene(keys={"held": ("qot:read", "trade:simulate")}) as it:
            one = it.plain("held")
            stream = await one.stream()
            async with aio.connect(it.gateway.url("grpc"), api_key=it.texts["held"]) as client:
                change_key(it, "held", scopes=("trade:simulate",))
                ended = await stream.end()
                assert ended.code().name == "PERMISSION_DENIED"
                assert "qot:read" in ended.details()
                await until(lambda: it.gateway.counts.streams == 0)
                assert (await one.must(1002, STATE)).qot_logined
                # The rights come back, and with them the pushes of who subscribes.
                change_key(it, "held", scopes=("qot:read",))
                pushes = client.pushes(qot_update_ticker.Response)
                await client.quote.subscribe(["HK.00700"], [qot_common.SubType.TICKER])
                await until(lambda: it.gateway.counts[1] == it.gateway.counts[3] == 1)
                await it.opend.advance(20)
                assert (await anext(pushes)).security.code == "00700"

    run(scenario())


@pytest.mark.parametrize("why", ["key", "gateway"])
def test_a_client_without_pushes_notices_the_end_too(why: str) -> None:
    async def scenario() -> None:
        async with scene(keys={"held": ("trade:simulate",)}) as it:
            url = it.gateway.url("grpc")
            async with aio.connect(
                url, api_key=it.texts["held"], keepalive=0.05, reconnect=False
            ) as client:
                changed = asyncio.Event()
                client.on_state(lambda _: changed.set())
                if why == "key":
                    KeyStore.load(it.path).remove("held")
                    it.gateway.reload()
                else:
                    await it.gateway.stop()
                await changed.wait()
                assert client.state.value != "ready"

    run(scenario())


def test_another_key_of_the_same_name_is_another_client() -> None:
    async def scenario() -> None:
        async with scene() as it:
            old = it.plain()
            stream = await old.stream()
            store = KeyStore.load(it.path)
            desk, other = store.remove("desk"), store.remove("other")
            store.add(replace(desk, name="desk-old"))
            store.add(replace(other, name="desk"))
            it.gateway.reload()
            await it.plain("other").must(3001, sub())
            await it.opend.advance(20)
            assert await stream.before(await it.mark()) == []

    run(scenario())


def test_futukits_clients_call_with_a_key_that_gets_no_pushes() -> None:
    async def scenario() -> None:
        async with scene(keys={"trader": ("trade:simulate",)}) as it:
            url, key = it.gateway.url("grpc"), it.texts["trader"]
            header, *_ = await paper(it.plain())
            async with aio.connect(url, api_key=key) as client:
                assert (await client.call(2202, order(header))).order_id
                with pytest.raises(PermissionDenied, match="qot:read"):
                    await client.quote.subscribe(["HK.00700"], [qot_common.SubType.TICKER])
                assert client.state.value == "ready"

            def blocking() -> int:
                with sync.connect(url, api_key=key) as client:
                    return int(client.call(2202, order(header)).order_id)

            assert await asyncio.to_thread(blocking)

    run(scenario())


# What members are told.


def test_a_loss_is_told_once_and_to_who_comes_meanwhile() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            await lose(it)
            assert is_connection_notice(await stream.next(), up=False)
            tries = it.wire.tries
            await until(lambda: it.wire.tries > tries + 3)
            late = await it.plain("other").stream()
            assert is_connection_notice(await late.next(), up=False)
            await come_back(it)
            mark = await it.mark()
            for each in (stream, late):
                assert is_connection_notice(await each.next(), up=True)
                assert await each.before(mark) == []
            assert "upstream_lost_total 1.0" in it.gateway.metrics.text()

    run(scenario())


def test_a_second_stream_begins_with_the_newest_pushes_too() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            first = await one.stream()
            await one.must(3001, sub())
            await it.opend.advance(20)
            got = await first.before(await it.mark())
            second = await one.stream()
            assert await second.before(await it.mark()) == got[-1:]

    run(scenario())


def test_the_newest_push_comes_once_for_two_owners_on_one_stream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            stream = await it.plain().stream()
            one, two = it.plain(), it.plain()
            await one.must(3001, sub())
            await it.opend.advance(20)
            await stream.before(await it.mark())
            await two.must(3001, sub())
            assert await stream.before(await it.mark()) == []

    run(scenario())


def test_a_result_right_behind_the_answer_finds_its_owner() -> None:
    async def scenario() -> None:
        async with scene() as it:
            inner = it.opend.opend.call
            numbers = count(1)

            def call(peer: Any, proto_id: int, request: Any) -> Any:
                if proto_id != 3260:
                    return inner(peer, proto_id, request)
                calc_id = f"calculation {next(numbers)}"
                result = qot_push_indicator_calc.S2C(calc_id=calc_id)
                message = qot_push_indicator_calc.Response(ret_type=RetType.SUCCEED, s2c=result)
                peer.after_reply.append(lambda: peer.sink.send_push(Push(3261, message)))
                s2c = qot_request_indicator_calc.S2C(calc_id=calc_id)
                return qot_request_indicator_calc.Response(ret_type=RetType.SUCCEED, s2c=s2c)

            it.opend.opend.call = call
            one, other = it.plain(), it.plain("other")
            streams = [await client.stream() for client in (one, other)]
            asked = await one.must(3260, CALCULATION)
            mark = await it.mark()
            got = [await stream.before(mark) for stream in streams]
            assert [s2c_of(event).calc_id for event in got[0]] == [asked.calc_id]
            assert got[1] == []

    run(scenario())


CALCULATION = qot_request_indicator_calc.C2S(
    short_name="MA",
    lang_type=qot_common.IndicatorLangType(1),
    data=qot_request_indicator_calc.IndicatorCalcData(
        security=TENCENT, kl_type=qot_common.KLType.DAY
    ),
)


# Nothing of the connection to OpenD is shown.


def test_the_web_key_of_the_user_stays_here() -> None:
    async def scenario() -> None:
        async with scene() as it:
            inner = it.opend.opend.call

            def call(peer: Any, proto_id: int, request: Any) -> Any:
                answer = inner(peer, proto_id, request)
                if proto_id == 1005:
                    return replace(answer, s2c=replace(answer.s2c, web_key="SECRET"))
                return answer

            it.opend.opend.call = call
            key = it.texts["desk"]
            body = codec.encode(get_user_info.Request(c2s=get_user_info.C2S(flag=2048)))
            answer = await it.plain().ask(1005, get_user_info.C2S(flag=2048))
            assert answer.ret_type == 0
            assert b"SECRET" not in (answer.body or b"")
            async with aio.connect(it.gateway.url("tcp"), client_id=key, body="json") as client:
                assert b"SECRET" not in (await client.call_body(1005, body)).body

    run(scenario())


def test_nobody_is_told_where_opend_is() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await lose(it)
            status, text = await one.status(1005, get_user_info.C2S())
            assert (status, text) == ("UNAVAILABLE", "OpenD is not there")

    run(scenario())


def test_an_options_own_quota_is_counted_by_chains() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await one.must(3001, sub("00700", "TCH260330C520000", "TCH260330P520000", **QUIET))
            own = (await one.must(3003, qot_get_sub_info.C2S())).conn_sub_info_list[0]
            assert (own.used_quota, own.option_used_quota) == (1, 1)

    run(scenario())


QUIET: dict[str, Any] = {"is_reg_or_un_reg_push": None}


# The end of the gateway, and its beginning.


def test_an_order_under_way_when_the_gateway_stops_is_in_doubt() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            header, *_ = await paper(one)
            await it.opend.fault("silence", proto_id=2202)
            asked = asyncio.ensure_future(one.ask(2202, order(header)))
            await until(lambda: it.upstream(2202))
            stopping = asyncio.ensure_future(it.gateway.stop())
            await until(lambda: it.gateway.hub.is_closing)
            assert (await one.status(1002, STATE))[0] == "UNAVAILABLE"
            error = await failure(asked)
            assert error.code().name == "UNAVAILABLE"
            told = "the gateway stops; what became of the order is not known"
            assert error.details() == told
            await stopping
            assert "upstream_lost_total 0.0" in it.gateway.metrics.text()

    run(scenario())


def test_a_name_is_served_on_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        resolve = loop.getaddrinfo

        async def two(host: str, port: int, **options: Any) -> Any:
            if host != "both.example":
                return await resolve(host, port, **options)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.2", "127.0.0.1", "192.0.2.1")
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two)

        async def unused(data: bytes, context: Any) -> Any:
            raise AssertionError(data, context)

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                await GrpcListener(unused, unused).listen("both.example", port)
        listener = GrpcListener(unused, unused)
        served = await listener.listen("both.example", 0)
        for address in ("127.0.0.1", "127.0.0.2"):
            _, writer = await asyncio.open_connection(address, served)
            writer.close()
            await writer.wait_closed()
        await listener.stop()

    run(scenario())
