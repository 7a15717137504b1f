"""What a request is about: the accounts, markets and securities that it names.

A security in a request may be read in several ways: an order of a mainland code on HKCC without
a secMarket may mean Shanghai or Shenzhen. Then all readings must be allowed; one without any
reading never is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from futukit import types
from futukit.codec.plan import plan_of
from futukit.core.requests import request_kind
from futukit.enums import QotMarket, TradeDateMarket, TrdMarket, TrdSecMarket
from futukit.errors import UsageError
from futukit.gateway.refusals import denied
from futukit.messages.qot_common import Security
from futukit.messages.qot_option_common import OptionMarket
from futukit.messages.trd_common import TrdHeader

__all__ = [
    "Named",
    "accounts_of",
    "in_trd_market",
    "listed",
    "names_of",
    "readable",
    "trade_header",
]

_MOST_NAMES: Final = 10_000

Markets: TypeAlias = frozenset[str]


class Named(NamedTuple):
    """A security that is named, or with ``code`` None a whole market.

    ``markets`` are the prefixes that it may mean, none where that cannot be told.
    """

    markets: Markets
    code: str | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The security as text, ``"HK.00700"``, in each of its readings."""
        return tuple(f"{market}.{self.code}" for market in sorted(self.markets))


def _table(rows: dict[Any, str]) -> dict[int, Markets]:
    return {int(number): frozenset(words.split()) for number, words in rows.items()}


# HK_Future is an obsolete number for what is now in HK_Security.
_QOT_MARKETS: Final = _table({one.number: one.prefix for one in types.MARKETS}) | _table(
    {QotMarket.HK_FUTURE: "HK"}
)
_TRADE_DATE_MARKETS: Final = _table(
    {
        TradeDateMarket.HK: "HK",
        TradeDateMarket.US: "US",
        TradeDateMarket.CN: "SH SZ",
        TradeDateMarket.NT: "SH SZ",
        TradeDateMarket.ST: "HK",
        TradeDateMarket.JP_FUTURE: "JP",
        TradeDateMarket.SG_FUTURE: "SG",
        TradeDateMarket.SG: "SG",
        TradeDateMarket.MY: "MY",
        TradeDateMarket.JP: "JP",
    }
)
_OPTION_MARKETS: Final = _table(
    {
        OptionMarket.US_SECURITY: "US",
        OptionMarket.US_INDEX: "US",
        OptionMarket.HK_SECURITY: "HK",
        OptionMarket.HK_INDEX: "HK",
    }
)
_TRD_MARKETS: Final = _table(
    {
        TrdMarket.HK: "HK",
        TrdMarket.US: "US",
        TrdMarket.CN: "SH SZ",
        TrdMarket.HKCC: "SH SZ",
        TrdMarket.FUTURES: "HK US SG JP",
        TrdMarket.SG: "SG",
        TrdMarket.CRYPTO: "CC",
        TrdMarket.AU: "AU",
        TrdMarket.FUTURES_SIMULATE_HK: "HK",
        TrdMarket.FUTURES_SIMULATE_US: "US",
        TrdMarket.FUTURES_SIMULATE_SG: "SG",
        TrdMarket.FUTURES_SIMULATE_JP: "JP",
        TrdMarket.JP: "JP",
        TrdMarket.PREDICTION: "EC",
        TrdMarket.MY: "MY",
        TrdMarket.CA: "CA",
        TrdMarket.HK_FUND: "HK",
        TrdMarket.US_FUND: "US",
        TrdMarket.SG_FUND: "SG",
        TrdMarket.MY_FUND: "MY",
        TrdMarket.JP_FUND: "JP",
    }
)
_TRD_SEC_MARKETS: Final = _table(
    {
        TrdSecMarket.HK: "HK",
        TrdSecMarket.US: "US",
        TrdSecMarket.CN_SH: "SH",
        TrdSecMarket.CN_SZ: "SZ",
        TrdSecMarket.SG: "SG",
        TrdSecMarket.JP: "JP",
        TrdSecMarket.AU: "AU",
        TrdSecMarket.MY: "MY",
        TrdSecMarket.CA: "CA",
        TrdSecMarket.FX: "FX",
        TrdSecMarket.CC: "CC",
        TrdSecMarket.EC: "EC",
    }
)
_WHOLE_MARKETS: Final[dict[Any, dict[int, Markets]]] = {
    QotMarket: _QOT_MARKETS,
    TradeDateMarket: _TRADE_DATE_MARKETS,
    OptionMarket: _OPTION_MARKETS,
}
_NOWHERE: Final[Markets] = frozenset()


def readable(proto_id: int, c2s: object) -> Any:
    """The C2S, after a look at its class; a flat request (3801 to 3803) stands for itself.

    Raises Refused for anything else, bytes of an id without a schema included: what cannot be
    read cannot be checked.
    """
    kind = request_kind(proto_id)
    expected = kind.c2s or kind.request
    if expected is None or type(c2s) is not expected:
        raise denied(f"what the request {proto_id} asks for cannot be read, so it is refused")
    return c2s


def trade_header(message: object) -> TrdHeader | None:
    """The trade header of a C2S or S2C; None where there is none (quotes have another kind)."""
    header = getattr(message, "header", None)
    return header if isinstance(header, TrdHeader) else None


def accounts_of(c2s: object) -> tuple[int, ...]:
    """The accounts that a C2S names: that of its header, and those of a list (2008)."""
    header = trade_header(c2s)
    own = () if header is None else (header.acc_id,)
    return (*own, *getattr(c2s, "acc_id_list", ()))


def in_trd_market(number: int) -> Markets:
    """The prefixes that a TrdMarket covers; none for an unknown one."""
    return _TRD_MARKETS.get(number, _NOWHERE)


def listed(code: str, trd_market: int, sec_market: int | None) -> Named:
    """The security of a bare code, by the market it is traded in and the one it is listed on.

    A secMarket that contradicts the trading market leaves no reading: it is not known which of
    the two OpenD would follow.
    """
    markets = in_trd_market(trd_market)
    if sec_market:
        markets &= _TRD_SEC_MARKETS.get(sec_market, _NOWHERE)
    return Named(markets, code)


def names_of(message: object) -> tuple[Named, ...]:
    """All securities and whole markets that a C2S or S2C names, at any depth.

    Raises Refused for more than any OpenD takes: to look at them all would keep others waiting.
    """
    names = tuple(islice(_names(message, None), _MOST_NAMES + 1))
    if len(names) > _MOST_NAMES:
        raise denied(f"more than {_MOST_NAMES} securities in one request")
    return names


Reader: TypeAlias = Callable[[Any, Any], Iterator[Named]]
"""Gives what the value of a field names; the second argument is the message that holds it."""


def _names(message: Any, _holder: Any) -> Iterator[Named]:
    if isinstance(message, Security):
        yield Named(_QOT_MARKETS.get(message.market, _NOWHERE), message.code)
        return
    cls: Any = type(message)
    for attribute, read in _readers(cls):
        value = getattr(message, attribute)
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                yield from read(each, message)


@cache
def _readers(cls: Any) -> tuple[tuple[str, Reader], ...]:
    """The fields of a message class that may name something."""
    bare_code = {"header", "code", "sec_market"} <= set(cls.__struct_fields__)
    found: list[tuple[str, Reader]] = []
    for _, attribute, _, _, kind, _, target, _ in plan_of(cls).fields:
        if attribute == "code" and bare_code:
            found.append((attribute, _of_bare_code))
        elif attribute in _BY_ATTRIBUTE:
            found.append((attribute, _BY_ATTRIBUTE[attribute]))
        elif target in _WHOLE_MARKETS:
            found.append((attribute, partial(_of_whole_market, _WHOLE_MARKETS[target])))
        elif kind == "message":
            found.append((attribute, _names))
    return tuple(found)


def _of_whole_market(table: dict[int, Markets], number: int, _holder: Any) -> Iterator[Named]:
    if number:  # 0 is written where none is meant
        yield Named(table.get(number, _NOWHERE))


def _of_bare_code(_code: str, holder: Any) -> Iterator[Named]:
    # A C2S with a header (2111, 2202).
    yield listed(holder.code, holder.header.trd_market, holder.sec_market)


def _of_filter(conditions: Any, holder: Any) -> Iterator[Named]:
    market = conditions.filter_market
    if market:
        yield Named(in_trd_market(market))
    for code in conditions.code_list:
        yield Named(in_trd_market(market or holder.header.trd_market), code)


def _of_text(symbol: str, _holder: Any) -> Iterator[Named]:
    try:
        market, code = types.split_security(symbol)
    except UsageError:
        yield Named(_NOWHERE, symbol)
    else:
        yield Named(_QOT_MARKETS.get(market, _NOWHERE), code)


_BY_ATTRIBUTE: Final[dict[str, Reader]] = {
    "filter_conditions": _of_filter,  # account reads: codes without a market
    "stock_symbol": _of_text,  # 3801 to 3803
}
