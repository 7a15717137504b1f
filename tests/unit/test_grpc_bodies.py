"""The rule about gRPC bodies, branch by branch, and what is told beside a push."""

from __future__ import annotations

import pytest

from futukit import codec
from futukit.core.grpc_bodies import PushFacts, facts_of_push, whole_request
from futukit.core.requests import request_kind
from futukit.enums import KLType, RehabType, SubType
from futukit.errors import DecodeError, UsageError
from futukit.messages import (
    common,
    get_global_state,
    notify,
    qot_common,
    qot_get_basic_qot,
    qot_get_event_contract_category,
    qot_update_kl,
    qot_update_ticker,
    registry,
    skill_wrap_api,
    test_cmd,
    trd_common,
    trd_update_order_fill,
)
from futukit.messages.futu_service import WHOLE_ONLY
from futukit.sim.topics import KL_SUB_TYPES

SECURITY = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")
BASIC = qot_get_basic_qot.Request(c2s=qot_get_basic_qot.C2S(security_list=(SECURITY,)))
CATEGORY = qot_get_event_contract_category.C2S(category="")


def test_a_whole_request_stays_as_it_is() -> None:
    body = codec.encode(BASIC)
    assert whole_request(3004, body) == body


def test_a_bare_c2s_becomes_a_whole_request() -> None:
    assert whole_request(3004, codec.encode(BASIC.c2s)) == codec.encode(BASIC)


def test_no_bytes_are_an_empty_c2s_where_there_can_be_one() -> None:
    kind = request_kind(1005)
    assert whole_request(1005, b"") == codec.encode(kind.request(c2s=kind.c2s()))
    with pytest.raises(DecodeError):
        whole_request(1002, b"")  # its C2S has a required field


@pytest.mark.parametrize("body", [b"\xff", b"\x78\x01", codec.encode(BASIC) + b"\x78\x01"])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="neither a whole request"):
        whole_request(3004, body)


def test_of_what_could_be_both_only_the_whole_is_taken() -> None:
    bare = codec.encode(CATEGORY)
    assert bare == b"\x0a\x00"
    whole = codec.encode(qot_get_event_contract_category.Request(c2s=CATEGORY))
    assert whole_request(3434, whole) == whole
    # These bytes are a C2S with an empty text; as a Request they are one with an empty C2S.
    assert codec.decode(qot_get_event_contract_category.Request, whole_request(3434, bare)).c2s == (
        qot_get_event_contract_category.C2S()
    )
    named = codec.encode(qot_get_event_contract_category.C2S(category="politics"))
    with pytest.raises(DecodeError):
        whole_request(3434, named)


def test_an_ordinary_text_that_is_required_is_no_whole_request() -> None:
    bare = test_cmd.C2S(cmd="x")
    assert whole_request(1008, codec.encode(bare)) == codec.encode(test_cmd.Request(c2s=bare))
    # Only a text that is a message itself is read as the whole: the whole comes first.
    inner = codec.encode(bare)
    strange = codec.encode(test_cmd.C2S(cmd=inner.decode()))
    assert whole_request(1008, strange) == strange


def test_flat_requests_have_one_form() -> None:
    body = codec.encode(skill_wrap_api.TechnicalUnusualReq())
    assert whole_request(3801, body) == body
    with pytest.raises(DecodeError):
        whole_request(3801, b"\xf8\x07\x01")


def test_without_a_schema_bytes_are_bytes() -> None:
    assert whole_request(3200, b"anything") == b"anything"


@pytest.mark.parametrize("proto_id", [0, 3005, 99_999])
def test_what_is_no_request_is_a_usage_error(proto_id: int) -> None:
    with pytest.raises(UsageError):
        whole_request(proto_id, b"")


def test_every_other_c2s_that_can_be_empty_is_told_apart() -> None:
    for row in registry.rows():
        if row.kind != "request" or row.request is None or row.proto_id in WHOLE_ONLY:
            continue
        kind = request_kind(row.proto_id)
        names = () if kind.c2s is None else codec.plan_of(kind.c2s).fields
        if kind.c2s is None or any(field[5] == "required" for field in names):
            continue
        whole = codec.encode(kind.request(c2s=kind.c2s()))
        assert whole_request(row.proto_id, b"") == whole_request(row.proto_id, whole) == whole


def test_the_facts_of_a_quote() -> None:
    s2c = qot_update_ticker.S2C(security=SECURITY, ticker_list=())
    push = qot_update_ticker.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)
    assert facts_of_push(3011, push) == PushFacts("quote", "1_00700", SubType.TICKER, 0)


@pytest.mark.parametrize("kl_type", KLType)
def test_the_facts_of_a_kline_name_its_subscription(kl_type: KLType) -> None:
    s2c = qot_update_kl.S2C(
        rehab_type=RehabType.NONE, kl_type=kl_type, security=SECURITY, kl_list=()
    )
    push = qot_update_kl.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)
    wanted = KL_SUB_TYPES.get(int(kl_type), 0)
    assert facts_of_push(3007, push) == PushFacts("quote", "1_00700", int(wanted), 0)


def test_the_facts_of_a_trade_and_of_a_notice() -> None:
    header = trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.REAL, acc_id=2**63, trd_market=trd_common.TrdMarket.HK
    )
    fill = trd_common.OrderFill(
        trd_side=trd_common.TrdSide.BUY,
        fill_id=1,
        fill_id_ex="1",
        code="00700",
        name="",
        qty=1.0,
        price=1.0,
        create_time="",
    )
    s2c = trd_update_order_fill.S2C(header=header, order_fill=fill)
    traded = trd_update_order_fill.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)
    assert facts_of_push(2218, traded) == PushFacts("trade", "", 0, 2**63)
    told = notify.Response(ret_type=common.RetType.SUCCEED)
    assert facts_of_push(1003, told) == PushFacts("notify", "", 0, 0)
    assert facts_of_push(2240, told) == PushFacts("trade", "", 0, 0)


def test_a_global_state_is_never_taken_for_its_c2s() -> None:
    c2s = get_global_state.C2S(user_id=0)
    assert whole_request(1002, codec.encode(c2s)) == codec.encode(get_global_state.Request(c2s=c2s))
