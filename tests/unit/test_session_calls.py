"""Calls, pushes and the restoring of subscriptions, without IO."""

from __future__ import annotations

import pytest

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Answered, Failed, Lost, Ready, Request
from futukit.core.requests import request_kind
from futukit.core.session.machine import LAST_SERIAL
from futukit.core.states import State
from futukit.errors import (
    BadMagic,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    EncodeError,
    LocalProtocolError,
    RequestTimeout,
    UsageError,
)
from futukit.messages import (
    get_user_info,
    qot_sub,
    registry,
    trd_reconfirm_order,
)
from futukit.messages.common import PacketID, RetType
from tests.unit.sessions import (
    ANSWER,
    ASK,
    HELLO,
    ORDER,
    PUSH,
    SUBSCRIBE,
    USER_INFO,
    Pair,
    order,
    receive,
    welcome_packet,
)


def test_a_call_is_answered() -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0, waiter="mine")
    [request] = pair.to_server()
    assert isinstance(request, Request)
    pair.server.reply(request.envelope, ANSWER)
    assert pair.to_client() == [Answered(call, codec.encode(ANSWER))]
    assert (call.waiter, pair.client.calls) == ("mine", {})


def test_serials_increase_and_skip_what_is_open_when_they_wrap() -> None:
    pair = Pair().ready()
    assert pair.client.request(USER_INFO, ASK, 0.0).serial == 2
    assert pair.client.request(USER_INFO, ASK, 0.0).serial == 3
    pair.client._serial = LAST_SERIAL - 1
    serials = [pair.client.request(USER_INFO, ASK, 0.0).serial for _ in range(3)]
    assert serials == [LAST_SERIAL, 1, 4]


@pytest.mark.parametrize("proto_id", sorted(registry.REQUEST_IDS))
def test_what_is_filled_in_is_decided_by_the_schema(proto_id: int) -> None:
    kind = request_kind(proto_id)
    assert kind.is_order == (proto_id in {2202, 2205, 2227, 2237})
    assert kind.schema == (registry.row(proto_id).module is not None)
    assert (kind.schema and kind.s2c is None) == (proto_id in {3801, 3802, 3803})


def test_an_order_carries_its_connection_and_its_own_serial() -> None:
    pair = Pair().ready()
    call = pair.client.request(ORDER, order(), 0.0)
    [request] = pair.to_server()
    assert isinstance(request, Request)
    sent = codec.decode(trd_reconfirm_order.Request, request.envelope.body)
    assert sent.c2s.packet_id == PacketID(conn_id=77, serial_no=call.serial)
    assert call.in_doubt == (call.serial,)


def test_what_cannot_be_sent_leaves_no_trace() -> None:
    pair = Pair().ready()
    with pytest.raises(UsageError):
        pair.client.request(USER_INFO, HELLO, 0.0)
    with pytest.raises(EncodeError):
        pair.client.request(USER_INFO, get_user_info.C2S(flag=2**40), 0.0)
    with pytest.raises(UsageError):
        pair.client.request(USER_INFO, ASK, 0.0, timeout=0)
    assert (pair.client.calls, pair.client.take()) == ({}, b"")


def test_a_timed_out_call_fails_and_its_late_reply_is_counted() -> None:
    pair = Pair(request_timeout=5.0).ready()
    pair.client.request(ORDER, order(), 0.0)
    [request] = pair.to_server()
    assert isinstance(request, Request)
    assert pair.client.next_deadline == 5.0
    [failed] = pair.client.tick(5.0)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RequestTimeout)
    assert failed.error.requests_in_doubt == (2,)
    pair.server.reply_body(request.envelope, b"")
    assert pair.to_client() == []
    assert (pair.client.late_replies, pair.client.stray_packets) == (1, 0)
    pair.server.reply_body(request.envelope, b"")
    pair.to_client()
    assert (pair.client.late_replies, pair.client.stray_packets) == (1, 1)


def test_a_cancelled_call_is_closed_once() -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0)
    assert pair.client.cancel(call)
    assert not pair.client.cancel(call)
    [request] = pair.to_server()
    assert isinstance(request, Request)
    pair.server.reply(request.envelope, ANSWER)
    assert pair.to_client() == []
    assert pair.client.late_replies == 1


def test_a_call_of_another_session_is_not_cancelled_by_its_serial() -> None:
    old, new = Pair().ready(), Pair().ready()
    stale = old.client.request(USER_INFO, ASK, 0.0)
    fresh = new.client.request(USER_INFO, ASK, 0.0)
    assert stale.serial == fresh.serial
    assert not new.client.cancel(stale)
    assert new.client.calls == {fresh.serial: fresh}


def test_remembering_abandoned_calls_is_bounded() -> None:
    pair = Pair().ready()
    for _ in range(5000):
        pair.client.cancel(pair.client.request(USER_INFO, ASK, 0.0))
    assert len(pair.client._abandoned) == 4096


def test_the_end_fails_every_call_and_drops_what_is_unsent() -> None:
    pair = Pair().ready()
    read = pair.client.request(USER_INFO, ASK, 0.0)
    write = pair.client.request(ORDER, order(), 0.0)
    cause = BadMagic("no frame", 5)
    first, second, lost = pair.client.lose(cause)
    assert isinstance(first, Failed)
    assert isinstance(second, Failed)
    assert (first.call, second.call, lost) == (read, write, Lost(cause))
    assert isinstance(first.error, ConnectionLost)
    assert isinstance(second.error, ConnectionLost)
    assert (first.error.requests_in_doubt, second.error.requests_in_doubt) == ((), (3,))
    assert second.error.__cause__ is cause
    assert pair.client.take() == b""


def test_an_orderly_end_fails_calls_with_client_closed() -> None:
    pair = Pair().ready()
    pair.client.request(ORDER, order(), 0.0)
    [failed] = pair.client.close()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ClientClosed)
    assert failed.error.requests_in_doubt == (2,)


def test_pushes_go_to_their_sink_or_are_counted() -> None:
    pair = Pair().ready()
    pair.server.push_body(PUSH, b"one")
    pair.server.push_body(3013, b"two")
    assert pair.to_client() == []
    assert (pair.pushed, pair.client.unclaimed_pushes) == ([b"one"], 1)


def test_a_push_may_carry_the_serial_of_a_call() -> None:
    pair = Pair().ready()
    call = pair.client.request(USER_INFO, ASK, 0.0)
    events = receive(
        pair.client,
        [Envelope(3013, call.serial, 0, b""), Envelope(USER_INFO, call.serial, 0, b"")],
        0.0,
    )
    assert events == [Answered(call, b"")]


def test_a_sink_may_end_the_session() -> None:
    taken: list[bytes] = []
    client = Pair(restore=()).client

    def sink(body: bytes) -> None:
        taken.append(body)
        client.close()

    client._all_sinks = {PUSH: sink}
    client.connect(0.0)
    receive(client, [welcome_packet()], 0.0)
    receive(client, [Envelope(PUSH, 1, 0, b"1"), Envelope(PUSH, 2, 0, b"2")], 0.0)
    assert taken == [b"1"]


# Restoring.


def test_ready_comes_when_everything_is_restored() -> None:
    wanted = qot_sub.C2S(is_sub_or_un_sub=True, is_first_push=False)
    pair = Pair(restore=[(SUBSCRIBE, wanted), (SUBSCRIBE, wanted)])
    pair.client.connect(0.0)
    pair.to_server()
    assert pair.to_client() == []
    assert pair.client.state is State.RESTORING
    with pytest.raises(LocalProtocolError):
        pair.client.request(USER_INFO, ASK, 0.0)
    first, second = pair.to_server()
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert codec.decode(qot_sub.Request, first.envelope.body).c2s == wanted
    pair.server.push_body(PUSH, b"early")
    pair.server.refuse(second.envelope, "no quota")
    assert pair.to_client() == []
    assert pair.pushed == [b"early"]
    pair.server.reply(first.envelope, qot_sub.Response(ret_type=RetType.SUCCEED))
    [ready] = pair.to_client()
    assert isinstance(ready, Ready)
    assert [error.ret_msg for error in ready.unrestored] == ["no quota"]


def test_restoring_has_its_time_and_keep_alive_does_not_hold_it_up() -> None:
    restore = [(SUBSCRIBE, qot_sub.C2S(is_sub_or_un_sub=True))]
    pair = Pair(restore=restore, request_timeout=20.0)
    pair.client.connect(0.0)
    pair.to_server()
    pair.to_client()
    [request] = pair.to_server()
    assert isinstance(request, Request)
    pair.client.tick(8.0)  # KeepAlive goes out and is not answered
    pair.server.reply(request.envelope, qot_sub.Response(ret_type=RetType.SUCCEED))
    assert isinstance(pair.to_client(8.0)[0], Ready)

    late = Pair(restore=restore, request_timeout=5.0)
    late.client.connect(0.0)
    late.to_server()
    late.to_client()
    [lost] = late.client.tick(5.0)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, ConnectError)
