"""History K-lines (3103, 3100, 3101), their quota (3104), adjustment factors (3105, 3702)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from futukit.errors import UsageError
from futukit.messages import (
    qot_common,
    qot_get_history_kl,
    qot_get_history_kl_points,
    qot_get_rehab,
    qot_request_history_kl,
    qot_request_history_kl_quota,
    qot_request_rehab,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_rows
from futukit.sim.history import Used
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles
from futukit.types import exchange_time

__all__ = [
    "adjustments",
    "adjustments_of_many",
    "history_klines",
    "history_points",
    "history_quota",
    "old_history_klines",
]

_Fields = qot_common.KLFields
_ATTRIBUTES: Final[dict[int, tuple[str, ...]]] = {
    _Fields.HIGH: ("high_price",),
    _Fields.OPEN: ("open_price",),
    _Fields.LOW: ("low_price",),
    _Fields.CLOSE: ("close_price",),
    _Fields.LAST_CLOSE: ("last_close_price",),
    _Fields.VOLUME: ("volume", "hp_volume"),
    _Fields.TURNOVER: ("turnover",),
    _Fields.TURNOVER_RATE: ("turnover_rate",),
    _Fields.PE: ("pe",),
    _Fields.CHANGE_RATE: ("change_rate",),
}
_UNBOUNDED_ROWS: Final = 20_000
"""A request that sets no bound gets so many rows, and a key for more: a frame has its limits."""

_NEIGHBOURHOODS_DAYS: Final = (1, 15, 400)
"""Where to look for the K-line next to a time: nearby first, for there are many short ones."""

_Mode = qot_get_history_kl_points.NoDataMode
_Status = qot_get_history_kl_points.DataStatus


@handles(3103)
def history_klines(call: Call, c2s: qot_request_history_kl.C2S) -> qot_request_history_kl.S2C:
    """One page of K-lines. ``nextReqKey`` is absent on the last page, and only there."""
    most = _rows_asked(call, c2s.max_ack_kl_num)
    key = call.key_of(c2s.security)
    page = call.opend.market.history(
        key,
        c2s.kl_type,
        c2s.rehab_type,
        c2s.begin_time,
        c2s.end_time,
        most,
        c2s.next_req_key or None,
    )
    call.opend.history_quota.take(key, call.opend.now)
    return qot_request_history_kl.S2C(
        security=c2s.security,
        name=call.opend.market.instrument(key).name,
        kl_list=_picked(page.klines, c2s.need_kl_fields_flag),
        next_req_key=page.next_key,
    )


@handles(3100)
def old_history_klines(call: Call, c2s: qot_get_history_kl.C2S) -> qot_get_history_kl.S2C:
    """The older form: no key, but the time of the first K-line that did not fit."""
    most = _rows_asked(call, c2s.max_ack_kl_num)
    key = call.key_of(c2s.security)
    rows = call.opend.market.history(
        key, c2s.kl_type, c2s.rehab_type, c2s.begin_time, c2s.end_time, most + 1
    ).klines
    call.opend.history_quota.take(key, call.opend.now)
    following = rows[most] if most < len(rows) else None
    return qot_get_history_kl.S2C(
        security=c2s.security,
        kl_list=_picked(rows[:most], c2s.need_kl_fields_flag),
        next_kl_time=None if following is None else following.time,
        next_kl_timestamp=None if following is None else following.timestamp,
    )


@handles(3101)
def history_points(call: Call, c2s: qot_get_history_kl_points.C2S) -> qot_get_history_kl_points.S2C:
    """Single K-lines of several securities, at asked times."""
    if not c2s.security_list or not c2s.time_list:
        raise RefusalError("a security and a time are needed")
    most = c2s.max_req_security_num
    if most is not None:
        check_rows(call.proto_id, most, "maxReqSecurityNum")
    securities = c2s.security_list[:most]
    return qot_get_history_kl_points.S2C(
        kl_point_list=tuple(_points_of(call, c2s, security) for security in securities),
        has_next=None if most is None else most < len(c2s.security_list),
    )


def _points_of(
    call: Call, c2s: qot_get_history_kl_points.C2S, security: qot_common.Security
) -> qot_get_history_kl_points.SecurityHistoryKLPoints:
    key = call.key_of(security)
    call.opend.history_quota.take(key, call.opend.now)
    points = []
    for text in c2s.time_list:
        try:
            wanted = exchange_time(text, int(security.market)).replace(tzinfo=None)
        except UsageError as error:
            raise RefusalError(f"timeList: {error}") from error
        status, row = _point(call, c2s, key, wanted)
        (shown,) = _picked((row,), c2s.need_kl_fields_flag)
        points.append(
            qot_get_history_kl_points.HistoryPointsKL(status=status, req_time=text, kl=shown)
        )
    return qot_get_history_kl_points.SecurityHistoryKLPoints(
        security=security, kl_list=tuple(points)
    )


def _point(
    call: Call, c2s: qot_get_history_kl_points.C2S, key: str, wanted: datetime
) -> tuple[qot_get_history_kl_points.DataStatus, qot_common.KLine]:
    """The K-line at a time; where there is none, what the mode allows in its place."""

    def between(begin: datetime, end: datetime) -> tuple[qot_common.KLine, ...]:
        first, last = (f"{time:%Y-%m-%d %H:%M:%S}" for time in (begin, end))
        return call.opend.market.history(key, c2s.kl_type, c2s.rehab_type, first, last).klines

    for row in between(wanted, wanted):
        return _Status.CURRENT, row
    for days in _NEIGHBOURHOODS_DAYS:
        reach = timedelta(days=days)
        if c2s.no_data_mode == _Mode.FORWARD:
            for row in reversed(between(wanted - reach, wanted)):
                return _Status.PREVIOUS, row
        elif c2s.no_data_mode == _Mode.BACKWARD:
            for row in between(wanted, wanted + reach):
                return _Status.BACK, row
    return _Status.NULL, qot_common.KLine(time=f"{wanted:%Y-%m-%d %H:%M:%S}", is_blank=True)


def _rows_asked(call: Call, asked: int | None) -> int:
    """How many rows to give at most. Raises RefusalError for more than a page may have."""
    if asked is None:
        return _UNBOUNDED_ROWS
    check_rows(call.proto_id, asked, "maxAckKLNum")
    return asked


def _picked(rows: tuple[qot_common.KLine, ...], flag: int | None) -> tuple[qot_common.KLine, ...]:
    """The rows with the asked fields only (bits of KLFields); no flag asks for all of them."""
    if not flag:
        return rows
    left_out = {
        attribute: None
        for bit, attributes in _ATTRIBUTES.items()
        if not flag & bit
        for attribute in attributes
    }
    return tuple(replace(row, **left_out) for row in rows) if left_out else rows


@handles(3104)
def history_quota(
    call: Call, c2s: qot_request_history_kl_quota.C2S
) -> qot_request_history_kl_quota.S2C:
    """Units of history quota in use and left."""
    quota = call.opend.history_quota
    used = quota.used(call.opend.now)
    return qot_request_history_kl_quota.S2C(
        used_quota=len(used),
        remain_quota=quota.quota - len(used),
        detail_list=tuple(_detail(call, unit) for unit in used) if c2s.b_get_detail else (),
    )


def _detail(call: Call, unit: Used) -> qot_request_history_kl_quota.DetailItem:
    market = call.opend.market
    security = market.security(unit.security)
    return qot_request_history_kl_quota.DetailItem(
        security=security,
        name=market.instrument(unit.security).name,
        request_time=call.opend.local_text(unit.since, int(security.market)),
        request_time_stamp=int(unit.since),
    )


@handles(3105)
def adjustments(call: Call, c2s: qot_request_rehab.C2S) -> qot_request_rehab.S2C:
    """What splits and dividends did to one security's prices."""
    rows = call.opend.market.rehab(call.key_of(c2s.security))
    return qot_request_rehab.S2C(rehab_list=rows)


@handles(3702)
def adjustments_of_many(call: Call, c2s: qot_get_rehab.C2S) -> qot_get_rehab.S2C:
    """The same for several securities."""
    return qot_get_rehab.S2C(
        security_rehab_list=tuple(
            qot_get_rehab.SecurityRehab(
                security=security, rehab_list=call.opend.market.rehab(call.key_of(security))
            )
            for security in c2s.security_list
        )
    )
