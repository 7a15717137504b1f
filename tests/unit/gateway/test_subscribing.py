"""Subscriptions by themselves: what a member gets at once, and nothing of it twice."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import structs

from futukit import codec
from futukit.core.push import Push
from futukit.gateway.access import Access
from futukit.gateway.members import Member
from futukit.gateway.subscribing import Subscribing
from futukit.gateway.topics import topics_of_push
from futukit.messages import qot_common, qot_reg_qot_push, qot_sub, qot_update_ticker
from futukit.messages.common import RetType

SECURITY = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
SUBSCRIBE = qot_sub.C2S(
    security_list=(SECURITY,),
    sub_type_list=(qot_common.SubType.TICKER,),
    is_sub_or_un_sub=True,
    is_reg_or_un_reg_push=True,
)


class Sink:
    """Keeps the pushes of a member."""

    def __init__(self) -> None:
        self.got: list[Push] = []

    def send_push(self, push: Push, /) -> None:
        self.got.append(push)

    def end(self, status: str = "", reason: str = "") -> None:
        raise AssertionError("nobody is sent away here")


class Shop:
    """Subscribing with an OpenD that says yes to all, or no."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Any]] = []
        self.answer = RetType.SUCCEED
        loop = asyncio.get_running_loop()
        self.subscribing = Subscribing(self.ask, loop.time, lambda: ())

    async def ask(self, proto_id: int, c2s: Any) -> bytes:
        self.asked.append((proto_id, c2s))
        return codec.encode(qot_sub.Response(ret_type=self.answer, s2c=qot_sub.S2C()))

    async def subscribed(self, number: int) -> Sink:
        """A member that has just subscribed."""
        sink = Sink()
        grant = Access(None).authenticate(None, 0.0)
        member = Member(number, grant, f"peer {number}", sink, notify=True)
        await self.subscribing.handlers[3001](member, SUBSCRIBE)
        return sink

    def push(self) -> Push:
        """A push of OpenD, on its way to all holders."""
        s2c = qot_update_ticker.S2C(security=SECURITY, ticker_list=())
        push = Push(3011, qot_update_ticker.Response(ret_type=RetType.SUCCEED, s2c=s2c))
        for topic, variant in topics_of_push(push):
            for member in self.subscribing.book.take(topic, variant, push):
                member.sink.send_push(push)
        return push


def test_a_first_push_that_comes_with_the_answer_arrives_once() -> None:
    async def scenario() -> None:
        shop = Shop()
        sink = await shop.subscribed(1)
        push = shop.push()
        await asyncio.sleep(0)
        assert sink.got == [push]

    asyncio.run(scenario())


def test_who_comes_late_gets_the_newest_push_behind_the_answer() -> None:
    async def scenario() -> None:
        shop = Shop()
        await shop.subscribed(1)
        shop.push()
        newest = shop.push()
        sink = await shop.subscribed(2)
        assert sink.got == []
        await asyncio.sleep(0)
        assert sink.got == [newest]
        assert [number for number, _ in shop.asked] == [3001]

    asyncio.run(scenario())


def test_a_newer_push_takes_the_place_of_the_one_that_was_to_be_sent() -> None:
    async def scenario() -> None:
        shop = Shop()
        await shop.subscribed(1)
        shop.push()
        sink = await shop.subscribed(2)
        newer = shop.push()
        await asyncio.sleep(0)
        assert sink.got == [newer]

    asyncio.run(scenario())


def test_what_opend_did_not_restore_is_asked_for_again_and_its_loss_is_told() -> None:
    async def scenario() -> None:
        shop = Shop()
        sink = await shop.subscribed(1)
        await shop.subscribing.renew(restored=True)
        assert len(shop.asked) == 1
        await shop.subscribing.renew(restored=False)
        again = shop.asked[1][1]
        assert (again.security_list, again.sub_type_list) == ((SECURITY,), SUBSCRIBE.sub_type_list)
        assert again.is_reg_or_un_reg_push
        assert sink.got == []
        shop.answer = RetType.FAILED
        await shop.subscribing.renew(restored=False)
        [told] = sink.got
        assert "1_00700 type 4 could not be subscribed again" in repr(told.message)
        shop.answer = RetType.SUCCEED
        await shop.subscribed(2)
        assert len(shop.asked) == 4

    asyncio.run(scenario())


def test_a_request_for_more_than_any_quota_is_refused_at_once() -> None:
    async def scenario() -> None:
        shop = Shop()
        member = Member(1, Access(None).authenticate(None, 0.0), "peer", Sink(), notify=True)
        types = (qot_common.SubType.TICKER,) * 101
        many = structs.replace(SUBSCRIBE, security_list=(SECURITY,) * 100, sub_type_list=types)
        register = qot_reg_qot_push.C2S(
            security_list=many.security_list, sub_type_list=types, is_reg_or_un_reg=True
        )
        for proto_id, c2s in ((3001, many), (3002, register)):
            refused = await shop.subscribing.handlers[proto_id](member, c2s)
            assert refused.ret_type is RetType.FAILED
            assert "more than 10000" in refused.ret_msg
        assert shop.asked == []

    asyncio.run(scenario())
