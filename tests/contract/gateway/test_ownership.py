"""Whose pushes go to which stream: channels, keys, and streams that come and go."""

from __future__ import annotations

import asyncio

import grpc.aio

from futukit import codec
from futukit.enums import RehabType, SubType
from futukit.messages import trd_sub_acc_push
from futukit.messages.futu_service import PushEvent
from tests.contract.gateway.conftest import STATE, TENCENT, run, s2c_of, scene, sub, until
from tests.contract.gateway.test_orders import order, paper


def facts(event: PushEvent) -> tuple[int | None, str, str, int, int]:
    """What an event says beside its body."""
    kind, security = event.event_type or "", event.sec_key or ""
    return event.proto_id, kind, security, event.sub_type or 0, event.acc_id or 0


# Streams that come later than the subscription.


def test_what_came_before_the_stream_is_there_when_it_opens() -> None:
    async def scenario() -> None:
        async with scene() as it:
            witness, late = it.plain("other"), it.plain()
            stream = await witness.stream()
            for client in (witness, late):
                await client.must(3001, sub(types=[SubType.TICKER, SubType.BASIC]))
            await it.opend.advance(20)
            seen = await stream.before(await it.mark())
            newest = {event.proto_id: event for event in seen}
            opened = await late.stream()
            got = _no_notices(await opened.before(await it.mark()))
            assert {event.proto_id: event for event in got} == newest
            assert len(got) == 2

    run(scenario())


def test_orders_wait_for_the_first_stream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            witness, late = it.plain("other"), it.plain()
            stream = await witness.stream()
            header, *_ = await paper(late)
            for client in (witness, late):
                await client.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            await late.must(2202, order(header))
            seen = await stream.before(await it.mark())
            assert seen
            opened = await late.stream()
            assert _no_notices(await opened.before(await it.mark())) == seen

    run(scenario())


def _no_notices(events: list[PushEvent]) -> list[PushEvent]:
    """Without those to everybody: marks that had been set wait for a stream, too."""
    return [event for event in events if event.event_type != "notify"]


def test_what_waited_for_two_owners_arrives_once_on_the_stream_that_serves_both() -> None:
    async def scenario() -> None:
        async with scene() as it:
            witness, one, two = it.plain("other"), it.plain(), it.plain()
            stream = await witness.stream()
            header, *_ = await paper(one)
            for client in (witness, one, two):
                await client.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
                await client.must(3001, sub(types=[SubType.TICKER, SubType.BASIC]))
            for _ in range(2):
                await one.must(2202, order(header))
            seen = await stream.before(await it.mark())
            opened = await it.plain().stream()
            got = _no_notices(await opened.before(await it.mark()))
            for kind in ("trade", "quote"):
                came = [event for event in got if event.event_type == kind]
                assert len(came) == len(set(map(codec.encode, came))) > 1
                assert all(event in seen for event in came)

    run(scenario())


def test_a_notice_waits_for_the_first_stream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            witness, late = it.plain("other"), it.plain()
            stream = await witness.stream()
            await late.must(1002, STATE)
            await it.opend.notify("gtw_event", desc="told")
            seen = await stream.before(await it.mark())
            opened = await late.stream()
            assert (await opened.before(await it.mark()))[: len(seen)] == seen

    run(scenario())


def test_another_channel_of_the_key_serves_one_without_a_stream() -> None:
    async def scenario() -> None:
        async with scene() as it:
            caller, listener = it.plain(), it.plain()
            stream = await listener.stream()
            await caller.must(3001, sub())
            await it.opend.advance(20)
            assert {event.proto_id for event in await stream.before(await it.mark())} == {3011}

    run(scenario())


def test_a_stream_of_ones_own_takes_the_pushes_home() -> None:
    async def scenario() -> None:
        async with scene() as it:
            caller, listener = it.plain(), it.plain()
            lent = await listener.stream()
            await caller.must(3001, sub())
            await it.opend.advance(5)
            await lent.before(await it.mark())
            own = await caller.stream()
            mark = await it.mark()
            await own.before(mark)
            await lent.before(mark)
            await it.opend.advance(20)
            mark = await it.mark()
            assert {event.proto_id for event in await own.before(mark)} == {3011}
            assert await lent.before(mark) == []

    run(scenario())


def test_another_key_never_gets_the_pushes() -> None:
    async def scenario() -> None:
        async with scene() as it:
            caller, stranger = it.plain(), it.plain("other")
            stream = await stranger.stream()
            await caller.must(3001, sub())
            await it.opend.advance(20)
            assert await stream.before(await it.mark()) == []
            own = await caller.stream()
            await it.opend.advance(20)
            mark = await it.mark()
            assert await stream.before(mark) == []
            assert await own.before(mark)

    run(scenario())


def test_two_keys_on_one_channel_are_two_clients() -> None:
    async def scenario() -> None:
        async with scene() as it:
            caller = it.plain()
            await caller.must(3001, sub())
            caller.metadata = (("authorization", f"Bearer {it.texts['other']}"),)
            stream = await caller.stream()
            assert it.gateway.counts.clients == 2
            await it.opend.advance(20)
            assert await stream.before(await it.mark()) == []

    run(scenario())


# Several streams.


def test_two_streams_of_a_channel_both_get_each_push_once() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            streams = [await one.stream(), await one.stream()]
            await one.must(3001, sub())
            await it.opend.advance(20)
            mark = await it.mark()
            first, second = [await stream.before(mark) for stream in streams]
            assert first == second
            assert _sequences(first) == sorted(set(_sequences(first)))

    run(scenario())


def test_a_push_for_two_owners_arrives_once_on_the_stream_that_serves_both() -> None:
    async def scenario() -> None:
        async with scene() as it:
            listener, caller = it.plain(), it.plain()
            stream = await listener.stream()
            for client in (listener, caller):
                await client.must(3001, sub(is_first_push=False))
            await it.opend.advance(30)
            got = await stream.before(await it.mark())
            assert len(got) > 1
            assert _sequences(got) == sorted(set(_sequences(got)))

    run(scenario())


def _sequences(events: list[PushEvent]) -> list[int]:
    """The numbers of all trades, in the order in which they came."""
    return [row.sequence for event in events for row in s2c_of(event).ticker_list]


def test_the_end_of_one_of_two_streams_ends_nothing() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            ended, stays = await one.stream(), await one.stream()
            await one.must(3001, sub())
            ended.call.cancel()
            await until(lambda: it.gateway.counts.streams == 1)
            assert it.gateway.counts[:4] == (1, 1, 0, 1)
            await it.opend.advance(20)
            assert await stays.before(await it.mark())

    run(scenario())


def test_the_end_of_the_last_stream_ends_the_subscriptions_of_its_owner_only() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            ended, stays = await one.stream(), await two.stream()
            await one.must(3001, sub("00700", "00005"))
            await two.must(3001, sub("00700"))
            assert it.gateway.counts.subscriptions == 3
            ended.call.cancel()
            await until(lambda: it.gateway.counts.clients == 1)
            await it.settled()
            assert it.gateway.counts.subscriptions == 1
            await stays.before(await it.mark())
            await it.opend.advance(20)
            got = await stays.before(await it.mark())
            assert {event.sec_key for event in got} == {"1_00700"}

    run(scenario())


def test_who_was_served_by_the_stream_that_ends_leaves_with_it() -> None:
    async def scenario() -> None:
        async with scene() as it:
            listener, caller, stranger = it.plain(), it.plain(), it.plain("other")
            stream = await listener.stream()
            for client in (caller, stranger):
                await client.must(3001, sub())
            stream.call.cancel()
            await until(lambda: it.gateway.counts.clients == 1)
            await it.settled()
            assert it.gateway.counts.subscriptions == 1

    run(scenario())


def test_who_comes_back_on_the_same_channel_begins_anew() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            await one.must(3001, sub())
            stream.call.cancel()
            await until(lambda: it.gateway.counts.clients == 0)
            again = await one.stream()
            await it.opend.advance(20)
            assert await again.before(await it.mark()) == []
            await one.must(3001, sub())
            assert (await again.next()).proto_id == 3011

    run(scenario())


# Channels without a stream.


def test_a_channel_that_never_had_a_stream_is_forgotten_when_it_is_silent_for_long() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.plain().must(3001, sub())
            it.forget_idle(300.0)
            assert it.gateway.counts.subscriptions == 1
            it.forget_idle(0.0)
            assert it.gateway.counts.clients == 0
            await it.settled()
            assert it.gateway.counts.subscriptions == 0

    run(scenario())


def test_nobody_has_to_be_asked_to_forget_the_silent() -> None:
    async def scenario() -> None:
        async with scene(idle_seconds=0.01) as it:
            await it.plain().must(3001, sub())
            assert it.gateway.counts.clients == 1
            await until(lambda: it.gateway.counts[:4] == (0, 0, 0, 0))

    run(scenario())


def test_a_channel_that_is_served_by_a_stream_of_its_key_is_not_forgotten() -> None:
    async def scenario() -> None:
        async with scene() as it:
            caller, listener, stranger = it.plain(), it.plain(), it.plain("other")
            await listener.stream()
            for client in (caller, stranger):
                await client.must(3001, sub())
            it.forget_idle(0.0)
            await it.settled()
            assert (it.gateway.counts.clients, it.gateway.counts.subscriptions) == (2, 1)

    run(scenario())


def test_a_channel_that_waits_for_an_answer_is_not_forgotten() -> None:
    async def scenario() -> None:
        async with scene() as it:
            await it.opend.fault("delay", proto_id=3001, seconds=5)
            one = it.plain()
            waiting = asyncio.ensure_future(one.ask(3001, sub()))
            await until(lambda: it.upstream(3001))
            it.forget_idle(0.0)
            assert it.gateway.counts.clients == 1
            await it.opend.advance(5)
            assert (await waiting).ret_type == 0
            assert it.gateway.counts.subscriptions == 1

    run(scenario())


# What an event says.


def test_a_quote_says_what_it_is_about() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            kinds = {
                SubType.BASIC: 3005,
                SubType.TICKER: 3011,
                SubType.ORDER_BOOK: 3013,
                SubType.RT: 3009,
                SubType.BROKER: 3015,
            }
            await one.must(3001, sub(types=kinds))
            await it.opend.advance(60)
            got = {facts(event) for event in await stream.before(await it.mark())}
            assert got == {(number, "quote", "1_00700", kind, 0) for kind, number in kinds.items()}

    run(scenario())


def test_a_quote_of_two_securities_comes_as_one_event_for_each() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            await one.must(3001, sub("00700", "00005", types=[SubType.BASIC]))
            await it.opend.advance(20)
            got = await stream.before(await it.mark())
            assert {event.sec_key for event in got} == {"1_00700", "1_00005"}
            for event in got:
                [row] = s2c_of(event).basic_qot_list
                assert event.sec_key == f"1_{row.security.code}"

    run(scenario())


def test_a_k_line_says_what_was_subscribed() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            kinds = [SubType.KL_1MIN, SubType.KL_DAY, SubType.KL_QURATER]
            wish = sub(types=kinds, reg_push_rehab_type_list=(RehabType.NONE,))
            await one.must(3001, wish)
            await it.opend.advance(60)
            got = await stream.before(await it.mark())
            assert {facts(event) for event in got} == {
                (3007, "quote", "1_00700", kind, 0) for kind in kinds
            }
            for event in got:
                assert s2c_of(event).security == TENCENT

    run(scenario())


def test_an_order_push_says_whose_it_is_and_a_notice_that_it_is_one() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            header, *_ = await paper(one)
            await one.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            await one.must(2202, order(header))
            got = await stream.before(await it.mark())
            assert {facts(event) for event in got} == {(2208, "trade", "", 0, header.acc_id)}
            await it.opend.notify("gtw_event", desc="told")
            assert facts(await stream.next()) == (1003, "notify", "", 0, 0)

    run(scenario())


def test_a_stream_ends_for_its_client_when_the_gateway_stops() -> None:
    async def scenario() -> None:
        async with scene() as it:
            stream = await it.plain().stream()
            assert it.gateway._grpc is not None
            await it.gateway._grpc.stop()
            assert (await stream.end()).code() is grpc.StatusCode.UNAVAILABLE

    run(scenario())
