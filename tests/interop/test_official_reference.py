"""Reference data and everything else that the official SDK can ask for."""

from __future__ import annotations

from typing import Any, Final

import pytest

from futukit.messages.qot_common import PlateSetType, QotMarket, SecurityType, TradeDateMarket
from futukit.sim import SimulatedOpenD
from tests.interop.columns import Column, Columns, assert_rows, code_of, enums_of, same
from tests.interop.faces import ask
from tests.interop.modes import Mode
from tests.interop.official import Official

_BASIC: Final[Columns] = {
    "code": Column("basic.security", code_of),
    "stock_id": Column("basic.id"),
    "stock_type": Column("basic.sec_type", enum="SecurityType"),
    "main_contract": Column("future_ex_data.is_main_contract"),
    "last_trade_time": Column("future_ex_data.last_trade_time"),
    **same("basic.", "lot_size"),
}
STATIC: Final[Columns] = {
    **_BASIC,
    **same("basic.", "name", "delisting"),
    "listing_date": Column("basic.list_time", unless="option_ex_data"),
    "exchange_type": Column("basic.exch_type", enum="ExchType"),
    "stock_child_type": Column("warrant_ex_data.type", enum="WrtType"),
    "stock_owner": Column("warrant_ex_data.owner|option_ex_data.owner", code_of),
    "option_type": Column("option_ex_data.type", enum="OptionType"),
    "suspension": Column("option_ex_data.suspend"),
    "index_option_type": Column("option_ex_data.index_option_type", enum="IndexOptionType"),
    **same("option_ex_data.", "strike_time", "strike_price"),
}
PLATE_MEMBER: Final[Columns] = {
    **_BASIC,
    "stock_name": Column("basic.name"),
    "list_time": Column("basic.list_time"),
    # The SDK has these columns and never fills them.
    "stock_owner": Column("basic.delisting", lambda _: None),
    "stock_child_type": Column("basic.delisting", lambda _: None),
}
PLATE: Final[Columns] = {
    "code": Column("plate", code_of),
    "plate_name": Column("name"),
    "plate_id": Column("plate.code"),
}
OWNED_PLATE: Final[Columns] = {
    "code": Column("/security", code_of),
    "name": Column("/name"),
    "plate_code": Column("plate", code_of),
    "plate_name": Column("name"),
    "plate_type": Column("plate_type", enum="Plate"),
}
TRADE_DAY: Final[Columns] = {
    "time": Column("time"),
    "trade_date_type": Column("trade_date_type", enum="TradeDateType"),
}
MARKET_STATE: Final[Columns] = {
    "code": Column("security", code_of),
    "stock_name": Column("name"),
    "market_state": Column("market_state", enum="MarketState"),
}

KINDS = {
    ("HK", "STOCK"): (QotMarket.HK_SECURITY, SecurityType.EQTY),
    ("US", "STOCK"): (QotMarket.US_SECURITY, SecurityType.EQTY),
    ("SH", "STOCK"): (QotMarket.CNSH_SECURITY, SecurityType.EQTY),
    ("SZ", "ETF"): (QotMarket.CNSZ_SECURITY, SecurityType.TRUST),
    ("HK", "IDX"): (QotMarket.HK_SECURITY, SecurityType.INDEX),
    ("HK", "WARRANT"): (QotMarket.HK_SECURITY, SecurityType.WARRANT),
    ("HK", "FUTURE"): (QotMarket.HK_SECURITY, SecurityType.FUTURE),
}
TRADE_DAYS = {"HK": TradeDateMarket.HK, "US": TradeDateMarket.US, "CN": TradeDateMarket.CN}


@pytest.mark.parametrize("words", KINDS)
def test_static_information(
    sim: SimulatedOpenD, official: Official, words: tuple[str, str]
) -> None:
    market, sec_type = KINDS[words]
    shown = official.ok(
        "get_stock_basicinfo", market=words[0], stock_type=words[1], enums=enums_of(STATIC)
    )
    answer = ask(sim.url, "quote.get_static_info", market=market, sec_type=sec_type)
    assert shown
    assert_rows(STATIC, shown, answer.static_info_list, answer)


def test_static_information_of_named_options(sim: SimulatedOpenD, official: Official) -> None:
    codes = ["US.AAPL260320C260000", "HK.TCH260330P520000"]
    shown = official.ok(
        "get_stock_basicinfo",
        market="US",
        stock_type="DRVT",
        code_list=codes,
        enums=enums_of(STATIC),
    )
    answer = ask(sim.url, "quote.get_static_info", security_list=codes)
    assert [row["code"] for row in shown] == codes
    assert_rows(STATIC, shown, answer.static_info_list, answer)


@pytest.mark.parametrize("word", TRADE_DAYS)
def test_trading_days(sim: SimulatedOpenD, official: Official, word: str) -> None:
    begin, end = "2025-12-20", "2026-03-02"  # half days and holidays
    shown = official.ok(
        "request_trading_days", market=word, start=begin, end=end, enums=enums_of(TRADE_DAY)
    )
    answer = ask(
        sim.url,
        "quote.request_trade_date",
        market=TRADE_DAYS[word],
        begin_time=begin,
        end_time=end,
    )
    assert len(shown) > 30
    assert_rows(TRADE_DAY, shown, answer.trade_date_list, answer)


def test_plates_and_their_members(sim: SimulatedOpenD, official: Official) -> None:
    shown = official.ok("get_plate_list", market="HK", plate_class="ALL")
    answer = ask(
        sim.url,
        "quote.get_plate_set",
        market=QotMarket.HK_SECURITY,
        plate_set_type=PlateSetType.ALL,
    )
    assert_rows(PLATE, shown, answer.plate_info_list, answer)
    members = official.ok(
        "get_plate_stock", plate_code=shown[0]["code"], enums=enums_of(PLATE_MEMBER)
    )
    answer = ask(sim.url, "quote.get_plate_security", plate=shown[0]["code"])
    assert len(members) > 1
    assert_rows(PLATE_MEMBER, members, answer.static_info_list, answer)


def test_plates_of_securities(sim: SimulatedOpenD, official: Official) -> None:
    codes = ["HK.00700", "US.AAPL"]
    shown = official.ok("get_owner_plate", code_list=codes, enums=enums_of(OWNED_PLATE))
    answer = ask(sim.url, "quote.get_owner_plate", security_list=codes)
    for owner in answer.owner_plate_list:
        rows = [row for row in shown if row["code"] == code_of(owner.security)]
        assert rows
        assert_rows(OWNED_PLATE, rows, owner.plate_info_list, owner)


def test_market_states(sim: SimulatedOpenD, official: Official) -> None:
    codes = ["HK.00700", "US.AAPL", "SH.600519", "HK.HSImain"]
    shown = official.ok("get_market_state", code_list=codes, enums=enums_of(MARKET_STATE))
    answer = ask(sim.url, "quote.get_market_state", security_list=codes)
    assert_rows(MARKET_STATE, shown, answer.market_info_list, answer)


def test_user_information(sim: SimulatedOpenD, official: Official) -> None:
    shown = official.ok("get_user_info", enums={"user_attr": "UserAttr"})
    ours = ask(sim.url, "system.get_user_info")
    assert shown["user_id"] == ours.user_id
    assert shown["nick_name"] == ours.nick_name
    assert shown["user_attr"] == ours.user_attribution
    assert (shown["sub_quota"], shown["history_kl_quota"]) == (
        ours.sub_quota,
        ours.history_kl_quota,
    )


APPLE = {"code": "US.AAPL"}
TENCENT = {"code": "HK.00700"}
US = {"market": "US"}
US_OPTIONS = {"option_market": "US_SECURITY"}
FUND = {"market": "US", "institution_id": 1}
CONTRACT = {"code": "EC.KXTEST-1"}

# Every other method of the SDK's quote context that plain arguments can call.
EVERYTHING: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("filter_competition", {}),
    ("get_ark_active_transaction", {}),
    ("get_ark_fund_holding", {}),
    ("get_ark_stock_dynamic", {"security": "US.AAPL"}),
    ("get_capital_distribution", {"stock_code": "HK.00700"}),
    ("get_capital_flow", {"stock_code": "HK.00700"}),
    ("get_code_change", {"code_list": ["HK.00700"]}),
    ("get_company_executive_background", APPLE),
    ("get_company_executives", APPLE),
    ("get_company_operational_efficiency", APPLE),
    ("get_company_profile", APPLE),
    ("get_corporate_actions_buybacks", TENCENT),
    ("get_corporate_actions_dividends", TENCENT),
    ("get_corporate_actions_stock_splits", APPLE),
    ("get_daily_short_volume", APPLE),
    (
        "get_delay_statistics",
        {"type_list": ["QOT_PUSH"], "qot_push_stage": "SVR2CLI", "segment_list": [10, 20]},
    ),
    ("get_derivative_unusual", TENCENT),
    ("get_dividend_calendar", {**US, "date": "2026-03-05"}),
    ("get_dividend_rank", {**US, "rank_type": "HIGH_YIELD"}),
    ("get_earnings_beat_rank", {**US, "beat_type": "EPS"}),
    ("get_earnings_calendar", US),
    ("get_economic_calendar", {"begin_date": "2026-03-05"}),
    ("get_event_contract", {"event_code": "EC.EVENT"}),
    ("get_event_contract_category", {}),
    ("get_event_contract_event_list", {"series_code": "EC.SERIES"}),
    ("get_event_contract_kline", CONTRACT),
    ("get_event_contract_milestone_list", {}),
    ("get_event_contract_order_book", CONTRACT),
    ("get_event_contract_series_list", {}),
    ("get_event_contract_snapshot", {"code_list": ["EC.KXTEST-1"]}),
    ("get_event_contract_ticker", CONTRACT),
    ("get_fed_watch_dot_plot", {}),
    ("get_fed_watch_target_rate", {}),
    ("get_financial_unusual", TENCENT),
    ("get_financials_earnings_price_history", TENCENT),
    ("get_financials_earnings_price_move", TENCENT),
    ("get_financials_revenue_breakdown", TENCENT),
    ("get_financials_statements", TENCENT),
    ("get_future_info", {"code_list": ["HK.HSImain", "HK.HSI2603"]}),
    ("get_heat_map_data", US),
    ("get_high_dividend_soe_rank", {}),
    ("get_history_kl_quota", {"get_detail": True}),
    ("get_holding_change_list", {**APPLE, "holder_type": "INSTITUTE"}),
    ("get_hot_list", US),
    ("get_indicator_list", {}),
    ("get_industrial_chain_by_plate", {"plate_id": 1}),
    ("get_industrial_chain_detail", {"chain_id": 1}),
    ("get_industrial_chain_list", US),
    ("get_industrial_plate_info", {"plate_id": 1}),
    ("get_industrial_plate_stock", {"plate_id": 1}),
    ("get_insider_holder_list", APPLE),
    ("get_insider_trade_list", APPLE),
    ("get_institution_distribution", FUND),
    ("get_institution_holding_change", FUND),
    ("get_institution_holding_list", FUND),
    ("get_institution_list", US),
    ("get_institution_profile", FUND),
    ("get_ipo_list", {"market": "HK"}),
    ("get_ipo_list", {"market": "SH"}),
    ("get_ipo_list", US),
    ("get_macro_indicator_history", {"indicator_id": 1}),
    ("get_macro_indicator_list", {"region": "US"}),
    ("get_option_chain", {**APPLE, "start": "2026-03-10", "end": "2026-04-05"}),
    ("get_option_earnings_screener", {"market": "US_SECURITY"}),
    ("get_option_event", US_OPTIONS),
    ("get_option_event_alert", {}),
    ("get_option_exercise_probability", {"code": "US.AAPL260320C260000"}),
    ("get_option_expiration_date", APPLE),
    ("get_option_market_statistic", {**US_OPTIONS, "data_type": "VOLUME"}),
    ("get_option_rank", {**US_OPTIONS, "sort_type": "VOLUME"}),
    ("get_option_seller_screener", {"market": "US_SECURITY", "seller_type": "COVERED_CALL"}),
    (
        "get_option_strategy",
        {**APPLE, "option_strategy": "STRADDLE", "expire_time": "2026-03-20"},
    ),
    (
        "get_option_strategy_spread",
        {**APPLE, "option_strategy": "SPREAD", "expire_time": "2026-03-20"},
    ),
    ("get_option_underlying_his_statistic", APPLE),
    ("get_option_underlying_his_volatility", APPLE),
    ("get_option_underlying_overview", {"code_list": ["US.AAPL"]}),
    ("get_option_underlying_rank", {**US_OPTIONS, "sort_type": "VOLUME"}),
    ("get_option_volatility", APPLE),
    ("get_option_zero_dte_screener", {"market": "US_SECURITY"}),
    ("get_period_change_rank", US),
    ("get_price_reminder", TENCENT),
    ("get_rating_change", US),
    ("get_referencestock_list", {**TENCENT, "reference_type": "WARRANT"}),
    ("get_rehab", TENCENT),
    ("get_research_analyst_consensus", TENCENT),
    ("get_research_morningstar_report", TENCENT),
    ("get_research_rating_summary", TENCENT),
    ("get_rise_fall_distribution", US),
    ("get_search_news", {"keyword": "TENCENT"}),
    ("get_search_quote", {"keyword": "TENCENT"}),
    ("get_shareholders_holder_detail", TENCENT),
    ("get_shareholders_holding_changes", TENCENT),
    ("get_shareholders_institutional", TENCENT),
    ("get_shareholders_overview", TENCENT),
    ("get_short_interest", APPLE),
    ("get_short_selling_rank", {"market": "HK"}),
    ("get_stock_filter", {"market": "HK"}),
    ("get_technical_unusual", TENCENT),
    ("get_top_movers_rank", US),
    ("get_top_ten_buy_sell_brokers", TENCENT),
    ("get_us_after_hours_rank", {}),
    ("get_us_overnight_rank", {}),
    ("get_us_pre_market_rank", {}),
    ("get_user_security", {"group_name": "All"}),
    ("get_user_security_group", {}),
    ("get_valid_combo_list", {}),
    ("get_valuation_detail", APPLE),
    ("get_valuation_plate_stock_list", APPLE),
    ("get_warrant", {"stock_owner": "HK.00700"}),
    ("modify_user_security", {"group_name": "A", "op": "ADD", "code_list": ["HK.00700"]}),
    ("request_history_event_contract_kline", CONTRACT),
    (
        "set_price_reminder",
        {
            **TENCENT,
            "op": "ADD",
            "reminder_type": "PRICE_UP",
            "reminder_freq": "ALWAYS",
            "value": 600.0,
        },
    ),
    ("subscribe_event_contract", {"code_list": ["EC.KXTEST-1"], "subtype_list": ["TICKER"]}),
    ("unsubscribe_all_event_contract", {}),
    ("verification", {"verification_type": "PICTURE", "verification_op": "REQUEST"}),
)

# Their answers have a key of bytes for the next page.
PAGED = {
    "get_option_market_statistic",
    "get_option_underlying_his_statistic",
    "get_option_underlying_his_volatility",
}


@pytest.mark.every_mode
def test_everything_else_is_answered_to_the_sdks_liking(
    sim: SimulatedOpenD, official: Official, mode: Mode
) -> None:
    refused = []
    for method, arguments in EVERYTHING:
        if method in PAGED and not mode.reads_bytes:
            continue
        outcome, *content = official.call(method, **arguments)
        if outcome != 0:
            refused.append((method, content))
    assert refused == []
    assert len(sim.stats().requests) > 100
