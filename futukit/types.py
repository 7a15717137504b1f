"""The words that everything above uses: open enums, securities as text, exchange time.

A security is written ``"HK.00700"``: the market's prefix, a dot, the code. Only the first dot
separates, so ``"US..DJI"`` is the code ``.DJI`` and ``"US.BRK.B"`` is ``BRK.B``. The prefixes
and the markets' clocks are data, in one table below.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from futukit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

__all__ = [
    "MARKETS",
    "Market",
    "OpenEnum",
    "exchange_text",
    "exchange_time",
    "join_security",
    "market_of",
    "split_security",
]

_INT32_MIN = -(2**31)
_INT32_MAX = 2**31 - 1

_UNLISTED_CACHE_SIZE = 256
_unlisted: dict[type[OpenEnum], dict[int, OpenEnum]] = {}


class OpenEnum(IntEnum):
    """An enum that takes every int32, because newer servers send numbers we do not know yet.

    ``E(77)`` of a number without a name is a pseudo-member: it compares, hashes and encodes as
    77 and ``listed`` is false. The same object comes back for the same number, as long as no
    more than 256 unknown numbers per enum were seen.
    """

    @property
    def listed(self) -> bool:
        """Whether this number has a name in the schema."""
        return self._value_ in type(self)._value2member_map_

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int) or not _INT32_MIN <= value <= _INT32_MAX:
            return None
        number = int(value)
        known = _unlisted.setdefault(cls, {})
        member = known.get(number)
        if member is None:
            member = int.__new__(cls, number)
            member._name_ = f"UNLISTED_{number}"
            member._value_ = number
            if len(known) < _UNLISTED_CACHE_SIZE:
                # setdefault: of two threads that made the member at once, one wins for both.
                member = known.setdefault(number, member)
        return member


class Market(NamedTuple):
    """A market: ``prefix`` in a security's text, ``number`` (Qot_Common.QotMarket), ``zone``.

    ``zone`` is the IANA time zone of the times that OpenD sends for the market, ``None`` where
    the documents do not name one.
    """

    prefix: str
    number: int
    zone: str | None


MARKETS: Final[tuple[Market, ...]] = (
    Market("HK", 1, "Asia/Hong_Kong"),
    Market("HK_FUTURE", 2, "Asia/Hong_Kong"),
    Market("US", 11, "America/New_York"),
    Market("SH", 21, "Asia/Shanghai"),
    Market("SZ", 22, "Asia/Shanghai"),
    Market("SG", 31, "Asia/Singapore"),
    Market("JP", 41, "Asia/Tokyo"),
    Market("AU", 51, "Australia/Sydney"),
    Market("MY", 61, "Asia/Kuala_Lumpur"),
    Market("CA", 71, "America/Toronto"),
    Market("FX", 81, None),
    Market("CC", 91, None),
    Market("EC", 101, None),
)

_by_prefix: Final = {market.prefix: market for market in MARKETS}
_by_number: Final = {market.number: market for market in MARKETS}


def _known(words: Iterable[str]) -> str:
    return ", ".join(words)


def market_of(market: str | int) -> Market:
    """The market with this prefix (``"HK"``) or number (``1``, a QotMarket member).

    A number that no known market has gives a market whose prefix is the number itself and that
    has no zone. Raises UsageError for an unknown prefix.
    """
    if isinstance(market, int):
        number = int(market)
        return _by_number.get(number) or Market(str(number), number, None)
    found = _by_prefix.get(market)
    if found is not None:
        return found
    if market.isascii() and market.isdigit() and int(market) <= _INT32_MAX:
        return market_of(int(market))
    raise UsageError(f"unknown market {market!r}; known are {_known(_by_prefix)}")


def split_security(text: str) -> tuple[int, str]:
    """Split ``"HK.00700"`` at its first dot into market number (QotMarket) and code.

    Raises UsageError where there is no dot, no code, or no such market.
    """
    prefix, dot, code = text.partition(".")
    if not dot or not code:
        raise UsageError(f"{text!r} is not a security; write it as MARKET.CODE, like HK.00700")
    return market_of(prefix).number, code


def join_security(market: int, code: str) -> str:
    """Write a market number (QotMarket) and a code as ``"HK.00700"``, the way back included."""
    found = _by_number.get(market)
    return f"{found.prefix if found else int(market)}.{code}"


_TIME: Final = re.compile(
    r"(\d{4})([-/])(\d{2})\2(\d{2})(?: (\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?"
)


def exchange_time(text: str, market: str | int, *, fold: int = 0) -> datetime:
    """Read a time as OpenD writes it and place it on the exchange's clock.

    ``text`` is ``"2024-03-08 09:30:00"``, with or without a fraction or the time of day (then
    midnight), the date also with slashes. ``market`` is a prefix or a QotMarket number. The
    result is aware; daylight saving is that of the date. ``fold=1`` picks the second reading
    of an hour that happens twice. Raises UsageError for a text that is no time and for a market
    whose clock is not known.
    """
    zone = _zone(market)
    matched = _TIME.fullmatch(text)
    if matched is None:
        raise UsageError(f"{text!r} is not a time of the form YYYY-MM-DD HH:MM:SS")
    year, _, month, day, hour, minute, second, fraction = matched.groups()
    try:
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
            tzinfo=zone,
            fold=fold,
        )
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time: {error}") from error


def exchange_text(value: str | date, market: str | int) -> str:
    """Write a time as OpenD wants it. A text passes as it is; seconds are the finest unit.

    A naive datetime is taken as exchange-local, an aware one is moved to the exchange's clock
    (UsageError where that is not known), a date stays a date; anything else is a UsageError.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        local = value if value.tzinfo is None else value.astimezone(_zone(market))
        return local.strftime("%Y-%m-%d %H:%M:%S")
    if not isinstance(value, date):
        raise UsageError(f"{value!r} is not a time: a text, a datetime or a date")
    return value.isoformat()


def _zone(market: str | int) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # reads files: only for those who ask for a time

    found = market_of(market)
    if found.zone is None:
        raise UsageError(f"the clock of market {found.prefix} is not known")
    return ZoneInfo(found.zone)
