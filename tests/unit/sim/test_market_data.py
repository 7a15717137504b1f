"""Agreement: tickers, quotes, bars of all sizes, books, past and present tell one story."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit.errors import UsageError
from futukit.messages.qot_common import (
    KLine,
    KLType,
    OptionType,
    QotMarket,
    RehabType,
    Security,
    SecurityType,
)
from futukit.messages.qot_get_reference import ReferenceType
from futukit.sim.market import Change, Kind, Market
from futukit.sim.market.bars import Bar, join, split
from futukit.sim.market.draws import generator
from futukit.sim.market.grid import Grid

_NONE = RehabType.NONE
_MINUTE_TYPES = (
    KLType.K_3MIN,
    KLType.K_5MIN,
    KLType.K_10MIN,
    KLType.K_15MIN,
    KLType.K_30MIN,
    KLType.K_60MIN,
    KLType.K_120MIN,
    KLType.K_180MIN,
    KLType.K_240MIN,
)
_SOME = ("HK.00700", "HK.800000", "HK.28123", "HK.HSImain", "SH.600519", "US.AAPL", "HK.02800")


def at(text: str) -> float:
    """Epoch seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def market() -> Market:
    """A market that has run for a few minutes; tests only look at it."""
    made = Market(seed=11)
    made.advance(200.0)
    return made


def whole(value: float | None) -> int:
    """A price or turnover back in thousandths."""
    assert value is not None
    thousandths = round(value * 1000)
    assert abs(thousandths - value * 1000) < 0.02
    return thousandths


def summed(bars: list[KLine]) -> tuple[int, ...]:
    """(open, high, low, close, volume, turnover) over bars."""
    return (
        whole(bars[0].open_price),
        max(whole(bar.high_price) for bar in bars),
        min(whole(bar.low_price) for bar in bars),
        whole(bars[-1].close_price),
        sum(bar.volume or 0 for bar in bars),
        sum(whole(bar.turnover) for bar in bars),
    )


def day_of(
    market: Market, key: str, kl_type: KLType, day: str, rehab: RehabType = _NONE
) -> list[KLine]:
    """A day's bars."""
    return list(market.history(key, kl_type, rehab, day, day).klines)


def test_about_fifty_securities_of_every_kind(market: Market) -> None:
    kinds = {market.instrument(key).sec_type for key in market}
    assert 50 <= len(list(market)) <= 80
    assert kinds >= {
        SecurityType.EQTY,
        SecurityType.TRUST,
        SecurityType.INDEX,
        SecurityType.PLATE,
        SecurityType.WARRANT,
        SecurityType.DRVT,
        SecurityType.FUTURE,
    }


@pytest.mark.parametrize("day", ["2026-03-02", "2026-02-27", "2025-12-24", "2020-03-05"])
@pytest.mark.parametrize("key", _SOME)
def test_bars_of_every_size_add_up_to_the_day(market: Market, key: str, day: str) -> None:
    days = day_of(market, key, KLType.DAY, day)
    if not days:
        # Not listed yet, or that market has not opened on the day of the clock.
        assert (key, day) in {
            ("HK.28123", "2020-03-05"),
            ("HK.HSImain", "2020-03-05"),
            ("US.AAPL", "2026-03-02"),
        }
        return
    expected = summed(days)
    assert summed(day_of(market, key, KLType.K_1MIN, day)) == expected
    for kl_type in _MINUTE_TYPES:
        assert summed(day_of(market, key, kl_type, day)) == expected


def test_a_simulated_day_adds_up_and_becomes_history() -> None:
    market = Market(seed=2, start=at("2026-03-02T07:58:00"))
    market.advance(3 * 60.0)
    today = {key: day_of(market, key, KLType.DAY, "2026-03-02") for key in _SOME}
    minutes = {key: day_of(market, key, KLType.K_1MIN, "2026-03-02") for key in _SOME}
    closes = {key: market.basic_qot(key).cur_price for key in _SOME}
    market.set_market_state("US", 6)
    market.advance(17.5 * 3600.0)
    market.advance(60.0)
    for key in ("HK.00700", "HK.800000", "SH.600519", "HK.02800"):
        assert market.basic_qot(key).last_close_price == closes[key]
        assert day_of(market, key, KLType.DAY, "2026-03-02") == today[key]
        assert day_of(market, key, KLType.K_1MIN, "2026-03-02") == minutes[key]
        week = market.klines(key, KLType.WEEK, _NONE, 1)
        assert summed(list(week)) == summed(list(market.klines(key, KLType.DAY, _NONE, 2)))


@pytest.mark.parametrize("kl_type", [KLType.WEEK, KLType.MONTH, KLType.QUARTER, KLType.YEAR])
def test_long_bars_are_sums_of_days(market: Market, kl_type: KLType) -> None:
    first, second = market.klines("HK.00700", kl_type, _NONE, 3)[:2]
    days = [
        bar
        for bar in market.history("HK.00700", KLType.DAY, _NONE, first.time, second.time).klines
        if bar.time < second.time
    ]
    assert summed([first]) == summed(days)
    assert second.last_close_price == first.close_price


def test_quote_is_the_day_bar_and_the_tickers(market: Market) -> None:
    for key in market:
        quote = market.basic_qot(key)
        day = market.klines(key, KLType.DAY, _NONE, 1)[0]
        assert (quote.open_price, quote.high_price, quote.low_price, quote.cur_price) == (
            day.open_price,
            day.high_price,
            day.low_price,
            day.close_price,
        )
        assert (quote.volume, quote.turnover) == (day.volume, day.turnover)
        assert quote.last_close_price == day.last_close_price
        points = market.rt(key)
        assert sum(point.volume or 0 for point in points) == quote.volume
        assert sum(whole(point.turnover) for point in points) == whole(quote.turnover)
        assert points[-1].price == quote.cur_price
        assert len(quote.update_time) == len("YYYY-MM-DD HH:MM:SS")


def test_pushed_tickers_sum_to_what_the_quote_gained_and_pulls_equal_pushes() -> None:
    market = Market(seed=4)
    before = {key: market.basic_qot(key) for key in market}
    pushed: dict[str, list[object]] = {}
    gained: dict[str, list[int]] = {}
    bars: dict[str, dict[str, KLine]] = {}
    points: dict[str, dict[str, object]] = {}
    for _ in range(90):
        for event in market.advance(1.0):
            if not isinstance(event, Change):
                continue
            pushed.setdefault(event.key, []).extend(event.tickers)
            sums = gained.setdefault(event.key, [0, 0])
            sums[0] += sum(row.volume for row in event.tickers)
            sums[1] += sum(whole(row.turnover) for row in event.tickers)
            if event.kinds & Kind.KLINE:
                for bar in market.changed_klines(event, KLType.K_1MIN, _NONE):
                    bars.setdefault(event.key, {})[bar.time] = bar
                for point in market.changed_rt(event):
                    points.setdefault(event.key, {})[point.time] = point
    assert len(bars) > 30
    for key, rows in pushed.items():
        if rows:
            assert rows == list(market.tickers(key, 1000))[-len(rows) :]
        if market.instrument(key).has_book:
            quote = market.basic_qot(key)
            assert gained[key][0] == quote.volume - before[key].volume
            assert gained[key][1] == whole(quote.turnover) - whole(before[key].turnover)
    for key, by_time in bars.items():
        pulled = {bar.time: bar for bar in market.klines(key, KLType.K_1MIN, _NONE, 1000)}
        assert all(pulled[time] == bar for time, bar in by_time.items())
    for key, by_point in points.items():
        all_points = {point.time: point for point in market.rt(key)}
        assert all(all_points[time] == point for time, point in by_point.items())


def test_one_change_over_several_bars_names_them_all() -> None:
    market = Market(seed=4)
    before = market.klines("HK.00700", KLType.K_1MIN, _NONE, 100)
    change = next(e for e in market.advance(300.0) if isinstance(e, Change) and e.key == "HK.00700")
    for kl_type in (KLType.K_1MIN, *_MINUTE_TYPES, KLType.DAY, KLType.YEAR):
        changed = market.changed_klines(change, kl_type, RehabType.FORWARD)
        pulled = market.klines("HK.00700", kl_type, RehabType.FORWARD, 1000)
        assert changed == pulled[-len(changed) :]
        if kl_type == KLType.K_1MIN:
            assert len(changed) == len(pulled) - (1000 - len(changed)) or len(changed) >= 5
            old = {bar.time: bar for bar in before}
            untouched = [bar for bar in pulled if bar.time in old and bar not in changed]
            assert all(old[bar.time].volume == bar.volume for bar in untouched)


def test_ticker_sequences_and_times_increase_and_prices_lie_on_the_grid(market: Market) -> None:
    for key in market:
        inst = market.instrument(key)
        rows = market.tickers(key, 1000)
        assert all(a.sequence < b.sequence and a.time <= b.time for a, b in pairwise(rows))
        for row in rows:
            assert inst.grid.holds(whole(row.price))
            assert row.volume > 0
            assert row.volume % inst.unit == 0
            assert whole(row.turnover) == whole(row.price) * row.volume * inst.multiplier
    assert {row.dir for row in market.tickers("HK.00700", 1000)} == {1, 2}


def test_books_are_never_crossed_and_hold_single_orders() -> None:
    market = Market(seed=8)
    for _ in range(120):
        market.advance(0.5)
        for key in market:
            view = market.order_book(key, 10)
            bids, asks = [row.price for row in view.bids], [row.price for row in view.asks]
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks)
            if bids and asks:
                assert bids[0] < asks[0]
    view = market.order_book("HK.00700", 10, detail=True)
    assert len(view.bids) == len(view.asks) == 10
    for row in (*view.bids, *view.asks):
        assert len(row.detail_list) == row.oreder_count > 0
        assert sum(order.volume for order in row.detail_list) == row.volume
    queue = market.brokers("HK.00700")
    assert queue.bids[0].pos == queue.asks[0].pos == 1
    assert queue.bids[0].name
    assert market.brokers("US.AAPL") == ((), ())


def test_an_index_is_the_weighted_sum_of_its_members(market: Market) -> None:
    index = market.instrument("HK.800000")
    level = sum(
        index.base * weight * market.basic_qot(key).cur_price * 1000 / market.instrument(key).base
        for key, weight in index.members.items()
    )
    assert market.basic_qot("HK.800000").cur_price == pytest.approx(level / 1000, abs=0.011)


def test_derivatives_stand_near_what_their_owner_makes_them_worth() -> None:
    market = Market(seed=6)
    market.advance(300.0)
    owner = market.basic_qot("HK.800000").cur_price
    for key, part in (("HK.02800", 26.6 / 26590.0), ("HK.HSImain", 1.0), ("HK.HSI2603", 1.0)):
        assert market.basic_qot(key).cur_price == pytest.approx(owner * part, rel=0.01)
    call, put = (market.basic_qot(f"HK.TCH260330{c}520000") for c in "CP")
    stock = market.basic_qot("HK.00700").cur_price
    assert call.cur_price - put.cur_price == pytest.approx(stock - 520.0, abs=8.0)
    assert call.option_ex_data is not None
    assert 0.0 < call.option_ex_data.delta < 1.0


def test_history_pages_join_to_the_whole(market: Market) -> None:
    span = ("2026-02-24", "2026-02-27 14:00:00")
    for kl_type in (KLType.K_1MIN, KLType.K_60MIN, KLType.DAY):
        everything = market.history("HK.00700", kl_type, _NONE, *span).klines
        assert everything[-1].time <= span[1]
        joined: list[KLine] = []
        page = market.history("HK.00700", kl_type, _NONE, *span, limit=7)
        joined += page.klines
        while page.next_key is not None:
            page = market.history(
                "HK.00700", kl_type, _NONE, *span, limit=7, next_key=page.next_key
            )
            assert page.klines
            joined += page.klines
        assert tuple(joined) == everything


def test_every_field_of_every_bar_is_set_and_closes_are_chained(market: Market) -> None:
    for key in market:
        for kl_type in (KLType.K_1MIN, KLType.DAY, KLType.MONTH):
            rows = market.klines(key, kl_type, RehabType.FORWARD, 50)
            for row in rows:
                assert all(getattr(row, name) is not None for name in row.__struct_fields__)
            for one, other in pairwise(rows):
                assert other.last_close_price == one.close_price
                assert one.time < other.time


def test_yesterdays_close_is_todays_last_close(market: Market) -> None:
    for key in market:
        before, today = market.klines(key, KLType.DAY, _NONE, 2)
        assert today.last_close_price == before.close_price
        assert market.basic_qot(key).last_close_price == before.close_price


def test_the_past_does_not_depend_on_what_was_asked_before() -> None:
    one, other = Market(seed=9), Market(seed=9)
    for key in ("HK.00700", "HK.800000", "HK.28123"):
        other.history(key, KLType.DAY, _NONE, "2018-01-01", "2026-02-27")
        other.history(key, KLType.K_30MIN, _NONE, "2025-12-01", "2025-12-31")
        span = ("2025-12-15", "2025-12-16")
        assert one.history(key, KLType.K_1MIN, _NONE, *span) == other.history(
            key, KLType.K_1MIN, _NONE, *span
        )


def test_rehab_factors_turn_raw_bars_into_adjusted_ones(market: Market) -> None:
    actions = market.rehab("US.NVDA")
    assert [row.time[:10] for row in actions] == ["2021-07-20", "2024-06-10"]
    assert (actions[1].split_base, actions[1].split_ert) == (1, 10)
    span = ("2024-06-03", "2024-06-14")
    raw, forward, backward = (
        market.history("US.NVDA", KLType.DAY, rehab, *span).klines
        for rehab in (_NONE, RehabType.FORWARD, RehabType.BACKWARD)
    )
    for bar, ahead, behind in zip(raw, forward, backward, strict=True):
        price = bar.close_price or 0.0
        after = bar.time >= "2024-06-10"
        factor = 1.0 if after else actions[1].fwd_factor_a
        assert ahead.close_price == pytest.approx(price * factor, abs=0.002)
        scale = actions[0].bwd_factor_a * (actions[1].bwd_factor_a if after else 1.0)
        assert behind.close_price == pytest.approx(price * scale, abs=0.002)
        assert bar.volume == ahead.volume == behind.volume
    jumps = [abs(bar.change_rate or 0.0) for bar in forward]
    assert max(jumps) < 20.0
    assert max(abs(bar.change_rate or 0.0) for bar in raw) > 80.0


def test_cash_dividends_shift_forward_prices(market: Market) -> None:
    raw = day_of(market, "SH.600519", KLType.DAY, "2025-06-25")[0]
    forward = day_of(market, "SH.600519", KLType.DAY, "2025-06-25", RehabType.FORWARD)[0]
    assert raw.close_price is not None
    assert forward.close_price == pytest.approx(raw.close_price - 27.624, abs=0.001)


def test_reference_data_comes_from_the_same_securities(market: Market) -> None:
    warrants = market.reference("HK.00700", ReferenceType.WARRANT)
    assert {row.basic.security.code for row in warrants} == {"28123", "60123"}
    chain = market.option_chain("US.AAPL", "2026-03-01", "2026-03-31", OptionType.CALL)
    assert [c.strike_time for c in chain] == ["2026-03-20"]
    assert [item.call is not None and item.put is None for item in chain[0].option] == [True, True]
    assert len(market.option_expirations("US.AAPL")) == 2
    assert market.future_info("HK.HSImain").origin == Security(
        market=QotMarket.HK_SECURITY, code="HSI2603"
    )
    page, count, last = market.warrants(begin=0, num=2)
    assert (len(page), count, last) == (2, 3, False)
    plates = market.plates(QotMarket.HK_SECURITY, 0)
    assert {plate.plate.code for plate in plates} == {"BK1001", "BK1002", "BK1003"}
    assert [p.plate.code for p in market.owner_plates("HK.00005")] == ["BK1002", "BK1003"]
    members = market.plate_members("HK.BK1001")
    assert [row.basic.security.code for row in members] == ["00700", "03690", "09988"]
    assert len(market.static_list(QotMarket.US_SECURITY, SecurityType.DRVT)) == 6


def test_snapshots_agree_with_quote_and_book(market: Market) -> None:
    for key in market:
        basic = market.snapshot(key).basic
        quote = market.basic_qot(key)
        assert (basic.cur_price, basic.volume, basic.turnover) == (
            quote.cur_price,
            quote.volume,
            quote.turnover,
        )
        book = market.order_book(key, 1)
        assert basic.bid_price == (book.bids[0].price if book.bids else 0.0)
        assert (basic.lowest_52weeks_price or 0.0) <= basic.cur_price
        assert basic.cur_price <= (basic.highest_52weeks_price or 0.0)


def test_capital_flow_adds_up_to_the_distribution(market: Market) -> None:
    flow = market.capital_flow("HK.00700").flow_item_list[-1]
    parts = market.capital_distribution("HK.00700")
    net = (
        (parts.capital_in_super or 0.0)
        + parts.capital_in_big
        + parts.capital_in_mid
        + parts.capital_in_small
        - (parts.capital_out_super or 0.0)
        - parts.capital_out_big
        - parts.capital_out_mid
        - parts.capital_out_small
    )
    assert flow.in_flow == pytest.approx(net)


@pytest.mark.parametrize(
    "bad",
    [
        lambda m: m.basic_qot("HK.99999"),
        lambda m: m.key_of(Security(market=QotMarket.SG_SECURITY, code="X")),
        lambda m: m.klines("HK.00700", 99, 0, 10),
        lambda m: m.klines("HK.00700", 1, 7, 10),
        lambda m: m.klines("HK.00700", 1, 0, 0),
        lambda m: m.history("HK.00700", 1, 0, "yesterday", "2026-01-01"),
        lambda m: m.history("HK.00700", 1, 0, "", "", next_key=b"\xff"),
        lambda m: m.order_book("HK.00700", 0),
        lambda m: m.tickers("HK.00700", 0),
        lambda m: m.plate_members("HK.00700"),
        lambda m: m.future_info("HK.00700"),
        lambda m: m.trading_days(99, "2026-01-01", "2026-02-01"),
        lambda m: m.set_market_state("MARS", 3),
        lambda m: m.step(0),
        lambda m: Market(intensity=0.0),
    ],
)
def test_bad_input_is_a_usage_error(market: Market, bad: object) -> None:
    assert callable(bad)
    with pytest.raises(UsageError):
        bad(market)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    low=st.integers(100, 3000),
    reach=st.integers(0, 400),
    marks=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    lots=st.integers(1, 900),
    places=st.integers(1, 60),
)
def test_split_bars_join_to_the_whole(
    seed: int, low: int, reach: int, marks: tuple[float, float, float], lots: int, places: int
) -> None:
    grid = Grid([[0.0, 0.01], [10.0, 0.02], [20.0, 0.05]])
    opening, closing = (grid.price(low + int(mark * reach)) for mark in marks[:2])
    bottom, top = grid.price(low), grid.price(low + reach)
    volume = lots * 100
    turnover = int((bottom + marks[2] * (top - bottom)) * volume)
    bar = Bar(0, opening, top, bottom, closing, volume, turnover)
    parts = split(bar, range(places), 100, 1, grid, generator(seed))
    assert join(0, parts) == bar
    for part in parts:
        assert part.low <= min(part.open, part.close) <= max(part.open, part.close) <= part.high
        assert part.low * part.volume <= part.turnover <= part.high * part.volume
        assert part.volume > 0
        assert all(grid.holds(price) for price in part[1:5])
