"""Pushes: iterators, callbacks, and queues that are full."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.messages import (
    get_user_info,
    notify,
    qot_request_history_kl,
    qot_update_kl,
    qot_update_ticker,
)
from futukit.messages.common import RetType
from futukit.messages.qot_common import KLine, KLType
from tests.contract.clients.conftest import Connect
from tests.contract.clients.opend import (
    WAIT,
    Connection,
    FakeOpenD,
    bar,
    login_notice,
    stay_silent,
    ticker,
)

TICKER = 3011
KLINE = 3007
NOTIFY = 1003
NO_SCHEMA = 3017


def settle(client: Any, connection: Connection) -> None:
    """When a later notice has come through, everything pushed before it has been taken."""
    notices = client.pushes(notify.Response)
    connection.push(NOTIFY, login_notice())
    next(notices)
    notices.close()


def test_an_iterator_yields_the_s2c_in_order(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    pushes = client.pushes(qot_update_ticker.Response)
    connection = opend.next_connection()
    for number in range(3):
        connection.push(TICKER, ticker(str(number)))
    assert [next(pushes).security.code for _ in range(3)] == ["0", "1", "2"]
    assert (pushes.received, pushes.dropped, pushes.waiting) == (3, 0, 0)


def test_two_iterators_get_every_push_each(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    both = [client.pushes(TICKER), client.pushes(qot_update_ticker.Response)]
    opend.next_connection().push(TICKER, ticker("00700"))
    assert [next(pushes).security.code for pushes in both] == ["00700", "00700"]


def test_a_push_without_a_schema_comes_as_bytes(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    pushes = client.pushes(NO_SCHEMA)
    connection = opend.next_connection()
    with connection.lock:
        connection.session.push_body(NO_SCHEMA, b"raw")
    connection.write()
    assert next(pushes) == b"raw"


@pytest.mark.parametrize("push", [1002, 99999, get_user_info.Response, int])
def test_only_pushes_can_be_listened_to(opend: FakeOpenD, connect: Connect, push: Any) -> None:
    client = connect(opend.url)
    with pytest.raises(UsageError):
        client.pushes(push)
    with pytest.raises(UsageError):
        client.on(push, print)


@pytest.mark.parametrize("options", [{"policy": "hope"}, {"maxsize": 0}, {"maxsize": -1}])
def test_a_queue_needs_a_policy_and_a_size(
    opend: FakeOpenD, connect: Connect, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        connect(opend.url).pushes(TICKER, **options)


def test_pushes_without_a_security_cannot_be_conflated(opend: FakeOpenD, connect: Connect) -> None:
    with pytest.raises(UsageError, match="security"):
        connect(opend.url).pushes(NOTIFY, policy="conflate")


def test_a_full_queue_drops_its_oldest_and_counts(
    opend: FakeOpenD, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(opend.url)
    pushes = client.pushes(TICKER, maxsize=2)
    connection = opend.next_connection()
    for number in range(5):
        connection.push(TICKER, ticker(str(number)))
    settle(client, connection)
    assert (pushes.received, pushes.dropped, pushes.waiting) == (5, 3, 2)
    assert [next(pushes).security.code for _ in range(2)] == ["3", "4"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_conflating_keeps_the_newest_of_each_security_and_kind(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    pushes = client.pushes(qot_update_kl.Response, policy="conflate")
    connection = opend.next_connection()
    for code, kl_type, name in (
        ("1", KLType.DAY, "a"),
        ("2", KLType.DAY, "b"),
        ("1", KLType.DAY, "c"),
        ("1", KLType.WEEK, "d"),
        ("1", KLType.DAY, "e"),
    ):
        connection.push(KLINE, bar(code, kl_type, name))
    settle(client, connection)
    assert [next(pushes).name for _ in range(3)] == ["e", "b", "d"]
    assert (pushes.received, pushes.dropped, pushes.waiting) == (5, 2, 0)


def test_a_blocking_queue_loses_nothing_and_stops_the_reading(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    pushes = client.pushes(TICKER, policy="block", maxsize=5)
    connection = opend.next_connection()
    total = 3000
    name = "x" * 4000

    def send() -> None:
        for number in range(total):
            connection.push(TICKER, ticker(str(number), name))

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.5)
    assert sender.is_alive()  # the sockets are full: nobody reads
    assert [next(pushes).security.code for _ in range(total)] == [str(n) for n in range(total)]
    sender.join(WAIT)
    assert (pushes.received, pushes.dropped) == (total, 0)


def test_a_call_gets_through_while_a_blocking_queue_is_full(
    opend: FakeOpenD, connect: Connect
) -> None:
    def answer(connection: Connection, envelope: Any) -> None:
        s2c = get_user_info.S2C(nick_name="somebody")
        connection.reply(envelope, get_user_info.Response(ret_type=RetType.SUCCEED, s2c=s2c))

    opend.answers[1005] = answer
    client = connect(opend.url)
    pushes = client.pushes(TICKER, policy="block", maxsize=1)
    connection = opend.next_connection()
    for number in range(10):
        connection.push(TICKER, ticker(str(number)))
    assert client.system.get_user_info().nick_name == "somebody"
    assert [next(pushes).security.code for _ in range(10)] == [str(n) for n in range(10)]
    assert client.system.get_user_info().nick_name == "somebody"


def test_a_full_blocking_queue_is_not_taken_for_a_dead_peer(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url, keepalive=0.02)
    pushes = client.pushes(TICKER, policy="block", maxsize=1)
    connection = opend.next_connection()
    for number in range(3):
        connection.push(TICKER, ticker(str(number)))
    for _ in range(10):  # more than the silence that would be death
        assert connection.keep_alive_came.acquire(timeout=WAIT)
    assert [next(pushes).security.code for _ in range(3)] == ["0", "1", "2"]
    assert opend.tries == 1


def test_close_ends_an_iteration_that_waits(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    pushes = client.pushes(TICKER)
    connection = opend.next_connection()
    connection.push(TICKER, ticker("1"))
    settle(client, connection)
    client.close()
    assert [push.security.code for push in pushes] == ["1"]


def test_a_closed_iterator_yields_nothing_more(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    pushes = client.pushes(TICKER)
    connection = opend.next_connection()
    connection.push(TICKER, ticker("1"))
    settle(client, connection)
    pushes.close()
    pushes.close()
    assert list(pushes) == []
    connection.push(TICKER, ticker("2"))
    settle(client, connection)
    assert pushes.received == 1
    assert client.counters.unclaimed_pushes == 1


def test_an_iterator_that_is_dropped_is_closed(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    connection = opend.next_connection()
    connection.push(TICKER, ticker("1"))
    pushes = client.pushes(TICKER)
    connection.push(TICKER, ticker("2"))
    for _ in pushes:
        break
    del pushes
    connection.push(TICKER, ticker("3"))
    settle(client, connection)
    assert TICKER not in client._router.sinks


def test_every_callback_gets_every_push_until_it_is_closed(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    one: queue.Queue[Any] = queue.Queue()
    two: queue.Queue[Any] = queue.Queue()
    first = client.on(qot_update_ticker.Response, one.put)
    client.on(TICKER, two.put)
    connection = opend.next_connection()
    connection.push(TICKER, ticker("1"))
    assert one.get(timeout=WAIT).security.code == two.get(timeout=WAIT).security.code == "1"
    first.close()
    first.close()
    connection.push(TICKER, ticker("2"))
    assert two.get(timeout=WAIT).security.code == "2"
    assert one.empty()


def test_a_callback_that_raises_is_logged_and_stays(
    opend: FakeOpenD, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(opend.url)
    seen: queue.Queue[Any] = queue.Queue()

    def handler(push: Any) -> None:
        seen.put(push)
        raise ValueError("a mistake")

    other: queue.Queue[Any] = queue.Queue()
    client.on(TICKER, handler)
    client.on(TICKER, other.put)
    connection = opend.next_connection()
    for _ in range(2):
        connection.push(TICKER, ticker())
        seen.get(timeout=WAIT)
        other.get(timeout=WAIT)
    client.close()
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


@pytest.mark.parametrize("handler", [None, 5, "print"])
def test_a_handler_that_cannot_be_called_is_refused(
    opend: FakeOpenD, connect: Connect, handler: Any
) -> None:
    client = connect(opend.url)
    with pytest.raises(UsageError, match="a handler is a function"):
        client.on(TICKER, handler)
    with pytest.raises(UsageError, match="a handler is a function"):
        client.on_state(handler)


def test_a_coroutine_function_is_no_state_handler(opend: FakeOpenD, connect: Connect) -> None:
    async def handler(change: Any) -> None:
        raise AssertionError

    with pytest.raises(UsageError, match="nothing would await it"):
        connect(opend.url).on_state(handler)


def test_a_state_handler_that_raises_is_logged_and_stays(
    opend: FakeOpenD, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(opend.url)
    seen: queue.Queue[Any] = queue.Queue()

    def handler(change: Any) -> None:
        seen.put(change)
        raise ValueError("a mistake")

    client.on_state(handler)
    opend.next_connection().cut()
    for state in ("lost", "connecting", "ready"):
        assert seen.get(timeout=WAIT).state.value == state
    assert "a mistake" in caplog.text


def test_a_push_that_cannot_be_read_is_counted_and_the_next_one_is(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    pushes = client.pushes(TICKER)
    connection = opend.next_connection()
    for body in (b"\x08", b"", b"\x08\x00"):
        with connection.lock:
            connection.session.push_body(TICKER, body)
        connection.write()
    connection.push(TICKER, ticker("1"))
    assert next(pushes).security.code == "1"
    assert client.counters.push_errors == 3


def test_a_push_before_its_first_listener_is_counted(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    connection = opend.next_connection()
    connection.push(TICKER, ticker())
    settle(client, connection)
    assert client.counters.unclaimed_pushes == 1


def test_history_follows_every_page(opend: FakeOpenD, connect: Connect) -> None:
    keys = {None: b"", b"": b"two", b"two": None}

    def answer(connection: Connection, envelope: Any) -> None:
        asked = connection.asked(3103)[-1]
        line = KLine(time=str(asked.next_req_key), is_blank=False)
        s2c = qot_request_history_kl.S2C(
            security=asked.security, kl_list=(line,), next_req_key=keys[asked.next_req_key]
        )
        connection.reply(
            envelope, qot_request_history_kl.Response(ret_type=RetType.SUCCEED, s2c=s2c)
        )

    opend.answers[3103] = answer
    client = connect(opend.url)
    bars = client.history("HK.00700", KLType.DAY, "2024-01-01", "2024-02-01", page_size=1)
    assert [bar.time for bar in bars] == ["None", "b''", "b'two'"]
    first = opend.next_connection().asked(3103)[0]
    assert (first.max_ack_kl_num, first.begin_time, first.end_time) == (
        1,
        "2024-01-01",
        "2024-02-01",
    )


def test_calls_to_a_silent_opend_do_not_hold_up_pushes(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[1005] = stay_silent
    client = connect(opend.url)
    pushes = client.pushes(TICKER)
    call = client.start(lambda c: c.system.get_user_info())
    connection, _ = opend.next_request()
    connection.push(TICKER, ticker("1"))
    assert next(pushes).security.code == "1"
    assert not call.done()
    client.close()
    assert isinstance(call.exception(WAIT), Exception)


def test_logging_says_nothing_of_a_normal_life(
    opend: FakeOpenD, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "futukit")
    client = connect(opend.url)
    client.quote.unsubscribe_all()
    client.close()
    assert [record for record in caplog.records if record.name.startswith("futukit")] == []
