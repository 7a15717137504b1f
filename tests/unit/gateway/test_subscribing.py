"""Subscriptions by themselves: what is asked of OpenD, and who gets what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from futukit.core.push import Push
from futukit.enums import RehabType, SecurityFirm, SubType
from futukit.errors import RequestTimeout
from futukit.messages import qot_common, qot_reg_qot_push
from futukit.messages.common import RetType
from tests.unit.gateway.shop import CODES, Shop, follow, register, sub, unsub

BOOK = (SubType.ORDER_BOOK,)
MINUTES = (SubType.KL_1MIN,)


def scenario(test: Callable[[Shop], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test with a shop of its own."""

    @wraps(test)
    def run() -> None:
        async def opened() -> None:
            await test(Shop())

        asyncio.run(opened())

    del run.__wrapped__  # pytest would look for a fixture
    return run


# Pushes: everything once, and from the request on.


@scenario
async def test_what_comes_before_the_answer_is_not_lost(shop: Shop) -> None:
    member, sink = shop.member()
    early: list[Push] = []
    shop.meanwhile = lambda: early.extend((shop.push(), shop.push()))
    assert (await shop.call(3001, member, sub())).ret_type == 0
    assert len(early) == 2
    assert sink.got == early
    shop.meanwhile = lambda: None
    assert sink.got == [*early, shop.push()]


@scenario
async def test_who_comes_late_gets_the_newest_push_and_each_after_it(shop: Shop) -> None:
    first, _ = shop.member()
    await shop.call(3001, first, sub())
    shop.push()
    newest = shop.push()
    late, sink = shop.member()
    await shop.call(3001, late, sub())
    assert sink.got == [newest]
    assert sink.got == [newest, shop.push()]
    assert len(shop.upstream()) == 1


@scenario
async def test_who_subscribes_again_gets_the_newest_push_again(shop: Shop) -> None:
    member, sink = shop.member()
    await shop.call(3001, member, sub())
    push = shop.push()
    await shop.call(3001, member, sub())
    await shop.call(3001, member, sub(is_first_push=False))
    assert sink.got == [push, push]


@scenario
async def test_only_what_is_lacking_is_asked_for(shop: Shop) -> None:
    one, _ = shop.member()
    two, _ = shop.member()
    await shop.call(3001, one, sub())
    await shop.call(3001, two, sub(*CODES))
    assert shop.upstream() == [(3001, True, ("00700",)), (3001, True, ("00005",))]


@scenario
async def test_the_variants_of_klines_are_named(shop: Shop) -> None:
    one, raw = shop.member()
    two, adjusted = shop.member()
    none = sub(types=MINUTES, reg_push_rehab_type_list=(RehabType.NONE,))
    await shop.call(3001, one, none)
    await shop.call(3001, two, sub(types=MINUTES))
    await shop.call(3001, one, none)
    lists = [c2s.reg_push_rehab_type_list for _, c2s in shop.asked]
    assert lists == [(RehabType.NONE,), (RehabType.FORWARD,)]
    plain, forward = shop.push_kline(RehabType.NONE), shop.push_kline(RehabType.FORWARD)
    assert (raw.got, adjusted.got) == ([plain], [forward])
    await shop.subscribing.renew(restored=False)
    assert shop.asked[-1][1].reg_push_rehab_type_list == (RehabType.NONE, RehabType.FORWARD)


@scenario
async def test_what_one_topic_needs_is_not_asked_of_another(shop: Shop) -> None:
    one, _ = shop.member()
    two, _ = shop.member()
    await shop.call(3001, one, sub("00700", types=BOOK, is_sub_order_book_detail=True))
    await shop.call(3001, one, sub("00005", types=BOOK, is_reg_or_un_reg_push=None))
    assert (await shop.call(3002, one, register(*CODES, types=BOOK))).ret_type == 0
    registered = shop.asked[-1][1]
    assert isinstance(registered, qot_reg_qot_push.C2S)
    assert [security.code for security in registered.security_list] == ["00005"]
    await shop.call(3001, two, sub(*CODES, types=BOOK, is_sub_order_book_detail=True))
    widened = shop.asked[-1][1]
    assert widened.is_sub_order_book_detail
    assert [security.code for security in widened.security_list] == ["00005"]


# OpenD refuses, or does not answer.


@scenario
async def test_what_opend_did_not_restore_is_asked_for_again_until_it_is_there(shop: Shop) -> None:
    member, sink = shop.member()
    await shop.call(3001, member, sub())
    await shop.subscribing.renew(restored=True)
    assert len(shop.upstream()) == 1
    shop.answer = RetType.FAILED
    await shop.subscribing.renew(restored=False)
    assert "1_00700 type 4 could not be subscribed again" in sink.told
    assert len(shop.upstream()) == 1
    await shop.pass_time(1)
    assert shop.upstream() == []
    shop.answer = RetType.SUCCEED
    await shop.pass_time()
    assert shop.upstream() == [(3001, True, ("00700",))]
    assert shop.push() in sink.got
    await shop.pass_time()
    assert shop.upstream() == []


@scenario
async def test_a_refusal_to_another_takes_nothing_from_a_holder(shop: Shop) -> None:
    holder, sink = shop.member()
    other, _ = shop.member()
    await shop.call(3001, holder, sub(*CODES))
    shop.answer = RetType.FAILED
    await shop.subscribing.renew(restored=False)
    assert (await shop.call(3001, other, sub())).ret_type == RetType.FAILED
    shop.answer = RetType.SUCCEED
    assert (await shop.call(3001, holder, sub())).ret_type == 0
    assert shop.push() in sink.got
    await shop.leave(holder)
    await shop.pass_time()
    await shop.pass_time()
    assert shop.is_empty()


@scenario
async def test_what_nobody_holds_is_not_believed_to_be_restored(shop: Shop) -> None:
    first, _ = shop.member()
    await shop.call(3001, first, sub())
    await shop.leave(first)
    shop.answer = RetType.FAILED
    await shop.subscribing.renew(restored=False)
    shop.upstream()
    shop.answer = RetType.SUCCEED
    late, _ = shop.member()
    await shop.call(3001, late, sub())
    assert shop.upstream() == [(3001, True, ("00700",))]


@scenario
async def test_an_end_without_an_answer_is_no_subscription(shop: Shop) -> None:
    member, _ = shop.member()
    await shop.call(3001, member, sub())
    shop.now += 61
    shop.answer = None
    assert (await shop.call(3001, member, unsub())).ret_type == 0
    shop.answer = RetType.SUCCEED
    late, sink = shop.member()
    shop.upstream()
    await shop.call(3001, late, sub())
    assert shop.upstream() == [(3001, True, ("00700",))]
    assert sink.got == []  # what it had before the end is old
    await shop.leave(late)
    await shop.pass_time()
    assert shop.is_empty()


@scenario
async def test_a_subscription_without_an_answer_is_asked_for_again_and_ended(shop: Shop) -> None:
    member, _ = shop.member()
    shop.answer = None
    for _ in range(2):
        with pytest.raises(RequestTimeout):
            await shop.call(3001, member, sub())
    shop.answer = RetType.SUCCEED
    await shop.pass_time()
    asked = [(3001, True, ("00700",))] * 2 + [(3001, False, ("00700",))]
    assert shop.upstream() == asked
    assert shop.is_empty()


@scenario
async def test_what_opend_does_not_end_is_left_until_the_next_connection(shop: Shop) -> None:
    member, _ = shop.member()
    await shop.call(3001, member, sub())
    await shop.leave(member)
    shop.answer = RetType.FAILED
    for _ in range(5):
        await shop.pass_time()
    assert len(shop.upstream()) == 1 + 3
    shop.answer = RetType.SUCCEED
    await shop.subscribing.renew(restored=True)
    await shop.pass_time()
    assert shop.upstream() == [(3001, False, ("00700",))]
    assert shop.is_empty()


@scenario
async def test_an_end_without_an_answer_is_asked_again_on_the_next_connection(shop: Shop) -> None:
    member, _ = shop.member()
    await shop.call(3001, member, sub())
    shop.now += 61
    shop.answer = None
    await shop.call(3001, member, unsub())
    shop.upstream()
    await shop.subscribing.renew(restored=False)
    shop.answer = RetType.SUCCEED
    await shop.pass_time()
    assert shop.upstream() == [(3001, False, ("00700",))]
    assert shop.is_empty()


@scenario
async def test_a_header_goes_with_every_request_for_its_topic(shop: Shop) -> None:
    member, _ = shop.member()
    header = qot_common.QotHeader(security_firm=SecurityFirm.FUTU_SECURITIES)
    await shop.call(3001, member, sub(is_reg_or_un_reg_push=None, header=header))
    await shop.call(3002, member, register(types=(SubType.TICKER,)))
    await shop.leave(member)
    await shop.pass_time()
    assert [(number, c2s.header) for number, c2s in shop.asked] == [
        (3001, header),
        (3002, header),
        (3001, header),
    ]


@scenario
async def test_to_end_what_nobody_has_is_opends_to_judge(shop: Shop) -> None:
    member, _ = shop.member()
    shop.answer = RetType.FAILED
    assert (await shop.call(3001, member, unsub("NOPE"))).ret_type == RetType.FAILED


# Accounts.


@scenario
async def test_accounts_are_the_members_from_the_request_on(shop: Shop) -> None:
    member, _ = shop.member()
    seen: list[frozenset[int]] = []
    shop.meanwhile = lambda: seen.append(member.accounts)
    await shop.call(2008, member, follow(1))
    shop.answer = RetType.FAILED
    assert (await shop.call(2008, member, follow(2))).ret_type == RetType.FAILED
    assert seen == [frozenset({1}), frozenset({1, 2})]
    assert member.accounts == {1}


@scenario
async def test_a_refused_account_takes_nothing_of_the_request_before(shop: Shop) -> None:
    member, _ = shop.member()
    calls = [shop.call(2008, member, follow(1)), shop.call(2008, member, follow(2))]

    def refuse() -> None:
        shop.answer = RetType.FAILED if 2 in shop.asked[-1][1].acc_id_list else RetType.SUCCEED

    shop.meanwhile = refuse
    done = await asyncio.gather(*calls)
    assert [response.ret_type for response in done] == [RetType.SUCCEED, RetType.FAILED]
    assert member.accounts == {1}


@scenario
async def test_accounts_of_who_goes_meanwhile_are_not_followed(shop: Shop) -> None:
    member, _ = shop.member()

    def go() -> None:
        if not member.gone:
            member.gone = True
            shop.members.remove(member)

    shop.meanwhile = go
    assert (await shop.call(2008, member, follow(1))).ret_type == RetType.FAILED
    assert [c2s.acc_id_list for _, c2s in shop.asked] == [(1,), ()]


@scenario
async def test_accounts_that_could_not_be_followed_again_are_told_and_tried_again(
    shop: Shop,
) -> None:
    member, sink = shop.member()
    await shop.call(2008, member, follow(1))
    await shop.call(3001, member, sub())
    shop.answer = None
    await shop.subscribing.renew(restored=False)
    assert "pushes of accounts could not be asked for again" in sink.told
    assert "1_00700" in sink.told
    shop.answer = RetType.SUCCEED
    shop.asked.clear()
    await shop.pass_time(1)
    assert shop.asked == []
    await shop.pass_time()
    assert [number for number, _ in shop.asked] == [2008, 3001]


# Turns.


@scenario
async def test_a_member_that_goes_while_it_waits_has_asked_for_nothing(shop: Shop) -> None:
    one, _ = shop.member()
    other, _ = shop.member()
    opened = asyncio.Event()
    answer = shop.subscribing._ask

    async def slow(proto_id: int, c2s: Any) -> bytes:
        body = await answer(proto_id, c2s)
        await opened.wait()
        return body

    shop.subscribing._ask = slow
    begun = [asyncio.create_task(shop.call(3001, one, sub(str(code)))) for code in range(5)]
    await asyncio.sleep(0)
    last = asyncio.create_task(shop.call(3001, other, sub()))
    while not shop.asked:
        await asyncio.sleep(0)
    for task in begun[1:4]:
        task.cancel()
    begun[0].cancel()
    await asyncio.gather(*begun[:4], return_exceptions=True)
    assert shop.subscribing.turns.tasks == 1  # what has begun goes on to its end
    opened.set()
    assert (await last).ret_type == 0
    assert (await begun[4]).ret_type == 0
    # Only one request of a member is in the line: the other had not to wait for all of them.
    assert shop.upstream() == [(3001, True, (code,)) for code in ("0", "00700", "4")]


@scenario
async def test_a_turn_that_does_not_come_is_a_timeout(shop: Shop) -> None:
    one, _ = shop.member()
    other, _ = shop.member()
    shop.subscribing.turns._patience_seconds = 0.01
    never = asyncio.Event()

    async def silent(proto_id: int, c2s: Any) -> bytes:
        await never.wait()
        return b""

    shop.subscribing._ask = silent
    first = asyncio.create_task(shop.call(3001, one, sub()))
    await asyncio.sleep(0)
    for member in (one, other):
        with pytest.raises(RequestTimeout, match="wait for its answers"):
            await shop.call(3001, member, sub())
    await shop.subscribing.turns.close()
    await asyncio.gather(first, return_exceptions=True)
    assert shop.subscribing.turns.tasks == 0


@scenario
async def test_a_request_for_more_than_any_quota_is_refused_at_once(shop: Shop) -> None:
    member, _ = shop.member()
    codes, types = ("00700",) * 100, (SubType.TICKER,) * 101
    for proto_id, c2s in (
        (3001, sub(*codes, types=types)),
        (3002, register(*codes, types=types)),
    ):
        refused = await shop.call(proto_id, member, c2s)
        assert refused.ret_type is RetType.FAILED
        assert "more than 10000" in refused.ret_msg
    assert shop.asked == []
