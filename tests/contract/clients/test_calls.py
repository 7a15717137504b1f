"""Calls: what is sent, what comes back, and every way in which nothing comes back."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from futukit import codec
from futukit._native.frame import Envelope
from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    DecodeError,
    RequestTimeout,
    ServerDisconnected,
    ServerError,
    ServerFailed,
    ServerInvalid,
    ServerTimeout,
    ServerUnknown,
    UsageError,
)
from futukit.messages import (
    get_global_state,
    get_user_info,
    qot_sub,
    skill_wrap_api,
    trd_common,
    trd_place_order,
)
from futukit.messages.common import PacketID, RetType
from tests.contract.clients.conftest import Connect
from tests.contract.clients.faces import states_of, until
from tests.contract.clients.opend import WAIT, Connection, FakeOpenD, refuse, stay_silent

USER_INFO = 1005
PLACE_ORDER = 2202
SUBSCRIBE = 3001
NO_SCHEMA = 3200


def order() -> trd_place_order.C2S:
    return trd_place_order.C2S(
        packet_id=PacketID(conn_id=0, serial_no=0),
        header=trd_common.TrdHeader(
            trd_env=trd_common.TrdEnv.SIMULATE, acc_id=1, trd_market=trd_common.TrdMarket.HK
        ),
        trd_side=trd_common.TrdSide.BUY,
        order_type=trd_common.OrderType.NORMAL,
        code="00700",
        qty=100.0,
    )


def answer_user_info(connection: Connection, envelope: Envelope) -> None:
    s2c = get_user_info.S2C(nick_name="somebody")
    connection.reply(envelope, get_user_info.Response(ret_type=RetType.SUCCEED, s2c=s2c))


def test_a_ready_client_knows_its_connection(opend: FakeOpenD, connect: Connect) -> None:
    client = connect(opend.url, client_id="me", receive_notify=False)
    assert (client.connection_id, client.login_user_id, client.server_version) == (1000, 4711, 1011)
    assert client.state.value == "ready"
    hello = opend.next_connection().session.hello
    assert hello is not None
    assert (hello.client_id, hello.recv_notify) == ("me", False)


def test_a_call_returns_the_s2c(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[USER_INFO] = answer_user_info
    client = connect(opend.url)
    assert client.system.get_user_info().nick_name == "somebody"
    assert client.call(USER_INFO, get_user_info.C2S()).nick_name == "somebody"
    whole = get_user_info.Request(c2s=get_user_info.C2S())
    assert client.call(USER_INFO, whole).nick_name == "somebody"


def test_a_flat_answer_is_returned_whole(opend: FakeOpenD, connect: Connect) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        connection.reply(
            envelope,
            skill_wrap_api.TechnicalUnusualRsp(ret_type=RetType.SUCCEED, content="all quiet"),
        )

    opend.answers[3801] = answer
    client = connect(opend.url)
    result = client.call(3801, skill_wrap_api.TechnicalUnusualReq(stock_symbol="00700"))
    assert result.content == "all quiet"


def test_a_success_without_s2c_is_an_empty_s2c(opend: FakeOpenD, connect: Connect) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        connection.reply(envelope, qot_sub.Response(ret_type=RetType.SUCCEED))

    opend.answers[SUBSCRIBE] = answer
    message = qot_sub.C2S(is_sub_or_un_sub=False, is_unsub_all=True)
    assert connect(opend.url).call(SUBSCRIBE, message) == qot_sub.S2C()


def test_a_success_without_a_required_s2c_is_a_decode_error(
    opend: FakeOpenD, connect: Connect
) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        connection.reply(envelope, get_global_state.Response(ret_type=RetType.SUCCEED))

    opend.answers[1002] = answer
    with pytest.raises(DecodeError) as caught:
        connect(opend.url).system.get_global_state()
    assert (caught.value.proto_id, caught.value.serial) == (1002, 2)


def test_user_id_and_packet_id_are_filled_in(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[PLACE_ORDER] = refuse("no money")
    client = connect(opend.url)
    with pytest.raises(ServerFailed):
        client.call(1002, get_global_state.C2S(user_id=0))
    with pytest.raises(ServerFailed):
        client.call(PLACE_ORDER, order())
    connection = opend.next_connection()
    [asked] = connection.asked(1002)
    assert asked.user_id == 4711
    [placed] = connection.asked(PLACE_ORDER)
    assert placed.packet_id == PacketID(conn_id=1000, serial_no=connection.requests[-1].serial)
    assert placed.code == "00700"


@pytest.mark.parametrize(
    ("ret_type", "error"),
    [
        (-1, ServerFailed),
        (-100, ServerTimeout),
        (-200, ServerDisconnected),
        (-400, ServerUnknown),
        (-500, ServerInvalid),
        (-77, ServerUnknown),
    ],
)
def test_every_ret_type_has_its_error(
    opend: FakeOpenD, connect: Connect, ret_type: int, error: type[ServerError]
) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.refuse(envelope, "why", ret_type, 12)
        connection.write()

    opend.answers[USER_INFO] = answer
    with pytest.raises(error, match="why") as caught:
        connect(opend.url).system.get_user_info()
    assert type(caught.value) is error
    assert (caught.value.ret_type, caught.value.err_code) == (ret_type, 12)
    assert (caught.value.ret_msg, caught.value.proto_id) == ("why", USER_INFO)


def test_a_local_timeout_is_our_own_error_and_its_late_reply_is_dropped(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[USER_INFO] = stay_silent
    client = connect(opend.url)
    with pytest.raises(RequestTimeout) as caught:
        client.system.get_user_info(timeout=0.05)
    assert not isinstance(caught.value, ServerError)
    assert (caught.value.proto_id, caught.value.requests_in_doubt) == (USER_INFO, ())
    connection, late = opend.next_request()
    answer_user_info(connection, late)
    opend.answers[USER_INFO] = answer_user_info
    assert client.system.get_user_info().nick_name == "somebody"
    assert client.counters.late_replies == 1
    assert client.counters.stray_packets == 0


def test_the_timeout_of_the_options_is_the_default(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[USER_INFO] = stay_silent
    client = connect(f"{opend.url}?request_timeout=0.05")
    with pytest.raises(RequestTimeout, match=r"0\.05 s"):
        client.system.get_user_info()


def test_answers_out_of_order_find_their_calls(opend: FakeOpenD, connect: Connect) -> None:
    waiting: list[tuple[Connection, Envelope]] = []
    both = threading.Event()

    def keep(connection: Connection, envelope: Envelope) -> None:
        waiting.append((connection, envelope))
        if len(waiting) == 2:
            both.set()

    opend.answers[USER_INFO] = keep
    client = connect(opend.url)
    first = client.start(lambda c: c.system.get_user_info(flag=1))
    opend.next_request()
    second = client.start(lambda c: c.system.get_user_info(flag=2))
    assert both.wait(WAIT)
    for connection, envelope in reversed(waiting):
        flag = codec.decode(get_user_info.Request, envelope.body).c2s.flag
        s2c = get_user_info.S2C(nick_name=str(flag))
        connection.reply(envelope, get_user_info.Response(ret_type=RetType.SUCCEED, s2c=s2c))
    assert first.result(WAIT).nick_name == "1"
    assert second.result(WAIT).nick_name == "2"


def test_raw_bytes_go_both_ways_unread(opend: FakeOpenD, connect: Connect) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.reply_body(envelope, envelope.body[::-1])
        connection.write()

    opend.answers[NO_SCHEMA] = answer
    client = connect(opend.url)
    assert client.call_bytes(NO_SCHEMA, b"abc") == b"cba"
    assert client.call_bytes(NO_SCHEMA, b"") == b""


def test_the_whole_response_of_a_success_and_the_error_of_a_refusal(
    opend: FakeOpenD, connect: Connect
) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        s2c = get_user_info.S2C(nick_name="me")
        noted = get_user_info.Response(ret_type=RetType.SUCCEED, ret_msg="noted", s2c=s2c)
        connection.reply(envelope, noted)

    opend.answers[USER_INFO] = answer
    client = connect(opend.url)
    response = client.call_response(USER_INFO, get_user_info.C2S())
    assert (response.ret_msg, response.s2c.nick_name) == ("noted", "me")
    opend.answers[USER_INFO] = refuse("no")
    with pytest.raises(ServerFailed, match="no"):
        client.call_response(USER_INFO, get_user_info.C2S())


def test_the_body_of_an_answer_as_it_came(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[USER_INFO] = refuse("no")
    body, serial, body_format = connect(opend.url).call_body(USER_INFO, get_user_info.C2S())
    assert codec.decode(get_user_info.Response, body).ret_msg == "no"
    assert (serial > 0, body_format) == (True, 0)


@pytest.mark.parametrize("body", ["text", 5, None])
def test_a_raw_body_is_bytes_and_nothing_else(
    opend: FakeOpenD, connect: Connect, body: Any
) -> None:
    with pytest.raises(UsageError, match="a body is bytes"):
        connect(opend.url).call_bytes(NO_SCHEMA, body)


def test_who_catches_a_lost_connection_reads_that_it_is_lost(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[USER_INFO] = lambda connection, envelope: connection.cut()
    client = connect(opend.url, reconnect_delay=WAIT, reconnect_max_delay=WAIT)

    def state_when_lost(used: Any) -> Any:
        # The next statement after the call, with no time in between for the handlers to be told.
        try:
            used.system.get_user_info()
        except ConnectionLost:
            return used.state

    assert state_when_lost(client).value == "lost"


def test_raw_bytes_of_a_refusal_raise_nothing(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[USER_INFO] = refuse("no")
    body = codec.encode(get_user_info.Request(c2s=get_user_info.C2S()))
    answer = connect(opend.url).call_bytes(USER_INFO, body)
    assert codec.decode(get_user_info.Response, answer).ret_type == RetType.FAILED


@pytest.mark.parametrize(
    ("proto_id", "message"),
    [
        (USER_INFO, qot_sub.C2S(is_sub_or_un_sub=True)),
        (USER_INFO, None),
        (NO_SCHEMA, get_user_info.C2S()),
        (3011, get_user_info.C2S()),
        (99999, get_user_info.C2S()),
        (1001, get_user_info.C2S()),
        (1004, get_user_info.C2S()),
    ],
)
def test_what_cannot_be_called_is_refused_before_it_is_sent(
    opend: FakeOpenD, connect: Connect, proto_id: int, message: Any
) -> None:
    client = connect(opend.url)
    with pytest.raises(UsageError):
        client.call(proto_id, message)
    opend.answers[USER_INFO] = answer_user_info
    client.system.get_user_info()
    assert [envelope.proto_id for envelope in opend.next_connection().requests] == [USER_INFO]


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_is_above_zero(opend: FakeOpenD, connect: Connect, timeout: float) -> None:
    with pytest.raises(UsageError):
        connect(opend.url).system.get_user_info(timeout=timeout)


def test_calls_in_flight_fail_at_once_when_the_connection_is_lost(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[USER_INFO] = stay_silent
    opend.answers[PLACE_ORDER] = stay_silent
    client = connect(opend.url)
    read = client.start(lambda c: c.system.get_user_info())
    opend.next_request()
    write = client.start(lambda c: c.call(PLACE_ORDER, order()))
    connection, envelope = opend.next_request()
    connection.cut()
    with pytest.raises(ConnectionLost) as caught:
        read.result(WAIT)
    assert caught.value.requests_in_doubt == ()
    with pytest.raises(ConnectionLost) as caught:
        write.result(WAIT)
    assert caught.value.requests_in_doubt == (envelope.serial,)
    assert client.requests_in_doubt == ((1000, envelope.serial, PLACE_ORDER),)


def test_an_order_that_timed_out_is_in_doubt(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[PLACE_ORDER] = stay_silent
    client = connect(opend.url)
    with pytest.raises(RequestTimeout) as caught:
        client.call(PLACE_ORDER, order(), timeout=0.05)
    assert caught.value.requests_in_doubt == (2,)
    assert client.requests_in_doubt == ((1000, 2, PLACE_ORDER),)


@pytest.mark.parametrize(
    ("ret_type", "is_open"), [(-1, False), (-500, False), (-100, True), (-200, True), (-400, True)]
)
def test_an_order_is_in_doubt_where_the_answer_does_not_settle_it(
    opend: FakeOpenD, connect: Connect, ret_type: int, is_open: bool
) -> None:
    def answer(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.refuse(envelope, "well", ret_type)
        connection.write()

    opend.answers[PLACE_ORDER] = opend.answers[USER_INFO] = answer
    client = connect(opend.url)
    doubts: list[int] = []
    for call in (client.call, client.call_response):
        with pytest.raises(ServerError) as caught:
            call(PLACE_ORDER, order())
        doubts += caught.value.requests_in_doubt
    client.call_body(PLACE_ORDER, order())
    assert doubts == ([2, 3] if is_open else [])
    noted = [(1000, serial, PLACE_ORDER) for serial in (2, 3, 4)]
    assert client.requests_in_doubt == (tuple(noted) if is_open else ())
    with pytest.raises(ServerError) as caught:
        client.system.get_user_info()
    assert caught.value.requests_in_doubt == ()
    assert len(client.requests_in_doubt) == len(noted) * is_open


def test_an_order_whose_answer_cannot_be_read_is_in_doubt(
    opend: FakeOpenD, connect: Connect
) -> None:
    def garbled(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.reply_body(envelope, b"\x08")
        connection.write()

    opend.answers[PLACE_ORDER] = garbled
    client = connect(opend.url)
    with pytest.raises(DecodeError) as caught:
        client.call(PLACE_ORDER, order())
    assert caught.value.requests_in_doubt == (2,)
    assert client.requests_in_doubt == ((1000, 2, PLACE_ORDER),)


def test_a_lost_call_is_never_sent_again(opend: FakeOpenD, connect: Connect) -> None:
    opend.answers[PLACE_ORDER] = stay_silent
    client = connect(opend.url)
    states = states_of(client)
    opend.next_connection()
    call = client.start(lambda c: c.call(PLACE_ORDER, order()))
    connection, _ = opend.next_request()
    connection.cut()
    with pytest.raises(ConnectionLost):
        call.result(WAIT)
    until(states, "ready")
    again = opend.next_connection()
    opend.answers[USER_INFO] = answer_user_info
    client.system.get_user_info()
    assert [envelope.proto_id for envelope in again.requests] == [USER_INFO]


def test_close_ends_calls_in_flight_and_is_seen_by_the_server(
    opend: FakeOpenD, connect: Connect
) -> None:
    opend.answers[PLACE_ORDER] = stay_silent
    client = connect(opend.url)
    call = client.start(lambda c: c.call(PLACE_ORDER, order()))
    connection, envelope = opend.next_request()
    client.close()
    with pytest.raises(ClientClosed) as caught:
        call.result(WAIT)
    assert caught.value.requests_in_doubt == (envelope.serial,)
    assert connection.ended.wait(WAIT)
    client.close()
    assert client.state.value == "closed"
    with pytest.raises(ClientClosed):
        client.system.get_user_info()
    with pytest.raises(ClientClosed):
        client.pushes(3011)


def test_a_reply_under_another_id_answers_nothing(opend: FakeOpenD, connect: Connect) -> None:
    def confused(connection: Connection, envelope: Envelope) -> None:
        wrong = Envelope(3004, envelope.serial, 0, envelope.body)
        with connection.lock:
            connection.session.reply_body(wrong, b"")
        connection.write()

    opend.answers[USER_INFO] = confused
    client = connect(opend.url)
    with pytest.raises(RequestTimeout):
        client.system.get_user_info(timeout=0.05)
    assert client.counters.stray_packets == 1


def test_an_answer_that_is_not_the_message_is_a_decode_error(
    opend: FakeOpenD, connect: Connect
) -> None:
    def garbled(connection: Connection, envelope: Envelope) -> None:
        with connection.lock:
            connection.session.reply_body(envelope, b"\x08")
        connection.write()

    opend.answers[USER_INFO] = garbled
    client = connect(opend.url)
    with pytest.raises(DecodeError) as caught:
        client.system.get_user_info()
    assert caught.value.proto_id == USER_INFO
    opend.answers[USER_INFO] = answer_user_info
    assert client.system.get_user_info().nick_name == "somebody"
