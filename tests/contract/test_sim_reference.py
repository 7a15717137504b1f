"""History with its pages and quota, and what the simulator knows about securities."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.messages import (
    get_delay_statistics,
    get_global_state,
    get_user_info,
    qot_common,
    qot_get_future_info,
    qot_get_history_kl,
    qot_get_history_kl_points,
    qot_get_market_state,
    qot_get_option_chain,
    qot_get_option_expiration_date,
    qot_get_owner_plate,
    qot_get_plate_security,
    qot_get_plate_set,
    qot_get_rehab,
    qot_get_security_snapshot,
    qot_get_static_info,
    qot_get_suspend,
    qot_get_warrant,
    qot_request_history_kl,
    qot_request_history_kl_quota,
    qot_request_rehab,
    qot_request_trade_date,
    test_cmd,
    used_quota,
)
from futukit.sim import SimulatedOpenD
from tests.unit.sim.raw_client import RawClient, securities, security

TENCENT = "HK.00700"
DAY = qot_common.KLType.DAY
NONE = qot_common.RehabType.NONE
HISTORY = 3103


def history(**changes: Any) -> qot_request_history_kl.C2S:
    values: dict[str, Any] = {
        "rehab_type": NONE,
        "kl_type": DAY,
        "security": security(TENCENT),
        "begin_time": "2025-01-01",
        "end_time": "2026-02-27",
    }
    return qot_request_history_kl.C2S(**{**values, **changes})


def test_history_pages_join_to_the_whole(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        whole = raw.ask(HISTORY, history())
        assert whole.next_req_key is None
        assert len(whole.kl_list) > 200
        rows: list[qot_common.KLine] = []
        key = None
        while True:
            page = raw.ask(HISTORY, history(max_ack_kl_num=100, next_req_key=key))
            rows += page.kl_list
            key = page.next_req_key
            if key is None:
                break
            assert len(page.kl_list) == 100
        assert tuple(rows) == whole.kl_list


def test_every_field_of_every_row_is_set(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        rows = raw.ask(HISTORY, history()).kl_list
        for row in rows:
            missing = [name for name in row.__struct_fields__ if getattr(row, name) is None]
            assert set(missing) <= {"hp_volume"}


def test_only_the_asked_fields_come(opend: SimulatedOpenD) -> None:
    fields = qot_common.KLFields
    with RawClient(opend.port) as raw:
        flag = fields.CLOSE | fields.VOLUME
        (row, *_) = raw.ask(HISTORY, history(need_kl_fields_flag=flag)).kl_list
        assert row.close_price is not None
        assert row.volume is not None
        assert row.open_price is None
        assert row.turnover is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"max_ack_kl_num": 1001}, "at most 1000"),
        ({"max_ack_kl_num": 0}, "at least 1"),
        ({"begin_time": "yesterday"}, "yesterday"),
        ({"begin_time": "2026-02-02", "end_time": "2026-02-01"}, "after its end"),
        ({"security": security("HK.99999")}, "HK.99999"),
        ({"kl_type": qot_common.KLType(77)}, "77"),
        ({"next_req_key": b"\xff\xfe"}, ""),
    ],
)
def test_impossible_history_is_refused(
    opend: SimulatedOpenD, changes: dict[str, Any], why: str
) -> None:
    with RawClient(opend.port) as raw:
        assert why in raw.refused(HISTORY, history(**changes))


def test_history_without_a_bound_has_one_all_the_same(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        minutes = history(kl_type=qot_common.KLType.K_1MIN, begin_time="", end_time="")
        page = raw.ask(HISTORY, minutes)
        assert len(page.kl_list) == 20_000
        assert page.next_req_key


def test_history_quota_counts_securities(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        for key in (TENCENT, TENCENT, "US.AAPL"):
            raw.ask(HISTORY, history(security=security(key)))
        quota = raw.ask(3104, qot_request_history_kl_quota.C2S(b_get_detail=True))
        assert (quota.used_quota, quota.remain_quota) == (2, 998)
        assert [row.security for row in quota.detail_list] == list(securities(TENCENT, "US.AAPL"))
        assert raw.ask(3104, qot_request_history_kl_quota.C2S()).detail_list == ()
        assert raw.ask(1010, used_quota.C2S()).used_kline_quota == 2


def test_history_quota_runs_out() -> None:
    with SimulatedOpenD(freeze=True, quota=1) as opend, RawClient(opend.port) as raw:
        raw.ask(HISTORY, history())
        why = raw.refused(HISTORY, history(security=security("US.AAPL")))
        assert "history K-line quota exceeded" in why


def test_the_older_history_names_the_first_row_that_did_not_fit(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        whole = raw.ask(HISTORY, history()).kl_list
        c2s = qot_get_history_kl.C2S(
            rehab_type=NONE,
            kl_type=DAY,
            security=security(TENCENT),
            begin_time="2025-01-01",
            end_time="2026-02-27",
            max_ack_kl_num=10,
        )
        page = raw.ask(3100, c2s)
        assert page.kl_list == whole[:10]
        assert page.next_kl_time == whole[10].time


def test_history_points_fall_back_as_asked(opend: SimulatedOpenD) -> None:
    mode = qot_get_history_kl_points.NoDataMode
    status = qot_get_history_kl_points.DataStatus
    saturday = "2026-02-07"
    with RawClient(opend.port) as raw:
        for no_data_mode, expected in (
            (mode.NULL, status.NULL),
            (mode.FORWARD, status.PREVIOUS),
            (mode.BACKWARD, status.BACK),
        ):
            c2s = qot_get_history_kl_points.C2S(
                rehab_type=NONE,
                kl_type=DAY,
                no_data_mode=no_data_mode,
                security_list=securities(TENCENT, "US.AAPL"),
                time_list=(saturday, "2026-02-05"),
                max_req_security_num=1,
            )
            s2c = raw.ask(3101, c2s)
            assert s2c.has_next
            ((weekend, thursday),) = [row.kl_list for row in s2c.kl_point_list]
            assert (weekend.status, thursday.status) == (expected, status.CURRENT)
            assert weekend.kl.is_blank == (no_data_mode == mode.NULL)


def test_adjustments_come_one_by_one_and_for_many(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        one = raw.ask(3105, qot_request_rehab.C2S(security=security(TENCENT))).rehab_list
        many = raw.ask(3702, qot_get_rehab.C2S(security_list=securities(TENCENT, "US.AAPL")))
        assert many.security_rehab_list[0].rehab_list == one


def test_snapshots_agree_with_the_market_and_have_a_limit(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        asked = securities(TENCENT, "US.AAPL")
        rows = raw.ask(3203, qot_get_security_snapshot.C2S(security_list=asked)).snapshot_list
        assert tuple(row.basic.security for row in rows) == asked
        assert all(row.basic.update_time[4:5] == "-" for row in rows)
        many = qot_get_security_snapshot.C2S(security_list=asked[:1] * 401)
        assert "at most 400" in raw.refused(3203, many)
        assert raw.ask(3203, qot_get_security_snapshot.C2S(security_list=asked[:1] * 400))
        assert "a security is needed" in raw.refused(3203, qot_get_security_snapshot.C2S())


def test_static_info_by_name_and_by_market(opend: SimulatedOpenD) -> None:
    kind = qot_common.SecurityType
    with RawClient(opend.port) as raw:
        c2s = qot_get_static_info.C2S(security_list=securities(TENCENT))
        (row,) = raw.ask(3202, c2s).static_info_list
        assert row.basic.security == security(TENCENT)
        assert row.basic.lot_size == 100
        c2s = qot_get_static_info.C2S(market=qot_common.QotMarket.HK_SECURITY, sec_type=kind.EQTY)
        rows = raw.ask(3202, c2s).static_info_list
        assert len(rows) > 5
        assert {info.basic.sec_type for info in rows} == {kind.EQTY}


def test_plates_and_their_members_know_each_other(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        c2s = qot_get_plate_set.C2S(
            market=qot_common.QotMarket.HK_SECURITY, plate_set_type=qot_common.PlateSetType.ALL
        )
        plates = raw.ask(3204, c2s).plate_info_list
        assert plates
        found = set()
        for plate in plates:
            members = raw.ask(3205, qot_get_plate_security.C2S(plate=plate.plate))
            if security(TENCENT) in [row.basic.security for row in members.static_info_list]:
                found.add(plate.plate.code)
        owner = qot_get_owner_plate.C2S(security_list=securities(TENCENT))
        (row,) = raw.ask(3207, owner).owner_plate_list
        assert {plate.plate.code for plate in row.plate_info_list} == found != set()
        unknown = qot_get_plate_security.C2S(plate=security("HK.LISTNONE"))
        assert raw.refused(3205, unknown)


def test_market_states_agree_with_the_global_state(opend: SimulatedOpenD) -> None:
    states = qot_common.QotMarketState
    with RawClient(opend.port) as raw:
        c2s = qot_get_market_state.C2S(security_list=securities(TENCENT))
        (row,) = raw.ask(3223, c2s).market_info_list
        assert row.market_state == states.MORNING
        opend.set_market_state("HK", "rest")
        (row,) = raw.ask(3223, c2s).market_info_list
        state = raw.ask(1002, get_global_state.C2S(user_id=0))
        assert row.market_state == state.market_hk == states.REST
        opend.set_market_state("HK", None)
        (row,) = raw.ask(3223, c2s).market_info_list
        assert row.market_state == states.MORNING


def test_trading_days_leave_weekends_out(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        c2s = qot_request_trade_date.C2S(
            market=qot_common.TradeDateMarket.HK, begin_time="2026-02-02", end_time="2026-02-08"
        )
        days = [row.time for row in raw.ask(3219, c2s).trade_date_list]
        assert days == [f"2026-02-0{day}" for day in range(2, 7)]


def test_options_hang_together(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        owner = next(
            row.option_ex_data.owner
            for row in raw.ask(
                3202,
                qot_get_static_info.C2S(
                    market=qot_common.QotMarket.US_SECURITY,
                    sec_type=qot_common.SecurityType.DRVT,
                ),
            ).static_info_list
        )
        dates = raw.ask(3224, qot_get_option_expiration_date.C2S(owner=owner)).date_list
        assert dates
        chain = qot_get_option_chain.C2S(
            owner=owner, begin_time=dates[0].strike_time, end_time=dates[0].strike_time
        )
        (found,) = raw.ask(3209, chain).option_chain
        assert found.option
        nothing = qot_get_option_chain.C2S(
            owner=owner,
            begin_time=dates[0].strike_time,
            end_time=dates[0].strike_time,
            data_filter=qot_get_option_chain.DataFilter(delta_min=5.0),
        )
        assert raw.ask(3209, nothing).option_chain == ()


def test_warrants_page_and_filter(opend: SimulatedOpenD) -> None:
    def ask(raw: RawClient, **changes: Any) -> Any:
        values: dict[str, Any] = {
            "begin": 0,
            "num": 200,
            "sort_field": qot_common.SortField.CODE,
            "ascend": True,
        }
        return raw.ask(3210, qot_get_warrant.C2S(**{**values, **changes}))

    with RawClient(opend.port) as raw:
        everything = ask(raw)
        assert everything.last_page
        assert everything.all_count == len(everything.warrant_data_list) > 0
        assert ask(raw, begin=everything.all_count).warrant_data_list == ()
        assert ask(raw, strike_price_min=1e9).all_count == 0
        bad = qot_get_warrant.C2S(
            begin=0, num=201, sort_field=qot_common.SortField.CODE, ascend=True
        )
        assert "at most 200" in raw.refused(3210, bad)


def test_futures_have_their_contract_data(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        kind = qot_common.SecurityType.FUTURE
        rows = raw.ask(3202, qot_get_static_info.C2S(sec_type=kind)).static_info_list
        asked = tuple(row.basic.security for row in rows)
        assert asked
        found = raw.ask(3218, qot_get_future_info.C2S(security_list=asked)).future_info_list
        assert tuple(row.security for row in found) == asked


def test_nothing_is_suspended(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        c2s = qot_get_suspend.C2S(
            security_list=securities(TENCENT), begin_time="2026-01-01", end_time="2026-02-01"
        )
        (row,) = raw.ask(3201, c2s).security_suspend_list
        assert (row.security, row.suspend_list) == (security(TENCENT), ())


def test_user_info_by_groups(opend: SimulatedOpenD) -> None:
    groups = get_user_info.UserInfoField
    with RawClient(opend.port) as raw:
        everything = raw.ask(1005, get_user_info.C2S())
        assert everything.user_id == raw.welcome.login_user_id
        assert everything.sub_quota == 1000
        assert everything.hk_qot_right == qot_common.QotRight.LEVEL_2
        basic = raw.ask(1005, get_user_info.C2S(flag=groups.BASIC))
        assert (basic.nick_name, basic.sub_quota) == ("Simulated user", None)


def test_delay_statistics_count_pushes_and_requests(opend: SimulatedOpenD) -> None:
    kind = get_delay_statistics.DelayStatisticsType
    with RawClient(opend.port) as raw:
        raw.subscribe((TENCENT,), 4)
        opend.advance(10)
        pushes = len(raw.sync())
        s2c = raw.ask(1007, get_delay_statistics.C2S())
        counts = {row.qot_push_type: row.count for row in s2c.qot_push_statistics_list}
        assert counts[get_delay_statistics.QotPushType.TICKER] == pushes
        assert (3001, 1) in [(row.proto_id, row.count) for row in s2c.req_reply_statistics_list]
        only = get_delay_statistics.C2S(type_list=(kind.QOT_PUSH,), segment_list=(1, 10, -1))
        s2c = raw.ask(1007, only)
        assert s2c.req_reply_statistics_list == ()
        bounds = [(row.begin, row.end) for row in s2c.qot_push_statistics_list[0].item_list]
        assert bounds == [(0, 1), (1, 10), (10, -1)]
        assert "segmentList" in raw.refused(1007, get_delay_statistics.C2S(segment_list=(5, 3)))


def test_a_test_command_is_echoed(opend: SimulatedOpenD) -> None:
    with RawClient(opend.port) as raw:
        s2c = raw.ask(1008, test_cmd.C2S(cmd="ping", param_str="x"))
        assert (s2c.cmd, s2c.result_str) == ("ping", "x")
