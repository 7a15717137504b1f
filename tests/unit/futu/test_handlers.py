"""Handlers of pushes, each called by hand with a typed push."""

from __future__ import annotations

from typing import Any

import pandas
import pytest

from futukit.futu import _handlers, handlers
from futukit.futu.handlers import (
    KeepAliveHandlerBase,
    RspHandlerBase,
    SysNotifyHandlerBase,
    handler_kind,
)
from futukit.futu.outcome import RET_OK
from futukit.messages import common, notify, qot_common, qot_update_broker, qot_update_ticker
from futukit.messages.notify import NotifyType
from futukit.sim.notices import make_notice

BASES = [getattr(_handlers, name) for name in _handlers.__all__]
SUCCEED = common.RetType.SUCCEED
TENCENT = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")


def told(kind: str, **fields: Any) -> Any:
    ret, content = SysNotifyHandlerBase().on_recv_rsp(make_notice(kind, fields))
    assert ret == RET_OK
    return content


def test_there_is_a_base_for_each_of_the_ten_kinds_and_for_heartbeats() -> None:
    kinds = {base.proto_id for base in (*BASES, SysNotifyHandlerBase, KeepAliveHandlerBase)}
    assert kinds >= {1003, 1004, 2208, 2218, 3005, 3007, 3009, 3011, 3013, 3015, 3019}


@pytest.mark.parametrize("base", [*BASES, SysNotifyHandlerBase, KeepAliveHandlerBase])
def test_a_handler_is_of_the_kind_of_its_base(base: type[RspHandlerBase]) -> None:
    derived = type("Derived", (base,), {})
    assert handler_kind(derived()) == base.proto_id


def test_what_derives_from_no_base_has_no_kind() -> None:
    class Alike:
        proto_id = 3005

        def on_recv_rsp(self, rsp_pb: Any) -> None:
            """Would do."""

    for handler in (Alike(), RspHandlerBase(), None, 5, SysNotifyHandlerBase):
        assert handler_kind(handler) is None


def test_the_base_of_all_does_nothing() -> None:
    assert RspHandlerBase().on_recv_rsp(object()) == (RET_OK, None)
    assert RspHandlerBase().on_recv_log("x") is None  # type: ignore[func-returns-value]
    assert KeepAliveHandlerBase().on_recv_rsp(object())[0] == RET_OK


def test_an_event_of_opend() -> None:
    assert told("gtw_event", event_type="KICKED_OUT", desc="elsewhere") == (
        "GTW_EVENT",
        "KickedOut",
        "elsewhere",
    )
    assert told("gtw_event", event_type=77, desc="")[1] == "N/A"


def test_the_state_of_opend() -> None:
    assert told("program_status", status="READY") == ("PROGRAM_STATUS", "READY", "")
    wanted = ("PROGRAM_STATUS", "NEED_PHONE_VERIFY_CODE", "soon")
    assert told("program_status", status="NEED_PHONE_VERIFY_CODE", desc="soon") == wanted
    assert told("program_status", status=77)[1] == "N/A"


def test_the_logins_of_opend() -> None:
    content = told("conn_status", qot_logined=True, trd_logined=False)
    assert content == ("CONN_STATUS", None, {"qot_logined": True, "trd_logined": False})


def test_the_quote_rights() -> None:
    kind, sub_kind, content = told("qot_right", hk="LEVEL_1", us="NO", cn="BMP")
    assert (kind, sub_kind) == ("QOT_RIGHT", None)
    assert (content["hk_qot_right"], content["us_qot_right"]) == ("LV1", "NO")


def test_a_level() -> None:
    level = notify.APILevel(api_level="V3")
    s2c = notify.S2C(type=NotifyType.API_LEVEL, api_level=level)
    assert _heard(s2c) == ("API_LEVEL", None, {"api_level": "V3"})


@pytest.mark.parametrize("kind", [kind for kind in NotifyType if kind != NotifyType.NONE])
def test_a_notice_without_its_content(kind: NotifyType) -> None:
    assert _heard(notify.S2C(type=kind))[1:] == (None, None)


@pytest.mark.parametrize("kind", ["api_quota", "used_quota"])
def test_a_notice_that_programs_learn_nothing_of(kind: str) -> None:
    assert told(kind)[1:] == (None, None)


def test_a_notice_of_a_kind_to_come() -> None:
    assert _heard(notify.S2C(type=NotifyType(77))) == ("N/A", None, None)


def test_a_push_is_a_table() -> None:
    s2c = qot_update_ticker.S2C(security=TENCENT, name="Tencent")
    push = qot_update_ticker.Response(ret_type=SUCCEED, s2c=s2c)
    ret, table = _handlers.TickerHandlerBase().on_recv_rsp(push)
    assert ret == RET_OK
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns)[:2] == ["code", "name"]
    assert len(table) == 0


def test_a_push_of_brokers_is_a_code_and_two_tables() -> None:
    push = qot_update_broker.Response(ret_type=SUCCEED, s2c=qot_update_broker.S2C(security=TENCENT))
    ret, code, tables = _handlers.BrokerHandlerBase().on_recv_rsp(push)
    assert (ret, code) == (RET_OK, "HK.00700")
    assert [type(table) for table in tables] == [pandas.DataFrame, pandas.DataFrame]


def _heard(s2c: notify.S2C) -> Any:
    push = notify.Response(ret_type=SUCCEED, s2c=s2c)
    return handlers.SysNotifyHandlerBase().on_recv_rsp(push)[1]
