"""Handlers of pushes: a program's object whose ``on_recv_rsp`` is called with each push.

A program for the official SDK overrides ``on_recv_rsp(self, rsp_pb)`` and lets ``super()`` make
the table. Here ``rsp_pb`` is the push as a typed Response message, so a program in a hurry reads
``rsp_pb.s2c`` and makes no table at all.
"""

from __future__ import annotations

from typing import Any, ClassVar

from futukit.futu import _tables
from futukit.futu._enums import GtwEventType, ProgramStatusType, SysNotifyType
from futukit.futu.conversions import NOT_AVAILABLE
from futukit.futu.frames import records
from futukit.futu.outcome import RET_OK, Outcome

__all__ = ["KeepAliveHandlerBase", "RspHandlerBase", "SysNotifyHandlerBase", "handler_kind"]


class RspHandlerBase:
    """The base of all handlers. ``proto_id`` is the push that a handler is for."""

    proto_id: ClassVar[int] = 0

    def on_recv_rsp(self, rsp_pb: Any) -> Outcome:
        """Called with each push, as its Response; one at a time, in a thread of its own."""
        del rsp_pb
        return RET_OK, None

    def on_recv_log(self, content: Any) -> None:
        """For programs that keep a log of pushes and override this; this one keeps none."""


class KeepAliveHandlerBase(RspHandlerBase):
    """Heartbeats, which are the connection's own affair: such a handler is never called."""

    proto_id = 1004


class SysNotifyHandlerBase(RspHandlerBase):
    """What OpenD tells of itself (proto id 1003): its events, its logins, the quote rights."""

    proto_id = 1003

    def on_recv_rsp(self, rsp_pb: Any) -> Outcome:
        """Returns the kind of the notice, its sub-kind (or None), and its content (or None)."""
        s2c = rsp_pb.s2c
        kind = SysNotifyType.to_string2(int(s2c.type))
        sub_kind, content = _NOTICES.get(kind, _nothing)(s2c)
        return RET_OK, (kind, sub_kind, content)


def _nothing(s2c: Any) -> tuple[str | None, Any]:
    del s2c
    return None, None


def _gateway_event(s2c: Any) -> tuple[str | None, Any]:
    if s2c.event is None:
        return None, None
    return GtwEventType._words.get(s2c.event.event_type, NOT_AVAILABLE), s2c.event.desc


def _program_status(s2c: Any) -> tuple[str | None, Any]:
    if s2c.program_status is None:
        return None, None
    status = s2c.program_status.program_status
    word = ProgramStatusType._words.get(status.type, ProgramStatusType.NONE)
    return word, status.str_ext_desc or ""


def _connect_status(s2c: Any) -> tuple[str | None, Any]:
    status = s2c.connect_status
    if status is None:
        return None, None
    return None, {"qot_logined": status.qot_logined, "trd_logined": status.trd_logined}


def _quote_rights(s2c: Any) -> tuple[str | None, Any]:
    if s2c.qot_right is None:
        return None, None
    return None, records(_tables.quote_rights((s2c.qot_right,), s2c))[0]


def _api_level(s2c: Any) -> tuple[str | None, Any]:
    return None, None if s2c.api_level is None else {"api_level": s2c.api_level.api_level}


_NOTICES = {
    SysNotifyType.GTW_EVENT: _gateway_event,
    SysNotifyType.PROGRAM_STATUS: _program_status,
    SysNotifyType.CONN_STATUS: _connect_status,
    SysNotifyType.QOT_RIGHT: _quote_rights,
    SysNotifyType.API_LEVEL: _api_level,
}


def handler_kind(handler: object) -> int | None:
    """The push that a handler is for; None if its class derives from none of the bases."""
    return (handler.proto_id or None) if isinstance(handler, RspHandlerBase) else None
