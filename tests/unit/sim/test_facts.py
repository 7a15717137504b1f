"""Answers made from the schema say of a security what the simulated market knows of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from futukit.messages import (
    qot_common,
    qot_get_ark_fund_holding,
    qot_get_event_contract_kline,
    qot_get_event_contract_series_list,
    qot_get_heat_map_data,
    qot_get_insider_holder_list,
    qot_get_ipo_list,
    qot_get_option_event,
    qot_get_option_rank,
    qot_get_option_strategy,
    qot_get_option_underlying_rank,
    qot_get_search_news,
    qot_get_search_quote,
    qot_get_us_after_hours_rank,
    qot_get_us_overnight_rank,
    qot_get_us_pre_market_rank,
    qot_get_user_security,
    qot_get_valuation_plate_stock_list,
    qot_option_screen,
    qot_request_history_event_contract_kl,
    qot_warrant_screen,
    registry,
    trd_common,
    trd_get_order_list,
)
from futukit.sim.answers import SchemaAnswers
from futukit.sim.facts import market_member
from futukit.sim.market import Market
from futukit.sim.schema import fields_of
from futukit.sim.universe import MarketUniverse
from futukit.types import OpenEnum, exchange_time
from tests.unit.sim.raw_client import security

HK, US = qot_common.QotMarket.HK_SECURITY, qot_common.QotMarket.US_SECURITY
SZ = qot_common.QotMarket.CNSZ_SECURITY


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(1)


@pytest.fixture(scope="module")
def answers(market: Market) -> SchemaAnswers:
    return SchemaAnswers(1, MarketUniverse(market))


def ask(answers: SchemaAnswers, proto_id: int, c2s: Struct) -> Any:
    response = registry.response_class(proto_id)
    s2c = next(field.target for field in fields_of(response) if field.attribute == "s2c")
    return answers.answer(proto_id, c2s, s2c)


def enum_of(cls: type[Struct], attribute: str, number: int) -> Any:
    field = next(field for field in fields_of(cls) if field.attribute == attribute)
    return field.target(number)


def test_pages_of_an_event_contract_are_about_the_asked_one(answers: SchemaAnswers) -> None:
    contract = security("EC.KXTEST-1")
    c2s = qot_request_history_event_contract_kl.C2S(
        security=contract,
        kl_type=qot_common.KLType.DAY,
        begin_time="2026-01-05",
        end_time="2026-02-05",
        max_ack_kl_num=3,
    )
    rows = ask(answers, 3456, c2s).kline_list
    assert len(rows) == 3
    assert {(row.code, row.name) for row in rows} == {(contract, "KXTEST-1")}
    rows = ask(answers, 3447, qot_get_event_contract_kline.C2S(security=contract)).kline_list
    assert {row.code for row in rows} == {contract}


def test_without_a_question_event_contracts_are_not_stocks(answers: SchemaAnswers) -> None:
    rows = ask(answers, 3436, qot_get_event_contract_series_list.C2S()).series_list
    assert rows
    assert all(row.series_security.market == 101 for row in rows)


def option_market(cls: type[Struct]) -> Any:
    return enum_of(cls, "option_market", 1)


def test_an_option_event_names_an_option_and_its_owner(
    market: Market, answers: SchemaAnswers
) -> None:
    cls = qot_get_option_event.C2S
    rows = ask(answers, 3307, cls(option_market=option_market(cls), count=50)).event_list
    assert {row.option_type.name for row in rows} == {"CALL", "PUT"}
    for row in rows:
        facts = market.static_info(market.key_of(row.option)).option_ex_data
        assert facts is not None
        assert (row.owner, row.option_type) == (facts.owner, facts.type)
        assert (row.strike_price, row.strike_time) == (facts.strike_price, facts.strike_time)
        assert row.strike_timestamp == facts.strike_timestamp
        assert row.symbol == facts.owner.code
        assert row.underlying_price == market.basic_qot("US.AAPL").cur_price
        assert (row.delta < 0) == (row.option_type == qot_common.OptionType.PUT)
        assert row.dte == (exchange_time(row.strike_time, "US").date() - DAY).days


DAY = exchange_time("2026-03-01", "US").date()


def test_ranks_of_options_list_options_and_those_of_owners_owners(
    market: Market, answers: SchemaAnswers
) -> None:
    cls = qot_get_option_rank.C2S
    c2s = cls(option_market=option_market(cls), sort_type=enum_of(cls, "sort_type", 1), count=200)
    rows = ask(answers, 3306, c2s).rank_list
    for row in rows:
        info = market.static_info(market.key_of(row.option))
        assert info.option_ex_data is not None
        assert (row.name, row.option_type) == (info.basic.name, info.option_ex_data.type)
    assert len({row.option.code for row in rows}) == len(rows) > 2
    other = qot_get_option_underlying_rank.C2S
    wanted = other(option_market=option_market(other), sort_type=enum_of(other, "sort_type", 1))
    (row,) = ask(answers, 3305, wanted).rank_list
    assert (row.owner, row.name) == (security("US.AAPL"), "Apple")


def test_screens_of_options_and_warrants(market: Market, answers: SchemaAnswers) -> None:
    for row in ask(answers, 3253, qot_option_screen.C2S(page_from=0, page_count=99)).data_list:
        info = market.static_info(market.key_of(row.security))
        assert info.option_ex_data is not None
        assert (row.option_name, row.strike_price) == (
            info.basic.name,
            info.option_ex_data.strike_price,
        )
    warrants = ask(answers, 3254, qot_warrant_screen.C2S()).warrants
    (known, *_), _, _ = market.warrants()
    row = next(one for one in warrants if one.security == known.stock)
    assert (row.owner_security, row.strike_price, row.lot_size, row.conversion_ratio) == (
        known.owner,
        known.strike_price,
        known.lot_size,
        known.conversion_ratio,
    )


def test_the_legs_of_a_strategy_are_options_on_its_owner(
    market: Market, answers: SchemaAnswers
) -> None:
    cls = qot_get_option_strategy.C2S
    values: dict[str, Any] = {
        field.attribute: _some(field) for field in fields_of(cls) if field.label == "required"
    }
    c2s = cls(**{**values, "owner": security("HK.00700")})
    for row in ask(answers, 3256, c2s).strategy_list:
        assert row.stock_owner == security("HK.00700")
        for leg in row.multi_legs:
            facts = market.static_info(market.key_of(leg.security)).option_ex_data
            assert facts is not None
            assert facts.owner == row.stock_owner


def _some(field: Any) -> Any:
    if field.kind == "message":
        return None
    return {"string": "2026-03-01", "int64": 1}.get(field.kind) or field.target(1)


@pytest.mark.parametrize(
    ("proto_id", "c2s"),
    [
        (3410, qot_get_us_pre_market_rank.C2S()),
        (3411, qot_get_us_after_hours_rank.C2S()),
        (3412, qot_get_us_overnight_rank.C2S()),
        (3423, qot_get_ark_fund_holding.C2S()),
    ],
)
def test_a_market_in_the_name_of_a_message_is_obeyed(
    answers: SchemaAnswers, proto_id: int, c2s: Struct
) -> None:
    rows = ask(answers, proto_id, c2s).data_list
    assert rows
    assert {row.security.market for row in rows} == {US}


def test_a_market_and_a_code_belong_together(market: Market, answers: SchemaAnswers) -> None:
    c2s = qot_get_search_quote.C2S(keyword="any", max_count=50)
    rows = ask(answers, 3262, c2s).search_quote_list
    for row in rows:
        found = security(f"{PREFIXES[row.market]}.{row.code}")
        basic = market.static_info(market.key_of(found)).basic
        assert (row.name, row.sec_type) == (basic.name, basic.sec_type)


PREFIXES = {1: "HK", 11: "US", 21: "SH", 22: "SZ"}


@pytest.mark.parametrize(
    ("account", "sec_market", "currency"), [("US", "US", "USD"), ("HK", "HK", "HKD")]
)
def test_orders_are_of_the_account_s_market(
    market: Market, answers: SchemaAnswers, account: str, sec_market: str, currency: str
) -> None:
    header = trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.REAL, acc_id=7, trd_market=trd_common.TrdMarket[account]
    )
    rows = ask(answers, 2201, trd_get_order_list.C2S(header=header)).order_list
    assert rows
    for row in rows:
        assert f"{sec_market}.{row.code}" in market
        assert row.sec_market.name == sec_market
        assert row.trd_market.name == account
        assert row.currency.name == currency


def test_each_market_has_its_member_in_every_enum_of_markets() -> None:
    assert market_member(trd_common.TrdSecMarket, SZ) is trd_common.TrdSecMarket.CN_SZ
    assert market_member(qot_common.QotMarket, SZ) is SZ
    assert market_member(OpenEnum, HK) is None


def test_static_info_is_the_market_s(market: Market, answers: SchemaAnswers) -> None:
    c2s = qot_get_user_security.C2S(group_name="any")
    rows = ask(answers, 3213, c2s).static_info_list
    assert rows
    for row in rows:
        assert row == market.static_info(market.key_of(row.basic.security))
    for row in ask(answers, 3217, qot_get_ipo_list.C2S(market=HK)).ipo_list:
        known = market.static_info(market.key_of(row.basic.security)).basic
        assert (row.basic.name, row.basic.list_time) == (known.name, known.list_time)
        assert row.hk_ex_data.lot_size == known.lot_size


def test_a_plate_is_answered_with_its_members(market: Market, answers: SchemaAnswers) -> None:
    plate = market.plates(1, 0)[0].plate
    members = {row.basic.security for row in market.plate_members(f"HK.{plate.code}")}
    c2s = qot_get_valuation_plate_stock_list.C2S(security=plate, num=50)
    found = ask(answers, 3233, c2s)
    assert {row.security for row in found.stock_list} <= members
    assert {row.security for row in found.plate_list} == {plate}
    for row in ask(answers, 3432, qot_get_heat_map_data.C2S(market=HK, count=3)).plate_data_list:
        key = market.key_of(row.plate)
        assert row.plate_name == market.instrument(key).name
        assert row.leader_stock in {one.basic.security for one in market.plate_members(key)}


def test_beside_a_stock_other_stocks_are_listed(answers: SchemaAnswers) -> None:
    c2s = qot_get_valuation_plate_stock_list.C2S(security=security("HK.00700"), num=50)
    codes = [row.security.code for row in ask(answers, 3233, c2s).stock_list]
    assert len(set(codes)) == len(codes) > 1


def test_a_filter_on_securities_is_obeyed(market: Market, answers: SchemaAnswers) -> None:
    cls = qot_get_option_rank.C2S
    indicator = next(f.target for f in fields_of(cls) if f.attribute == "filter_list")
    value = next(f.target for f in fields_of(indicator) if f.attribute == "indicator_value")
    wanted = indicator(
        indicator_type=enum_of(indicator, "indicator_type", 1),
        indicator_value=value(security_list=(security("HK.00700"),)),
    )
    c2s = cls(
        option_market=enum_of(cls, "option_market", 3),
        sort_type=enum_of(cls, "sort_type", 1),
        filter_list=(wanted,),
    )
    rows = ask(answers, 3306, c2s).rank_list
    assert {market.instrument(market.key_of(row.option)).name[:3] for row in rows} == {"007"}


def test_people_are_not_called_like_the_company(answers: SchemaAnswers) -> None:
    c2s = qot_get_insider_holder_list.C2S(security=security("HK.00700"))
    rows = ask(answers, 3241, c2s).item_list
    assert rows
    assert "TENCENT" not in {row.name for row in rows}


def test_news_name_securities_as_news_do(market: Market, answers: SchemaAnswers) -> None:
    rows = ask(answers, 3263, qot_get_search_news.C2S(keyword="any")).search_news_list
    assert rows
    for row in rows:
        for text in row.related_securities:
            code, _, prefix = text.rpartition(".")
            assert f"{prefix}.{code}" in market
