"""A push on the server's side: encoded once for everybody."""

from __future__ import annotations

from futukit import codec
from futukit.core.push import Push
from futukit.messages import qot_update_kl, qot_update_ticker
from futukit.messages.common import RetType
from futukit.messages.futu_service import PushEvent
from futukit.messages.qot_common import QotMarket, Security, SubType

TICKER = 3011
MESSAGE = qot_update_ticker.Response(
    ret_type=RetType.SUCCEED,
    s2c=qot_update_ticker.S2C(security=Security(market=QotMarket.HK_SECURITY, code="00700")),
)


def test_each_form_is_made_once() -> None:
    push = Push(TICKER, MESSAGE)
    for body_format in (0, 1):
        body = push.body_in(body_format)
        assert body == codec.encode_body(MESSAGE, body_format, server=True)
        assert push.body_in(body_format) is body
    assert push.event() is push.event()
    assert push.facts is push.facts


def test_the_event_tells_what_the_push_is_about() -> None:
    push = Push(TICKER, MESSAGE)
    event = codec.decode(PushEvent, push.event())
    assert (event.proto_id, event.event_type, event.sec_key) == (TICKER, "quote", "1_00700")
    assert (event.sub_type, event.acc_id or 0) == (SubType.TICKER, 0)
    assert event.body == codec.encode(MESSAGE)
    assert push.facts == ("quote", "1_00700", SubType.TICKER, 0)


def test_a_body_that_is_there_is_not_made_again() -> None:
    body = b"as it came"
    push = Push(TICKER, MESSAGE, body)
    assert push.body_in(0) is body
    assert codec.decode(PushEvent, push.event()).body == body
    assert push.body_in(1) == codec.encode_body(MESSAGE, 1, server=True)


def test_a_push_without_content_is_about_nothing() -> None:
    failure = qot_update_kl.Response(ret_type=RetType.FAILED)
    assert Push(3007, failure).facts == ("quote", "", 0, 0)
