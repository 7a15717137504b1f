"""Answers made from the schema: valid, deterministic, and in keeping with the question."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from futukit import codec
from futukit.messages import (
    qot_common,
    qot_get_event_contract,
    qot_get_event_contract_ticker,
    qot_get_heat_map_data,
    qot_get_holding_change_list,
    qot_get_insider_holder_list,
    qot_get_ipo_list,
    qot_get_option_market_statistic,
    qot_get_option_rank,
    qot_get_option_underlying_overview,
    qot_get_top_movers_rank,
    qot_get_valuation_plate_stock_list,
    qot_option_screen,
    qot_stock_filter,
    qot_stock_screen,
    registry,
    skill_wrap_api,
    trd_common,
    trd_get_order_fee,
    trd_get_order_list,
)
from futukit.sim.answers import SchemaAnswers
from futukit.sim.refusal import UNKNOWN_SECURITY, RefusalError
from futukit.sim.schema import fields_of
from futukit.types import OpenEnum, exchange_time
from tests.unit.sim.raw_client import securities, security
from tests.unit.sim.universe import NOW, SmallUniverse

HK = qot_common.QotMarket.HK_SECURITY
US = int(qot_common.QotMarket.US_SECURITY)


def answer(proto_id: int, c2s: Struct, seed: int = 1) -> Any:
    response = registry.response_class(proto_id)
    s2c = next(field.target for field in fields_of(response) if field.attribute == "s2c")
    return SchemaAnswers(seed, SmallUniverse()).answer(proto_id, c2s, s2c)


def test_the_seed_and_the_request_decide_everything() -> None:
    def insiders(key: str, seed: int) -> bytes:
        c2s = qot_get_insider_holder_list.C2S(security=security(key))
        return codec.encode(answer(3241, c2s, seed))

    assert insiders("HK.00700", 1) == insiders("HK.00700", 1)
    assert insiders("HK.00700", 1) != insiders("HK.00700", 2)
    assert insiders("HK.00700", 1) != insiders("HK.00001", 1)


def test_pages_by_key_follow_each_other_without_gap_or_overlap() -> None:
    def page(key: str | None, num: int) -> qot_get_insider_holder_list.S2C:
        c2s = qot_get_insider_holder_list.C2S(security=security("HK.00700"), next_key=key, num=num)
        found = answer(3241, c2s)
        assert isinstance(found, qot_get_insider_holder_list.S2C)
        return found

    rows: list[Any] = []
    whole, key = page(None, 20), None
    while key != "-1":
        part = page(key, 2)
        assert part.all_count == whole.all_count
        assert 1 <= len(part.item_list) <= 2
        rows += part.item_list
        key = part.next_key
    assert len(rows) == whole.all_count
    assert tuple(rows[:20]) == whole.item_list


def test_pages_by_offset_end_at_the_total() -> None:
    def page(offset: int, count: int) -> qot_get_top_movers_rank.S2C:
        c2s = qot_get_top_movers_rank.C2S(market=HK, offset=offset, count=count)
        found = answer(3413, c2s)
        assert isinstance(found, qot_get_top_movers_rank.S2C)
        return found

    everything = page(0, 200)
    assert len(everything.data_list) == everything.all_count
    names = [row.security.code for row in everything.data_list]
    assert len(set(names)) == len(names)
    assert page(1, 2).data_list == everything.data_list[1:3]
    assert page(everything.all_count or 0, 5).data_list == ()


def test_the_last_page_says_so() -> None:
    c2s = qot_stock_filter.C2S(begin=0, num=200, market=HK)
    found = answer(3215, c2s)
    assert found.last_page
    assert len(found.data_list) == found.all_count
    c2s = qot_stock_filter.C2S(begin=0, num=1, market=HK)
    assert not answer(3215, c2s).last_page
    screen = answer(3252, qot_stock_screen.C2S(page_from=0, page_count=300))
    assert screen.last_page == 1
    assert len(answer(3253, qot_option_screen.C2S(page_from=0, page_count=1)).data_list) == 1


def test_next_page_is_absent_on_the_last() -> None:
    def page(cursor: str | None, count: int) -> qot_get_option_rank.S2C:
        c2s = qot_get_option_rank.C2S(
            option_market=qot_get_option_rank.C2S.__annotations__["option_market"](1),
            sort_type=qot_get_option_rank.C2S.__annotations__["sort_type"](1),
            count=count,
            page=cursor,
        )
        found = answer(3306, c2s)
        assert isinstance(found, qot_get_option_rank.S2C)
        return found

    first = page(None, 1)
    assert first.rank_list[0].option.code.startswith("AAPL2606")
    assert first.next_page == "1"
    assert page(None, 200).next_page is None


def test_a_byte_key_is_absent_on_the_last_page() -> None:
    annotations = qot_get_option_market_statistic.C2S.__annotations__
    c2s = qot_get_option_market_statistic.C2S(
        option_market=annotations["option_market"](1),
        data_type=annotations["data_type"](1),
        begin_time="2026-01-01",
        end_time="2026-02-01",
        next_page_key=b"99",
    )
    assert answer(3301, c2s).next_page_key is None


@pytest.mark.parametrize("key", ["x", "-1", "1" * 10, "١"])
def test_a_key_that_no_page_gave_is_refused(key: str) -> None:
    c2s = qot_get_insider_holder_list.C2S(security=security("HK.00700"), next_key=key)
    with pytest.raises(RefusalError, match="nextKey is not a key"):
        answer(3241, c2s)


@pytest.mark.parametrize(
    ("num", "why"), [(0, "at least 1"), (-5, "at least 1"), (21, "at most 20")]
)
def test_impossible_page_sizes_are_refused(num: int, why: str) -> None:
    c2s = qot_get_insider_holder_list.C2S(security=security("HK.00700"), num=num)
    with pytest.raises(RefusalError, match=why):
        answer(3241, c2s)


def test_a_negative_begin_is_refused() -> None:
    with pytest.raises(RefusalError, match="cannot be negative"):
        answer(3215, qot_stock_filter.C2S(begin=-1, num=1, market=HK))


def test_each_asked_security_has_its_row() -> None:
    asked = securities("US.AAPL", "HK.00700", "HK.00001")
    found = answer(3303, qot_get_option_underlying_overview.C2S(owner_list=asked))
    assert tuple(row.owner for row in found.underlying_data_list) == asked
    assert [row.code for row in found.underlying_data_list] == ["AAPL", "00700", "00001"]
    assert found.underlying_data_list[0].name == "Apple"


def test_each_asked_order_has_its_row() -> None:
    header = trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.REAL, acc_id=7, trd_market=trd_common.TrdMarket.HK
    )
    c2s = trd_get_order_fee.C2S(header=header, order_id_ex_list=("A1", "B2"))
    found = answer(2225, c2s)
    assert found.header == header
    assert [row.order_id_ex for row in found.order_fee_list] == ["A1", "B2"]


def test_the_header_comes_back() -> None:
    header = trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.SIMULATE, acc_id=2**63, trd_market=trd_common.TrdMarket.US
    )
    assert answer(2201, trd_get_order_list.C2S(header=header)).header == header


@pytest.mark.parametrize("key", ["HK.99999", "US.00700", "SG.D05"])
def test_an_unknown_security_is_refused(key: str) -> None:
    c2s = qot_get_holding_change_list.C2S(
        security=security(key), holder_category=qot_common.HolderCategory.FUND
    )
    with pytest.raises(RefusalError, match="unknown security") as caught:
        answer(3208, c2s)
    assert caught.value.err_code == UNKNOWN_SECURITY


def test_an_unknown_symbol_of_a_flat_request_is_refused() -> None:
    answers = SchemaAnswers(1, SmallUniverse())
    found = answers.answer(
        3801,
        skill_wrap_api.TechnicalUnusualReq(stock_symbol="HK.00700"),
        skill_wrap_api.TechnicalUnusualRsp,
    )
    assert found.ret_type == 0  # type: ignore[attr-defined]
    with pytest.raises(RefusalError, match="unknown security"):
        answers.answer(
            3801,
            skill_wrap_api.TechnicalUnusualReq(stock_symbol="nobody"),
            skill_wrap_api.TechnicalUnusualRsp,
        )


def test_times_lie_in_the_asked_range_and_agree_with_their_timestamps() -> None:
    annotations = qot_get_option_market_statistic.C2S.__annotations__
    c2s = qot_get_option_market_statistic.C2S(
        option_market=annotations["option_market"](1),
        data_type=annotations["data_type"](1),
        begin_time="2026-01-05",
        end_time="2026-01-09",
    )
    rows = answer(3301, c2s).statistic_list
    assert rows
    for row in rows:
        assert "2026-01-05" <= row.time <= "2026-01-09 00:00:00"
        assert row.timestamp == exchange_time(row.time, US).timestamp()


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    c2s = qot_get_holding_change_list.C2S(
        security=security("HK.00700"),
        holder_category=qot_common.HolderCategory.FUND,
        begin_time="2026-02-01",
        end_time="2026-01-01",
    )
    with pytest.raises(RefusalError, match="after its end"):
        answer(3208, c2s)


@pytest.mark.parametrize("text", ["soon", "0001-01-01", "9999-12-31"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    c2s = qot_get_holding_change_list.C2S(
        security=security("HK.00700"),
        holder_category=qot_common.HolderCategory.FUND,
        begin_time=text,
    )
    with pytest.raises(RefusalError, match="beginTime"):
        answer(3208, c2s)


def test_filters_come_back_as_figures_of_each_stock() -> None:
    price = qot_stock_filter.StockField.CUR_PRICE
    base = qot_stock_filter.BaseFilter(field_name=price, filter_min=9.9, filter_max=20.0)
    c2s = qot_stock_filter.C2S(begin=0, num=2, market=HK, base_filter_list=(base,))
    for row in answer(3215, c2s).data_list:
        (figure,) = row.base_data_list
        assert figure.field_name == price
        assert 9.9 <= figure.value <= 20.0
        assert row.accumulate_data_list == ()


def test_a_filter_on_an_indicator_comes_back_with_its_parameters() -> None:
    indicator = qot_stock_filter.CustomIndicatorField
    wanted = qot_stock_filter.CustomIndicatorFilter(
        first_field_name=indicator.MA,
        second_field_name=indicator.VALUE,
        relative_position=qot_stock_filter.RelativePosition.MORE,
        field_value=5.0,
        kl_type=qot_common.KLType.DAY,
        first_field_para_list=(20,),
    )
    c2s = qot_stock_filter.C2S(begin=0, num=1, market=HK, custom_indicator_filter_list=(wanted,))
    (row,) = answer(3215, c2s).data_list
    (figure,) = row.custom_indicator_data_list
    assert (figure.field_name, figure.kl_type) == (indicator.MA, qot_common.KLType.DAY)
    assert figure.field_para_list == (20,)


def test_stocks_of_a_plate_are_stocks_and_plates_are_plates() -> None:
    c2s = qot_get_valuation_plate_stock_list.C2S(security=security("HK.LIST0001"), num=3)
    found = answer(3233, c2s)
    assert all(not row.security.code.startswith("LIST") for row in found.stock_list)
    assert all(row.security.code == "LIST0001" for row in found.plate_list)
    heat = answer(3432, qot_get_heat_map_data.C2S(market=HK, count=3))
    assert {row.plate.code for row in heat.plate_data_list} == {"LIST0001"}


def test_fields_of_other_markets_are_left_out() -> None:
    found = answer(3217, qot_get_ipo_list.C2S(market=HK))
    assert found.ipo_list
    for row in found.ipo_list:
        assert row.hk_ex_data is not None
        assert (row.us_ex_data, row.cn_ex_data) == (None, None)


def test_a_market_that_is_not_simulated_has_nothing_to_list() -> None:
    c2s = qot_get_top_movers_rank.C2S(market=qot_common.QotMarket.JP_SECURITY)
    found = answer(3413, c2s)
    assert (found.all_count, found.data_list) == (0, ())


def test_event_contracts_are_of_their_own_market() -> None:
    event = qot_common.Security(market=qot_common.QotMarket.EVENT_CONTRACT, code="KXELECTION")
    found = answer(3438, qot_get_event_contract.C2S(event=event, count=2))
    assert len(found.contract_list) == 2
    for row in found.contract_list:
        assert row.event_security == event
        assert row.contract_security.market == qot_common.QotMarket.EVENT_CONTRACT
    tickers = answer(3448, qot_get_event_contract_ticker.C2S(security=event, count=2))
    assert tickers.ticker_list
    assert all(row.code == event and len(row.ticker_list) <= 2 for row in tickers.ticker_list)


def test_no_enum_is_unknown_or_unlisted() -> None:
    header = trd_common.TrdHeader(
        trd_env=trd_common.TrdEnv.REAL, acc_id=7, trd_market=trd_common.TrdMarket.HK
    )
    orders = answer(2201, trd_get_order_list.C2S(header=header)).order_list
    assert orders
    for order in orders:
        for field in fields_of(trd_common.Order):
            value = getattr(order, field.attribute)
            if isinstance(value, OpenEnum):
                assert value.listed
                assert "UNKNOWN" not in value.name


def test_prices_keep_their_order() -> None:
    found = answer(3413, qot_get_top_movers_rank.C2S(market=HK, count=5))
    prices = {row.security.code: row.cur_price for row in found.data_list}
    assert 300 < prices.get("00700", 380) < 460
    assert NOW.year == 2026
