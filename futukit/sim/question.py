"""What a request asks for, read from the names of its fields: securities, market, page, times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct

from futukit.errors import UsageError
from futukit.messages.qot_common import SecurityStaticInfo
from futukit.sim.bounds import check_codes
from futukit.sim.chance import dice
from futukit.sim.paging import PAGING_FIELDS, Page, read_page
from futukit.sim.refusal import UNKNOWN_SECURITY, RefusalError
from futukit.sim.schema import Field, fields_of, full_name_of
from futukit.types import OpenEnum, exchange_time

__all__ = [
    "EVENT_CONTRACT_MARKET",
    "Listed",
    "Question",
    "Terms",
    "Universe",
    "is_security",
    "read_question",
    "securities_in",
]

EVENT_CONTRACT_MARKET: Final = 101

_MARKETS: Final = {
    "HK": 1,
    "US": 11,
    "CNSH": 21,
    "SH": 21,
    "CN": 21,
    "HKCC": 21,
    "CNSZ": 22,
    "SZ": 22,
    "Ark": 11,
}
_BEGIN_FIELDS: Final = ("begin_time", "begin_date", "start_create_date", "clearing_date", "date")
_END_FIELDS: Final = ("end_time", "end_date", "end_create_date")
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2200
_DAY: Final = timedelta(days=1)
_EVENT_NAMES: Final = ("EventContract", "FilterCompetition")
_MARKET_IN_NAME: Final = re.compile(r"\w+_Get(US|HK|CN|Ark)[A-Z]")
_FILTERS: Final = ("filter_list", "filters")
_EVENTS: Final = 40


class Terms(NamedTuple):
    """What ties an option or a warrant to its owner.

    ``strike`` is a price of the owner, ``expires`` midnight of the last day on the exchange's
    clock, ``ratio`` how many of them stand for one share.
    """

    owner: Listed
    strike: float
    expires: datetime
    call: bool
    ratio: float


class Listed(NamedTuple):
    """A security as answers mention it: market (Qot_Common.QotMarket), code, name, last price.

    ``info`` is its static info and ``terms`` those of a derivative, where they are known.
    """

    market: int
    code: str
    name: str
    price: float
    info: SecurityStaticInfo | None = None
    terms: Terms | None = None


class Universe(Protocol):
    """The securities that answers speak of, and the time they speak at."""

    def listed(self, market: int | None) -> Sequence[Listed]:
        """Stocks of one market (Qot_Common.QotMarket), or of all; empty for a market unknown."""

    def plates(self, market: int | None) -> Sequence[Listed]:
        """Plates of one market, or of all."""

    def members(self, plate: Listed) -> Sequence[Listed]:
        """The securities of a plate; empty for what is no plate."""

    def options(self, market: int | None) -> Sequence[Listed]:
        """Options of one market, or of all."""

    def warrants(self, market: int | None) -> Sequence[Listed]:
        """Warrants of one market, or of all."""

    def find(self, market: int, code: str) -> Listed | None:
        """The security or plate with this code, ``None`` if there is none."""

    def find_text(self, text: str) -> Listed | None:
        """The security that ``text`` (``"HK.00700"``, a bare code, a name) means."""

    def local_time(self, market: int | None) -> datetime:
        """The simulated time on the clock of a market (``None``: Hong Kong), without a zone."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, read once and used all over its answer.

    ``asked`` are the securities it names, ``narrowed`` those that its filters let through,
    ``market`` (QotMarket) the one it is about or ``None``, ``choice`` what else its answer may
    speak of: the members of an asked plate, what the filters let through, or all stocks of the
    market. ``root`` seeds every value and leaves the page out; ``total`` is the number of rows
    on all pages.
    """

    root: str
    c2s: Struct
    fields: dict[str, Field]
    page: Page
    market: int | None
    asked: tuple[Listed, ...]
    narrowed: tuple[Listed, ...]
    about_a_plate: bool
    choice: Sequence[Listed]
    total: int
    begin: datetime | None
    end: datetime | None
    now: datetime

    def value(self, attribute: str) -> Any:
        """The request's own value, ``None`` where it has no such field or left it out."""
        return getattr(self.c2s, attribute, None)

    def subject(self, index: int) -> Listed:
        """Whom row ``index`` is about: the asked security (of a plate, a member), or a choice."""
        if self.asked and not self.about_a_plate:
            return self.asked[0]
        return self.choice[index % len(self.choice)]

    def instant(self, index: int) -> datetime:
        """When row ``index`` happened: in the asked range, else one day earlier with each row."""
        if self.begin is None or self.end is None:
            return self.begin or (self.end or self.now) - index * _DAY
        step = min(_DAY, (self.end - self.begin) / max(1, self.total))
        return self.end - index % max(1, self.total) * step

    @property
    def about_events(self) -> bool:
        """Whether it is about event contracts, which are no securities of the market."""
        return self.market == EVENT_CONTRACT_MARKET

    @property
    def windowed(self) -> bool:
        """Whether the request itself says which times the answer is about."""
        return self.begin is not None


def is_security(target: Any) -> bool:
    """Whether ``target`` is the message class of a security."""
    return (
        isinstance(target, type)
        and issubclass(target, Struct)
        and full_name_of(target) == "Qot_Common.Security"
    )


def securities_in(message: Struct, *, filters: bool = False) -> Iterator[Any]:
    """Every security a message names, at any depth, in the order of the fields.

    Those in lists of filters say what an answer may contain, not what it is about: they come
    with ``filters``, and only they.
    """
    for field in fields_of(type(message)):
        if field.kind != "message":
            continue
        inside = field.attribute.endswith(_FILTERS)
        if inside != filters and (inside or is_security(field.target)):
            continue
        value = getattr(message, field.attribute)
        for part in value if field.label == "repeated" else (value,):
            if part is None:
                continue
            if is_security(field.target):
                yield part
            else:
                yield from securities_in(part, filters=filters and not inside)


def read_question(seed: int, universe: Universe, proto_id: int, c2s: Struct) -> Question:
    """Read a C2S (or a flat request). Raises RefusalError where it asks for what cannot be."""
    fields = {field.attribute: field for field in fields_of(type(c2s))}
    asked, narrowed = _asked(universe, proto_id, c2s)
    market = _asked_market(c2s)
    if market is None and asked:
        market = asked[0].market
    told = [f"{name}={getattr(c2s, name)!r}" for name in sorted(fields.keys() - PAGING_FIELDS)]
    text = f"{seed}|{proto_id}|{'|'.join(told)}"
    root = blake2b(text.encode(), digest_size=16).hexdigest()
    begin = _asked_time(c2s, fields, market, _BEGIN_FIELDS)
    end = _asked_time(c2s, fields, market, _END_FIELDS)
    if begin is not None and end is not None and begin > end:
        raise RefusalError(f"the time range begins at {begin}, after its end {end}")
    members = tuple(dict.fromkeys(one for row in asked for one in universe.members(row)))
    choice = members or _choice(universe, market, narrowed)
    return Question(
        root=root,
        c2s=c2s,
        fields=fields,
        page=read_page(proto_id, tuple(fields.values()), c2s),
        market=market,
        asked=asked,
        narrowed=narrowed,
        about_a_plate=bool(members),
        choice=choice or universe.listed(None),
        total=3 + dice(f"{root}#").randrange(_EVENTS) if choice else 0,
        begin=begin,
        end=end,
        now=universe.local_time(market),
    )


def _choice(
    universe: Universe, market: int | None, narrowed: tuple[Listed, ...]
) -> Sequence[Listed]:
    """The securities that an answer may list."""
    if market == EVENT_CONTRACT_MARKET:
        return [
            Listed(EVENT_CONTRACT_MARKET, f"EVENT-{number:03d}", f"Event {number}", 0.5)
            for number in range(1, _EVENTS + 1)
        ]
    if not narrowed:
        return universe.listed(market)
    let_through = [one for row in narrowed for one in universe.members(row) or (row,)]
    return [one for one in dict.fromkeys(let_through) if market in (None, one.market)]


def _asked(
    universe: Universe, proto_id: int, c2s: Struct
) -> tuple[tuple[Listed, ...], tuple[Listed, ...]]:
    """The securities that a request is about, and those that its filters name."""
    symbol = getattr(c2s, "stock_symbol", None)
    if symbol is not None:
        named = universe.find_text(symbol)
        if named is None:
            raise RefusalError(f"unknown security: {symbol!r}", UNKNOWN_SECURITY)
        return (named,), ()
    asked = list(securities_in(c2s))
    check_codes(proto_id, len(asked))
    narrowed = securities_in(c2s, filters=True)
    return (
        tuple(_found(universe, security) for security in asked),
        tuple(_found(universe, security) for security in narrowed),
    )


def _found(universe: Universe, security: Any) -> Listed:
    found = universe.find(security.market, security.code)
    if found is None and security.market == EVENT_CONTRACT_MARKET and security.code:
        return Listed(EVENT_CONTRACT_MARKET, security.code, security.code, 0.5)
    if found is None:
        raise RefusalError(
            f"unknown security: market {int(security.market)}, code {security.code!r}",
            UNKNOWN_SECURITY,
        )
    return found


def _asked_market(c2s: Struct) -> int | None:
    """The market a request is about by a field, by its account's header, or by its own name."""
    for name in ("market", "option_market", "market_list"):
        value = getattr(c2s, name, None)
        if value in (None, ()):
            continue
        first = value[0] if isinstance(value, tuple) else value
        return _market_of_enum(first) if isinstance(first, OpenEnum) else int(first)
    header = getattr(c2s, "header", None)
    account = getattr(header, "trd_market", None)
    if isinstance(account, OpenEnum):
        # An account that trades elsewhere (futures, Singapore) still shows rows of some kind.
        return next((_MARKETS[word] for word in account.name.split("_") if word in _MARKETS), None)
    name = full_name_of(type(c2s))
    if any(part in name for part in _EVENT_NAMES):
        return EVENT_CONTRACT_MARKET
    named = _MARKET_IN_NAME.match(name)
    return _MARKETS[named[1]] if named else None


def _market_of_enum(member: OpenEnum) -> int | None:
    """The QotMarket that a member's words name: enums of markets differ, their words agree."""
    words = member.name.split("_")
    for word in words:
        if word in _MARKETS:
            return _MARKETS[word]
    return None if "ALL" in words or not int(member) else -int(member)


def _asked_time(
    c2s: Struct, fields: dict[str, Field], market: int | None, names: tuple[str, ...]
) -> datetime | None:
    for name in names:
        text = getattr(c2s, name, None)
        if not text or fields[name].kind != "string":
            continue
        try:
            moment = exchange_time(text, market if market in (1, 11, 21, 22) else 1)
        except UsageError as error:
            raise RefusalError(f"{fields[name].name}: {error}") from error
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise RefusalError(f"{fields[name].name}: nothing is known of the year {moment.year}")
        return moment.replace(tzinfo=None)
    return None
