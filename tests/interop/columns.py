"""Which field of our messages each column of the official SDK's tables shows.

A path names an attribute of the row's message, with dots between; one that begins with ``/``
starts at the whole answer. ``a|b`` is ``a`` where it is present, else ``b``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from futukit.types import join_security


@dataclass(frozen=True)
class Column:
    """Where a column's value is from: the path, and what is done with the value.

    ``enum`` is the SDK's class for the word it shows. Where the field at ``when`` is not true, or
    the one at ``unless`` is present, the SDK shows nothing.
    """

    path: str
    convert: Callable[[Any], object] = lambda value: value
    enum: str | None = None
    when: str | None = None
    unless: str | None = None


def code_of(security: Any) -> str:
    """A security as the SDK writes it."""
    return join_security(security.market, security.code)


def _word(index: int) -> Callable[[str], str]:
    return lambda text: text.split()[index]


Columns = Mapping[str, Column]

_SECURITY: Final = {"code": Column("/security", code_of), "name": Column("/name")}

_EXTENDED: Final = ("price", "high_price", "low_price", "volume", "turnover")
_EXTENDED_CHANGE: Final = ("change_val", "change_rate", "amplitude")


def _extended_hours(place: str = "") -> dict[str, Column]:
    sessions = {"pre": "pre_market", "after": "after_market", "overnight": "overnight"}
    return {
        f"{prefix}_{name}": Column(f"{place}{attribute}.{name}")
        for prefix, attribute in sessions.items()
        for name in (*_EXTENDED, *_EXTENDED_CHANGE)
    }


def same(place: str, *names: str, prefix: str = "", when: str | None = None) -> dict[str, Column]:
    """Columns that are called like their fields, but for a prefix."""
    return {f"{prefix}{name}": Column(f"{place}{name}", when=when) for name in names}


QUOTE: Final[Columns] = {
    "code": Column("security", code_of),
    "name": Column("name"),
    "data_date": Column("update_time", _word(0)),
    "data_time": Column("update_time", _word(1)),
    "last_price": Column("cur_price"),
    "prev_close_price": Column("last_close_price"),
    "volume": Column("hp_volume|volume"),
    "suspension": Column("is_suspended"),
    "listing_date": Column("list_time", unless="option_ex_data"),
    "dark_status": Column("dark_status", enum="DarkStatus"),
    "sec_status": Column("sec_status", enum="SecurityStatus"),
    **same("", "open_price", "high_price", "low_price", "turnover", "turnover_rate"),
    **same("", "amplitude", "price_spread"),
    **same("option_ex_data.", "strike_price", "open_interest", "implied_volatility", "premium"),
    **same("option_ex_data.", "delta", "gamma", "vega", "theta", "rho", "net_open_interest"),
    **same("option_ex_data.", "contract_nominal_value", "owner_lot_multiplier"),
    **same("option_ex_data.", "contract_multiplier"),
    "contract_size": Column("option_ex_data.contract_size_float"),
    "expiry_date_distance": Column(
        "option_ex_data.expiry_date_distance|future_ex_data.expiry_date_distance"
    ),
    "option_area_type": Column("option_ex_data.option_area_type", enum="OptionAreaType"),
    "index_option_type": Column("option_ex_data.index_option_type", enum="IndexOptionType"),
    **same("future_ex_data.", "last_settle_price", "position", "position_change"),
    **_extended_hours(),
}

KLINE: Final[Columns] = {
    **_SECURITY,
    "time_key": Column("time"),
    "open": Column("open_price"),
    "close": Column("close_price"),
    "high": Column("high_price"),
    "low": Column("low_price"),
    "volume": Column("hp_volume|volume"),
    "turnover": Column("turnover"),
    "pe_ratio": Column("pe"),
    "turnover_rate": Column("turnover_rate"),
    "last_close": Column("last_close_price"),
}

KLINE_PUSH: Final[Columns] = {**KLINE, "k_type": Column("/kl_type", enum="KLType")}

HISTORY: Final[Columns] = {**KLINE, "change_rate": Column("change_rate")}

TIME_SHARE: Final[Columns] = {
    **_SECURITY,
    "time": Column("time"),
    "is_blank": Column("is_blank"),
    "opened_mins": Column("minute"),
    "cur_price": Column("price"),
    "last_close": Column("last_close_price"),
    "avg_price": Column("avg_price"),
    "turnover": Column("turnover"),
    "volume": Column("hp_volume|volume"),
}

TICKER: Final[Columns] = {
    **_SECURITY,
    "time": Column("time"),
    "price": Column("price"),
    "volume": Column("hp_volume|volume"),
    "turnover": Column("turnover"),
    "ticker_direction": Column("dir", enum="TickerDirect"),
    "sequence": Column("sequence"),
    "type": Column("type", enum="TickerType"),
}

TICKER_PUSH: Final[Columns] = {
    **TICKER,
    "push_data_type": Column("push_data_type", enum="PushDataType"),
}


def _broker(side: str) -> Columns:
    return {
        **_SECURITY,
        f"{side}_broker_id": Column("id"),
        f"{side}_broker_name": Column("name"),
        f"{side}_broker_pos": Column("pos"),
        "order_id": Column("order_id"),
        "order_volume": Column("volume"),
    }


BROKER_BID: Final = _broker("bid")
BROKER_ASK: Final = _broker("ask")


def _present(value: object) -> bool:
    return value is not None


_SNAPSHOT_BASIC: Final = {
    "code": Column("basic.security", code_of),
    "last_price": Column("basic.cur_price"),
    "prev_close_price": Column("basic.last_close_price"),
    "volume": Column("basic.hp_volume|basic.volume"),
    "ask_vol": Column("basic.hp_ask_vol|basic.ask_vol"),
    "bid_vol": Column("basic.hp_bid_vol|basic.bid_vol"),
    "suspension": Column("basic.is_suspend"),
    "listing_date": Column("basic.list_time", unless="option_ex_data"),
    "highest52weeks_price": Column("basic.highest_52weeks_price"),
    "lowest52weeks_price": Column("basic.lowest_52weeks_price"),
    "close_price_5min": Column("basic.close_price_5minute"),
    "sec_status": Column("basic.sec_status", enum="SecurityStatus"),
    **same("basic.", "name", "update_time", "open_price", "high_price", "low_price"),
    **same("basic.", "turnover", "turnover_rate", "lot_size", "price_spread", "ask_price"),
    **same("basic.", "bid_price", "amplitude", "avg_price", "bid_ask_ratio", "volume_ratio"),
    **same("basic.", "highest_history_price", "lowest_history_price"),
    **same("basic.", "enable_margin", "enable_short_sell"),
    **same("basic.", "mortgage_ratio", "long_margin_initial_ratio", when="basic.enable_margin"),
    **same("basic.", "short_sell_rate", "short_available_volume", when="basic.enable_short_sell"),
    **same("basic.", "short_margin_initial_ratio", when="basic.enable_short_sell"),
    **_extended_hours("basic."),
}

_SNAPSHOT_EQUITY: Final = {
    "equity_valid": Column("equity_ex_data", _present),
    "total_market_val": Column("equity_ex_data.issued_market_val"),
    "earning_per_share": Column("equity_ex_data.earnings_pershare"),
    "circular_market_val": Column("equity_ex_data.outstanding_market_val"),
    "net_asset_per_share": Column("equity_ex_data.net_asset_pershare"),
    "ey_ratio": Column("equity_ex_data.ey_rate"),
    "pe_ratio": Column("equity_ex_data.pe_rate"),
    "pb_ratio": Column("equity_ex_data.pb_rate"),
    "pe_ttm_ratio": Column("equity_ex_data.pe_ttm_rate"),
    **same("equity_ex_data.", "issued_shares", "net_asset", "net_profit", "outstanding_shares"),
    **same("equity_ex_data.", "dividend_ttm", "dividend_ratio_ttm", "dividend_lfy"),
    **same("equity_ex_data.", "dividend_lfy_ratio"),
}

_SNAPSHOT_WARRANT: Final = {
    "wrt_valid": Column("warrant_ex_data", _present),
    "wrt_conversion_ratio": Column("warrant_ex_data.conversion_rate"),
    "wrt_type": Column("warrant_ex_data.warrant_type", enum="WrtType"),
    "wrt_maturity_date": Column("warrant_ex_data.maturity_time"),
    "wrt_end_trade": Column("warrant_ex_data.end_trade_time"),
    "wrt_street_vol": Column("warrant_ex_data.street_volumn"),
    "wrt_issue_vol": Column("warrant_ex_data.issue_volumn"),
    "wrt_street_ratio": Column("warrant_ex_data.street_rate"),
    "wrt_inline_price_status": Column("warrant_ex_data.in_line_price_status", enum="PriceType"),
    **same("warrant_ex_data.", "strike_price", "recovery_price", "delta", prefix="wrt_"),
    **same("warrant_ex_data.", "implied_volatility", "premium", "leverage", prefix="wrt_"),
    **same("warrant_ex_data.", "ipop", "break_even_point", "conversion_price", prefix="wrt_"),
    **same("warrant_ex_data.", "price_recovery_ratio", "score", prefix="wrt_"),
    **same("warrant_ex_data.", "upper_strike_price", "lower_strike_price", prefix="wrt_"),
    **same("warrant_ex_data.", "issuer_code", prefix="wrt_"),
}

_SNAPSHOT_OPTION: Final = {
    "option_valid": Column("option_ex_data", _present),
    "option_type": Column("option_ex_data.type", enum="OptionType"),
    "option_contract_size": Column("option_ex_data.contract_size_float"),
    "option_area_type": Column("option_ex_data.option_area_type", enum="OptionAreaType"),
    "index_option_type": Column("option_ex_data.index_option_type", enum="IndexOptionType"),
    **same("option_ex_data.", "strike_time"),
    **same("option_ex_data.", "strike_price", "open_interest", prefix="option_"),
    **same("option_ex_data.", "implied_volatility", "premium", "delta", prefix="option_"),
    **same("option_ex_data.", "gamma", "vega", "theta", "rho", prefix="option_"),
    **same("option_ex_data.", "net_open_interest", "expiry_date_distance", prefix="option_"),
    **same("option_ex_data.", "contract_nominal_value", prefix="option_"),
    **same("option_ex_data.", "owner_lot_multiplier", "contract_multiplier", prefix="option_"),
}

_SNAPSHOT_OTHERS: Final = {
    "stock_owner": Column("warrant_ex_data.owner|option_ex_data.owner", code_of),
    "index_valid": Column("index_ex_data", _present),
    **same("index_ex_data.", "raise_count", "fall_count", "equal_count", prefix="index_"),
    "plate_valid": Column("plate_ex_data", _present),
    **same("plate_ex_data.", "raise_count", "fall_count", "equal_count", prefix="plate_"),
    "future_valid": Column("future_ex_data", _present),
    "future_main_contract": Column("future_ex_data.is_main_contract"),
    **same("future_ex_data.", "last_settle_price", "position", prefix="future_"),
    **same("future_ex_data.", "position_change", "last_trade_time", prefix="future_"),
    "trust_valid": Column("trust_ex_data", _present),
    "trust_netAssetValue": Column("trust_ex_data.net_asset_value"),
    "trust_assetClass": Column("trust_ex_data.asset_class", enum="AssetClass"),
    **same("trust_ex_data.", "dividend_yield", "aum", "outstanding_units", prefix="trust_"),
    **same("trust_ex_data.", "premium", prefix="trust_"),
}

SNAPSHOT: Final[Columns] = {
    **_SNAPSHOT_BASIC,
    **_SNAPSHOT_EQUITY,
    **_SNAPSHOT_WARRANT,
    **_SNAPSHOT_OPTION,
    **_SNAPSHOT_OTHERS,
}

STATE: Final[Columns] = {
    **{
        f"market_{theirs}": Column(f"market_{ours}", enum="MarketState")
        for theirs, ours in (
            ("hk", "hk"),
            ("us", "us"),
            ("sh", "sh"),
            ("sz", "sz"),
            ("hkfuture", "hk_future"),
            ("usfuture", "us_future"),
            ("sgfuture", "sg_future"),
            ("jpfuture", "jp_future"),
            ("sg", "sg"),
            ("my", "my"),
            ("jp", "jp"),
        )
    },
    "server_ver": Column("server_ver", str),
    "timestamp": Column("time", str),
    "local_timestamp": Column("local_time"),
    "program_status_type": Column("program_status.type", enum="ProgramStatusType"),
    "program_status_desc": Column("program_status.str_ext_desc"),
    **same("", "qot_logined", "trd_logined"),
}

# How the SDK shows a field that is absent: it depends on the field's kind, and on whether it looks.
_ABSENT: Final = (None, "N/A", "", 0, False)


def enums_of(columns: Columns) -> dict[str, str]:
    """The columns whose words the SDK is to give back as numbers."""
    return {name: column.enum for name, column in columns.items() if column.enum is not None}


def value_of(column: Column, row: object, answer: object) -> object:
    """What the column should show; None where the field is absent."""
    if column.when is not None and not _field(column.when, row, answer):
        return None
    if column.unless is not None and _field(column.unless, row, answer) is not None:
        return None
    for path in column.path.split("|"):
        value = _field(path, row, answer)
        if value is not None or column.convert is _present:
            return column.convert(value)
    return None


def _field(path: str, row: object, answer: object) -> Any:
    """The value at a path; None as soon as something on the way is absent."""
    value = answer if path.startswith("/") else row
    for attribute in path.removeprefix("/").split("."):
        value = getattr(value, attribute) if value is not None else None
    return value


def differences(
    columns: Columns, shown: Mapping[str, object], row: object, answer: object
) -> list[str]:
    """Where a row of the SDK's table is not what our message says; every column counts."""
    found = [f"{name}: the SDK does not show it" for name in columns.keys() - shown.keys()]
    for name, value in shown.items():
        if name not in columns:
            found.append(f"{name}: no field is known for it")
            continue
        wanted = value_of(columns[name], row, answer)
        if value not in _ABSENT if wanted is None else value != wanted:
            found.append(f"{name}: the SDK shows {value!r}, we have {wanted!r}")
    return found


def assert_rows(
    columns: Columns, shown: list[dict[str, object]], rows: Iterable[object], answer: object
) -> None:
    """Every row and every column of the SDK's table is what our messages say."""
    rows = list(rows)
    assert len(shown) == len(rows)
    for number, (shown_row, row) in enumerate(zip(shown, rows, strict=True)):
        found = differences(columns, shown_row, row, answer)
        assert not found, f"row {number}: " + "; ".join(found)


def order_book(answer: Any) -> dict[str, Any]:
    """Our order book as the SDK shows it."""

    def side(levels: Any) -> list[list[Any]]:
        return [
            [
                level.price,
                level.volume if level.hp_volume is None else level.hp_volume,
                level.oreder_count,
                {str(order.order_id): order.volume for order in level.detail_list},
            ]
            for level in levels
        ]

    return {
        "code": join_security(answer.security.market, answer.security.code),
        "name": answer.name,
        "svr_recv_time_bid": answer.svr_recv_time_bid,
        "svr_recv_time_ask": answer.svr_recv_time_ask,
        "order_book_type": answer.order_book_type,
        "Bid": side(answer.order_book_bid_list),
        "Ask": side(answer.order_book_ask_list),
    }
