"""The option ``rate_limit``: what is sent, what waits and what is refused, on both faces."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
import time
from typing import Any

import pytest

from futukit import aio, sync
from futukit.core.limits import RateGuard, Reservation
from futukit.errors import ClientClosed, RateLimited, RequestTimeout, ServerFailed, UsageError
from futukit.messages import get_user_info, qot_get_plate_set, trd_common, trd_modify_order
from futukit.messages.common import PacketID
from futukit.messages.qot_common import PlateSetType, QotMarket
from futukit.sim import SimulatedOpenD
from tests.contract.clients.conftest import Connect
from tests.contract.clients.faces import BlockingDriver, states_of, until
from tests.contract.clients.opend import WAIT, Connection, FakeOpenD, refuse, stay_silent

MODIFY_ORDER = 2205
PLATE_SET = 3204
MOST = 10
BODY = b""


class WatchedGuard(RateGuard):
    """Tells when somebody begins to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def reserve(self, *args: Any) -> Reservation:
        turn = super().reserve(*args)
        if turn.wait:
            self.waits.set()
        return turn

    @property
    def turns(self) -> int:
        [limiter] = self._limiters.values()
        return len(limiter._turns)


def watch(client: Any) -> WatchedGuard:
    guard = WatchedGuard()
    client._guard = guard
    return guard


def fill(client: Any) -> None:
    for _ in range(MOST):
        client.call_bytes(PLATE_SET, BODY)


def asked(opend: FakeOpenD) -> int:
    return sum(len(connection.requests) for connection in opend.connections)


def change(order_id: int) -> trd_modify_order.C2S:
    return trd_modify_order.C2S(
        packet_id=PacketID(conn_id=0, serial_no=0),
        header=trd_common.TrdHeader(
            trd_env=trd_common.TrdEnv.SIMULATE, acc_id=1, trd_market=trd_common.TrdMarket.HK
        ),
        order_id=order_id,
        modify_order_op=trd_common.ModifyOrderOp.CANCEL,
    )


def test_without_the_option_nothing_is_counted(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    for _ in range(3):
        fill(client)
    assert asked(opend) == 3 * MOST


def test_what_is_too_much_is_refused_and_not_sent(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(f"{opend.url}?rate_limit=refuse")
    fill(client)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"Qot_GetPlateSet \(3204\): OpenD takes 10 in 30 s"):
            client.call_bytes(PLATE_SET, BODY)
    with pytest.raises(RateLimited) as caught:
        client.call(
            PLATE_SET,
            qot_get_plate_set.C2S(market=QotMarket.HK_SECURITY, plate_set_type=PlateSetType.ALL),
        )
    assert 20.0 < (caught.value.retry_after or 0.0) < 30.1
    assert caught.value.requests_in_doubt == ()
    assert asked(opend) == MOST
    client.call_bytes(3205, BODY)  # another limit


def test_the_count_outlives_the_connection(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="refuse")
    states = states_of(client)
    fill(client)
    opend.next_connection().cut()
    until(states, "ready")
    with pytest.raises(RateLimited):
        client.call_bytes(PLATE_SET, BODY)


def test_orders_wait_for_their_distance(opend: FakeOpenD, connect: Connect) -> None:
    came: queue.Queue[float] = queue.Queue()

    def note(connection: Connection, envelope: Any) -> None:
        came.put(time.monotonic())
        refuse("no such order")(connection, envelope)

    opend.answers[MODIFY_ORDER] = note
    client = connect(opend.url, rate_limit="queue")
    calls = [
        client.start(lambda c, n=number: c.call(MODIFY_ORDER, change(n))) for number in range(5)
    ]
    for call in calls:
        with pytest.raises(ServerFailed, match="no such order"):
            call.result(WAIT)
    times = [came.get(timeout=WAIT) for _ in calls]
    assert times[-1] - times[0] > 0.12  # 4 distances of 40 ms, less what the first may be late
    orders = [c2s.order_id for c2s in opend.connections[0].asked(MODIFY_ORDER)]
    assert sorted(orders) == [*range(5)]


def test_asyncio_calls_are_sent_in_their_order(opend: FakeOpenD) -> None:
    opend.answers[MODIFY_ORDER] = refuse("no such order")

    async def main() -> None:
        async with aio.connect(opend.url, rate_limit="queue") as client:
            calls = [client.call(MODIFY_ORDER, change(number)) for number in range(5)]
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(main())
    orders = [c2s.order_id for c2s in opend.connections[0].asked(MODIFY_ORDER)]
    assert orders == [*range(5)]


def test_a_wait_beyond_the_timeout_is_refused_at_once(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="queue", request_timeout=20.0)
    fill(client)
    for timeout in (None, 0.5):
        with pytest.raises(RateLimited) as caught:
            client.call_bytes(PLATE_SET, BODY, timeout=timeout)
        assert (caught.value.retry_after or 0.0) > 20.0


def nearly_free(client: Any, wait: float) -> None:
    """Let the window have been filled so long ago that it opens in so many seconds."""
    guard = RateGuard()
    then = time.monotonic() + wait - 30.0
    for _ in range(MOST):
        guard.reserve(PLATE_SET, None, then, 0)
    client._guard = guard


def test_who_waited_is_sent(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="queue")
    nearly_free(client.client, 0.2)
    calls = [client.start(lambda c: c.call_bytes(PLATE_SET, BODY)) for _ in range(MOST)]
    for call in calls:
        assert call.result(WAIT)
    assert asked(opend) == MOST
    with pytest.raises(RateLimited):
        client.call_bytes(PLATE_SET, BODY)


def test_the_wait_counts_within_the_timeout(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[PLATE_SET] = stay_silent
    client = connect(opend.url, rate_limit="queue")
    nearly_free(client.client, 0.5)
    with pytest.raises(RequestTimeout, match=r"no answer to proto id 3204 in 0\.[01]\d* s"):
        client.call_bytes(PLATE_SET, BODY, timeout=0.6)


def test_who_waits_fails_when_the_client_is_closed(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="queue")
    guard = watch(client.client)
    fill(client)
    calls = [client.start(lambda c: c.call_bytes(PLATE_SET, BODY, timeout=100.0)) for _ in range(3)]
    assert guard.waits.wait(WAIT)
    client.close()
    for call in calls:
        with pytest.raises(ClientClosed) as caught:
            call.result(WAIT)
        assert caught.value.requests_in_doubt == ()
    assert asked(opend) == MOST
    assert guard.turns == MOST


def test_others_call_while_one_waits(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="queue")
    guard = watch(client.client)
    fill(client)
    waiting = client.start(lambda c: c.call_bytes(PLATE_SET, BODY, timeout=100.0))
    assert guard.waits.wait(WAIT)
    client.call(1005, get_user_info.C2S())
    assert not waiting.done()
    client.close()
    with pytest.raises(ClientClosed):
        waiting.result(WAIT)


def test_what_cannot_be_sent_does_not_count(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, rate_limit="queue")
    for _ in range(2 * MOST):
        with pytest.raises(UsageError):
            client.call(PLATE_SET, get_user_info.C2S())
        with pytest.raises(UsageError):
            client.call_bytes(PLATE_SET, BODY, timeout="soon")
    fill(client)
    assert asked(opend) == MOST


def test_a_closed_client_says_that_and_nothing_of_limits(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url, rate_limit="refuse")
    fill(client)
    client.close()
    with pytest.raises(ClientClosed):
        client.call_bytes(PLATE_SET, BODY)


def test_a_cancelled_asyncio_call_leaves_the_queue(opend: FakeOpenD) -> None:
    async def main() -> None:
        async with aio.connect(opend.url, rate_limit="queue") as client:
            guard = watch(client)
            for _ in range(MOST):
                await client.call_bytes(PLATE_SET, BODY)
            call = asyncio.ensure_future(client.call_bytes(PLATE_SET, BODY, timeout=100.0))
            while not guard.waits.is_set():
                await client.call(1005, get_user_info.C2S())
            assert guard.turns == MOST + 1
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert caught.value.requests_in_doubt == ()  # type: ignore[attr-defined]
            assert guard.turns == MOST

    asyncio.run(main())


def next_in(client: Any, seconds: float) -> WatchedGuard:
    """Let one turn come in so many seconds, and no other for half a minute."""
    guard = watch(client)
    now = time.monotonic()
    for then in (now + seconds - 30.0, *[now] * (MOST - 1)):
        RateGuard.reserve(guard, PLATE_SET, None, then, 0)
    return guard


def test_a_cancelled_asyncio_call_leaves_its_turn_to_the_next(opend: FakeOpenD) -> None:
    async def main() -> None:
        async with aio.connect(opend.url, rate_limit="queue") as client:
            next_in(client, 0.5)
            first, second = (
                asyncio.ensure_future(client.call_bytes(PLATE_SET, BODY, timeout=100.0))
                for _ in range(2)
            )
            await client.call(1005, get_user_info.C2S())
            first.cancel()
            assert await asyncio.wait_for(second, WAIT)

    asyncio.run(main())


class Interruption(BaseException):
    """What a signal handler raises."""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
def test_an_interrupted_thread_leaves_the_queue(opend: FakeOpenD) -> None:
    def interrupt(*_: object) -> None:
        raise Interruption

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with sync.connect(opend.url, rate_limit="queue") as client:
            guard = watch(client)
            fill(client)
            waiting = threading.get_ident()

            def wake() -> None:
                assert guard.waits.wait(WAIT)
                with client._lock:  # free only once the other waits
                    signal.pthread_kill(waiting, signal.SIGUSR1)

            thread = threading.Thread(target=wake)
            thread.start()
            with pytest.raises(Interruption) as caught:
                client.call_bytes(PLATE_SET, BODY, timeout=100.0)
            thread.join(WAIT)
            assert caught.value.requests_in_doubt == ()  # type: ignore[attr-defined]
            assert guard.turns == MOST
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
def test_an_interrupted_thread_leaves_its_turn_to_the_next(opend: FakeOpenD) -> None:
    def interrupt(*_: object) -> None:
        raise Interruption

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with sync.connect(opend.url, rate_limit="queue") as client:
            guard = next_in(client, 0.5)
            waiting = threading.get_ident()
            behind = BlockingDriver(client)
            calls: queue.Queue[Any] = queue.Queue()

            def wake() -> None:
                assert guard.waits.wait(WAIT)
                guard.waits.clear()
                calls.put(behind.start(lambda c: c.call_bytes(PLATE_SET, BODY, timeout=100.0)))
                assert guard.waits.wait(WAIT)
                with client._lock:  # free only once the others wait
                    signal.pthread_kill(waiting, signal.SIGUSR1)

            thread = threading.Thread(target=wake)
            thread.start()
            with pytest.raises(Interruption):
                client.call_bytes(PLATE_SET, BODY, timeout=100.0)
            thread.join(WAIT)
            assert calls.get(timeout=WAIT).result(WAIT)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("scheme", ["tcp", "ft+ws", "ws"])
def test_it_holds_over_every_scheme(scheme: str, face: Any) -> None:
    with SimulatedOpenD(freeze=True, ws=0) as simulated:
        client = face.connect(simulated.urls[scheme], rate_limit="refuse")
        for _ in range(MOST):
            assert client.quote.get_plate_set(market=1, plate_set_type=0).plate_info_list
        with pytest.raises(RateLimited):
            client.quote.get_plate_set(market=1, plate_set_type=0)
        client.close()
