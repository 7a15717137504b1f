"""Fields of messages → values as programs for the official SDK know them.

The tables in ``protos/futu`` name these functions; each is called for a value that is there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from futukit.futu.enumeration import FtEnum
from futukit.types import MARKETS

if TYPE_CHECKING:
    from futukit.messages.qot_common import Security

__all__ = [
    "LACKING",
    "MISSING",
    "NOT_AVAILABLE",
    "QUOTE_MARKETS",
    "clock",
    "code",
    "code_or_text",
    "codes",
    "combo_legs",
    "day",
    "enums",
    "fee_details",
    "integer",
    "lacking",
    "levels",
    "listing_date",
    "local_timestamp",
    "percent",
    "pick",
    "present",
    "security_code",
    "sizes",
    "strategy_legs",
    "text",
    "trade_code",
    "trading_hours",
    "winning_numbers",
]

MISSING: Final = math.nan
"""What a row does not have at all: NaN in a table, left out of a dict. Known by its identity."""

LACKING: Final = object()
"""The same in columns that are None where no row has it; see :func:`lacking`."""

NOT_AVAILABLE: Final = "N/A"

_PREFIXES: Final = {market.number: f"{market.prefix}." for market in MARKETS}


QUOTE_MARKETS: Final = {
    1: 1,
    2: 11,
    31: 21,
    32: 22,
    41: 31,
    51: 41,
    61: 51,
    71: 61,
    81: 71,
    91: 81,
    101: 91,
    111: 101,
}
"""Trd_Common.TrdSecMarket → Qot_Common.QotMarket."""


def security_code(market: int, code: str) -> str:
    """``"HK.00700"``; a market that nobody knows is ``"N/A"``."""
    return _PREFIXES.get(market, "N/A.") + code


def code(security: Security) -> str:
    """The text of a security."""
    return _PREFIXES.get(security.market, "N/A.") + security.code


def codes(securities: Sequence[Security]) -> list[str]:
    """The texts of securities."""
    return [code(security) for security in securities]


def trade_code(row: Any) -> str:
    """The text of the security of an order, a deal or a position."""
    return security_code(QUOTE_MARKETS.get(row.sec_market or 0, 0), row.code)


def enums(numbers: Sequence[int], enum: type[FtEnum]) -> list[str]:
    """The words of enum numbers."""
    return [enum._words.get(number, NOT_AVAILABLE) for number in numbers]


def text(value: object) -> str:
    """What ``str`` makes of it."""
    return str(value)


def percent(ratio: float) -> float:
    """A fraction of one as per cent."""
    return 100 * ratio


def present(value: object) -> bool:
    """Whether the field is there: it is, or this would not be asked."""
    del value
    return True


def day(moment: str) -> str:
    """The date of a time as OpenD writes it, ``""`` of an empty one."""
    return moment.partition(" ")[0]


def clock(moment: str) -> str:
    """The time of day of a time as OpenD writes it, ``""`` of one without."""
    return moment.partition(" ")[2]


def listing_date(record: Any) -> str:
    """The listing date of a quote, or of a record that has its basics apart; an option has none."""
    listed: str = getattr(record, "basic", record).list_time
    return NOT_AVAILABLE if record.option_ex_data is not None else listed


def code_or_text(value: Security | str) -> str:
    """The text of a security; a text as it is."""
    return value if isinstance(value, str) else code(value)


def integer(value: int) -> int:
    """The plain number of an enum."""
    return int(value)


def winning_numbers(rows: Sequence[Any]) -> str:
    """The winning numbers of an issue, a line for each kind."""
    return "\n".join(f"{row.winning_name}:{row.winning_info}" for row in rows).rstrip()


def trading_hours(times: Sequence[Any]) -> str:
    """Trading hours in minutes since midnight as ``(09:15 - 12:00), (17:15(T-1) - 03:00)``."""
    return ", ".join(
        f"({_clock(each.begin or 0)} - {_clock(abs(each.end or 0))})" for each in times
    )


def _clock(minutes: float) -> str:
    """Minutes since midnight as a time of day; what is negative was the day before."""
    hour, minute = divmod(int(minutes) + (1440 if minutes < 0 else 0), 60)
    return f"{hour:02d}:{minute:02d}{'(T-1)' if minutes < 0 else ''}"


def lacking(column: list[Any]) -> list[Any]:
    """A column without LACKING: NaN where some rows have a value, None where none has."""
    empty = all(value is LACKING for value in column)
    return [None if empty else MISSING if value is LACKING else value for value in column]


def pick(rows: Sequence[Any], key: str, number: int, attribute: str) -> Any:
    """Of the last row whose ``key`` has this number, an attribute; "N/A" without one."""
    for row in reversed(rows):
        if getattr(row, key) == number:
            value = getattr(row, attribute)
            return NOT_AVAILABLE if value is None else value
    return NOT_AVAILABLE


def sizes(side: Sequence[Any]) -> list[tuple[float, float]]:
    """A side of an event contract's order book: price and size."""
    return [(level.price, level.size) for level in side]


def strategy_legs(legs: Sequence[Any]) -> list[Any]:
    """The legs of an option strategy as OptionStrategyLeg objects."""
    from futukit.futu._enums import StrategyLegAction
    from futukit.futu._objects import OptionStrategyLeg

    told = []
    for leg in legs:
        strategy_leg: Any = OptionStrategyLeg()
        strategy_leg.code = code(leg.security)
        strategy_leg.action = StrategyLegAction._words.get(leg.side, NOT_AVAILABLE)
        strategy_leg.quantity = NOT_AVAILABLE if leg.qty_ratio is None else leg.qty_ratio
        told.append(strategy_leg)
    return told


def levels(side: Sequence[Any]) -> list[tuple[float, float, int, dict[int, float]]]:
    """A side of an order book: price, volume, number of orders, order id → volume."""
    return [
        (
            level.price,
            level.volume if level.hp_volume is None else level.hp_volume,
            level.oreder_count,
            {order.order_id: order.volume for order in level.detail_list},
        )
        for level in side
    ]


def combo_legs(legs: Sequence[Any]) -> list[Any]:
    """The legs of a combination order as ComboLeg objects."""
    from futukit.futu._enums import TrdSide
    from futukit.futu.requests import ComboLeg

    told = []
    for leg in legs:
        combo_leg: Any = ComboLeg()
        combo_leg.code = code(leg.security)
        combo_leg.trd_side = TrdSide._words.get(leg.side, NOT_AVAILABLE)
        combo_leg.qty_ratio = NOT_AVAILABLE if leg.qty_ratio is None else leg.qty_ratio
        combo_leg.position_id = NOT_AVAILABLE if leg.position_id is None else leg.position_id
        told.append(combo_leg)
    return told


def fee_details(items: Sequence[Any]) -> list[tuple[str, float]]:
    """The single fees of an order: title and amount."""
    return [(item.title or "", item.value or 0.0) for item in items]


def local_timestamp(state: Any) -> float:
    """OpenD's own clock, epoch seconds; ours where it does not tell."""
    told: float | None = state.local_time
    return time.time() if told is None else told
