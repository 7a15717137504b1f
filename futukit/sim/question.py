"""What a request asks for, read from the names of its fields: securities, market, page, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct

from futukit.errors import UsageError
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
    "Universe",
    "is_security",
    "read_question",
    "securities_in",
]

EVENT_CONTRACT_MARKET: Final = 101

_MARKETS: Final = {"HK": 1, "US": 11, "CNSH": 21, "SH": 21, "CN": 21, "CNSZ": 22, "SZ": 22}
_BEGIN_FIELDS: Final = ("begin_time", "begin_date", "start_create_date", "clearing_date", "date")
_END_FIELDS: Final = ("end_time", "end_date", "end_create_date")
_DAY: Final = timedelta(days=1)


class Listed(NamedTuple):
    """A security as answers mention it: market (Qot_Common.QotMarket), code, name, last price."""

    market: int
    code: str
    name: str
    price: float


class Universe(Protocol):
    """The securities that answers speak of, and the time they speak at."""

    def listed(self, market: int | None) -> Sequence[Listed]:
        """Stocks of one market (Qot_Common.QotMarket), or of all; empty for a market unknown."""

    def plates(self, market: int | None) -> Sequence[Listed]:
        """Plates of one market, or of all."""

    def options(self, market: int | None) -> Sequence[Listed]:
        """Options of one market, or of all."""

    def find(self, market: int, code: str) -> Listed | None:
        """The security or plate with this code, ``None`` if there is none."""

    def find_text(self, text: str) -> Listed | None:
        """The security that ``text`` (``"HK.00700"``, a bare code, a name) means."""

    def local_time(self, market: int | None) -> datetime:
        """The simulated time on the clock of a market (``None``: Hong Kong), without a zone."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, read once and used all over its answer.

    ``asked`` are the securities it names, ``market`` (QotMarket) the one it is about or
    ``None``, ``choice`` what else its answer may speak of. ``root`` seeds every value and leaves
    the page out; ``total`` is the number of rows on all pages.
    """

    root: str
    c2s: Struct
    fields: dict[str, Field]
    page: Page
    market: int | None
    asked: tuple[Listed, ...]
    choice: Sequence[Listed]
    total: int
    begin: datetime | None
    end: datetime | None
    now: datetime

    def value(self, attribute: str) -> Any:
        """The request's own value, ``None`` where it has no such field or left it out."""
        return getattr(self.c2s, attribute, None)

    def subject(self, index: int) -> Listed:
        """Whom row ``index`` is about: the asked security, or one of the choice."""
        if self.asked and not self.page.paged:
            return self.asked[0]
        return self.choice[index % len(self.choice)]

    def instant(self, index: int) -> datetime:
        """When row ``index`` happened: in the asked range, else one day earlier with each row."""
        if self.begin is None or self.end is None:
            return self.begin or (self.end or self.now) - index * _DAY
        step = min(_DAY, (self.end - self.begin) / max(1, self.total))
        return self.end - index % max(1, self.total) * step

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


def securities_in(message: Struct) -> Iterator[Any]:
    """Every security a message names, at any depth, in the order of the fields."""
    for field in fields_of(type(message)):
        if field.kind != "message":
            continue
        value = getattr(message, field.attribute)
        for part in value if field.label == "repeated" else (value,):
            if part is None:
                continue
            if is_security(field.target):
                yield part
            else:
                yield from securities_in(part)


def read_question(seed: int, universe: Universe, proto_id: int, c2s: Struct) -> Question:
    """Read a C2S (or a flat request). Raises RefusalError where it asks for what cannot be."""
    fields = {field.attribute: field for field in fields_of(type(c2s))}
    asked = tuple(_asked(universe, proto_id, c2s))
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
    choice = universe.listed(market)
    empty = market not in (None, EVENT_CONTRACT_MARKET) and not choice
    return Question(
        root=root,
        c2s=c2s,
        fields=fields,
        page=read_page(proto_id, tuple(fields.values()), c2s),
        market=market,
        asked=asked,
        choice=choice or universe.listed(None),
        total=0 if empty else 3 + dice(f"{root}#").randrange(40),
        begin=begin,
        end=end,
        now=universe.local_time(market),
    )


def _asked(universe: Universe, proto_id: int, c2s: Struct) -> Iterator[Listed]:
    symbol = getattr(c2s, "stock_symbol", None)
    if symbol is not None:
        named = universe.find_text(symbol)
        if named is None:
            raise RefusalError(f"unknown security: {symbol!r}", UNKNOWN_SECURITY)
        yield named
        return
    named_securities = list(securities_in(c2s))
    check_codes(proto_id, len(named_securities))
    for security in named_securities:
        found = universe.find(security.market, security.code)
        if found is None and security.market == EVENT_CONTRACT_MARKET and security.code:
            found = Listed(EVENT_CONTRACT_MARKET, security.code, security.code, 0.5)
        if found is None:
            raise RefusalError(
                f"unknown security: market {int(security.market)}, code {security.code!r}",
                UNKNOWN_SECURITY,
            )
        yield found


def _asked_market(c2s: Struct) -> int | None:
    """The market a request names itself; its enum may be one of several, their words agree."""
    for name in ("market", "option_market", "market_list"):
        value = getattr(c2s, name, None)
        if value in (None, ()):
            continue
        first = value[0] if isinstance(value, tuple) else value
        if not isinstance(first, OpenEnum):
            return int(first)
        words = first.name.split("_")
        for word in words:
            if word in _MARKETS:
                return _MARKETS[word]
        return None if "ALL" in words or not int(first) else -int(first)
    return None


def _asked_time(
    c2s: Struct, fields: dict[str, Field], market: int | None, names: tuple[str, ...]
) -> datetime | None:
    for name in names:
        text = getattr(c2s, name, None)
        if not text or fields[name].kind != "string":
            continue
        try:
            return exchange_time(text, market if market in (1, 11, 21, 22) else 1).replace(
                tzinfo=None
            )
        except UsageError as error:
            raise RefusalError(f"{fields[name].name}: {error}") from error
    return None
