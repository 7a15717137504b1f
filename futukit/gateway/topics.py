"""What can be subscribed, and what a request or a push is about.

A topic is one security with one data type. Its pushes come in variants: K-lines in one for each
adjustment of prices, everything else in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from futukit.core.grpc_bodies import sec_key
from futukit.core.push import Push
from futukit.messages.qot_common import QotMarket, RehabType, Security, SubType

__all__ = ["EVENT_CONTRACTS", "QUOTES", "Flags", "Topic", "topics_of", "topics_of_push", "variants"]

QUOTES: Final = 3001
EVENT_CONTRACTS: Final = 3455

_EVENT_CONTRACT_PUSHES: Final = frozenset({3450, 3451, 3452})
_KLINES: Final = frozenset(
    int(number) for name, number in SubType.__members__.items() if name.startswith("KL_")
)
_PLAIN: Final = (0,)
_RTH: Final = 1
_ETH: Final = 2


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

    def __str__(self) -> str:
        return f"{self.security} type {self.sub_type}"


class Flags(NamedTuple):
    """How a topic is subscribed: a part of the US day, and how much of an order book."""

    session: int = 0
    extended_time: bool = False
    detail: bool = False

    @classmethod
    def of(cls, c2s: Any) -> Flags:
        """The flags of a request (3001; 3455 has none)."""
        return cls(
            int(getattr(c2s, "session", None) or 0),
            bool(getattr(c2s, "extended_time", None)),
            bool(getattr(c2s, "is_sub_order_book_detail", None)),
        )

    def joined(self, other: Flags) -> Flags:
        """What serves both."""
        session = max(self.session, other.session)
        extended = self.extended_time or other.extended_time
        # A session that is named wins over extendedTime: the regular one would take it away.
        session = _ETH if session == _RTH and extended else session
        return Flags(session, extended, self.detail or other.detail)


def topics_of(by: int, c2s: Any) -> tuple[Topic, ...]:
    """The topics of a request: each security with each type, once."""
    return tuple(
        dict.fromkeys(
            Topic(by, sec_key(security), int(sub_type))
            for security in c2s.security_list
            for sub_type in c2s.sub_type_list
        )
    )


def variants(topic: Topic, rehab_types: Iterable[int]) -> tuple[int, ...]:
    """The variants of a topic that a list of adjustments asks for; without one, forward."""
    if topic.by == EVENT_CONTRACTS or topic.sub_type not in _KLINES:
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
