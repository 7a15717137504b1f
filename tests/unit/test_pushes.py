"""Push kinds, queues and the router, without IO."""

from __future__ import annotations

from typing import Any

import pytest

from futukit import codec
from futukit.core.pushes import PushQueue, PushRouter, push_kind
from futukit.core.securities import to_security
from futukit.errors import UsageError
from futukit.messages import (
    qot_common,
    qot_get_event_contract_ticker,
    qot_update_broker,
    qot_update_event_contract_ticker,
    qot_update_kl,
    qot_update_order_book,
    registry,
)
from futukit.messages.common import RetType
from futukit.messages.qot_common import KLType, RehabType

HK, US = to_security("HK.00700"), to_security("US.AAPL")


def broker(security: qot_common.Security = HK) -> qot_update_broker.S2C:
    return qot_update_broker.S2C(security=security)


def body(s2c: Any) -> bytes:
    return codec.encode(qot_update_broker.Response(ret_type=RetType.SUCCEED, s2c=s2c))


@pytest.mark.parametrize("proto_id", sorted(registry.PUSH_IDS))
def test_every_push_has_a_kind_by_id_and_by_class(proto_id: int) -> None:
    kind = push_kind(proto_id)
    assert kind.proto_id == proto_id
    if registry.row(proto_id).module is None:
        assert kind.response is None
    else:
        assert push_kind(registry.response_class(proto_id)).proto_id == proto_id


def test_the_quote_pushes_that_name_no_security_are_known() -> None:
    nameless = {i for i in registry.PUSH_IDS if i > 3000 and not push_kind(i).names_security}
    assert nameless == {3017, 3261, 3310}


def test_a_key_tells_k_lines_apart() -> None:
    kind = push_kind(qot_update_kl.Response)
    s2c = qot_update_kl.S2C(security=HK, kl_type=KLType.DAY, rehab_type=RehabType.NONE)
    assert set(kind.key(s2c)) == {HK, KLType.DAY, RehabType.NONE}
    assert push_kind(qot_update_order_book.Response).key(broker()) == (HK,)


def test_a_key_of_rows_names_every_row() -> None:
    kind = push_kind(qot_update_event_contract_ticker.Response)
    row = qot_get_event_contract_ticker.TickerItem
    rows = tuple(row(code=code) for code in (HK, US))
    assert kind.key(qot_update_event_contract_ticker.S2C(ticker_list=rows)) == (HK, US)


def test_a_blocking_queue_grows_and_says_that_it_is_full() -> None:
    queue = PushQueue(push_kind(3015), "block", 2)
    for number in range(3):
        assert queue.full == (number >= 2)
        queue.put(number)
    assert (len(queue), queue.received, queue.dropped) == (3, 3, 0)
    assert [queue.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(IndexError):
        queue.get()


def test_a_conflating_queue_is_bounded_too() -> None:
    queue = PushQueue(push_kind(3015), "conflate", 2)
    for code in ("1", "2", "1", "3"):
        queue.put(broker(to_security(f"HK.{code}")))
    assert (len(queue), queue.received, queue.dropped) == (2, 4, 2)
    assert [queue.get().security.code for _ in range(2)] == ["2", "3"]
    queue.put(broker())
    queue.clear()
    queue.put(broker())
    assert len(queue) == 1


def test_a_router_decodes_once_for_all() -> None:
    router, kind = PushRouter(), push_kind(qot_update_broker.Response)
    one: list[Any] = []
    two: list[Any] = []
    put_one, put_two = one.append, two.append
    router.add(kind, put_one)
    router.add(kind, put_two)
    router.sinks[kind.proto_id](body(broker()))
    assert one[0] is two[0]
    router.remove(kind, put_one)
    router.sinks[kind.proto_id](body(broker()))
    assert (len(one), len(two)) == (1, 2)
    router.remove(kind, put_two)
    assert router.sinks == {}
    router.remove(kind, put_two)


def test_the_same_handler_may_listen_twice() -> None:
    router, kind = PushRouter(), push_kind(qot_update_broker.Response)
    seen: list[Any] = []
    put = seen.append
    router.add(kind, put)
    router.add(kind, put)
    router.sinks[kind.proto_id](body(broker()))
    router.remove(kind, put)
    router.sinks[kind.proto_id](body(broker()))
    assert len(seen) == 3


def test_a_push_that_is_a_refusal_is_an_error() -> None:
    router, kind = PushRouter(), push_kind(qot_update_broker.Response)
    router.add(kind, pytest.fail)
    refusal = qot_update_broker.Response(ret_type=RetType.FAILED, ret_msg="no", s2c=broker())
    for wrong in (codec.encode(refusal), b"", b"\x08\x00", b"\xff"):
        router.sinks[kind.proto_id](wrong)
    assert router.errors == 4


@pytest.mark.parametrize("push", ["Qot_UpdateTicker", None, 3.5])
def test_what_names_no_push_is_refused(push: Any) -> None:
    with pytest.raises(UsageError, match="Response class or proto id"):
        push_kind(push)


def test_a_message_of_the_same_name_elsewhere_is_no_push() -> None:
    fake = type("Response", (), {"__module__": "elsewhere.qot_update_broker"})
    with pytest.raises(UsageError):
        push_kind(fake)
