"""What only the asyncio face has: awaiting, cancelling, coroutine handlers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from futukit import aio
from futukit.errors import ClientClosed, ForkedProcessError, UsageError
from futukit.messages import get_user_info, qot_update_ticker
from tests.contract.clients.opend import WAIT, FakeOpenD, stay_silent, ticker
from tests.contract.clients.test_calls import PLACE_ORDER, USER_INFO, answer_user_info, order


@pytest.fixture
def opend() -> Iterator[FakeOpenD]:
    server = FakeOpenD()
    yield server
    server.close()


async def request_of(opend: FakeOpenD) -> Any:
    return await asyncio.to_thread(opend.next_request)


def test_connect_is_awaitable_and_a_context_manager(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info

    async def main() -> None:
        client = await aio.connect(opend.url)
        await client.close()
        async with aio.connect(opend.url) as client:
            assert (await client.system.get_user_info()).nick_name == "somebody"
        assert client.state is aio.ClientState.CLOSED
        async with await aio.connect(opend.url) as client:
            pass
        assert client.state is aio.ClientState.CLOSED

    asyncio.run(main())


def test_connect_refuses_nonsense_before_it_is_awaited() -> None:
    with pytest.raises(UsageError):
        aio.connect("ftp://127.0.0.1")
    with pytest.raises(UsageError):
        aio.connect("tcp://127.0.0.1", encryption="aes_cbc")


def test_many_calls_at_once(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            answers = await asyncio.gather(*[client.system.get_user_info() for _ in range(200)])
            assert {answer.nick_name for answer in answers} == {"somebody"}

    asyncio.run(main())


def test_a_cancelled_call_drops_its_late_reply(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = stay_silent

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            call = asyncio.create_task(client.system.get_user_info())
            connection, late = await request_of(opend)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            answer_user_info(connection, late)
            opend.answers[USER_INFO] = answer_user_info
            await client.system.get_user_info()
            assert client.counters.late_replies == 1
            assert client.requests_in_doubt == ()

    asyncio.run(main())


def test_a_cancelled_order_is_in_doubt(opend: FakeOpenD) -> None:
    opend.answers[PLACE_ORDER] = stay_silent

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            call = asyncio.create_task(client.call(PLACE_ORDER, order()))
            _, envelope = await request_of(opend)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert caught.value.requests_in_doubt == (envelope.serial,)  # type: ignore[attr-defined]
            [doubt] = client.requests_in_doubt
            assert (doubt.serial, doubt.proto_id) == (envelope.serial, PLACE_ORDER)

    asyncio.run(main())


def test_asyncio_timeouts_work_as_everywhere(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = stay_silent

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.system.get_user_info()
            assert client.state is aio.ClientState.READY

    asyncio.run(main())


def test_a_cancelled_connect_leaves_nothing(opend: FakeOpenD) -> None:
    closed: list[bytes] = []

    def script(sock: Any) -> None:
        sock.recv(65536)
        closed.append(sock.recv(1))

    opend.scripts.append(script)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await aio.connect(opend.url)

    asyncio.run(main())
    opend.close()
    assert closed == [b""]


def test_a_coroutine_handler_takes_one_push_at_a_time_and_may_call(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info
    seen: list[str] = []

    async def main() -> None:
        done = asyncio.Event()
        async with aio.connect(opend.url) as client:

            async def handler(push: qot_update_ticker.S2C) -> None:
                await client.system.get_user_info()
                seen.append(push.security.code)
                if push.security.code == "2":
                    done.set()
                raise ValueError("is logged")

            listener = client.on(qot_update_ticker.Response, handler)
            connection = await asyncio.to_thread(opend.next_connection)
            for number in range(3):
                connection.push(3011, ticker(str(number)))
            await asyncio.wait_for(done.wait(), WAIT)
            listener.close()

    asyncio.run(main())
    assert seen == ["0", "1", "2"]


def test_a_handler_may_close_the_client(opend: FakeOpenD) -> None:
    seen: list[str] = []

    async def main() -> None:
        client = await aio.connect(opend.url)
        closed = asyncio.Event()

        async def handler(push: qot_update_ticker.S2C) -> None:
            seen.append(push.security.code)
            await client.close()
            closed.set()

        client.on(3011, handler)
        connection = await asyncio.to_thread(opend.next_connection)
        for number in range(3):
            connection.push(3011, ticker(str(number)))
        await asyncio.wait_for(closed.wait(), WAIT)
        with pytest.raises(ClientClosed):
            await client.system.get_user_info()

    asyncio.run(main())
    assert seen[0] == "0"


def test_two_tasks_at_one_iterator_is_a_mistake(opend: FakeOpenD) -> None:
    async def main() -> None:
        async with aio.connect(opend.url) as client:
            pushes = client.pushes(3011)
            first = asyncio.create_task(anext(pushes))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks"):
                await anext(pushes)
            first.cancel()

    asyncio.run(main())


def test_a_forked_child_is_told(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            client._pid += 1  # as it looks from a child of this process
            with pytest.raises(ForkedProcessError):
                await client.call(USER_INFO, get_user_info.C2S())
            with pytest.raises(ForkedProcessError):
                client.pushes(3011)
            client._pid = os.getpid()

    asyncio.run(main())


def test_another_event_loop_is_told(opend: FakeOpenD) -> None:
    opend.answers[USER_INFO] = answer_user_info

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            call = client.call(USER_INFO, get_user_info.C2S())
            with pytest.raises(UsageError, match="the event loop that made it"):
                await asyncio.to_thread(asyncio.run, call)

    asyncio.run(main())


def test_an_object_with_a_coroutine_for_its_call_is_awaited(opend: FakeOpenD) -> None:
    seen = asyncio.Queue[Any]()

    class Handler:
        async def __call__(self, s2c: Any) -> None:
            await seen.put(s2c)

    async def main() -> None:
        async with aio.connect(opend.url) as client:
            client.on(qot_update_ticker.Response, Handler())
            connection = await asyncio.to_thread(opend.next_connection)
            connection.push(3011, ticker())
            assert (await asyncio.wait_for(seen.get(), WAIT)).security.code == "00700"

    asyncio.run(main())
