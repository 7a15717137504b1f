"""Too many requests, clients, orders: who goes too far is told when to come back."""

from __future__ import annotations

import asyncio

import pytest

from futukit import aio, codec
from futukit.errors import HandshakeError, RateLimited
from futukit.messages import get_user_info, qot_common, qot_get_plate_set
from futukit.messages.futu_service import FutuRequest
from tests.contract.gateway.conftest import STATE, beside, failure, run, until
from tests.contract.gateway.test_orders import order, paper

PLATES = qot_get_plate_set.C2S(
    market=qot_common.QotMarket.HK_SECURITY, plate_set_type=qot_common.PlateSetType.ALL
)
PLATE_SET = 3204
MOST = 10


def test_too_many_requests_under_way_are_refused() -> None:
    async def scenario() -> None:
        async with beside(requests_under_way=3) as (it, well):
            one = it.plain()
            await it.opend.fault("delay", proto_id=1005, seconds=5, count=3)
            ask = get_user_info.C2S()
            waiting = [asyncio.ensure_future(one.ask(1005, ask)) for _ in range(3)]
            await until(lambda: it.gateway.counts.requests == 3)
            status, text = await one.status(1002, STATE)
            assert (status, text) == (
                "RESOURCE_EXHAUSTED",
                "3 requests of this client are under way",
            )
            assert (await well.must(1002, STATE)).qot_logined
            await until(lambda: len(it.upstream(1005)) == 3)
            await it.opend.advance(5)
            assert [answer.ret_type for answer in await asyncio.gather(*waiting)] == [0] * 3
            assert (await one.must(1002, STATE)).qot_logined

    run(scenario())


def test_too_many_clients_are_refused() -> None:
    async def scenario() -> None:
        async with beside(max_clients=3) as (it, _):
            two, three, four = it.plain(), it.plain(), it.plain()
            stream = await two.stream()
            await three.stream()
            assert it.gateway.counts.clients == 3
            status, text = await four.status(1002, STATE)
            assert status in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
            assert "too many clients" in text
            assert (await (await four.stream()).end()).code().name == status
            stream.call.cancel()
            await until(lambda: it.gateway.counts.clients == 2)
            assert (await four.must(1002, STATE)).qot_logined

    run(scenario())


def test_too_many_clients_are_counted_over_all_doors() -> None:
    async def scenario() -> None:
        async with beside(max_clients=2) as (it, _):
            two = it.plain()
            await two.stream()
            with pytest.raises(HandshakeError, match="too many"):
                await aio.connect(it.gateway.url("tcp"), client_id=it.texts["desk"])
            await two.close()
            await until(lambda: it.gateway.counts.clients == 1)
            async with aio.connect(it.gateway.url("tcp"), client_id=it.texts["desk"]):
                assert (await it.plain().status(1002, STATE))[0] == "UNAVAILABLE"

    run(scenario())


def test_a_request_over_the_limits_of_upstream_is_refused_for_all() -> None:
    async def scenario() -> None:
        async with beside(rate_limit="refuse") as (it, _):
            one, two = it.plain(), it.plain("other")
            for client in [one, two] * (MOST // 2):
                await client.must(PLATE_SET, PLATES)
            for client in (one, two):
                error = await failure(client.ask(PLATE_SET, PLATES))
                assert error.code().name == "RESOURCE_EXHAUSTED"
                assert 0 < float(dict(error.trailing_metadata())["retry-after"]) <= 30.1
            key = it.texts["desk"]
            async with aio.connect(it.gateway.url("grpc"), api_key=key) as own:
                with pytest.raises(RateLimited) as caught:
                    await own.call(PLATE_SET, PLATES)
                assert caught.value.retry_after is not None
                assert 0 < caught.value.retry_after <= 30.1
            async with aio.connect(it.gateway.url("tcp"), client_id=key) as framed:
                with pytest.raises(Exception, match="try again in"):
                    await framed.call(PLATE_SET, PLATES)
            assert len(it.upstream(PLATE_SET)) == MOST

    run(scenario())


def test_a_request_over_the_limits_waits_its_turn_by_default() -> None:
    async def scenario() -> None:
        async with beside(query="request_timeout=0.3") as (it, _):
            one = it.plain()
            for _ in range(MOST):
                await one.must(PLATE_SET, PLATES)
            # Its turn would come after the time that it has.
            assert (await one.status(PLATE_SET, PLATES))[0] == "RESOURCE_EXHAUSTED"
            assert len(it.upstream(PLATE_SET)) == MOST

    run(scenario())


def test_orders_of_a_key_over_its_rate_are_told_when_to_come_back() -> None:
    async def scenario() -> None:
        slow = ("acc:read", "trade:simulate", {"orders_per_minute": 1})
        async with beside(keys={"slow": slow}) as (it, _):
            one, again = it.plain("slow"), it.plain("slow")
            header, *_ = await paper(one)
            await one.must(2202, order(header))
            error = await failure(again.ask(2202, order(header)))
            assert error.code().name == "RESOURCE_EXHAUSTED"
            assert float(dict(error.trailing_metadata())["retry-after"]) == 60.0
            it.wall.now += 60.0
            await again.must(2202, order(header))

    run(scenario())


def test_a_call_whose_time_is_over_is_forgotten() -> None:
    async def scenario() -> None:
        async with beside() as (it, _):
            one = it.plain()
            await one.must(1002, STATE)
            await it.opend.fault("silence", proto_id=1005)
            body = codec.encode(get_user_info.Request(c2s=get_user_info.C2S()))
            data = codec.encode(FutuRequest(proto_id=1005, body=body))
            call = one._request(data, metadata=one.metadata, timeout=0.05)
            assert (await failure(call)).code().name == "DEADLINE_EXCEEDED"
            await until(lambda: not it.gateway.counts.requests)

    run(scenario())
