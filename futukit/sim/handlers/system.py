"""1002 global state, 1005 user, 1007 delay statistics, 1008 test command, 1010 used quota."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from futukit.messages import (
    common,
    get_delay_statistics,
    get_global_state,
    get_user_info,
    qot_common,
    test_cmd,
    used_quota,
)
from futukit.sim.app import SERVER_VERSION, Call
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles

__all__ = ["delay_statistics", "echo_command", "global_state", "used_quotas", "user_info"]

_BUILD: Final = 7108
_DEFAULT_SEGMENTS: Final = (*range(0, 101, 2), 500, 1000, 2000, -1)
_PUSHES: Final = {
    get_delay_statistics.QotPushType.PRICE: 3005,
    get_delay_statistics.QotPushType.TICKER: 3011,
    get_delay_statistics.QotPushType.ORDER_BOOK: 3013,
    get_delay_statistics.QotPushType.BROKER: 3015,
}
_RIGHTS: Final = tuple(
    name for name in get_user_info.S2C.__struct_fields__ if name.endswith("qot_right")
)
_NOT_SIMULATED: Final = ("sg_", "jp_", "my_", "cc_", "ec_")


@handles(1002)
def global_state(call: Call, _c2s: get_global_state.C2S) -> get_global_state.S2C:
    """The states of the markets, the log-ins and the simulated time."""
    now = call.opend.now
    return get_global_state.S2C(
        **call.opend.market.global_state(),
        qot_logined=True,
        trd_logined=True,
        server_ver=SERVER_VERSION,
        server_build_no=_BUILD,
        time=int(now),
        local_time=now,
        program_status=common.ProgramStatus(type=common.ProgramStatusType.READY),
        qot_svr_ip_addr="127.0.0.1",
        trd_svr_ip_addr="127.0.0.1",
        conn_id=call.peer.connection_id,
    )


@handles(1005)
def user_info(call: Call, c2s: get_user_info.C2S) -> get_user_info.S2C:
    """The account that OpenD is logged in with; ``flag`` picks groups of fields."""
    wanted = get_user_info.UserInfoField
    flag = c2s.flag or sum(wanted)
    values: dict[str, Any] = {}
    if flag & wanted.BASIC:
        values |= {
            "nick_name": "Simulated user",
            "avatar_url": "https://example.com/avatar.png",
            "user_id": call.opend.login_user_id,
            "user_attribution": common.UserAttribution.HK,
            "is_app_nn_or_mm": True,
        }
    if flag & wanted.API:
        values |= {
            "sub_quota": call.opend.book.quota,
            "history_kl_quota": call.opend.history_quota.quota,
        }
    if flag & wanted.QOT_RIGHT:
        values |= {name: _right(name) for name in _RIGHTS}
        values["has_us_option_qot_right"] = True
    if flag & wanted.DISCLAIMER:
        values["is_need_agree_disclaimer"] = False
    if flag & wanted.UPDATE:
        values |= {"update_type": get_user_info.UpdateType.NONE, "update_whats_new": ""}
    if flag & wanted.WEB_KEY:
        values |= {"web_key": "", "web_jump_url_head": "https://example.com/jump?"}
    return get_user_info.S2C(**values)


def _right(name: str) -> qot_common.QotRight:
    right = qot_common.QotRight
    return right.NO if name.startswith(_NOT_SIMULATED) else right.LEVEL_2


@handles(1007)
def delay_statistics(call: Call, c2s: get_delay_statistics.C2S) -> get_delay_statistics.S2C:
    """Counts of pushes and replies; the delays are 0: nothing takes simulated time."""
    kind = get_delay_statistics.DelayStatisticsType
    wanted = set(c2s.type_list) or {kind.QOT_PUSH, kind.REQ_REPLY, kind.PLACE_ORDER}
    segments = _segments(c2s.segment_list)
    pushes = call.opend.pushes
    return get_delay_statistics.S2C(
        qot_push_statistics_list=tuple(
            get_delay_statistics.DelayStatistics(
                qot_push_type=push_type,
                item_list=tuple(_delays(segments, pushes[proto_id])),
                delay_avg=0.0,
                count=pushes[proto_id],
            )
            for push_type, proto_id in _PUSHES.items()
            if kind.QOT_PUSH in wanted
        ),
        req_reply_statistics_list=tuple(
            get_delay_statistics.ReqReplyStatisticsItem(
                proto_id=proto_id,
                count=count,
                total_cost_avg=0.0,
                opend_cost_avg=0.0,
                net_delay_avg=0.0,
                is_local_reply=True,
            )
            for proto_id, count in sorted(call.opend.requests.items())
            if kind.REQ_REPLY in wanted
        ),
    )


def _segments(asked: Sequence[int]) -> list[tuple[int, int]]:
    bounds = [0, *asked] if asked and asked[0] else list(asked or _DEFAULT_SEGMENTS)
    if any(begin >= end and end != -1 for begin, end in pairwise(bounds)) or -1 in bounds[:-1]:
        raise RefusalError("segmentList must rise, and only its last entry may be -1")
    return list(pairwise(bounds))


def _delays(
    segments: Sequence[tuple[int, int]], count: int
) -> Iterator[get_delay_statistics.DelayStatisticsItem]:
    for index, (begin, end) in enumerate(segments):
        mine = 0 if index else count
        yield get_delay_statistics.DelayStatisticsItem(
            begin=begin,
            end=end,
            count=mine,
            proportion=100.0 if mine else 0.0,
            cumulative_ratio=100.0 if count else 0.0,
        )


@handles(1008)
def echo_command(_call: Call, c2s: test_cmd.C2S) -> test_cmd.S2C:
    """Say the command and its parameters again: what OpenD's own commands do is not documented."""
    return test_cmd.S2C(cmd=c2s.cmd, result_str=c2s.param_str, result_bytes=c2s.param_bytes)


@handles(1010)
def used_quotas(call: Call, _c2s: used_quota.C2S) -> used_quota.S2C:
    """Units of subscription and of history quota in use."""
    used, option_used = call.opend.book.used()
    history = call.opend.history_quota.used(call.opend.now)
    return used_quota.S2C(used_sub_quota=used + option_used, used_kline_quota=len(history))
