"""What is certain of a security: values that an answer may not make up.

The market knows each security's name, type, lot and days, and the terms of options and warrants;
whatever field says such a thing of a row's security gets it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from futukit.messages.qot_common import (
    OptionAreaType,
    OptionType,
    SecurityStaticBasic,
    SecurityStaticInfo,
)
from futukit.sim.schema import Field, full_name_of
from futukit.types import OpenEnum, market_of

if TYPE_CHECKING:
    from futukit.sim.question import Listed, Terms

__all__ = ["CURRENCIES", "epoch_of", "fact", "is_put", "market_member"]

_MARKET_FIELDS: Final = frozenset({"market", "option_market", "sec_market", "trd_market"})
_MARKET_WORDS: Final = {
    1: ("HK",),
    11: ("US",),
    21: ("CNSH", "SH", "CN"),
    22: ("CNSZ", "SZ", "CN"),
    101: ("EC",),
}
CURRENCIES: Final = {1: "HKD", 11: "USD", 21: "CNH", 22: "CNH", 101: "USD"}
_DEFAULT_ZONE: Final = "Asia/Hong_Kong"

_OF_INFO: Final[dict[str, Callable[[SecurityStaticInfo], Any]]] = {
    "lot_size": lambda info: info.basic.lot_size,
    "list_time": lambda info: info.basic.list_time,
    "list_timestamp": lambda info: info.basic.list_timestamp,
    "stock_id": lambda info: info.basic.id,
}
_OF_OPTION: Final[dict[str, Callable[[SecurityStaticInfo], Any]]] = {
    "contract_size": lambda info: float(info.basic.lot_size),
    "contract_multiplier": lambda info: float(info.basic.lot_size),
}
_OF_TERMS: Final[dict[str, Callable[[Terms], Any]]] = {
    "strike": lambda terms: terms.strike,
    "strike_price": lambda terms: terms.strike,
    "conversion_ratio": lambda terms: terms.ratio,
    "underlying_price": lambda terms: terms.owner.price,
    "stock_price": lambda terms: terms.owner.price,
    "stock_owner_price": lambda terms: terms.owner.price,
    "owner_name": lambda terms: terms.owner.name,
    "symbol": lambda terms: terms.owner.code,
    "stock_owner": lambda terms: terms.owner.info.basic.id if terms.owner.info else None,
}
_DAYS_LEFT: Final = frozenset({"dte", "left_days", "left_day", "days_to_expiry"})
_OF_ENUM: Final[dict[str, Callable[[SecurityStaticInfo], Any]]] = {
    "SecurityType": lambda info: info.basic.sec_type,
    "ExchType": lambda info: info.basic.exch_type,
    "OptionType": lambda info: info.option_ex_data and info.option_ex_data.type,
    "OptionAreaType": lambda info: info.option_ex_data and OptionAreaType.AMERICAN,
    "WarrantType": lambda info: info.warrant_ex_data and info.warrant_ex_data.type,
}
_OF_MESSAGE: Final[dict[str, Callable[[SecurityStaticInfo], Any]]] = {
    full_name_of(SecurityStaticInfo): lambda info: info,
    full_name_of(SecurityStaticBasic): lambda info: info.basic,
}


def fact(field: Field, listed: Listed, now: datetime) -> Any:
    """What is certain of ``listed`` and belongs into ``field``; ``None``: nothing is known."""
    info, terms, name = listed.info, listed.terms, field.attribute
    if isinstance(field.target, type) and issubclass(field.target, OpenEnum):
        return _member(field.target, name, listed)
    if field.kind == "message":
        found = _OF_MESSAGE.get(full_name_of(field.target))
        return found(info) if found and info else None
    if terms is not None:
        if name in _OF_TERMS:
            return _OF_TERMS[name](terms)
        if name in _DAYS_LEFT:
            return max(0, (terms.expires.date() - now.date()).days)
    if info is not None:
        if name in _OF_INFO:
            return _OF_INFO[name](info)
        if name in _OF_OPTION and info.option_ex_data is not None:
            return _OF_OPTION[name](info)
    return None


def _member(enum: type[OpenEnum], name: str, listed: Listed) -> OpenEnum | None:
    if name in _MARKET_FIELDS:
        return market_member(enum, listed.market)
    if enum.__name__ == "Currency":
        return next((one for one in enum if one.name == CURRENCIES.get(listed.market)), None)
    found = _OF_ENUM.get(enum.__name__)
    if found is None or listed.info is None:
        return None
    value = found(listed.info)
    # Two packages may have an enum of this name: the numbers are the same, the classes are not.
    return None if value is None else enum(value)


def market_member(enum: type[OpenEnum], market: int) -> OpenEnum | None:
    """The member of an enum of markets that means a QotMarket, by the words of its name."""
    for word in _MARKET_WORDS.get(market, ()):
        for member in enum:
            if word in member.name.split("_"):
                return member
    return None


def is_put(listed: Listed) -> bool:
    """Whether it is an option to sell."""
    option = listed.info.option_ex_data if listed.info else None
    return option is not None and option.type == OptionType.PUT


def epoch_of(moment: datetime, market: int) -> float:
    """Epoch seconds of a time on the clock of a market."""
    zone = market_of(market).zone or _DEFAULT_ZONE
    return moment.replace(tzinfo=ZoneInfo(zone)).timestamp()
