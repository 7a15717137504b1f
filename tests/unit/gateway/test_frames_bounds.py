"""What one client may do to the gateway's door for frames: its requests, and its harm."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from futukit import codec
from futukit._native.frame import build_frame
from futukit.channels.serving import MAX_REQUEST_BYTES
from futukit.core.push import Push
from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    DecodeError,
    FutukitError,
    GatewayError,
    RequestTimeout,
    server_error,
)
from futukit.gateway.refusals import denied, exhausted
from futukit.messages import init_connect, keep_alive, notify
from futukit.messages.common import RetType
from tests.unit.gateway.fake_hub import ANSWER, ASK, USER_INFO, Gate, Raw, fine, run, scene, until

NOTIFY = 1003
KEEP_ALIVE = 1004


def response(body: bytes) -> Any:
    """What every Response has in common."""
    return codec.decode(init_connect.Response, body)


# Requests.


@pytest.mark.parametrize(
    ("error", "ret_type", "reason"),
    [
        (denied("not with this key"), RetType.FAILED, "not with this key"),
        (exhausted("slowly", 2.5), RetType.FAILED, "slowly; try again in 2.5 s"),
        (exhausted("soon", 0.01), RetType.FAILED, "soon; try again in 0.1 s"),
        (DecodeError("no field 3"), RetType.FAILED, "the request cannot be read: no field 3"),
        (ConnectionLost("gone"), RetType.DIS_CONNECT, "OpenD is not there"),
        (ClientClosed("the client is closed"), RetType.DIS_CONNECT, "the gateway stops"),
        (
            ConnectionLost("gone", 2202, 5, (5,)),
            RetType.DIS_CONNECT,
            "what became of the order is not known",
        ),
        (RequestTimeout("12 s"), RetType.TIME_OUT, "OpenD did not answer"),
        (server_error(-500, "what?", 7), RetType.INVALID, "what?"),
        (GatewayError("INTERNAL", "oh"), RetType.FAILED, "oh"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, FutukitError) else "",
)
def test_an_error_of_the_hub_is_an_answer(
    error: FutukitError, ret_type: RetType, reason: str
) -> None:
    async def fail(body_format: int) -> bytes:
        raise error

    async def scenario() -> None:
        async with scene(fail) as given:
            client = await given.raw()
            client.send(USER_INFO, 9)
            answer = await client.read()
            assert (answer.proto_id, answer.serial) == (USER_INFO, 9)
            told = response(answer.body)
            assert told.ret_type == ret_type
            assert reason in told.ret_msg
            given.hub.reply = fine
            client.send(USER_INFO, 10)
            assert (await client.read()).body == codec.encode(ANSWER)
            await client.close()

    run(scenario())


def test_keep_alive_is_answered_at_the_door() -> None:
    async def scenario() -> None:
        async with scene(wall_clock=lambda: 1_700_000_000.0) as given:
            client = await given.raw()
            body = codec.encode(keep_alive.Request(c2s=keep_alive.C2S(time=0)))
            client.send(KEEP_ALIVE, 2, body)
            told = codec.decode(keep_alive.Response, (await client.read()).body)
            assert told.s2c is not None
            assert 1_700_000_000 <= told.s2c.time < 1_700_000_060
            assert given.hub.asked.empty()
            await client.close()

    run(scenario())


def test_answers_go_out_as_they_come_and_not_in_turn() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with scene(gate) as given:
            client = await given.raw()
            client.send(USER_INFO, 2)
            await given.hub.asked.get()
            given.hub.reply = fine
            client.send(USER_INFO, 3)
            assert (await client.read()).serial == 3
            gate.open.set()
            assert (await client.read()).serial == 2
            await client.close()

    run(scenario())


def test_with_too_many_requests_under_way_a_client_is_not_read() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with scene(gate, under_way=3) as given:
            client, other = await given.raw(), await given.raw()
            # In one piece: what was read already has to wait, too.
            client.writer.write(b"".join(build_frame(USER_INFO, at, ASK) for at in range(2, 12)))
            await until(lambda: given.hub.asked.qsize() == 3)
            given.hub.reply = fine
            other.send(USER_INFO, 2)
            assert (await other.read()).serial == 2
            assert given.hub.asked.qsize() == 4
            assert len(given.door.requests) == 3
            client.writer.write(b"".join(build_frame(USER_INFO, at, ASK) for at in range(12, 22)))
            gate.open.set()
            assert sorted([(await client.read()).serial for _ in range(20)]) == [*range(2, 22)]
            assert given.hub.asked.qsize() == 21
            await client.close()
            await other.close()

    run(scenario())


def test_a_client_that_is_not_read_is_not_given_up_for_its_silence() -> None:
    async def scenario() -> None:
        gate = Gate()
        async with scene(gate, under_way=1) as given:
            client = await given.raw()
            [connection] = given.door.connections
            client.send(USER_INFO, 2)
            await given.hub.asked.get()
            late = connection.session.next_deadline + 1
            given.door.session_time = lambda: late  # type: ignore[method-assign]
            connection._tick()
            assert connection.session.next_deadline > late
            gate.open.set()
            assert (await client.read()).serial == 2
            later = connection.session.next_deadline + 1
            given.door.session_time = lambda: later  # type: ignore[method-assign]
            connection._tick()
            assert await client.at_end()
            await client.close()

    run(scenario())


def test_who_goes_away_takes_its_requests_along() -> None:
    async def scenario() -> None:
        async with scene(Gate()) as given:
            client = await given.raw()
            for serial in range(2, 7):
                client.send(USER_INFO, serial)
            await until(lambda: given.hub.asked.qsize() == 5)
            client.writer.transport.abort()
            await until(lambda: given.hub.cancelled == 5)
            await until(lambda: not given.door.requests)
            assert given.hub.members == {}

    run(scenario())


def test_a_fault_of_the_hub_ends_the_connection_and_is_heard_of() -> None:
    async def burst(body_format: int) -> bytes:
        raise ZeroDivisionError

    async def scenario() -> None:
        async with scene(burst) as given:
            client = await given.raw()
            client.send(USER_INFO, 2)
            assert await client.at_end()
            await client.close()

    run(scenario(), ZeroDivisionError)


# Clients that harm.


def bystander(given: Any) -> Callable[[], Coroutine[Any, Any, None]]:
    """Somebody else, who must notice nothing."""

    async def look() -> None:
        client = await given.raw()
        client.send(USER_INFO, 2)
        assert (await client.read()).serial == 2
        await client.close()

    return look


BIG = notify.Response(
    ret_type=RetType.SUCCEED,
    ret_msg="x" * 100_000,
    s2c=notify.S2C(type=notify.NotifyType.GTW_EVENT),
)


def test_a_client_that_does_not_read_its_pushes_is_cut_and_others_are_served() -> None:
    async def scenario() -> None:
        cut: list[bool] = []
        async with scene(write_limit_bytes=2**20, slow_cut=lambda: cut.append(True)) as given:
            lazy = await given.raw()
            sink = given.hub.member.sink
            good = await given.raw()
            push = Push(NOTIFY, BIG)
            while not cut:
                sink.send_push(push)
            assert (given.door.slow_clients_cut, len(cut)) == (1, 1)
            sink.send_push(push)
            await until(lambda: len(given.hub.members) == 1)
            good.send(USER_INFO, 2)
            assert (await good.read()).serial == 2
            given.hub.member.sink.send_push(push)
            assert (await good.read()).proto_id == NOTIFY
            assert given.door.slow_clients_cut == 1
            await lazy.close()
            await good.close()

    run(scenario())


def test_a_client_that_leaves_its_answers_unread_is_cut_before_they_pile_up() -> None:
    async def large(body_format: int) -> bytes:
        return codec.encode(BIG)

    async def scenario() -> None:
        async with scene(large, write_limit_bytes=2**20, patience_seconds=0.05) as given:
            lazy = await given.raw()
            for serial in range(2, 300):
                lazy.send(USER_INFO, serial)
            await until(lambda: given.door.slow_clients_cut == 1)
            await until(lambda: not given.hub.members)
            await bystander(given)()
            await lazy.close()

    run(scenario())


def test_a_slow_client_gets_all_its_answers() -> None:
    async def large(body_format: int) -> bytes:
        return codec.encode(BIG)

    async def scenario() -> None:
        async with scene(large, write_limit_bytes=2**20) as given:
            slow = await given.raw()
            for serial in range(2, 102):
                slow.send(USER_INFO, serial)
            [connection] = given.door.connections
            await until(lambda: connection.busy)
            assert sorted([(await slow.read()).serial for _ in range(100)]) == [*range(2, 102)]
            assert given.door.slow_clients_cut == 0
            await slow.close()

    run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [
        b"XX" + bytes(60),
        build_frame(USER_INFO, 2, ASK)[:-1] + b"\xff",
        build_frame(USER_INFO, 2, bytes(MAX_REQUEST_BYTES + 1)),
        build_frame(1001, 2, b"\xff\xff"),
    ],
    ids=["no frame", "wrong digest", "too large", "a second greeting"],
)
@pytest.mark.parametrize("introduced", [True, False])
def test_garbage_ends_its_own_connection_only(garbage: bytes, introduced: bool) -> None:
    async def scenario() -> None:
        async with scene() as given:
            client = await (given.raw() if introduced else Raw.open(given.ports["tcp"]))
            client.writer.write(garbage)
            assert await client.at_end()
            await until(lambda: not given.hub.members)
            await bystander(given)()
            await client.close()

    run(scenario())


def test_a_request_before_the_greeting_ends_the_connection() -> None:
    async def scenario() -> None:
        async with scene() as given:
            client = await Raw.open(given.ports["tcp"])
            client.send(USER_INFO, 1)
            assert await client.at_end()
            assert given.hub.asked.empty()
            await client.close()

    run(scenario())
