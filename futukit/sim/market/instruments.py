"""The securities of the simulated market, read from ``securities.toml`` into plain records."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from futukit.errors import UsageError
from futukit.messages.qot_common import (
    CompanyAct,
    ExchType,
    Issuer,
    OptionType,
    PlateSetType,
    QotMarket,
    Security,
    SecurityType,
    WarrantType,
)
from futukit.sim.market.grid import SCALE, Grid

__all__ = ["MARKETS", "Action", "Derivative", "Instrument", "brokers", "instruments"]

MARKETS: Final = ("HK", "US", "SH", "SZ", "HK_FUTURE")
"""The markets with a state of their own."""

_QOT_MARKETS: Final = {
    "HK": QotMarket.HK_SECURITY,
    "US": QotMarket.US_SECURITY,
    "SH": QotMarket.CNSH_SECURITY,
    "SZ": QotMarket.CNSZ_SECURITY,
}
_TYPES: Final = {
    "stock": SecurityType.EQTY,
    "etf": SecurityType.TRUST,
    "index": SecurityType.INDEX,
    "plate": SecurityType.PLATE,
    "warrant": SecurityType.WARRANT,
    "option": SecurityType.DRVT,
    "future": SecurityType.FUTURE,
}
_ID_STRIDE: Final = 10_000_000
_PLATE_START: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivative:
    """What ties a security to its owner.

    ``kind`` is ``tracker``, ``future``, ``option`` or ``warrant``; ``strike`` and ``recovery`` are
    prices of the owner in currency units, ``iv`` a fraction (0.26), ``conversion`` the number of
    securities for one share, ``expires`` a day number (0: never).
    """

    kind: str
    owner: str
    expires: int = 0
    call: bool = True
    strike: float = 0.0
    recovery: float = 0.0
    iv: float = 0.0
    conversion: float = 1.0
    warrant_type: WarrantType = WarrantType.UNKNOWN
    option_type: OptionType = OptionType.UNKNOWN
    issuer: Issuer = Issuer.UNKNOW
    issue_size: int = 0
    street_rate: float = 0.0
    main: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One corporate action. From ``ex`` (a day number) on, prices are without the right.

    A price before it becomes comparable with one after it as ``price * factor - cash * factor``,
    with ``cash`` in price units.
    """

    ex: int
    factor: Fraction
    cash: int
    flags: int
    split: tuple[int, int] | None = None
    bonus: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The constant facts of one security.

    ``base`` is its close before the first simulated day in price units, ``volatility`` the daily
    one as a fraction, ``rate`` the orders per second of a regular session, ``size`` the mean
    order in lots, ``multiplier`` what one unit of volume turns over per unit of price.
    """

    key: str
    index: int
    kind: str
    name: str
    security: Security
    security_id: int
    sec_type: SecurityType
    exchange: ExchType
    market: str
    currency: str
    lot_size: int
    multiplier: int
    listed: int
    base: int
    grid: Grid
    volatility: float
    rate: float
    size: float
    extended: bool
    shares: int
    eps: float
    nav: float
    plate_set: PlateSetType | None = None
    members: dict[str, float] = field(default_factory=dict)
    derivative: Derivative | None = None
    actions: tuple[Action, ...] = ()

    @property
    def code(self) -> str:
        """The code without the market's prefix."""
        return self.security.code

    @property
    def unit(self) -> int:
        """The volume of one lot: a contract of options and futures counts as one."""
        return 1 if self.multiplier > 1 else self.lot_size

    @property
    def has_book(self) -> bool:
        """Whether it trades itself: an index and a plate have no order book and no tickers."""
        return not self.members

    @property
    def is_option(self) -> bool:
        """Whether it is an option (it has a subscription quota of its own)."""
        return self.kind == "option"

    @property
    def has_brokers(self) -> bool:
        """Whether there is a broker queue: Hong Kong's stocks, funds and warrants."""
        return self.market == "HK" and self.has_book and not self.is_option


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _derivative(
    kind: str, row: dict[str, Any], rows: dict[str, dict[str, Any]]
) -> Derivative | None:
    if "tracks" in row:
        return Derivative(kind="tracker", owner=row["tracks"])
    if kind == "future":
        origin = row.get("origin", "")
        expires = rows[origin]["expires"] if origin else row["expires"]
        return Derivative(
            kind=kind,
            owner=row["owner"],
            expires=_day(expires),
            main=row.get("main", False),
            origin=origin,
        )
    if kind == "option":
        option_type = OptionType[row["type"]]
        return Derivative(
            kind=kind,
            owner=row["owner"],
            expires=_day(row["expires"]),
            call=option_type is OptionType.CALL,
            strike=row["strike"],
            iv=row["iv"] / 100,
            option_type=option_type,
        )
    if kind == "warrant":
        warrant_type = WarrantType[row["type"]]
        return Derivative(
            kind=kind,
            owner=row["owner"],
            expires=_day(row["matures"]),
            call=warrant_type in (WarrantType.BUY, WarrantType.BULL),
            strike=row["strike"],
            recovery=row.get("recovery", 0.0),
            iv=row["iv"] / 100,
            conversion=row["conversion"],
            warrant_type=warrant_type,
            issuer=Issuer[row["issuer"]],
            issue_size=row["issue_size"],
            street_rate=row["street_rate"],
        )
    return None


def _action(row: dict[str, Any]) -> Action:
    factor = Fraction(1)
    flags = 0
    split = bonus = None
    if "split" in row:
        split = (row["split"][0], row["split"][1])
        factor *= Fraction(*split)
        flags |= CompanyAct.SPLIT
    if "bonus" in row:
        bonus = (row["bonus"][0], row["bonus"][1])
        factor *= Fraction(bonus[0], sum(bonus))
        flags |= CompanyAct.BONUS
    cash = round(row.get("dividend", 0.0) * SCALE)
    if cash:
        flags |= CompanyAct.DIVIDEND
    return Action(
        ex=_day(row["ex"]), factor=factor, cash=cash, flags=flags, split=split, bonus=bonus
    )


def _instrument(
    index: int,
    kind: str,
    row: dict[str, Any],
    rows: dict[str, dict[str, Any]],
    grids: dict[str, Grid],
    actions: tuple[Action, ...],
) -> Instrument:
    key: str = row["key"]
    prefix, _, code = key.partition(".")
    lot = row.get("lot", 1)
    members = row.get("members", {})
    weight = sum(members.values())
    return Instrument(
        key=key,
        index=index,
        kind=kind,
        name=row.get("name") or _option_name(row),
        security=Security(market=_QOT_MARKETS[prefix], code=code),
        security_id=_QOT_MARKETS[prefix] * _ID_STRIDE + index + 1,
        sec_type=_TYPES[kind],
        exchange=ExchType[row["exchange"]] if kind != "plate" else ExchType.UNKNOWN,
        market="HK_FUTURE" if kind == "future" else prefix,
        currency=row["currency"],
        lot_size=lot,
        multiplier=lot if kind in ("option", "future") else 1,
        listed=_day(row.get("listed", "1970-01-01")),
        base=round(row.get("price", _PLATE_START if members else 0.0) * SCALE),
        grid=grids["cent" if members else row["table"]],
        volatility=row.get("volatility", 0.0) / 100,
        rate=row.get("rate", 0.0),
        size=float(row.get("size", 0.0)),
        extended=row.get("extended", False),
        shares=row.get("shares", 0),
        eps=row.get("eps", 0.0),
        nav=row.get("nav", 0.0),
        plate_set=PlateSetType[row["set"]] if kind == "plate" else None,
        members={member: share / weight for member, share in members.items()},
        derivative=_derivative(kind, row, rows),
        actions=actions,
    )


def _option_name(row: dict[str, Any]) -> str:
    owner = row["owner"].partition(".")[2]
    return f"{owner} {row['expires'][2:].replace('-', '')} {row['strike']:.2f}{row['type'][0]}"


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("securities.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def brokers() -> dict[int, str]:
    """The brokers of the Hong Kong queue: seat number → name."""
    return {int(seat): name for seat, name in _tables()["brokers"].items()}


def instruments(today: int) -> dict[str, Instrument]:
    """All securities by key, as seen on a day: corporate actions after it do not exist yet.

    Raises UsageError when the data name a member or an owner that does not exist.
    """
    tables = _tables()
    grids = {name: Grid(rows) for name, rows in tables["price_table"].items()}
    rows: dict[str, dict[str, Any]] = {}
    kinds: dict[str, str] = {}
    actions: dict[str, list[Action]] = {}
    for group in tables["group"]:
        for row in group["rows"]:
            prefix = row["key"].partition(".")[0]
            if group["kind"] == "action":
                actions.setdefault(row["key"], []).append(_action(row))
                continue
            rows[row["key"]] = (
                tables["defaults"][prefix] | group.get("common", {}).get(prefix, {}) | row
            )
            kinds[row["key"]] = group["kind"]
    found: dict[str, Instrument] = {}
    for index, (key, row) in enumerate(rows.items()):
        past = tuple(sorted((a for a in actions.get(key, ()) if a.ex <= today), key=lambda a: a.ex))
        found[key] = _instrument(index, kinds[key], row, rows, grids, past)
    for one in found.values():
        wanted = [*one.members, *([one.derivative.owner] if one.derivative else ())]
        for other in wanted:
            if other not in found:
                raise UsageError(f"{one.key} refers to {other}, which is not in the data")
    return found
