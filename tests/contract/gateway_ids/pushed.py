"""All pushes of the seed's table, through SubscribePush.

Three keys have a stream each and follow the same things; then two of them lose a scope, and only
then something happens. A notice comes last: whoever has it has had all the rest.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
from msgspec.structs import replace

from futukit import codec
from futukit.core.push import Push
from futukit.enums import OrderType
from futukit.gateway import Gateway
from futukit.gateway.keys import SCOPES, KeyStore
from futukit.messages import qot_sub, registry, trd_sub_acc_push
from futukit.messages.common import RetType
from futukit.messages.futu_service import SUBSCRIBE_PUSH, PushEvent, SubscribePushRequest
from futukit.messages.qot_common import SubType
from futukit.messages.registry import ProtoId
from futukit.sim.simulated import AsyncSimulatedOpenD
from tests.contract.gateway_ids.calling import GrpcDoor, Said, bearer, key_name
from tests.support.questions import SUBSCRIBED, Questions, question
from tests.unit.sim.raw_client import security

LOSERS = {"qot:read": "loses qot:read", "acc:read": "loses acc:read"}
"""The scope that a key loses → its name."""

RAW_PUSH = b"\x0a\x03raw"

_NOTIFY = 1003
_SECONDS = 10.0


class Pushed(NamedTuple):
    """What became of one push.

    ``called`` is how a call of its id ends, ``received`` what came with all scopes, ``lacking``
    what came without the one that it needs (of a notice, which needs none: how the stream of a
    key without scopes ended). ``by_hand``: nothing in the simulator makes it, the run did.
    """

    row: ProtoId
    called: Said
    keyless: Said
    received: tuple[PushEvent, ...]
    lacking: tuple[PushEvent, ...] | Said
    by_hand: bool


async def push_all(
    opend: AsyncSimulatedOpenD,
    gateway: Gateway,
    channel: Any,
    keys: dict[str, str],
    rows: tuple[ProtoId, ...],
    questions: Questions,
) -> tuple[Pushed, ...]:
    """Follow everything, let everything happen, and tell what came."""
    door = GrpcDoor(channel)
    names = ("watcher", *LOSERS.values())
    streams = {name: await _stream(channel, keys[name]) for name in names}
    for name in names:
        await _follow(door, keys[name], questions)
    await _lose(gateway)
    before = (await opend.stats()).pushes
    await _trade(door, keys["watcher"], questions)
    await opend.advance(60)
    after = (await opend.stats()).pushes
    made = {number for number in after if after[number] > before.get(number, 0)} | {_NOTIFY}
    for row in rows:
        if row.proto_id not in made:
            opend.opend.push(tuple(opend.opend.peers), _by_hand(row, questions))
    await opend.notify("gtw_event")
    events = {name: await _events(stream) for name, stream in streams.items()}
    outsider = await _refused(channel, keys["nothing"])
    found = []
    for row in rows:
        proto_id = row.proto_id
        lacking: tuple[PushEvent, ...] | Said = outsider
        if row.access != "none":
            lacking = _of(events[LOSERS[row.access]], proto_id)
        found.append(
            Pushed(
                row,
                await door.call(keys["all"], proto_id, b""),
                await door.call(None, proto_id, b""),
                _of(events["watcher"], proto_id),
                lacking,
                proto_id not in made,
            )
        )
    return tuple(found)


def _of(events: list[PushEvent], proto_id: int) -> tuple[PushEvent, ...]:
    return tuple(event for event in events if event.proto_id == proto_id)


async def _stream(channel: Any, key: str) -> Any:
    asked = codec.encode(SubscribePushRequest())
    stream = channel.unary_stream(SUBSCRIBE_PUSH)(asked, metadata=bearer(key))
    await stream.initial_metadata()  # it is open now
    return stream


async def _refused(channel: Any, key: str) -> Said:
    """How a stream ends that should not begin."""
    try:
        async with asyncio.timeout(_SECONDS):
            await (await _stream(channel, key)).read()
    except grpc.aio.AioRpcError as error:
        return Said(error.code().name, 0, error.details() or "")
    return Said("OK", 0, "")


async def _events(stream: Any) -> list[PushEvent]:
    """What came, to the notice that was sent last."""
    events: list[PushEvent] = []
    async with asyncio.timeout(_SECONDS):
        while not events or events[-1].proto_id != _NOTIFY:
            events.append(codec.decode(PushEvent, await stream.read()))
    stream.cancel()
    return events


async def _follow(door: GrpcDoor, key: str, questions: Questions) -> None:
    quotes = qot_sub.C2S(
        security_list=(security("HK.00700"),),
        sub_type_list=tuple(map(SubType, SUBSCRIBED)),
        is_sub_or_un_sub=True,
        is_reg_or_un_reg_push=True,
        is_first_push=False,
    )
    accounts = trd_sub_acc_push.C2S(acc_id_list=(questions.trader.header.acc_id,))
    for proto_id, c2s in ((3001, quotes), (2008, accounts)):
        said = await door.call(key, proto_id, codec.encode(c2s))
        assert (said.status, said.ret_type) == ("OK", 0), said


async def _lose(gateway: Gateway) -> None:
    """Take a scope from each loser, in the keys file, while its stream is open."""
    store = KeyStore.load(Path(str(gateway.settings.keys)))
    for scope, name in LOSERS.items():
        key = store.remove(key_name(name))
        store.add(replace(key, scopes=tuple(one for one in SCOPES if one != scope)))
    gateway.reload()


async def _trade(door: GrpcDoor, key: str, questions: Questions) -> None:
    """An order that is filled at once."""
    request = await asyncio.to_thread(questions.request, 2202)
    c2s = replace(request.c2s, order_type=OrderType.MARKET, price=None)
    said = await door.call(key, 2202, codec.encode(c2s))
    assert (said.status, said.ret_type) == ("OK", 0), said


def _by_hand(row: ProtoId, questions: Questions) -> Push:
    """A push that the simulator never makes."""
    if row.module is None:
        return Push(row.proto_id, SubscribePushRequest(), RAW_PUSH)
    s2c: Any = question(import_module(f"futukit.messages.{row.module}").S2C, None)
    if "header" in s2c.__struct_fields__:
        s2c = replace(s2c, header=questions.trader.header)
    response = registry.response_class(row.proto_id)
    return Push(row.proto_id, response(ret_type=RetType.SUCCEED, s2c=s2c))
