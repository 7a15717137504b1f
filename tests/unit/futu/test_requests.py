"""Objects that programs put into requests, and the rows of a stock filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.futu._enums import (
    FinancialQuarter,
    KLType,
    RelativePosition,
    SortDir,
    SortField,
    StockField,
)
from futukit.futu.requests import (
    AccumulateFilter,
    ComboLeg,
    CustomIndicatorFilter,
    FilterStockData,
    FinancialFilter,
    OptionDataFilter,
    PatternFilter,
    Request,
    SimpleFilter,
    StockFilter,
    TimeFilter,
    WarrantRequest,
)
from futukit.messages import qot_stock_filter as schema
from futukit.messages.qot_common import KLType as KLineNumber
from futukit.messages.qot_common import QotMarket, Security


def _simple(field: str = StockField.CUR_PRICE, **attributes: Any) -> SimpleFilter:
    told: SimpleFilter = _with(SimpleFilter(), stock_field=field, **attributes)
    return told


def _with(target: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        assert hasattr(target, name)
        setattr(target, name, value)
    return target


def _crossing(**attributes: Any) -> CustomIndicatorFilter:
    told = {
        "stock_field1": StockField.MA,
        "stock_field2": StockField.EMA,
        "stock_field1_para": [10],
        "stock_field2_para": [20],
        "relative_position": RelativePosition.CROSS_UP,
        "ktype": KLType.K_DAY,
        **attributes,
    }
    found: CustomIndicatorFilter = _with(CustomIndicatorFilter(), **told)
    return found


def _found() -> FilterStockData:
    return FilterStockData(
        schema.StockData(
            security=Security(market=QotMarket.HK_SECURITY, code="00700"),
            name="TENCENT",
            base_data_list=(
                schema.BaseData(field_name=schema.StockField.CUR_PRICE, value=312.5),
                schema.BaseData(field_name=schema.StockField(99), value=1.0),
            ),
            accumulate_data_list=(
                schema.AccumulateData(
                    field_name=schema.AccumulateField.TURNOVER, value=7.5e9, days=5
                ),
            ),
            financial_data_list=(
                schema.FinancialData(
                    field_name=schema.FinancialField.NET_PROFIT,
                    value=-1.5,
                    quarter=schema.FinancialQuarter.ANNUAL,
                ),
                schema.FinancialData(
                    field_name=schema.FinancialField.NET_PROFIT,
                    value=2.0,
                    quarter=schema.FinancialQuarter(77),
                ),
            ),
            custom_indicator_data_list=(
                _indicator(schema.CustomIndicatorField.MA, 300.0, 10),
                _indicator(schema.CustomIndicatorField.EMA, 301.0, 20),
                _indicator(schema.CustomIndicatorField.MACD_DIFF, 0.25, 12, 26, 9),
                _indicator(schema.CustomIndicatorField.PRICE, 312.5),
                _indicator(schema.CustomIndicatorField(99), 1.0),
            ),
        )
    )


def _indicator(
    field: schema.CustomIndicatorField, value: float, *parameters: int
) -> schema.CustomIndicatorData:
    return schema.CustomIndicatorData(
        field_name=field, value=value, kl_type=KLineNumber.DAY, field_para_list=parameters
    )


def test_bounds_travel_only_with_a_filter_that_is_on() -> None:
    told = _simple(filter_min=10, filter_max=20.5, sort=SortDir.DESCEND)
    shown = schema.BaseFilter(
        field_name=schema.StockField.CUR_PRICE, sort_dir=schema.SortDir.DESCEND
    )
    assert told.message() == shown
    told.is_no_filter = False
    assert told.message() == schema.BaseFilter(
        field_name=schema.StockField.CUR_PRICE,
        filter_min=10.0,
        filter_max=20.5,
        is_no_filter=False,
        sort_dir=schema.SortDir.DESCEND,
    )


def test_the_numbers_of_fields_count_from_the_start_of_their_family() -> None:
    summed = _with(AccumulateFilter(), stock_field=StockField.TURNOVER, days=5)
    assert summed.message() == schema.AccumulateFilter(
        field_name=schema.AccumulateField.TURNOVER, days=5
    )
    reported = _with(FinancialFilter(), stock_field=StockField.NET_PROFIT)
    assert reported.message() == schema.FinancialFilter(
        field_name=schema.FinancialField.NET_PROFIT, quarter=schema.FinancialQuarter.ANNUAL
    )
    pattern = _with(
        PatternFilter(),
        stock_field=StockField.MA_ALIGNMENT_LONG,
        ktype=KLType.K_WEEK,
        consecutive_period=3,
    )
    assert pattern.message() == schema.PatternFilter(
        field_name=schema.PatternField.MA_ALIGNMENT_LONG,
        kl_type=KLineNumber.WEEK,
        consecutive_period=3,
    )


def test_an_indicator_keeps_its_parameters_in_order_and_twice_the_same() -> None:
    told = _crossing(stock_field1=StockField.KDJ_K, stock_field1_para=[9, 3, 3], value=2)
    assert told.message() == schema.CustomIndicatorFilter(
        first_field_name=schema.CustomIndicatorField.KDJ_K,
        second_field_name=schema.CustomIndicatorField.EMA,
        relative_position=schema.RelativePosition.CROSS_UP,
        field_value=2.0,
        kl_type=KLineNumber.DAY,
        first_field_para_list=(9, 3, 3),
        second_field_para_list=(20,),
    )
    assert _crossing(stock_field1_para=None).message().first_field_para_list == ()


@pytest.mark.parametrize(
    ("make", "blamed"),
    [
        (SimpleFilter, "stock_field"),
        (lambda: _simple("PRICE_OF_EVERYTHING"), "stock_field"),
        (lambda: _simple(None), "stock_field"),  # type: ignore[arg-type]
        (lambda: _simple(StockField.TURNOVER), "stock_field"),
        (lambda: _simple(sort="UP"), "sort"),
        (lambda: _simple(filter_min="cheap", is_no_filter=False), "filter_min"),
        (lambda: _with(AccumulateFilter(), stock_field=StockField.VOLUME, days=None), "days"),
        (lambda: _with(FinancialFilter(), stock_field=StockField.ROIC, quarter="Q5"), "quarter"),
        (lambda: _with(PatternFilter(), stock_field=StockField.MA_ALIGNMENT_LONG), "ktype"),
        (lambda: _crossing(stock_field2=StockField.NONE), "stock_field2"),
        (lambda: _crossing(relative_position=RelativePosition.NONE), "relative_position"),
        (lambda: _crossing(stock_field2_para=20), "stock_field2_para"),
        (lambda: _crossing(stock_field1_para=["ten"]), "stock_field1_para"),
        (lambda: _crossing(stock_field1_para=[[10]]), "stock_field1_para"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(
    make: Callable[[], StockFilter], blamed: str
) -> None:
    with pytest.raises(UsageError, match=f"^{blamed}"):
        make().message()


def test_a_row_gives_the_value_of_each_filter() -> None:
    row = _found()
    assert (row.stock_code, row.stock_name) == ("HK.00700", "TENCENT")
    assert row.cur_price == 312.5  # type: ignore[attr-defined]
    assert row[_simple()] == 312.5
    assert row[_with(AccumulateFilter(), stock_field=StockField.TURNOVER, days=5)] == 7.5e9
    assert row[_with(FinancialFilter(), stock_field=StockField.NET_PROFIT)] == -1.5
    assert row[_crossing()] == {"ma10": 300.0, "ema20": 301.0}


def test_an_indicator_without_parameters_is_found_under_its_defaults() -> None:
    told = _crossing(
        stock_field1=StockField.MACD_DIFF, stock_field1_para=[], stock_field2=StockField.VALUE
    )
    assert _found()[told] == {"macd_diff(12,26,9)": 0.25}
    assert told.stock_field1_para == [12, 26, 9]


def test_a_price_has_no_parameters_whatever_is_told() -> None:
    told = _crossing(stock_field1=StockField.PRICE, stock_field1_para=[5])
    assert told.query_key1 == ("price", "k_day")
    assert _found()[told] == {"price": 312.5, "ema20": 301.0}


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {"ma10", "ema20"}),
        ({"stock_field2": StockField.VALUE}, {"ma10"}),
        ({"stock_field1": StockField.RSI}, {"rsi10"}),
        ({"stock_field2": StockField.RSI}, {"rsi20"}),
    ],
)
def test_indicators_over_several_bars_have_no_value(
    fields: dict[str, str], shown: set[str]
) -> None:
    values = _found()[_crossing(consecutive_period=2, **fields)]
    assert set(values) == shown
    assert all(math.isnan(value) for value in values.values())


def test_a_filter_that_was_not_asked_for_has_no_value() -> None:
    row = _found()
    for strange in (
        _simple(StockField.PE_TTM),
        _with(FinancialFilter(), stock_field=StockField.NET_PROFIT, quarter=FinancialQuarter.NONE),
        _crossing(stock_field1_para=[11]),
        PatternFilter(),
        "cur_price",
    ):
        with pytest.raises(KeyError):
            row[strange]


def test_a_row_shows_what_it_has() -> None:
    assert repr(_found()) == (
        " stock_code:HK.00700  stock_name:TENCENT  cur_price:312.5  turnover(5):7500000000.0 "
        " net_profit(annual):-1.5  ma10(k_day):300.0  ema20(k_day):301.0 "
        " macd_diff(12,26,9)(k_day):0.25  price(k_day):312.5 "
    )


def test_a_leg_shows_what_is_set() -> None:
    leg = ComboLeg()
    assert repr(leg) == "ComboLeg(code=None, trd_side=None, qty_ratio=None)"
    leg.code, leg.position_id = "US.AAPL", 7
    assert repr(leg) == "ComboLeg(code=US.AAPL, trd_side=None, qty_ratio=None, position_id=7)"


def test_requests_begin_without_conditions() -> None:
    assert Request is WarrantRequest
    told = {name: value for name, value in vars(WarrantRequest()).items() if value is not None}
    assert told == {
        "begin": 0,
        "num": 200,
        "sort_field": SortField.CODE,
        "ascend": True,
        "type_list": [],
        "issuer_list": [],
    }
    assert set(vars(OptionDataFilter(0.5)).values()) == {0.5, None}
    assert vars(OptionDataFilter(vol_max=9))["vol_max"] == 9
    assert vars(TimeFilter("PUBLIC", "2024-01-02", "")) == {
        "type": "PUBLIC",
        "begin_time": "2024-01-02",
        "end_time": "",
    }
