"""Connecting, losing a connection, and coming back."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from futukit._native.frame import Envelope, build_frame
from futukit.errors import (
    BadMagic,
    ConnectError,
    ConnectionLost,
    HandshakeError,
    RemoteProtocolError,
    ServerFailed,
    UnexpectedPacket,
    UsageError,
)
from futukit.messages import qot_update_ticker
from futukit.messages.qot_common import RehabType, SubType
from tests.contract.clients.conftest import Connect
from tests.contract.clients.faces import states_of, until
from tests.contract.clients.opend import (
    WAIT,
    Connection,
    FakeOpenD,
    login_notice,
    refuse,
    refuse_connection,
    say,
    stay_silent,
)

SUBSCRIBE = 3001
REGISTER = 3002
ACCOUNTS = 2008


# Connecting.


def test_a_refused_port_is_a_prompt_error(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ConnectError, match=str(port)):
        connect(f"tcp://127.0.0.1:{port}")
    assert time.monotonic() - began < 1


def test_a_name_that_does_not_resolve_is_a_clear_error(connect: Connect) -> None:
    with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
        connect("tcp://nowhere.invalid")


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_name_that_is_no_name_is_a_clear_error(connect: Connect, host: str) -> None:
    with pytest.raises(ConnectError):
        connect(f"tcp://{host}:1")


def test_names_and_ipv6_are_connected_to(connect: Connect) -> None:
    for host, shown in (("127.0.0.1", "localhost"), ("::1", "[::1]")):
        opend = FakeOpenD(host)
        try:
            client = connect(f"tcp://{shown}:{opend.port}")
            assert client.state.value == "ready"
            client.close()
        finally:
            opend.close()


def test_an_init_connect_that_is_refused_says_why(opend: FakeOpenD, connect: Connect) -> None:
    opend.scripts.append(refuse_connection)
    with pytest.raises(HandshakeError, match="the house is full") as caught:
        connect(opend.url)
    assert caught.value.ret_type == -1
    assert opend.tries == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b" " * 44, BadMagic),
        (build_frame(1001, 1, b"\xff\xff"), HandshakeError),
        (build_frame(1001, 1, b"\x08\x00"), HandshakeError),
        (build_frame(1001, 9, b"\x08\x00"), HandshakeError),
        (build_frame(3011, 1, b"\x08\x00"), UnexpectedPacket),
        (build_frame(1001, 1, b"{}", 1), UnexpectedPacket),
        (build_frame(1001, 1, b"\x08\x00")[:-3], RemoteProtocolError),
        (b"", ConnectError),
    ],
    ids=["http", "garbled", "empty", "serial", "push", "json", "half", "closed"],
)
def test_an_init_connect_that_is_answered_with_nonsense_fails(
    opend: FakeOpenD, connect: Connect, data: bytes, error: type[Exception]
) -> None:
    opend.scripts.append(say(data))
    with pytest.raises(error):
        connect(opend.url)


def test_a_silent_opend_is_given_up_after_the_connect_timeout(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.scripts.append(say(b"", close=False))
    with pytest.raises(ConnectError, match="InitConnect"):
        connect(opend.url, connect_timeout=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"encryption": "aes_cbc"},
        {"rsa_key": "key.pem"},
        {"body": "xml"},
        {"push_format": "xml"},
        {"ws_key": "key"},
        {"no_such_option": 1},
        {"request_timeout": 0},
    ],
)
def test_an_option_that_cannot_be_is_refused_before_a_byte_is_sent(
    opend: FakeOpenD, connect: Connect, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        connect(opend.url, **options)
    assert opend.tries == 0


# Losing the connection.


def test_a_lost_connection_comes_back_and_says_so(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    states = states_of(client)
    opend.next_connection().cut()
    assert isinstance(until(states, "lost").reason, ConnectionLost)
    until(states, "connecting")
    assert until(states, "ready").unrestored == ()
    assert client.connection_id == 1001
    assert client.counters.connections == 2
    client.close()
    until(states, "closed")


@pytest.mark.parametrize(
    "failures",
    [
        [refuse_connection],
        [say(b"not a frame at all, but longer than a header is")],
        [say(b"", close=False)],
        [refuse_connection, say(b"FT"), say(b""), refuse_connection],
    ],
    ids=["refused", "garbage", "silent", "several"],
)
def test_a_failed_try_is_tried_again(
    opend: FakeOpenD, connect: Connect, failures: list[Any]
) -> None:
    client = connect(opend.url, connect_timeout=0.2)
    states = states_of(client)
    opend.scripts.extend(failures)
    opend.next_connection().cut()
    until(states, "ready")
    assert opend.tries == 2 + len(failures)


def test_without_reconnect_a_lost_connection_stays_lost(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, reconnect=False)
    states = states_of(client)
    pushes = client.pushes(qot_update_ticker.Response)
    opend.next_connection().cut()
    until(states, "lost")
    with pytest.raises(ConnectionLost):
        next(pushes)
    with pytest.raises(ConnectionLost):
        client.system.get_user_info()
    assert opend.tries == 1


def test_a_call_while_there_is_no_connection_fails_at_once(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url, reconnect_delay=60, reconnect_max_delay=60)
    states = states_of(client)
    opend.next_connection().cut()
    until(states, "lost")
    with pytest.raises(ConnectionLost, match="not connected"):
        client.system.get_user_info()


def test_a_drop_in_mid_frame_leaves_nothing_behind(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    states = states_of(client)
    connection = opend.next_connection()
    connection.sock.sendall(build_frame(3011, 1, b"\x08\x00" * 100)[:60])
    connection.cut()
    assert isinstance(until(states, "lost").reason, RemoteProtocolError)
    until(states, "ready")
    with pytest.raises(ServerFailed):
        client.system.get_global_state()


def test_garbage_in_mid_session_breaks_the_connection_at_once(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[1005] = stay_silent
    client = connect(opend.url)
    states = states_of(client)
    call = client.start(lambda c: c.system.get_user_info())
    connection, _ = opend.next_request()
    connection.sock.sendall(b"\0" * 100)
    with pytest.raises(ConnectionLost) as caught:
        call.result(WAIT)
    assert isinstance(caught.value.__cause__, BadMagic)
    assert isinstance(until(states, "lost").reason, BadMagic)
    until(states, "ready")


def test_a_corrupt_digest_breaks_the_connection(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    states = states_of(client)
    frame = bytearray(build_frame(3011, 1, b"\x08\x00"))
    frame[-1] ^= 1
    opend.next_connection().sock.sendall(frame)
    until(states, "lost")
    until(states, "ready")


def test_keep_alive_is_sent_and_silence_is_death(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, keepalive=0.05)
    states = states_of(client)
    connection = opend.next_connection()
    connection.answers_keep_alive = False
    lost = until(states, "lost")
    assert "nothing for" in str(lost.reason)
    assert connection.keep_alive_came.acquire(timeout=WAIT)
    assert connection.keep_alive_came.acquire(timeout=WAIT)
    until(states, "ready")


def test_keep_alive_keeps_an_idle_connection(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, keepalive=0.02)
    connection = opend.next_connection()
    for _ in range(10):
        assert connection.keep_alive_came.acquire(timeout=WAIT)
    assert client.state.value == "ready"
    assert opend.tries == 1


def test_close_while_reconnecting_is_prompt(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, reconnect_delay=60, reconnect_max_delay=60)
    states = states_of(client)
    opend.next_connection().cut()
    until(states, "lost")
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1
    until(states, "closed")


# Subscriptions.


def test_subscriptions_come_back_exactly_as_they_were_asked_for(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    client.quote.subscribe(["HK.00700", "US.AAPL"], [SubType.TICKER], first_push=False)
    client.quote.subscribe(["HK.00700"], [SubType.ORDER_BOOK], push=False, order_book_detail=True)
    client.quote.subscribe(["US.AAPL"], [SubType.KL_DAY], rehab_types=[RehabType.NONE, 2])
    client.quote.subscribe(["HK.09988"], [SubType.BASIC])
    client.quote.unsubscribe(["HK.09988"], [SubType.BASIC])
    client.trade.sub_acc_push(acc_id_list=[5, 6])
    states = states_of(client)
    first = opend.next_connection()
    first.cut()
    until(states, "ready")
    second = opend.next_connection()
    assert second.asked(SUBSCRIBE) == first.asked(SUBSCRIBE)[:3]
    assert second.asked(ACCOUNTS) == first.asked(ACCOUNTS)
    assert second.asked(REGISTER) == []


def test_a_subscription_that_was_refused_does_not_come_back(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[SUBSCRIBE] = refuse("no quota")
    client = connect(opend.url)
    with pytest.raises(ServerFailed):
        client.quote.subscribe(["HK.00700"], [SubType.TICKER])
    states = states_of(client)
    opend.next_connection().cut()
    until(states, "ready")
    assert opend.next_connection().asked(SUBSCRIBE) == []


def test_what_opend_does_not_take_back_is_reported(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    client.quote.subscribe(["HK.00700"], [SubType.TICKER])
    opend.answers[SUBSCRIBE] = refuse("no quota")
    states = states_of(client)
    opend.next_connection().cut()
    [error] = until(states, "ready").unrestored
    assert error.ret_msg == "no quota"


def test_a_connection_lost_while_restoring_is_a_failed_try(
    opend: FakeOpenD, connect: Connect
) -> None:
    client = connect(opend.url)
    client.quote.subscribe(["HK.00700"], [SubType.TICKER])

    def cut(connection: Connection, envelope: Envelope) -> None:
        del opend.answers[SUBSCRIBE]
        connection.cut()

    opend.answers[SUBSCRIBE] = cut
    states = states_of(client)
    opend.next_connection().cut()
    until(states, "ready")
    opend.next_connection()
    assert len(opend.next_connection().asked(SUBSCRIBE)) == 1


def test_pushes_go_on_after_a_reconnect(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url)
    states = states_of(client)
    pushes = client.pushes(1003)
    opend.next_connection().cut()
    until(states, "ready")
    opend.next_connection().push(1003, login_notice())
    assert next(pushes).connect_status is not None


def test_a_connection_leaves_no_descriptor_behind(opend: FakeOpenD, connect: Connect) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("no /proc")
    connect(opend.url).close()
    opend.next_connection().ended.wait(WAIT)
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        connect(opend.url).close()
        opend.next_connection().ended.wait(WAIT)
    assert len(list(descriptors.iterdir())) <= before
