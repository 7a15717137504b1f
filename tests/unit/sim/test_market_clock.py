"""Time: how it is cut does not matter, nor does the process; sessions follow the calendar."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from futukit.errors import UsageError
from futukit.messages.qot_common import KLType, QotMarketState, RehabType, TradeDateMarket
from futukit.sim.market import Change, Event, Kind, Market, StateChange

_ROOT = Path(__file__).parents[3]

_PRINT_DIGEST = """
import hashlib
from futukit.sim.market import Market
market = Market(seed=5)
digest = hashlib.sha256(repr(market.advance(20.0)).encode())
for key in market:
    digest.update(repr(market.snapshot(key)).encode())
    digest.update(repr(market.klines(key, 1, 1, 400)).encode())
    digest.update(repr(market.klines(key, 3, 2, 20)).encode())
print(digest.hexdigest())
"""


def at(text: str) -> float:
    """Epoch seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def everything(market: Market) -> list[object]:
    """Every view of every security."""
    rows: list[object] = [market.now, market.global_state()]
    for key in market:
        rows.append((market.basic_qot(key), market.rt(key), market.tickers(key, 1000)))
        rows.append((market.order_book(key, 10, detail=True), market.brokers(key)))
        rows.append((market.snapshot(key), market.extended_tickers(key, 1000)))
        rows.append(market.klines(key, KLType.K_1MIN, RehabType.NONE, 60))
    return rows


def tickers(events: list[Event]) -> dict[str, list[object]]:
    """All pushed tickers by security."""
    found: dict[str, list[object]] = {}
    for event in events:
        if isinstance(event, Change):
            found.setdefault(event.key, []).extend((*event.tickers, *event.extended))
    return {key: rows for key, rows in found.items() if rows}


def test_ten_steps_of_a_second_equal_one_step_of_ten() -> None:
    fine, coarse = Market(seed=3), Market(seed=3)
    events = [event for _ in range(10) for event in fine.advance(1.0)]
    assert tickers(events) == tickers(coarse.advance(10.0))
    assert everything(fine) == everything(coarse)


def test_uneven_steps_over_the_end_of_a_session_equal_one_step() -> None:
    start = at("2026-03-02T03:59:50")
    fine, coarse = Market(seed=3, start=start), Market(seed=3, start=start)
    events = [
        event for cut in (0.25, 3.0, 6.75, 0.0, 9.999999, 0.000001) for event in fine.advance(cut)
    ]
    pushed = coarse.advance(20.0)
    assert tickers(events) == tickers(pushed)
    assert [e for e in events if isinstance(e, StateChange)] == [
        e for e in pushed if isinstance(e, StateChange)
    ]
    assert everything(fine) == everything(coarse)


def test_another_seed_gives_another_market() -> None:
    assert tickers(Market(seed=1).advance(5.0)) != tickers(Market(seed=2).advance(5.0))


def test_hash_seed_of_the_process_does_not_matter() -> None:
    digests = set()
    for hash_seed in ("0", "77"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(_ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", _PRINT_DIGEST],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_default_start_is_the_morning_session_in_asia_and_the_night_in_america() -> None:
    market = Market()
    assert market.now == market.start == at("2026-03-02T02:15:00")
    assert market.state_of("HK") is QotMarketState.MORNING
    assert market.state_of("SH") is QotMarketState.MORNING
    assert market.state_of("SZ") is QotMarketState.MORNING
    assert market.state_of("US") is QotMarketState.OVERNIGHT
    assert market.state_of("HK_FUTURE") is QotMarketState.FUTURE_DAY_OPEN


def test_step_stops_at_the_trade_that_was_asked_for() -> None:
    market = Market(seed=1)
    before = market.now
    events = market.step(25)
    count = sum(len(rows) for rows in tickers(events).values())
    assert 25 <= count <= 40
    assert before < market.now < before + 60


def test_step_jumps_over_a_weekend() -> None:
    market = Market(seed=1, start=at("2026-02-28T12:00:00"))
    assert tickers(market.step(1))
    assert market.now > at("2026-03-02T01:00:00")


def test_states_change_through_a_day_as_the_exchanges_do() -> None:
    market = Market(seed=1, start=at("2026-03-02T00:30:00"), intensity=0.005)
    changes = [e for e in market.advance(24 * 3600.0) if isinstance(e, StateChange)]
    hong_kong = [(e.state.name, e.time) for e in changes if e.market == "HK"]
    assert hong_kong == [
        ("AUCTION", at("2026-03-02T01:00:00")),
        ("WAITING_OPEN", at("2026-03-02T01:20:00")),
        ("MORNING", at("2026-03-02T01:30:00")),
        ("REST", at("2026-03-02T04:00:00")),
        ("AFTERNOON", at("2026-03-02T05:00:00")),
        ("HK_CAS", at("2026-03-02T08:00:00")),
        ("CLOSED", at("2026-03-02T08:10:00")),
    ]
    assert [(e.state.name, e.time) for e in changes if e.market == "US"] == [
        ("OVERNIGHT", at("2026-03-02T01:00:00")),
        ("PRE_MARKET_BEGIN", at("2026-03-02T09:00:00")),
        ("AFTERNOON", at("2026-03-02T14:30:00")),
        ("AFTER_HOURS_BEGIN", at("2026-03-02T21:00:00")),
    ]
    assert market.state_of("US") is QotMarketState.AFTER_HOURS_BEGIN


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        ("2026-03-06T13:00:00", "2026-03-06T14:30:00"),
        ("2026-03-09T12:00:00", "2026-03-09T13:30:00"),
        ("2026-10-30T12:00:00", "2026-10-30T13:30:00"),
        ("2026-11-02T13:00:00", "2026-11-02T14:30:00"),
    ],
)
def test_new_york_opens_at_half_past_nine_on_both_sides_of_daylight_saving(
    start: str, opens: str
) -> None:
    market = Market(seed=1, start=at(start), intensity=0.005)
    changes = [e for e in market.advance(7200.0) if isinstance(e, StateChange) and e.market == "US"]
    assert [(e.state, e.time) for e in changes] == [(QotMarketState.AFTERNOON, at(opens))]
    market.advance(1200.0)
    bars = market.klines("US.AAPL", KLType.K_1MIN, RehabType.NONE, 1)
    assert bars[0].timestamp == pytest.approx(market.basic_qot("US.AAPL").update_timestamp, abs=60)
    assert bars[0].time[11:13] in ("09", "10")


def test_overnight_session_needs_a_trading_day_after_it() -> None:
    market = Market(seed=1, start=at("2026-03-06T23:00:00"), intensity=0.005)
    changes = [e for e in market.advance(3 * 86400.0) if isinstance(e, StateChange)]
    american = [(e.state.name, e.time) for e in changes if e.market == "US"]
    assert american[:2] == [
        ("AFTER_HOURS_END", at("2026-03-07T01:00:00")),
        ("OVERNIGHT", at("2026-03-09T00:00:00")),  # 20:00 on the Sunday that clocks went forward
    ]


def test_a_forced_state_closes_and_opens_a_market() -> None:
    market = Market(seed=1)
    market.set_market_state("HK", QotMarketState.CLOSED)
    events = market.advance(0.0)
    assert StateChange("HK", QotMarketState.CLOSED, market.now) in events
    assert not [
        key for key in tickers(market.advance(60.0)) if market.instrument(key).market == "HK"
    ]
    market.set_market_state("HK", None)
    assert market.state_of("HK") is QotMarketState.MORNING
    assert "HK.00700" in tickers(market.advance(60.0))


def test_a_market_can_be_opened_on_a_sunday() -> None:
    market = Market(seed=1, start=at("2026-03-01T04:30:00"))
    last = market.basic_qot("HK.00700").cur_price
    market.set_market_state("HK", QotMarketState.MORNING)
    market.advance(120.0)
    quote = market.basic_qot("HK.00700")
    assert quote.last_close_price == last
    assert quote.update_time.startswith("2026-03-01 12:3")
    day = market.klines("HK.00700", KLType.DAY, RehabType.NONE, 2)
    assert [bar.time[:10] for bar in day] == ["2026-02-27", "2026-03-01"]


def test_extended_trades_stay_out_of_the_regular_day() -> None:
    market = Market(seed=1)
    before = market.basic_qot("US.AAPL")
    changes = [e for e in market.advance(120.0) if isinstance(e, Change) and e.key == "US.AAPL"]
    after = market.basic_qot("US.AAPL")
    assert changes
    assert changes[0].kinds & Kind.EXTENDED
    assert not changes[0].kinds & (Kind.KLINE | Kind.RT | Kind.TICKER)
    assert not changes[0].tickers
    assert {row.session.name for row in changes[0].extended} == {"OVERNIGHT"}
    assert (before.volume, before.cur_price) == (after.volume, after.cur_price)
    assert after.overnight is not None
    assert after.overnight.volume == sum(
        row.ticker.volume for row in market.extended_tickers("US.AAPL", 1000)
    )


def test_trading_days_leave_out_weekends_and_holidays() -> None:
    days = Market().trading_days(TradeDateMarket.HK, "2026-02-13", "2026-02-23")
    assert [(day.time, day.trade_date_type) for day in days] == [
        ("2026-02-13", 0),
        ("2026-02-16", 1),
        ("2026-02-20", 0),
        ("2026-02-23", 0),
    ]


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_time_does_not_go_backwards(seconds: float) -> None:
    with pytest.raises(UsageError):
        Market().advance(seconds)


@pytest.mark.parametrize(
    "start",
    [
        "2026-03-02T01:19:00",  # futures trade, shares do not yet
        "2026-03-02T01:30:00",  # the instant of the opening
        "2026-03-02T04:30:00",  # lunch
        "2026-02-17T02:00:00",  # a holiday after a half day
        "2026-11-27T18:30:00",  # after the early close in New York
        "2018-01-05T15:00:00",  # some are not listed yet
        "2030-01-01T00:00:00",  # derivatives have expired
    ],
)
def test_any_start_gives_a_consistent_market(start: str) -> None:
    market = Market(seed=3, start=at(start))
    market.advance(5.0)
    for key in market:
        quote = market.basic_qot(key)
        view = market.order_book(key, 5)
        assert bool(view.bids) is bool(view.asks) is market.instrument(key).has_book
        days = market.klines(key, KLType.DAY, RehabType.NONE, 1)
        if quote.volume:
            assert days[0].close_price == quote.cur_price
            assert days[0].volume == quote.volume
            assert days[0].last_close_price == quote.last_close_price
        market.snapshot(key)


def test_expired_derivatives_do_not_trade() -> None:
    market = Market(seed=3, start=at("2026-03-31T02:00:00"))
    market.advance(60.0)
    assert not market.tickers("HK.HSI2603", 10)
    assert market.tickers("HK.HSI2606", 10)
    assert market.static_info("HK.HSI2603").basic.delisting
