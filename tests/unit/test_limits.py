"""The rate guard: what counts, for whom, and when the next may go."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from futukit import codec
from futukit.core._limits import LIMITS
from futukit.core.limits import MAX_ACCOUNTS, RateGuard, limited_c2s
from futukit.errors import RateLimited
from futukit.messages import (
    qot_get_reference,
    qot_get_us_pre_market_rank,
    qot_request_history_kl,
    registry,
    trd_common,
    trd_get_funds,
    trd_get_margin_ratio,
    trd_place_order,
)
from futukit.messages.common import PacketID, ProtoFmt
from futukit.messages.qot_common import KLType, QotMarket, RehabType, Security

UNLOCK, FUNDS, MARGIN_RATIO = 2005, 2101, 2223
PLACE_ORDER, MODIFY_ORDER, PLACE_COMBO = 2202, 2205, 2227
MAX_QTYS = 2111
HISTORY, PLATE_SET, REFERENCE, PRE_MARKET = 3103, 3204, 3206, 3410
SUBSCRIBE, BASIC, PULL_KL = 3001, 3004, 3006
LONG = 1000.0
SECURITY = Security(market=QotMarket.HK_SECURITY, code="00700")


def header(account: int) -> trd_common.TrdHeader:
    return trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.SIMULATE, acc_id=account, trd_market=trd_common.TrdMarket.HK
    )


def order(account: int = 1) -> trd_place_order.C2S:
    return trd_place_order.C2S(
        packet_id=PacketID(conn_id=0, serial_no=0),
        header=header(account),
        trd_side=trd_common.TrdSide.BUY,
        order_type=trd_common.OrderType.NORMAL,
        code="00700",
        qty=100.0,
    )


def funds(account: int = 1, refresh: bool | None = True) -> trd_get_funds.C2S:
    return trd_get_funds.C2S(header=header(account), refresh_cache=refresh)


def history(key: bytes | None = None) -> qot_request_history_kl.C2S:
    return qot_request_history_kl.C2S(
        rehab_type=RehabType.NONE,
        kl_type=KLType.DAY,
        security=SECURITY,
        begin_time="2024-01-01",
        end_time="2024-02-01",
        next_req_key=key,
    )


def fill(guard: RateGuard, proto_id: int, c2s: Any = None, now: float = 0.0) -> None:
    """Send as many as the window takes, ``now`` or with their spacing."""
    for _ in range(LIMITS[proto_id].max_requests or 0):
        turn = guard.reserve(proto_id, c2s, now, LONG)
        now += turn.wait
        turn.claim(now)


def is_full(guard: RateGuard, proto_id: int, c2s: Any = None, now: float = 10.0) -> bool:
    try:
        guard.reserve(proto_id, c2s, now, 0).cancel()
    except RateLimited:
        return True
    return False


def test_a_burst_is_fine_and_one_more_is_refused_with_its_facts() -> None:
    guard = RateGuard()
    for _ in range(10):
        assert guard.reserve(PLATE_SET, None, 5.0, 0).wait == 0.0
    with pytest.raises(RateLimited) as caught:
        guard.reserve(PLATE_SET, None, 6.0, 0)
    assert caught.value.retry_after == pytest.approx(29.0, abs=0.02)
    assert (caught.value.proto_id, caught.value.status) == (PLATE_SET, "RESOURCE_EXHAUSTED")
    expected = "Qot_GetPlateSet (3204): OpenD takes 10 in 30 s; the next may go in 29 s"
    assert str(caught.value) == expected


def test_the_window_opens_when_more_than_30_s_have_passed() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    assert is_full(guard, PLATE_SET, now=30.0)
    fill(guard, PLATE_SET, now=30.01)
    assert is_full(guard, PLATE_SET, now=60.0)


def test_a_refusal_takes_no_turn() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    for now in (1.0, 2.0, 29.0):
        with pytest.raises(RateLimited):
            guard.reserve(PLATE_SET, None, now, 0.5)
    assert guard.reserve(PLATE_SET, None, 30.1, 0).wait == 0.0


def test_who_waits_gets_the_next_turn_behind_those_before() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    turns = [guard.reserve(PLATE_SET, None, 1.0, LONG) for _ in range(11)]
    waits = [turn.wait for turn in turns]
    assert waits[:10] == pytest.approx([29.0] * 10, abs=0.1)
    assert waits[10] == pytest.approx(59.0, abs=0.1)
    assert waits == sorted(waits)
    assert len(set(waits)) == 11  # two timers must not be due together


def test_successive_orders_keep_their_distance() -> None:
    guard = RateGuard()
    assert guard.reserve(MODIFY_ORDER, order(), 0.0, LONG).wait == 0.0
    second = guard.reserve(MODIFY_ORDER, order(), 0.0, LONG)
    assert 0.04 <= second.wait < 0.06
    assert second.claim(second.wait) == 0.0
    with pytest.raises(RateLimited, match=r"2205\): OpenD takes 20 in 30 s, 40 ms apart for each"):
        guard.reserve(MODIFY_ORDER, order(), 0.06, 0)


def test_orders_and_combo_orders_share_a_limit() -> None:
    guard = RateGuard()
    for proto_id in (PLACE_ORDER, PLACE_COMBO) * 7:
        fill_one(guard, proto_id)
    fill_one(guard, PLACE_COMBO)
    assert is_full(guard, PLACE_ORDER, order())
    assert is_full(guard, PLACE_COMBO, order())
    assert not is_full(guard, MODIFY_ORDER, order())


def fill_one(guard: RateGuard, proto_id: int) -> None:
    turn = guard.reserve(proto_id, order(), 0.0, LONG)
    turn.claim(turn.wait)


def test_accounts_count_apart() -> None:
    guard = RateGuard()
    fill(guard, MAX_QTYS, funds(account=1))
    assert is_full(guard, MAX_QTYS, funds(account=1))
    assert not is_full(guard, MAX_QTYS, funds(account=2))
    assert not is_full(guard, FUNDS, funds(account=1))


@pytest.mark.parametrize("message", [None, object(), funds(account=-1), funds(account=2**64)])
def test_without_a_usable_account_there_is_one_counter(message: Any) -> None:
    guard = RateGuard()
    fill(guard, MAX_QTYS, None)
    assert is_full(guard, MAX_QTYS, message)
    assert not is_full(guard, MAX_QTYS, funds(account=2**64 - 1))


def test_the_user_has_one_counter_for_all_accounts() -> None:
    guard = RateGuard()
    first, second = (
        trd_get_margin_ratio.C2S(header=header(account), security_list=()) for account in (1, 2)
    )
    fill(guard, MARGIN_RATIO, first)
    assert is_full(guard, MARGIN_RATIO, second)
    assert not is_full(guard, UNLOCK)


@pytest.mark.parametrize("proto_id", [2101, 2102, 2201, 2211])
def test_only_a_refreshed_cache_counts(proto_id: int) -> None:
    guard = RateGuard()
    fill(guard, proto_id, funds())
    assert is_full(guard, proto_id, funds())
    for refresh in (False, None):
        assert not is_full(guard, proto_id, funds(refresh=refresh))
    for _ in range(100):
        guard.reserve(proto_id, funds(account=2, refresh=False), 0.0, 0)
    assert not is_full(guard, proto_id, funds(account=2))


def test_only_first_pages_count() -> None:
    guard = RateGuard()
    fill(guard, HISTORY, history())
    assert is_full(guard, HISTORY, history())
    assert is_full(guard, HISTORY, history(key=b""))
    assert not is_full(guard, HISTORY, history(key=b"10"))


def test_the_first_page_of_an_offset_is_0() -> None:
    guard = RateGuard()
    cls = qot_get_us_pre_market_rank.C2S
    fill(guard, PRE_MARKET, cls())
    assert is_full(guard, PRE_MARKET, cls(offset=0))
    assert not is_full(guard, PRE_MARKET, cls(offset=10))


def test_warrants_are_free() -> None:
    guard = RateGuard()
    kinds = qot_get_reference.ReferenceType
    future, warrant = (
        qot_get_reference.C2S(security=SECURITY, reference_type=kind)
        for kind in (kinds.FUTURE, kinds.WARRANT)
    )
    fill(guard, REFERENCE, future)
    assert is_full(guard, REFERENCE, future)
    assert not is_full(guard, REFERENCE, warrant)


@pytest.mark.parametrize("proto_id", [SUBSCRIBE, BASIC, PULL_KL, 4_000_000_000])
def test_an_id_without_a_limit_goes_at_once(proto_id: int) -> None:
    guard = RateGuard()
    turns = {guard.reserve(proto_id, None, 0.0, 0) for _ in range(1000)}
    assert len(turns) == 1  # nothing is kept of them
    [turn] = turns
    turn.cancel()
    assert (turn.wait, turn.claim(1.0)) == (0.0, 0.0)


def test_a_cancelled_turn_is_free_again() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    turns = [guard.reserve(PLATE_SET, None, 1.0, LONG) for _ in range(10)]
    turns[3].cancel()
    turns[3].cancel()
    assert guard.reserve(PLATE_SET, None, 1.0, 30.0).wait == pytest.approx(29.0, abs=0.1)
    with pytest.raises(RateLimited):
        guard.reserve(PLATE_SET, None, 1.0, 30.0)


def test_what_was_not_sent_after_all_does_not_count() -> None:
    guard = RateGuard()
    for _ in range(20):
        guard.reserve(PLATE_SET, None, 0.0, 0).cancel()
    fill(guard, PLATE_SET)
    assert is_full(guard, PLATE_SET)


@pytest.mark.parametrize(
    ("error", "is_sent", "kept"),
    [
        (ValueError, True, False),
        (ValueError, False, False),
        (KeyboardInterrupt, True, True),
        (KeyboardInterrupt, False, False),
    ],
)
def test_a_turn_is_given_back_by_whoever_did_not_use_it(
    error: type[BaseException], is_sent: bool, kept: bool
) -> None:
    guard = RateGuard()
    guard.reserve(MODIFY_ORDER, None, 0.0, 0)
    turn = guard.reserve(MODIFY_ORDER, None, 0.0, LONG)
    if is_sent:
        turn.claim(turn.wait)
    with pytest.raises(error), turn:
        raise error
    assert is_full(guard, MODIFY_ORDER, now=0.05) is kept


def test_a_late_waiter_pushes_the_others_on() -> None:
    guard = RateGuard()
    guard.reserve(MODIFY_ORDER, None, 0.0, 0)
    late, next_one = (guard.reserve(MODIFY_ORDER, None, 0.0, LONG) for _ in range(2))
    assert next_one.claim(1.0) >= 0.04  # the one before is overdue and goes first
    assert late.claim(1.0) == 0.0
    assert next_one.claim(1.01) == pytest.approx(0.035)
    assert next_one.claim(1.05) == 0.0


def test_no_newcomer_overtakes_one_that_is_due() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    due = guard.reserve(PLATE_SET, None, 0.0, LONG)
    newcomer = guard.reserve(PLATE_SET, None, 40.0, LONG)
    assert 0 < newcomer.wait < 0.01
    assert due.claim(40.0) == 0.0
    assert newcomer.claim(40.0) == 0.0


def test_a_turn_that_was_not_claimed_in_time_is_forfeited() -> None:
    guard = RateGuard()
    fill(guard, PLATE_SET)
    forgotten = guard.reserve(PLATE_SET, None, 0.0, 31.0)
    assert guard.reserve(PLATE_SET, None, 40.0, 0).wait == 0.0
    with pytest.raises(RateLimited) as caught:
        forgotten.claim(40.0)
    assert caught.value.retry_after == 0.0
    assert guard.reserve(PLATE_SET, None, 40.0, 0).wait == 0.0


def test_a_turn_that_moves_beyond_the_longest_wait_is_refused() -> None:
    guard = RateGuard()
    guard.reserve(MODIFY_ORDER, None, 0.0, 0)
    first = guard.reserve(MODIFY_ORDER, None, 0.0, LONG)
    second = guard.reserve(MODIFY_ORDER, None, 0.0, 0.1)
    assert first.claim(0.08) == 0.0
    with pytest.raises(RateLimited) as caught:
        second.claim(0.09)
    assert caught.value.retry_after == pytest.approx(0.035)


# Memory.


def counters(guard: RateGuard) -> int:
    return len(guard._accounts) + len(guard._limiters)


def test_many_accounts_keep_a_bounded_number_of_counters() -> None:
    guard = RateGuard()
    for account in range(3 * MAX_ACCOUNTS):
        try:
            guard.reserve(MAX_QTYS, funds(account), account / 1e6, 0)
        except RateLimited:
            assert account >= MAX_ACCOUNTS + 10  # those beyond share one counter
    assert counters(guard) == MAX_ACCOUNTS + 1
    assert is_full(guard, MAX_QTYS, funds(10**6), now=1.0)
    assert not is_full(guard, MAX_QTYS, funds(0), now=1.0)


def test_accounts_that_have_been_silent_make_room() -> None:
    guard = RateGuard()
    for account in range(MAX_ACCOUNTS):
        guard.reserve(MAX_QTYS, funds(account), 0.0, 0)
    guard.reserve(MAX_QTYS, funds(0), 20.0, 0)
    assert counters(guard) == MAX_ACCOUNTS
    guard.reserve(MAX_QTYS, funds(10**6), 40.0, 0)
    assert counters(guard) == 2


def test_who_was_counted_among_the_others_is_until_that_is_over() -> None:
    guard = RateGuard()
    for account in range(MAX_ACCOUNTS):
        guard.reserve(MAX_QTYS, funds(account), 0.0, 0)
    fill(guard, MAX_QTYS, funds(10**6), now=20.0)
    assert is_full(guard, MAX_QTYS, funds(10**6), now=40.0)
    assert not is_full(guard, MAX_QTYS, funds(10**6), now=50.1)


def test_a_counter_keeps_no_more_than_its_window() -> None:
    guard = RateGuard()
    for second in range(0, 3000, 3):
        guard.reserve(PLATE_SET, None, float(second) + second / 100, 0)
    [limiter] = guard._limiters.values()
    assert len(limiter._turns) <= 10


# What is looked at.


def test_the_c2s_is_found_in_all_that_can_be_sent() -> None:
    request = trd_get_funds.Request(c2s=funds())
    assert limited_c2s(FUNDS, funds()) == funds()
    assert limited_c2s(FUNDS, request) == funds()
    assert limited_c2s(FUNDS, codec.encode(request)) == funds()
    text = codec.encode_body(request, ProtoFmt.JSON)
    assert limited_c2s(FUNDS, text, ProtoFmt.JSON) == funds()


def test_what_cannot_be_read_is_nothing() -> None:
    assert limited_c2s(FUNDS, b"\xff") is None
    assert limited_c2s(FUNDS, b"[" * 100_000, ProtoFmt.JSON) is None
    assert is_full_after_bytes()


def is_full_after_bytes() -> bool:
    guard = RateGuard()
    for _ in range(10):
        guard.reserve(FUNDS, limited_c2s(FUNDS, b"\xff"), 0.0, 0)
    return is_full(guard, FUNDS)


@pytest.mark.parametrize("proto_id", [PLATE_SET, UNLOCK, SUBSCRIBE, PULL_KL, 1003, 77])
def test_nothing_is_read_where_nothing_depends_on_it(proto_id: int) -> None:
    assert limited_c2s(proto_id, b"\xff") is None
    assert limited_c2s(proto_id, object()) is None


def test_every_row_names_a_request_and_fields_that_it_has() -> None:
    assert len(LIMITS) == 125
    for row in LIMITS.values():
        cls = registry.request_class(row.proto_id).__annotations__
        assert "c2s" in cls
        c2s = sys.modules[registry.request_class(row.proto_id).__module__].C2S
        named = [row.counted_if, row.page_field, row.free and row.free[0]]
        named += ["header"] if row.scope == "account" else []
        assert {name for name in named if name} <= {*c2s.__struct_fields__}, row.proto_id


def test_the_documented_exceptions_are_in_the_table() -> None:
    def ids(**wanted: Any) -> list[int]:
        return [
            row.proto_id
            for row in LIMITS.values()
            if all(getattr(row, name) == value for name, value in wanted.items())
        ]

    assert ids(scope="user") == [UNLOCK, MARGIN_RATIO]
    assert ids(limiter="place_order") == [PLACE_ORDER, PLACE_COMBO]
    assert ids(counted_if="refresh_cache") == [2101, 2102, 2201, 2211]
    assert ids(max_requests=None) == [3006, 3010, 3447, 3448]
    assert [row.proto_id for row in LIMITS.values() if row.free] == [REFERENCE]
    assert [n for n in ids(scope="account") if n > 3000] == []
    assert [n for n in ids(scope="all") if n < 3000] == []
    assert len([row for row in LIMITS.values() if row.page_field]) == 29
    assert (LIMITS[MODIFY_ORDER].min_spacing, LIMITS[PLACE_ORDER].min_spacing) == (0.04, 0.02)
