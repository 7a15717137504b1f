"""Orders through the gateway: whose pushes go where, and under whose packet ids."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from futukit.enums import ModifyOrderOp, OrderType, TrdMarket, TrdSide
from futukit.messages import (
    common,
    qot_common,
    trd_common,
    trd_get_acc_list,
    trd_modify_order,
    trd_place_combo_order,
    trd_place_order,
    trd_reconfirm_order,
    trd_sub_acc_push,
)
from futukit.messages.qot_common import QotMarket, Security
from tests.contract.gateway.conftest import Plain, run, scene, until

WRONG_PACKET = common.PacketID(conn_id=1, serial_no=2)
NO_PACKET = common.PacketID(conn_id=0, serial_no=0)


async def paper(client: Plain) -> list[trd_common.TrdHeader]:
    """Headers of the paper accounts that trade stocks of Hong Kong."""
    accounts = (await client.must(2001, trd_get_acc_list.C2S(user_id=0))).acc_list
    return [
        trd_common.TrdHeader(
            trd_env=account.trd_env, acc_id=account.acc_id, trd_market=TrdMarket.HK
        )
        for account in accounts
        if account.trd_env == trd_common.TrdEnv.SIMULATE
        and TrdMarket.HK in account.trd_market_auth_list
    ]


def order(
    header: trd_common.TrdHeader, packet: common.PacketID = WRONG_PACKET
) -> trd_place_order.C2S:
    """A buy that rests."""
    return trd_place_order.C2S(
        packet_id=packet,
        header=header,
        trd_side=TrdSide.BUY,
        order_type=OrderType.NORMAL,
        code="00700",
        qty=100.0,
        price=300.0,
        sec_market=trd_common.TrdSecMarket.HK,
    )


def test_orders_are_pushed_to_who_asked_for_the_account() -> None:
    async def scenario() -> None:
        async with scene() as it:
            follower, nobody, ex = it.plain(), it.plain(), it.plain()
            streams = [await client.stream() for client in (follower, nobody, ex)]
            header, *_ = await paper(follower)
            follow = trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,))
            await follower.must(2008, follow)
            await ex.must(2008, follow)
            await ex.must(2008, trd_sub_acc_push.C2S(acc_id_list=()))
            await nobody.must(2202, order(header))
            mark = await it.mark()
            got = [
                [(event.proto_id, event.acc_id) for event in await stream.before(mark)]
                for stream in streams
            ]
            assert set(got[0]) == {(2208, header.acc_id)}
            assert got[1:] == [[], []]
            await follower.close()
            await until(lambda: it.gateway.counts.clients == 2)
            await it.settled()
            assert it.upstream(2008)[-1].acc_id_list == ()

    run(scenario())


def test_following_the_account_of_another_takes_nothing_from_him() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one, two = it.plain(), it.plain()
            stream = await one.stream()
            real = [
                account.acc_id
                for account in (await one.must(2001, trd_get_acc_list.C2S(user_id=0))).acc_list
            ]
            header, *_ = await paper(one)
            await one.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            other = next(acc_id for acc_id in real if acc_id != header.acc_id)
            await two.must(2008, trd_sub_acc_push.C2S(acc_id_list=(other,)))
            assert set(it.upstream(2008)[-1].acc_id_list) == {header.acc_id, other}
            await two.must(2202, order(header))
            assert {event.proto_id for event in await stream.before(await it.mark())} == {2208}

    run(scenario())


def test_an_account_that_is_refused_leaves_those_before() -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            stream = await one.stream()
            header, *_ = await paper(one)
            await one.must(2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id,)))
            assert "unknown account" in await one.refused(
                2008, trd_sub_acc_push.C2S(acc_id_list=(header.acc_id, 1))
            )
            await one.must(2202, order(header))
            assert await stream.before(await it.mark())

    run(scenario())


@pytest.mark.parametrize("packet", [WRONG_PACKET, NO_PACKET])
def test_packet_ids_are_the_gateways_own_whatever_the_client_says(packet: common.PacketID) -> None:
    async def scenario() -> None:
        async with scene() as it:
            one = it.plain()
            header, *_ = await paper(one)
            placed = [await one.must(2202, order(header, packet)) for _ in range(2)]
            change = trd_modify_order.C2S(
                packet_id=packet,
                header=header,
                order_id=placed[0].order_id,
                modify_order_op=trd_common.ModifyOrderOp.CANCEL,
            )
            await one.must(2205, change)
            await one.ask(2227, combo(header, packet))
            again = trd_reconfirm_order.C2S(
                packet_id=packet, header=header, order_id=placed[1].order_id, reconfirm_reason=1
            )
            await one.ask(2237, again)
            orders = [c2s for number in (2202, 2205, 2227, 2237) for c2s in it.upstream(number)]
            assert len(orders) == 5
            assert {c2s.packet_id.conn_id for c2s in orders} == {it.upstream_id}
            assert len({c2s.packet_id.serial_no for c2s in orders}) == 5

    run(scenario())


def combo(header: trd_common.TrdHeader, packet: common.PacketID) -> trd_place_combo_order.C2S:
    """An order of two legs."""
    legs = tuple(
        qot_common.ComboLeg(
            security=Security(market=QotMarket.HK_SECURITY, code=code), side=side, qty_ratio=1.0
        )
        for code, side in (("00700", TrdSide.BUY), ("00005", TrdSide.SELL))
    )
    return trd_place_combo_order.C2S(
        packet_id=packet,
        header=header,
        combo_legs=legs,
        order_type=OrderType.NORMAL,
        qty=1.0,
        price=1.0,
    )


LOOKING = ("trade:simulate", "acc:read")


def changed(
    header: trd_common.TrdHeader, order_id: int, op: ModifyOrderOp = ModifyOrderOp.NORMAL, **to: Any
) -> trd_modify_order.C2S:
    """A change of an order."""
    return trd_modify_order.C2S(
        packet_id=NO_PACKET, header=header, order_id=order_id, modify_order_op=op, **to
    )


CHANGES: list[tuple[dict[str, Any], int, str | None]] = [
    ({"symbols": ("HK.00700",), "sides": ("buy",), "max_order_value": Decimal(30000)}, 2, None),
    ({"markets": ("US",)}, 2, "market HK is not among"),
    ({"symbols": ("HK.00005",)}, 2, "HK.00700 is not among"),
    ({"sides": ("sell",)}, 2, "may not buy"),
    ({"max_order_value": Decimal(29999)}, 2, "worth 30000"),
    ({"accounts": (1,), "markets": ("US",)}, 0, "not among those of key"),
    ({"orders_per_minute": 2}, 0, None),
]


@pytest.mark.parametrize(("limits", "questions", "reason"), CHANGES)
def test_an_order_of_before_is_asked_for_and_held_to_the_limits(
    limits: dict[str, Any], questions: int, reason: str | None
) -> None:
    """OpenD has it from elsewhere, as after a restart of the gateway."""

    async def scenario() -> None:
        async with scene(keys={"held": (*LOOKING, limits)}) as it:
            desk, held = it.plain(), it.plain("held")
            header, *_ = await paper(desk)
            placed = await desk.must(2202, order(header))
            change = changed(header, placed.order_id, qty=100.0, price=300.0)
            for _ in range(2):  # what has been found is not remembered
                if reason is None:
                    await held.must(2205, change)
                else:
                    status, text = await held.status(2205, change)
                    assert status == "PERMISSION_DENIED"
                    assert reason in text
            assert len(it.upstream(2201)) == questions
            assert len(it.upstream(2205)) == (2 if reason is None else 0)

    run(scenario())


def test_an_order_that_opend_does_not_list_cannot_be_changed() -> None:
    async def scenario() -> None:
        async with scene(keys={"held": (*LOOKING, {"sides": ("buy",)})}) as it:
            desk, held = it.plain(), it.plain("held")
            header, *_ = await paper(desk)
            change = changed(header, 12345, qty=100.0, price=300.0)
            elsewhere = replace(change, header=replace(header, acc_id=7))
            for c2s, reason in (
                (change, "OpenD lists no such order"),
                (elsewhere, "OpenD does not say"),
            ):
                status, text = await held.status(2205, c2s)
                assert status == "PERMISSION_DENIED"
                assert reason in text
            # To cancel is always allowed: what comes of it is OpenD's to say.
            cancel = replace(change, modify_order_op=trd_common.ModifyOrderOp.CANCEL)
            assert await held.refused(2205, cancel)
            assert len(it.upstream(2205)) == 1

    run(scenario())


def test_an_order_that_others_have_made_larger_does_not_come_back() -> None:
    async def scenario() -> None:
        most = {"max_order_value": Decimal(30000)}
        keys = {"held": (*LOOKING, most), "blind": ("trade:simulate", most)}
        async with scene(keys=keys) as it:
            desk, held, blind = it.plain(), it.plain("held"), it.plain("blind")
            header, *_ = await paper(desk)
            order_id = (await held.must(2202, order(header))).order_id
            enable = changed(header, order_id, ModifyOrderOp.ENABLE)
            disable = changed(header, order_id, ModifyOrderOp.DISABLE)
            await desk.must(2205, disable)
            await held.must(2205, enable)
            await desk.must(2205, changed(header, order_id, qty=1000.0, price=300.0))
            await desk.must(2205, disable)
            status, text = await held.status(2205, enable)
            assert (status, "worth 300000" in text) == ("PERMISSION_DENIED", True)
            asked = len(it.upstream(2201))
            status, text = await blind.status(2205, enable)
            assert (status, "lacks acc:read" in text) == ("PERMISSION_DENIED", True)
            assert len(it.upstream(2201)) == asked == 2

    run(scenario())


def test_orders_that_do_not_go_out_leave_their_minute_to_others() -> None:
    async def scenario() -> None:
        async with scene(keys={"held": (*LOOKING, {"orders_per_minute": 2})}) as it:
            held = it.plain("held")
            header, *_ = await paper(held)
            it.wire.down()
            await until(lambda: "upstream_up 0.0" in it.gateway.metrics.text())
            for _ in range(3):
                assert (await held.status(2202, order(header)))[0] == "UNAVAILABLE"
            it.wire.up()
            await until(lambda: "upstream_up 1.0" in it.gateway.metrics.text())
            # One that OpenD refuses has gone out, and so has one that is lost on its way.
            assert "out of bounds" in await held.refused(2202, replace(order(header), price=1.0))
            await it.opend.fault("silence", proto_id=2202)
            lost = asyncio.ensure_future(held.status(2202, order(header)))
            await until(lambda: len(it.upstream(2202)) == 2)
            it.wire.cut()
            assert "is not known" in (await lost)[1]
            status, text = await held.status(2202, order(header))
            assert (status, "2 orders a minute" in text) == ("RESOURCE_EXHAUSTED", True)

    run(scenario())
