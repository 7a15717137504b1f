"""What the types of subscription mean: changes of the market, K-line types, sessions."""

from __future__ import annotations

from typing import Final

from futukit.messages import common, qot_common
from futukit.sim.market import Instrument, Kind
from futukit.sim.refusal import RefusalError

__all__ = ["KINDS", "KL_SUB_TYPES", "KL_TYPES", "check_offered", "covers", "session_of"]

_SubType = qot_common.SubType
_KLType = qot_common.KLType

KL_TYPES: Final[dict[int, qot_common.KLType]] = {
    _SubType.KL_1MIN: _KLType.K_1MIN,
    _SubType.KL_3MIN: _KLType.K_3MIN,
    _SubType.KL_5MIN: _KLType.K_5MIN,
    _SubType.KL_10MIN: _KLType.K_10MIN,
    _SubType.KL_15MIN: _KLType.K_15MIN,
    _SubType.KL_30MIN: _KLType.K_30MIN,
    _SubType.KL_60MIN: _KLType.K_60MIN,
    _SubType.KL_120MIN: _KLType.K_120MIN,
    _SubType.KL_180MIN: _KLType.K_180MIN,
    _SubType.KL_240MIN: _KLType.K_240MIN,
    _SubType.KL_DAY: _KLType.DAY,
    _SubType.KL_WEEK: _KLType.WEEK,
    _SubType.KL_MONTH: _KLType.MONTH,
    _SubType.KL_QURATER: _KLType.QUARTER,
    _SubType.KL_YEAR: _KLType.YEAR,
}
"""SubType → the type of K-line it subscribes to."""

KL_SUB_TYPES: Final[dict[int, qot_common.SubType]] = {
    int(kl_type): _SubType(sub_type) for sub_type, kl_type in KL_TYPES.items()
}

KINDS: Final[dict[int, int]] = {
    _SubType.BASIC: int(Kind.QUOTE),
    _SubType.ORDER_BOOK: int(Kind.BOOK),
    _SubType.TICKER: int(Kind.TICKER | Kind.EXTENDED),
    _SubType.RT: int(Kind.RT),
    _SubType.BROKER: int(Kind.BROKER),
    **dict.fromkeys(KL_TYPES, int(Kind.KLINE)),
}
"""SubType → the changes of the market that make it a push (bits of Kind, as plain numbers: they
are looked at for every change). Types not listed are not offered."""

_NEEDS_BOOK: Final = frozenset({_SubType.ORDER_BOOK, _SubType.TICKER, _SubType.BROKER})

_COVERED: Final[dict[int, frozenset[int]]] = {
    common.Session.RTH: frozenset({common.Session.RTH}),
    common.Session.ETH: frozenset({common.Session.RTH, common.Session.ETH}),
    common.Session.ALL: frozenset(
        {common.Session.RTH, common.Session.ETH, common.Session.OVERNIGHT}
    ),
}


def check_offered(instrument: Instrument, sub_type: int) -> None:
    """Raise RefusalError where a security has no data of this type."""
    if sub_type not in KINDS:
        raise RefusalError(f"{instrument.key}: type {int(sub_type)} cannot be subscribed")
    if sub_type in _NEEDS_BOOK and not instrument.has_book:
        raise RefusalError(
            f"{instrument.key} is an index or a plate: it has no data of type {int(sub_type)}"
        )
    if sub_type == _SubType.BROKER and not instrument.has_brokers:
        raise RefusalError(f"{instrument.key}: only Hong Kong stocks have a broker queue")


def session_of(session: int | None, extended_time: bool | None) -> int:
    """The part of the US day that a subscription covers (Common.Session).

    A session that is named wins; without one, ``extendedTime`` adds pre- and after-market.
    Raises RefusalError for OVERNIGHT, which cannot be had by itself, and for unlisted sessions.
    """
    if session:
        if session not in _COVERED:
            raise RefusalError(f"session {int(session)} cannot be subscribed: RTH, ETH or ALL")
        return int(session)
    return int(common.Session.ETH if extended_time else common.Session.RTH)


def covers(subscribed: int, session: int) -> bool:
    """Whether a subscription to one session includes data of another."""
    return session in _COVERED[subscribed]
