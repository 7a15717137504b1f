"""One OpenD for all: what goes upstream, what each client is shown, who gets which push."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from msgspec import structs

from futukit import aio
from futukit.enums import RehabType, SubType
from futukit.messages import (
    common,
    init_connect,
    keep_alive,
    qot_get_sub_info,
    qot_reg_qot_push,
    qot_update_ticker,
)
from futukit.messages.qot_common import QotMarket, Security
from tests.contract.gateway.conftest import (
    MINUTE,
    TENCENT,
    run,
    s2c_of,
    scene,
    sub,
    unsub,
    unsub_all,
    until,
)

REGISTER = qot_reg_qot_push.C2S(
    security_list=(TENCENT,), sub_type_list=(SubType.TICKER,), is_reg_or_un_reg=True
)
APPLE = Security(market=QotMarket.US_SECURITY, code="AAPL")


# One subscription for all.


def test_a_topic_is_taken_once_for_two_clients() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            streams = [await one.stream(), await two.stream()]
            await one.must(3001, sub())
            await two.must(3001, sub())
            assert (await it.opend.stats()).requests[3001] == 1
            assert await it.quota() == 1
            assert (it.gateway.counts.subscriptions, it.gateway.counts.topics) == (2, 1)
            await it.opend.advance(20)
            mark = await it.mark()
            first, second = [await stream.before(mark) for stream in streams]
            assert first[-1] == second[-1]
            assert first[-1].proto_id == 3011

    run(scenario())


def test_a_topic_ends_upstream_with_its_last_holder_when_it_is_a_minute_old() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            for client in (one, two):
                await client.stream()
                await client.must(3001, sub())
            await one.close()
            await until(lambda: it.gateway.counts.clients == 1)
            await it.pass_time(30)
            await two.close()
            await until(lambda: it.gateway.counts.clients == 0)
            await it.pass_time(29)
            assert (await it.quota(), it.gateway.counts.topics) == (1, 1)
            await it.pass_time(2)
            assert (await it.quota(), it.gateway.counts.topics) == (0, 0)
            assert [c2s.is_sub_or_un_sub for c2s in it.upstream(3001)] == [True, False]

    run(scenario())


def test_an_old_topic_ends_upstream_at_once_with_its_last_holder() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await one.must(3001, sub())
            await it.pass_time(MINUTE)
            assert await it.quota() == 1
            await one.must(3001, unsub())
            assert await it.quota() == 0

    run(scenario())


def test_who_comes_back_in_time_keeps_the_topic() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            await one.stream()
            await one.must(3001, sub())
            await one.close()
            await until(lambda: it.gateway.counts.clients == 0)
            await it.pass_time(30)
            two = it.plain()
            await two.must(3001, sub())
            await it.pass_time(MINUTE)
            assert await it.quota() == 1
            assert len(it.upstream(3001)) == 1

    run(scenario())


def test_nobody_lets_go_within_a_minute_though_another_has_held_for_longer() -> None:
    async def scenario() -> None:
        async with scene() as it:
            early, late = it.plain(), it.plain()
            await early.must(3001, sub())
            await it.pass_time(MINUTE)
            await late.must(3001, sub())
            assert "less than a minute" in await late.refused(3001, unsub())
            assert "less than a minute" in await late.refused(3001, unsub_all())
            await early.must(3001, unsub())
            await it.pass_time(MINUTE)
            await late.must(3001, unsub())
            assert await it.quota() == 0

    run(scenario())


def test_a_late_joiner_gets_the_last_value_without_a_request_upstream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            early, late = it.plain(), it.plain()
            stream = await early.stream()
            await early.must(3001, sub())
            await it.opend.advance(20)
            newest = (await stream.before(await it.mark()))[-1]
            asked = list(it.asked)
            joined = await late.stream()
            await late.must(3001, sub())
            assert await joined.next() == newest
            assert it.asked == asked

    run(scenario())


def test_who_wants_no_first_push_gets_none() -> None:
    async def scenario() -> None:
        async with scene() as it:
            early, late = it.plain(), it.plain("other")
            await early.must(3001, sub())
            await it.opend.advance(20)
            joined = await late.stream()
            await late.must(3001, sub(is_first_push=False))
            assert await joined.before(await it.mark()) == []

    run(scenario())


@pytest.mark.parametrize("by", [3001, 3002])
def test_who_comes_first_and_wants_no_first_push_gets_none(by: int) -> None:
    async def scenario() -> None:
        async with scene() as it:
            watcher, one = it.plain("other"), it.plain()
            stream = await one.stream()
            await watcher.must(3001, sub(is_reg_or_un_reg_push=False))
            await it.opend.advance(20)
            # OpenD's first push comes a moment after its answer.
            await it.opend.fault("delay", proto_id=3011, seconds=0.001)
            if by == 3001:
                await one.must(3001, sub(is_first_push=False))
            else:
                await one.must(3001, sub(is_reg_or_un_reg_push=False))
                await one.must(3002, structs.replace(REGISTER, is_first_push=False))
            assert not (await it.opend.advance(0.001)).trades
            assert await stream.before(await it.mark()) == []

    run(scenario())


@pytest.mark.parametrize("door", ["grpc", "tcp", "ws", "ft+ws", "tcp in json"])
def test_every_door_shares_the_same_topic(door: str) -> None:
    async def scenario() -> None:
        async with scene() as it:
            witness = it.plain("other")
            stream = await witness.stream()
            await witness.must(3001, sub())
            await it.opend.advance(5)
            await stream.before(await it.mark())
            scheme, _, body = door.partition(" in ")
            option = {"grpc": "api_key", "ws": "ws_key"}.get(scheme, "client_id")
            options = {option: it.texts["desk"], "body": body or "protobuf"}
            async with aio.connect(it.gateway.url(scheme), **options) as client:
                got: list[Any] = []
                client.on(qot_update_ticker.Response, got.append)
                await client.quote.subscribe(["HK.00700"], [SubType.TICKER], first_push=False)
                await it.opend.advance(20)
                events = await stream.before(await it.mark())
                await until(lambda: len(got) == len(events))
                assert got == [s2c_of(event) for event in events]
                assert got
                assert len(it.upstream(3001)) == 1

    run(scenario())


def test_types_reach_whom_they_concern() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            streams = [await one.stream(), await two.stream()]
            await one.must(3001, sub(types=[SubType.TICKER]))
            await two.must(3001, sub(types=[SubType.ORDER_BOOK]))
            await it.opend.advance(20)
            mark = await it.mark()
            got = [{event.proto_id for event in await stream.before(mark)} for stream in streams]
            assert got == [{3011}, {3013}]

    run(scenario())


def test_k_lines_of_an_adjustment_reach_whom_they_concern() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two, both = it.plain(), it.plain(), it.plain()
            streams = [await client.stream() for client in (one, two, both)]
            for client, kinds in (
                (one, (RehabType.NONE,)),
                (two, (RehabType.FORWARD,)),
                (both, (RehabType.NONE, RehabType.FORWARD)),
            ):
                wish = sub(types=[SubType.KL_1MIN], reg_push_rehab_type_list=kinds)
                await client.must(3001, wish)
            await it.opend.advance(20)
            mark = await it.mark()
            got = [
                {s2c_of(event).rehab_type for event in await stream.before(mark)}
                for stream in streams
            ]
            assert got == [
                {RehabType.NONE},
                {RehabType.FORWARD},
                {RehabType.NONE, RehabType.FORWARD},
            ]
            assert len(it.upstream(3001)) == 2

    run(scenario())


def test_a_client_that_wants_the_detail_widens_the_order_book_upstream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            for detail in (None, True, None):
                wish = sub(types=[SubType.ORDER_BOOK], is_sub_order_book_detail=detail)
                await it.plain().must(3001, wish)
            assert [c2s.is_sub_order_book_detail for c2s in it.upstream(3001)] == [None, True]
            assert await it.quota() == 1

    run(scenario())


@pytest.mark.parametrize("wider", [{"extended_time": True}, {"session": common.Session.ALL}])
def test_a_client_with_a_longer_day_widens_it_upstream(wider: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with scene() as it:
            for fields in ({}, wider, {}):
                wish = structs.replace(sub(**fields), security_list=(APPLE,))
                await it.plain().must(3001, wish)
            assert len(it.upstream(3001)) == 2
            widened = it.upstream(3001)[-1]
            assert {name: getattr(widened, name) for name in wider} == wider

    run(scenario())


# What each client is shown.


def test_unsubscribing_all_drops_the_callers_only() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            stream = await two.stream()
            await one.must(3001, sub("00700", "00005"))
            await two.must(3001, sub("00700"))
            await it.pass_time(MINUTE)
            await one.must(3001, unsub_all())
            assert (await it.quota(), it.gateway.counts.subscriptions) == (1, 1)
            await stream.before(await it.mark())
            await it.opend.advance(20)
            assert await stream.before(await it.mark())

    run(scenario())


@pytest.mark.parametrize("all_connections", [None, False, True])
def test_the_list_of_subscriptions_shows_the_callers_only(all_connections: bool | None) -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two, idle = it.plain(), it.plain(), it.plain()
            await one.must(3001, sub("00700", types=[SubType.TICKER, SubType.BASIC]))
            await two.must(3001, sub("00005"))
            asked = qot_get_sub_info.C2S(is_req_all_conn=all_connections)
            info = await one.must(3003, asked)
            [mine] = info.conn_sub_info_list
            assert (mine.is_own_conn_data, mine.used_quota, info.total_used_quota) == (True, 2, 3)
            assert {one.sub_type: one.security_list for one in mine.sub_info_list} == {
                SubType.TICKER: (TENCENT,),
                SubType.BASIC: (TENCENT,),
            }
            [nothing] = (await idle.must(3003, asked)).conn_sub_info_list
            assert (nothing.sub_info_list, nothing.used_quota) == ((), 0)

    run(scenario())


def test_registering_for_pushes_is_each_clients_own() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            streams = [await one.stream(), await two.stream()]
            for client in (one, two):
                await client.must(3001, sub(is_reg_or_un_reg_push=False))
            await one.must(3002, REGISTER)
            await it.opend.advance(20)
            mark = await it.mark()
            assert [bool(await stream.before(mark)) for stream in streams] == [True, False]
            await two.must(3002, REGISTER)
            await two.must(3002, structs.replace(REGISTER, is_reg_or_un_reg=False))
            mark = await it.mark()
            await streams[0].before(mark)
            await streams[1].before(mark)
            await it.opend.advance(20)
            mark = await it.mark()
            assert [bool(await stream.before(mark)) for stream in streams] == [True, False]
            assert await it.quota() == 1

    run(scenario())


def test_registering_what_one_has_not_subscribed_is_refused_though_another_has() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.plain().must(3001, sub())
            assert "subscribe first" in await it.plain().refused(3002, REGISTER)

    run(scenario())


# What leaves nothing behind.


def test_a_subscription_that_is_refused_leaves_nothing() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            assert await one.refused(3001, sub("00000"))
            assert (it.gateway.counts.subscriptions, it.gateway.counts.topics) == (0, 0)
            await it.opend.fault("refuse", proto_id=3001, message="not today")
            assert await one.refused(3001, sub()) == "not today"
            assert (it.gateway.counts.subscriptions, it.gateway.counts.topics) == (0, 0)
            await one.must(3001, sub())

    run(scenario())


@pytest.mark.parametrize("door", ["grpc", "tcp"])
def test_a_client_that_leaves_in_mid_subscription_leaves_nothing(door: str) -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.opend.fault("delay", proto_id=3001, seconds=5)
            client: Any = it.plain()
            if door == "tcp":
                key = it.texts["desk"]
                client = await aio.connect(it.gateway.url("tcp"), client_id=key)
            ask = client.ask if door == "grpc" else client.call
            waiting = asyncio.ensure_future(ask(3001, sub()))
            await until(lambda: it.upstream(3001))
            await client.close()
            await asyncio.gather(waiting, return_exceptions=True)
            await until(it.is_alone)
            await it.opend.advance(5)
            await it.settled()
            assert (it.gateway.counts.subscriptions, await it.quota()) == (0, 1)

    run(scenario())


def test_the_topic_of_who_left_in_mid_subscription_is_there_for_another() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.opend.fault("delay", proto_id=3001, seconds=5)
            one, two = it.plain(), it.plain()
            left = asyncio.ensure_future(one.ask(3001, sub()))
            await until(lambda: it.upstream(3001))
            stays = asyncio.ensure_future(two.ask(3001, sub()))
            await until(lambda: it.gateway.counts.requests == 2)
            await one.close()
            await asyncio.gather(left, return_exceptions=True)
            await it.opend.advance(5)
            assert (await stays).ret_type == 0
            assert await it.quota() == 1

    run(scenario())


def test_nobody_hears_of_the_subscription_of_who_left_before_upstream_did() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.opend.fault("silence", proto_id=3001)
            one = it.plain()
            left = asyncio.ensure_future(one.ask(3001, sub()))
            await until(lambda: it.upstream(3001))
            await one.close()
            await asyncio.gather(left, return_exceptions=True)
            await until(it.is_alone)
            it.wire.cut()
            await it.settled()
            gc.collect()  # where nobody looked at a failed task, the event loop hears of it now
            assert it.gateway.counts.subscriptions == 0

    run(scenario())


# The session's own ids.


def test_the_sessions_own_ids_are_answered_by_the_gateway() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            before = (await it.opend.stats()).requests
            hello = init_connect.C2S(client_ver=1, client_id="raw")
            welcome = await one.must(1001, hello)
            assert welcome.conn_aes_key == ""
            assert welcome.conn_id not in (0, it.upstream_id)
            assert (await one.must(1001, hello)).conn_id == welcome.conn_id
            assert (await it.plain().must(1001, hello)).conn_id != welcome.conn_id
            beat = await one.must(1004, keep_alive.C2S(time=1))
            assert beat.time == int(it.wall.now)
            assert (await it.opend.stats()).requests == before

    run(scenario())
