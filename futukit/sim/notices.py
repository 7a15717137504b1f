"""Notify messages (1003): what OpenD tells its clients about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from futukit.errors import UsageError
from futukit.messages import common, notify, qot_common
from futukit.types import OpenEnum

__all__ = ["NOTICES", "make_notice"]

_Type = notify.NotifyType


def _enum_member(enum: type[OpenEnum], value: object) -> OpenEnum:
    """A member by name or number."""
    if isinstance(value, str):
        try:
            return enum[value.upper()]
        except KeyError:
            known = ", ".join(member.name for member in enum)
            raise UsageError(f"{enum.__name__} has no {value!r}: {known}") from None
    if not isinstance(value, int):
        raise UsageError(f"{value!r} is no {enum.__name__}")
    return enum(value)


def _gtw_event(event_type: object = "NONE", desc: str = "") -> notify.S2C:
    event = notify.GtwEvent(event_type=_enum_member(notify.GtwEventType, event_type), desc=desc)  # type: ignore[arg-type]
    return notify.S2C(type=_Type.GTW_EVENT, event=event)


def _program_status(status: object = "READY", desc: str | None = None) -> notify.S2C:
    kind = _enum_member(common.ProgramStatusType, status)
    state = common.ProgramStatus(type=kind, str_ext_desc=desc)  # type: ignore[arg-type]
    return notify.S2C(
        type=_Type.PROGRAM_STATUS, program_status=notify.ProgramStatus(program_status=state)
    )


def _conn_status(qot_logined: bool = True, trd_logined: bool = True) -> notify.S2C:
    status = notify.ConnectStatus(qot_logined=qot_logined, trd_logined=trd_logined)
    return notify.S2C(type=_Type.CONN_STATUS, connect_status=status)


def _qot_right(
    hk: object = "LEVEL_2", us: object = "LEVEL_2", cn: object = "LEVEL_2"
) -> notify.S2C:
    rights: list[Any] = [_enum_member(qot_common.QotRight, right) for right in (hk, us, cn)]
    right = notify.QotRight(hk_qot_right=rights[0], us_qot_right=rights[1], cn_qot_right=rights[2])
    return notify.S2C(type=_Type.QOT_RIGHT, qot_right=right)


def _api_quota(sub_quota: int = 0, history_kl_quota: int = 0) -> notify.S2C:
    quota = notify.APIQuota(sub_quota=sub_quota, history_kl_quota=history_kl_quota)
    return notify.S2C(type=_Type.API_QUOTA, api_quota=quota)


def _used_quota(used_sub_quota: int = 0, used_kline_quota: int = 0) -> notify.S2C:
    used = notify.UsedQuota(used_sub_quota=used_sub_quota, used_kline_quota=used_kline_quota)
    return notify.S2C(type=_Type.USED_QUOTA, used_quota=used)


NOTICES: Final[Mapping[str, Callable[..., notify.S2C]]] = {
    "gtw_event": _gtw_event,
    "program_status": _program_status,
    "conn_status": _conn_status,
    "qot_right": _qot_right,
    "api_quota": _api_quota,
    "used_quota": _used_quota,
}
"""Kind of notice → who makes it. Enums are given by name or number."""


def make_notice(kind: str, fields: Mapping[str, Any]) -> notify.Response:
    """Make a Notify message. Raises UsageError for an unknown kind, field or enum member.

    Fields by kind: gtw_event(event_type, desc), program_status(status, desc),
    conn_status(qot_logined, trd_logined), qot_right(hk, us, cn),
    api_quota(sub_quota, history_kl_quota), used_quota(used_sub_quota, used_kline_quota).
    """
    maker = NOTICES.get(kind)
    if maker is None:
        raise UsageError(f"no notice {kind!r}: there are {', '.join(NOTICES)}")
    try:
        s2c = maker(**fields)
    except TypeError as error:
        raise UsageError(f"{kind}: {error}") from error
    return notify.Response(ret_type=common.RetType.SUCCEED, s2c=s2c)
