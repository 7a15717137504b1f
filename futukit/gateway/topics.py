"""What can be subscribed, and what a request or a push is about.

A topic is one security with one data type. Its pushes come in variants: K-lines in one for each
adjustment of prices, everything else in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from futukit.core.grpc_bodies import sec_key
from futukit.core.push import Push
from futukit.messages.qot_common import QotMarket, RehabType, Security, SubType

__all__ = [
    "EVENT_CONTRACTS",
    "QUOTES",
    "Flags",
    "Topic",
    "quota_of",
    "topics_of",
    "topics_of_push",
    "variants",
]

QUOTES: Final = 3001
EVENT_CONTRACTS: Final = 3455

_EVENT_CONTRACT_PUSHES: Final = frozenset({3450, 3451, 3452})
_KLINES: Final = frozenset(
    int(number) for name, number in SubType.__members__.items() if name.startswith("KL_")
)
_OPTION: Final = re.compile(r"(?P<chain>.+?)[0-9]{6}[CP][0-9]+")
"""``market_code`` of an option: underlying, day of expiry, call or put, strike."""

_PLAIN: Final = (0,)
_RTH: Final = 1
_ETH: Final = 2
_ALL: Final = 3
_OVERNIGHT: Final = 4


class Topic(NamedTuple):
    """One security with one data type, as ``by`` (3001 or 3455) subscribes it.

    ``security`` is ``market_code``, ``sub_type`` a number of Qot_Common.SubType.
    """

    by: int
    security: str
    sub_type: int

    def message(self) -> Security:
        """The security as a message."""
        market, _, code = self.security.partition("_")
        return Security(market=QotMarket(int(market)), code=code)

    @property
    def is_kline(self) -> bool:
        """Whether its data are K-lines."""
        return self.sub_type in _KLINES

    def __str__(self) -> str:
        return f"{self.security} type {self.sub_type}"


class Flags(NamedTuple):
    """How a topic is subscribed.

    Quotes: a part of the US day, and how much of an order book. Event contracts: the sources of
    their K-lines. ``header`` is the QotHeader of who asked first with one.
    """

    session: int = 0
    extended_time: bool = False
    detail: bool = False
    sources: frozenset[int] = frozenset()
    header: Any = None

    @classmethod
    def of(cls, c2s: Any) -> Flags:
        """The flags of a request (3001, 3455)."""
        return cls(
            int(getattr(c2s, "session", None) or 0),
            bool(getattr(c2s, "extended_time", None)),
            bool(getattr(c2s, "is_sub_order_book_detail", None)),
            frozenset(map(int, getattr(c2s, "kline_source", ()))),
            c2s.header,
        )

    def joined(self, other: Flags) -> Flags:
        """What serves both."""
        session = max(self.session, other.session)
        if session == _OVERNIGHT and min(self.session, other.session) not in (0, _OVERNIGHT):
            session = _ALL  # which holds the other parts too; OVERNIGHT is itself alone
        extended = self.extended_time or other.extended_time
        # A session that is named wins over extendedTime: the regular one would take it away.
        session = _ETH if session == _RTH and extended else session
        return Flags(
            session,
            extended,
            self.detail or other.detail,
            self.sources | other.sources,
            other.header if self.header is None else self.header,
        )


def topics_of(by: int, c2s: Any) -> tuple[Topic, ...]:
    """The topics of a request: each security with each type, once."""
    return tuple(
        dict.fromkeys(
            Topic(by, sec_key(security), int(sub_type))
            for security in c2s.security_list
            for sub_type in c2s.sub_type_list
        )
    )


def quota_of(topics: Iterable[Topic]) -> tuple[int, int]:
    """Units of quota that topics take: of the ordinary one, and of that for options.

    An option counts with all others of its underlying: one chain with one type is one unit.
    """
    ordinary, chains = 0, set()
    for topic in topics:
        option = _OPTION.fullmatch(topic.security)
        if option is None:
            ordinary += 1
        else:
            chains.add((option["chain"], topic.sub_type))
    return ordinary, len(chains)


def variants(topic: Topic, rehab_types: Iterable[int]) -> tuple[int, ...]:
    """The variants of a topic that a list of adjustments asks for; without one, forward."""
    if topic.by == EVENT_CONTRACTS or not topic.is_kline:
        return _PLAIN
    return tuple(map(int, rehab_types)) or (int(RehabType.FORWARD),)


def topics_of_push(push: Push) -> Iterator[tuple[Topic, int]]:
    """The topics that a push belongs to, each with its variant; none of a push to everybody."""
    facts = push.facts
    if push.proto_id in _EVENT_CONTRACT_PUSHES:
        # An event contract's K-line does not say of which type it is.
        for sub_type in (facts.sub_type,) if facts.sub_type else sorted(_KLINES):
            yield Topic(EVENT_CONTRACTS, facts.sec_key, sub_type), 0
    elif facts.sub_type:
        s2c: Any = getattr(push.message, "s2c", None)
        rehab_type = getattr(s2c, "rehab_type", 0) if facts.sub_type in _KLINES else 0
        yield Topic(QUOTES, facts.sec_key, facts.sub_type), int(rehab_type)
