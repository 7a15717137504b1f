"""What programs put into requests and take out of answers: filters, legs, rows of a screen.

The attributes are the official ones; a program sets them and hands the object over. What cannot
be sent is a UsageError of the method that the object was handed to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from futukit.errors import UsageError
from futukit.futu._enums import (
    FinancialQuarter,
    KLType,
    RelativePosition,
    SortDir,
    SortField,
    StockField,
)
from futukit.futu.arguments import as_enum, as_flag, as_integer, as_number, needed
from futukit.futu.conversions import code

if TYPE_CHECKING:
    from futukit.messages import qot_stock_filter

__all__ = [
    "AccumulateFilter",
    "ComboLeg",
    "CustomIndicatorFilter",
    "FilterStockData",
    "FinancialFilter",
    "OptionDataFilter",
    "PatternFilter",
    "Request",
    "SimpleFilter",
    "StockFilter",
    "TimeFilter",
    "WarrantRequest",
]

_FAMILY_SIZE: Final = 100
"""The fields of a family are numbered from the family's first number on, in ``StockField``."""

_WITHOUT_PARAMETERS: Final = frozenset(
    f"{average}{days}" for average in ("MA", "EMA") for days in (5, 10, 20, 30, 60, 120, 250)
) | {StockField.PRICE}

_DEFAULT_PARAMETERS: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys((StockField.KDJ_K, StockField.KDJ_D, StockField.KDJ_J), (9, 3, 3)),
    **dict.fromkeys((StockField.MACD_DIFF, StockField.MACD_DEA, StockField.MACD), (12, 26, 9)),
    **dict.fromkeys(
        (StockField.BOLL_UPPER, StockField.BOLL_MIDDLER, StockField.BOLL_LOWER), (20, 2)
    ),
}


def _field(name: str, word: Any, family: int) -> int:
    """A StockField's number within its family."""
    number: int = needed(name, as_enum(name, word, StockField)) - family
    if not 0 < number < _FAMILY_SIZE:
        raise UsageError(f"{name}: {word!r} is no field for this kind of filter")
    return number


def _chosen(name: str, word: Any, enum: Any) -> int:
    """A member's number; the member that stands for nothing will not do."""
    number: int = needed(name, as_enum(name, word, enum))
    if number == 0:
        raise UsageError(f"{name} is needed: one of {enum.get_all_keys()}")
    return number


class _RangeFilter:
    """A field whose value lies between two bounds, both of them included.

    ``filter_min`` and ``filter_max`` count only if ``is_no_filter`` is False; else the field is
    shown for each security and nothing is filtered. ``sort`` is a SortDir.
    """

    _family: ClassVar[int]

    def __init__(self) -> None:
        self.stock_field: str = StockField.NONE
        self.filter_min: float | None = None
        self.filter_max: float | None = None
        self.sort: str | None = None
        self.is_no_filter: bool | None = None

    def _condition(self) -> dict[str, Any]:
        """The fields that all messages of such filters have."""
        condition: dict[str, Any] = {
            "field_name": _field("stock_field", self.stock_field, self._family),
            "is_no_filter": as_flag("is_no_filter", self.is_no_filter),
            "sort_dir": as_enum("sort", self.sort, SortDir),
        }
        if condition["is_no_filter"] is False:
            condition["filter_min"] = as_number("filter_min", self.filter_min)
            condition["filter_max"] = as_number("filter_max", self.filter_max)
        return condition


class SimpleFilter(_RangeFilter):
    """A field of the quote: price, market value, ratios."""

    _family = StockField.simple_enum_begin

    @property
    def query_key(self) -> str:
        """Where a FilterStockData keeps this field."""
        return self.stock_field.lower()

    def message(self) -> qot_stock_filter.BaseFilter:
        """The filter as it is sent (Qot_StockFilter.BaseFilter). Raises UsageError."""
        from futukit.messages import qot_stock_filter

        return qot_stock_filter.BaseFilter(**self._condition())


class AccumulateFilter(_RangeFilter):
    """A field summed up over the last ``days`` (trading days)."""

    _family = StockField.acc_enum_begin

    def __init__(self) -> None:
        super().__init__()
        self.days: int = 1

    @property
    def query_key(self) -> tuple[str, int]:
        """Where a FilterStockData keeps this field."""
        return self.stock_field.lower(), self.days

    def message(self) -> qot_stock_filter.AccumulateFilter:
        """The filter as it is sent (Qot_StockFilter.AccumulateFilter). Raises UsageError."""
        from futukit.messages import qot_stock_filter

        days = needed("days", as_integer("days", self.days))
        return qot_stock_filter.AccumulateFilter(days=days, **self._condition())


class FinancialFilter(_RangeFilter):
    """A field of the report of one ``quarter``, a FinancialQuarter."""

    _family = StockField.financial_enum_begin

    def __init__(self) -> None:
        super().__init__()
        self.quarter: str = FinancialQuarter.ANNUAL

    @property
    def query_key(self) -> tuple[str, str]:
        """Where a FilterStockData keeps this field."""
        return self.stock_field.lower(), self.quarter.lower()

    def message(self) -> qot_stock_filter.FinancialFilter:
        """The filter as it is sent (Qot_StockFilter.FinancialFilter). Raises UsageError."""
        from futukit.messages import qot_stock_filter

        quarter = needed("quarter", as_enum("quarter", self.quarter, FinancialQuarter))
        return qot_stock_filter.FinancialFilter(
            quarter=qot_stock_filter.FinancialQuarter(quarter), **self._condition()
        )


class PatternFilter:
    """A pattern of indicators on K-lines of ``ktype``, for ``consecutive_period`` bars in a row."""

    def __init__(self) -> None:
        self.stock_field: str = StockField.NONE
        self.ktype: str = KLType.NONE
        self.is_no_filter: bool | None = None
        self.consecutive_period: int | None = None

    def message(self) -> qot_stock_filter.PatternFilter:
        """The filter as it is sent (Qot_StockFilter.PatternFilter). Raises UsageError."""
        from futukit.messages import qot_common, qot_stock_filter

        field = _field("stock_field", self.stock_field, StockField.pattern_enum_begin)
        return qot_stock_filter.PatternFilter(
            field_name=qot_stock_filter.PatternField(field),
            kl_type=qot_common.KLType(_chosen("ktype", self.ktype, KLType)),
            is_no_filter=as_flag("is_no_filter", self.is_no_filter),
            consecutive_period=as_integer("consecutive_period", self.consecutive_period),
        )


class CustomIndicatorFilter:
    """One indicator against another, or against ``value`` if ``stock_field2`` is VALUE.

    ``stock_field1_para`` and ``stock_field2_para`` are the indicators' parameters, like [12, 26, 9]
    for MACD; ``relative_position`` says how the first stands to the second.
    """

    def __init__(self) -> None:
        self.stock_field1: str = StockField.NONE
        self.stock_field2: str = StockField.NONE
        self.relative_position: str = RelativePosition.NONE
        self.value: float | None = None
        self.ktype: str = KLType.NONE
        self.is_no_filter: bool | None = None
        self.stock_field1_para: list[int] | None = []
        self.stock_field2_para: list[int] | None = []
        self.consecutive_period: int | None = None

    @property
    def query_key1(self) -> tuple[str, ...]:
        """Where a FilterStockData keeps the first indicator."""
        return self._key(self.stock_field1, self.stock_field1_para)

    @property
    def query_key2(self) -> tuple[str, ...]:
        """Where a FilterStockData keeps the second indicator."""
        return self._key(self.stock_field2, self.stock_field2_para)

    def _key(self, field: str, parameters: Iterable[int] | None) -> tuple[str, ...]:
        told = _told(field, parameters)
        middle = (",".join(map(str, told)),) if told else ()
        return (field.lower(), *middle, self.ktype.lower())

    def message(self) -> qot_stock_filter.CustomIndicatorFilter:
        """The filter as it is sent (Qot_StockFilter.CustomIndicatorFilter). Raises UsageError."""
        from futukit.messages import qot_common, qot_stock_filter

        family = StockField.indicator_enum_begin
        first = _field("stock_field1", self.stock_field1, family)
        second = _field("stock_field2", self.stock_field2, family)
        position = _chosen("relative_position", self.relative_position, RelativePosition)
        return qot_stock_filter.CustomIndicatorFilter(
            first_field_name=qot_stock_filter.CustomIndicatorField(first),
            second_field_name=qot_stock_filter.CustomIndicatorField(second),
            relative_position=qot_stock_filter.RelativePosition(position),
            field_value=as_number("value", self.value),
            kl_type=qot_common.KLType(_chosen("ktype", self.ktype, KLType)),
            is_no_filter=as_flag("is_no_filter", self.is_no_filter),
            first_field_para_list=_parameters("stock_field1_para", self.stock_field1_para),
            second_field_para_list=_parameters("stock_field2_para", self.stock_field2_para),
            consecutive_period=as_integer("consecutive_period", self.consecutive_period),
        )


def _told(field: str, parameters: Iterable[int] | None) -> tuple[int, ...]:
    """The parameters that belong to an indicator's name."""
    return () if field in _WITHOUT_PARAMETERS else tuple(parameters or ())


def _parameters(name: str, parameters: Any) -> tuple[int, ...]:
    """Parameters in their order: unlike a list of codes, one may stand there twice."""
    if parameters is None:
        return ()
    if not isinstance(parameters, list | tuple):
        raise UsageError(f"{name} is a list of whole numbers, not {parameters!r}")
    return tuple(needed(name, as_integer(name, number)) for number in parameters)


StockFilter: TypeAlias = (
    SimpleFilter | AccumulateFilter | FinancialFilter | PatternFilter | CustomIndicatorFilter
)


class FilterStockData:
    """A security that a stock filter found.

    ``stock_code`` and ``stock_name`` are there; the values of simple filters are attributes named
    like the field (``item.cur_price``), those of all filters are items: ``item[filter]``.
    """

    def __init__(self, rsp_item: qot_stock_filter.StockData) -> None:
        self.stock_code = code(rsp_item.security)
        self.stock_name = rsp_item.name
        facts = self._facts
        for base in rsp_item.base_data_list:
            if field := _word(base.field_name, StockField.simple_enum_begin):
                facts[field] = base.value
        for summed in rsp_item.accumulate_data_list:
            if field := _word(summed.field_name, StockField.acc_enum_begin):
                facts[field, summed.days] = summed.value
        for reported in rsp_item.financial_data_list:
            field = _word(reported.field_name, StockField.financial_enum_begin)
            quarter = FinancialQuarter._words.get(reported.quarter)
            if field and quarter:
                facts[field, quarter.lower()] = reported.value
        for indicator in rsp_item.custom_indicator_data_list:
            field = _word(indicator.field_name, StockField.indicator_enum_begin)
            kline = KLType._words.get(indicator.kl_type)
            if field and kline:
                told = ",".join(map(str, indicator.field_para_list))
                facts[(field, *((told,) if told else ()), kline.lower())] = indicator.value

    @property
    def _facts(self) -> dict[Any, Any]:
        # Not all keys are names: programs for the official API read them from __dict__ too.
        return self.__dict__

    def __repr__(self) -> str:
        return "".join(
            f" {_title(key)}:{value} " for key, value in self._facts.items() if value is not None
        )

    @staticmethod
    def field_to_key1(key: CustomIndicatorFilter) -> str:
        """The first indicator with its parameters: ``ma10``, ``macd_diff(12,26,9)``, ``price``."""
        return _indicator(key.stock_field1, key.stock_field1_para)

    @staticmethod
    def field_to_key2(key: CustomIndicatorFilter) -> str | None:
        """The second indicator with its parameters, None if it is a plain value."""
        if key.stock_field2 == StockField.VALUE:
            return None
        return _indicator(key.stock_field2, key.stock_field2_para)

    def assign_default_value(self, key: CustomIndicatorFilter) -> CustomIndicatorFilter:
        """Give KDJ, MACD and BOLL without parameters the ones that OpenD computes them with."""
        if not key.stock_field1_para:
            key.stock_field1_para = list(_DEFAULT_PARAMETERS.get(key.stock_field1, ()))
        if not key.stock_field2_para:
            key.stock_field2_para = list(_DEFAULT_PARAMETERS.get(key.stock_field2, ()))
        return key

    def __getitem__(self, key: Any) -> Any:
        """The value of a filter's field; of an indicator filter a dict, indicator → value.

        Indicators over several bars in a row have no value: NaN. KeyError for a filter that was
        not part of the request.
        """
        if isinstance(key, _RangeFilter):
            return self._facts[key.query_key]  # type: ignore[attr-defined]
        if isinstance(key, CustomIndicatorFilter):
            return self._indicators(self.assign_default_value(key))
        raise KeyError(f"Unknown key: {key}")

    def _indicators(self, key: CustomIndicatorFilter) -> dict[str | None, float]:
        first, second = self.field_to_key1(key), self.field_to_key2(key)
        if key.consecutive_period is not None and key.consecutive_period > 0:
            if second is None or key.stock_field1 == StockField.RSI:
                return {first: math.nan}
            if key.stock_field2 == StockField.RSI:
                return {second: math.nan}
            return {first: math.nan, second: math.nan}
        if second is None:
            return {first: self._facts[key.query_key1]}
        return {first: self._facts[key.query_key1], second: self._facts[key.query_key2]}


def _word(number: int, family: int) -> str | None:
    """The lower-case name of a family's field, None for one that nobody knows."""
    word = StockField._words.get(number + family)
    return None if word is None else word.lower()


def _title(key: Any) -> str:
    """A key of a FilterStockData as its repr shows it."""
    if not isinstance(key, tuple):
        return str(key)
    field, told, *kline = key
    if not kline:
        return f"{field}({told})"
    return f"{field}({told})({kline[0]})" if "," in told else f"{field}{told}({kline[0]})"


def _indicator(field: str, parameters: Iterable[int] | None) -> str:
    """An indicator's name with its parameters."""
    told = _told(field, parameters)
    text = ",".join(map(str, told))
    return field.lower() + (f"({text})" if len(told) > 1 else text)


class WarrantRequest:
    """What to look for among warrants; None sets no condition.

    ``begin`` is the first row and ``num`` how many, 200 at most; ``sort_field`` is a SortField,
    ``stock_owner`` the underlying, ``type_list`` holds WrtType members and ``issuer_list`` Issuer
    members, dates are written 2018-02-05. ``street_…``, ``premium_…``, ``implied_…`` and
    ``price_recovery_ratio_…`` are per cent, ``vol_…`` shares.
    """

    def __init__(self) -> None:
        self.begin: int = 0
        self.num: int = 200
        self.sort_field: str = SortField.CODE
        self.ascend: bool = True
        self.stock_owner: str | None = None
        self.type_list: list[str] | str | None = []
        self.issuer_list: list[str] | str | None = []
        self.maturity_time_min: str | None = None
        self.maturity_time_max: str | None = None
        self.ipo_period: str | None = None
        self.price_type: str | None = None
        self.status: str | None = None
        self.cur_price_min: float | None = None
        self.cur_price_max: float | None = None
        self.strike_price_min: float | None = None
        self.strike_price_max: float | None = None
        self.street_min: float | None = None
        self.street_max: float | None = None
        self.conversion_min: float | None = None
        self.conversion_max: float | None = None
        self.vol_min: int | None = None
        self.vol_max: int | None = None
        self.premium_min: float | None = None
        self.premium_max: float | None = None
        self.leverage_ratio_min: float | None = None
        self.leverage_ratio_max: float | None = None
        self.delta_min: float | None = None
        self.delta_max: float | None = None
        self.implied_min: float | None = None
        self.implied_max: float | None = None
        self.recovery_price_min: float | None = None
        self.recovery_price_max: float | None = None
        self.price_recovery_ratio_min: float | None = None
        self.price_recovery_ratio_max: float | None = None


Request = WarrantRequest
"""The official package has it under both names."""


class OptionDataFilter:
    """Bounds on the figures of options, both of them included; None is no bound.

    The volatility is per cent, interest and volume are contracts.
    """

    def __init__(
        self,
        implied_volatility_min: float | None = None,
        implied_volatility_max: float | None = None,
        delta_min: float | None = None,
        delta_max: float | None = None,
        gamma_min: float | None = None,
        gamma_max: float | None = None,
        vega_min: float | None = None,
        vega_max: float | None = None,
        theta_min: float | None = None,
        theta_max: float | None = None,
        rho_min: float | None = None,
        rho_max: float | None = None,
        net_open_interest_min: float | None = None,
        net_open_interest_max: float | None = None,
        open_interest_min: float | None = None,
        open_interest_max: float | None = None,
        vol_min: float | None = None,
        vol_max: float | None = None,
    ) -> None:
        self.implied_volatility_min = implied_volatility_min
        self.implied_volatility_max = implied_volatility_max
        self.delta_min = delta_min
        self.delta_max = delta_max
        self.gamma_min = gamma_min
        self.gamma_max = gamma_max
        self.vega_min = vega_min
        self.vega_max = vega_max
        self.theta_min = theta_min
        self.theta_max = theta_max
        self.rho_min = rho_min
        self.rho_max = rho_max
        self.net_open_interest_min = net_open_interest_min
        self.net_open_interest_max = net_open_interest_max
        self.open_interest_min = open_interest_min
        self.open_interest_max = open_interest_max
        self.vol_min = vol_min
        self.vol_max = vol_max


class TimeFilter:
    """A span of time, ``type`` (a TimeFilterType) says of which date."""

    def __init__(self, type: str, begin_time: str, end_time: str) -> None:  # noqa: A002
        self.type = type
        self.begin_time = begin_time
        self.end_time = end_time


class ComboLeg:
    """One leg of a combination order; ``qty_ratio`` is its share of the combination's quantity."""

    def __init__(self) -> None:
        self.code: str | None = None
        self.trd_side: str | None = None
        self.qty_ratio: float | None = None
        self.position_id: int | None = None
        self.pred_side: str | None = None

    def __repr__(self) -> str:
        always = ("code", "trd_side", "qty_ratio")
        told = (
            f"{name}={value}"
            for name, value in vars(self).items()
            if name in always or value is not None
        )
        return f"ComboLeg({', '.join(told)})"
