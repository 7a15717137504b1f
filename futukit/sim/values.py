"""Plausible values by name: a price looks like a price, a time like a time.

Field names of the schema say what they hold (``changeRate``, ``updateTimeStr``, ``lotSize``).
The tables below read the words of the snake_case name; the first that matches decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from futukit.sim.facts import CURRENCIES, epoch_of, fact, is_put
from futukit.sim.question import Listed
from futukit.sim.schema import Field
from futukit.types import OpenEnum, market_of

__all__ = ["Scene", "scalar"]

_INT32_MAX: Final = 2**31 - 1

_NOTHING: Final = frozenset({"UNKNOWN", "UNKNOW", "UNKONW", "NONE", "NULL", "INITIALIZED"})
_DATE_ONLY: Final = frozenset(
    {"strike_time", "list_time", "maturity_time", "last_trade_time", "expire_time"}
    | {"end_trade_time", "timestamp_str", "time_str", "last_transaction_time"}
)
_LATER: Final = frozenset(
    {"strike", "expire", "maturity", "expiration", "payable", "meeting", "settlement", "trade"}
    | {"end", "close", "next", "latest", "earnings"}
)
_EXPIRY: Final = frozenset({"strike", "expire", "expiry", "maturity"})
_NEVER: Final = frozenset({"suspend", "blank", "suspended", "delisting", "retry"})
_PERCENT_FULL: Final = frozenset(
    {"percentile", "probability", "proportion", "weight", "rank", "score", "prob"}
)
_PERCENT: Final = frozenset(
    {"rate", "ratio", "pct", "percent", "percentage", "yoy", "qoq", "chg", "change", "growth"}
    | {"yield", "amplitude", "premium", "return", "volatility", "iv", "hv", "otm", "roi", "crush"}
)
_PRICE: Final = frozenset(
    {"price", "open", "close", "high", "highest", "low", "lowest", "average", "avg", "bid", "ask"}
    | {"cost", "strike", "fair", "mid", "spread", "median", "point", "points", "breakeven"}
)
_MONEY: Final = frozenset(
    {"turnover", "amount", "cap", "income", "value", "val", "money", "assets", "cash", "power"}
    | {"flow", "salary", "debt", "capital"}
)
_QUANTITY: Final = frozenset(
    {"volume", "vol", "shares", "quantity", "sum", "qty", "size", "interest", "number", "share"}
)
_COUNT: Final = frozenset({"count", "num", "total", "days", "day", "dte", "distance", "ranking"})
_IDENTITY: Final = frozenset({"id", "key", "sequence", "code"})
_MULTIPLE: Final = frozenset({"pe", "pb", "ps", "valuation", "forward", "multiple"})
_VOLATILITY: Final = frozenset({"iv", "hv", "volatility"})
_MOVES: Final = frozenset({"change", "chg", "ratio", "crush"})
_SECURITY_NAMES: Final = frozenset({"stock_name", "symbol_name", "option_name", "plate_name"})
_LOTS: Final = (100, 200, 500, 1000)
_GREEKS: Final = {
    "delta": (-1.0, 1.0),
    "gamma": (0.0, 0.2),
    "vega": (0.0, 0.5),
    "theta": (-0.5, 0.0),
    "rho": (-0.2, 0.2),
}


class Scene(NamedTuple):
    """Where a value stands: whose it is, when, and in which row of its list; ``now`` is today.

    ``windowed`` says that the request set the time: then no field leaves it. ``settled`` says
    that the request named whom the row is about, ``named`` that the row's name is theirs.
    """

    listed: Listed
    instant: datetime
    row: int
    windowed: bool
    now: datetime
    settled: bool = False
    named: bool = True

    @property
    def step(self) -> timedelta:
        """How far apart the rows of an inner list lie."""
        return timedelta(0) if self.windowed else timedelta(days=1)


def scalar(field: Field, scene: Scene, rng: Random) -> Any:
    """A value for one field that is no message: a fact, or right in kind, plausible by name."""
    known = fact(field, scene.listed, scene.now)
    if known is not None:
        return known
    if isinstance(field.target, type) and issubclass(field.target, OpenEnum):
        return member(field.target, rng)
    if field.kind == "bool":
        return not set(field.attribute.split("_")) & _NEVER and rng.random() < 0.5
    if field.kind == "bytes":
        return rng.randbytes(8)
    if field.kind == "string":
        return _text(field.attribute, scene, rng)
    return _number(field, scene, rng)


def member(enum: type[OpenEnum], rng: Random) -> OpenEnum:
    """A listed member, and never the one that means "unknown" if there is another."""
    known = [entry for entry in enum if not set(entry.name.split("_")) & _NOTHING]
    return rng.choice(known or list(enum))


def _moment(words: list[str], scene: Scene) -> datetime:
    """The time of a field. Fields that differ in their suffix only share it: the stem counts."""
    stem = [word for word in words if word not in ("time", "date", "timestamp", "str", "stamp")]
    if scene.listed.terms is not None and set(stem) & _EXPIRY:
        return scene.listed.terms.expires
    if scene.windowed:
        return scene.instant
    if set(stem) & _LATER:
        return scene.instant + timedelta(days=30 * (1 + scene.row % 12))
    if set(stem) & {"begin", "start", "list", "ipo"}:
        return scene.instant - timedelta(days=365)
    return scene.instant


def _is_time(field_words: list[str]) -> bool:
    last = field_words[-1] if field_words[-1] != "str" else field_words[-2]
    return last in ("time", "date", "timestamp", "stamp") or field_words[-2:] in (
        ["trading", "day"],
        ["time", "key"],
        ["date", "begin"],
        ["date", "end"],
    )


def _text(attribute: str, scene: Scene, rng: Random) -> str:
    words = attribute.split("_")
    if attribute == "time_range":
        begin = scene.instant - timedelta(days=7)
        return f"{begin:%Y.%m.%d}-{scene.instant:%Y.%m.%d}"
    if words[-1] == "zone":
        return "Asia/Hong_Kong" if scene.listed.market < 11 else "America/New_York"
    if _is_time(words) or _is_time([*words, "str"]):
        moment = _moment(words, scene)
        if attribute in _DATE_ONLY or {"date", "day"} & set(words):
            return f"{moment:%Y-%m-%d}"
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    if "url" in words:
        return f"https://example.com/{'/'.join(words)}/{rng.randrange(10**6)}"
    if "currency" in words:
        return CURRENCIES.get(scene.listed.market, "USD")
    if attribute in _SECURITY_NAMES or (attribute == "name" and scene.named):
        return scene.listed.name
    if attribute in ("code", "stock_code", "symbol"):
        return scene.listed.code
    if words[-1] == "securities":
        return f"{scene.listed.code}.{market_of(scene.listed.market).prefix}"
    if set(words) & (_PRICE | _MONEY | _QUANTITY):
        return f"{rng.uniform(1, 100):.2f}"
    if words[-1] in ("year", "age"):
        return str(scene.instant.year if words[-1] == "year" else 30 + rng.randrange(40))
    if words[-1] in _IDENTITY:
        return f"{rng.randrange(16**8):08X}"
    if words[-1] in ("content", "text", "desc", "description", "summary", "statement"):
        return f"Simulated {' '.join(words)} of {scene.listed.name}, row {scene.row + 1}"
    return f"{' '.join(words).capitalize()} {scene.row + 1}"


def _number(field: Field, scene: Scene, rng: Random) -> float | int:
    words = field.attribute.split("_")
    whole = field.kind not in ("double", "float")
    if _is_time(words) and field.kind != "int32":
        seconds = epoch_of(_moment(words, scene), scene.listed.market)
        return int(seconds) if whole else seconds
    value = _magnitude(words, scene, rng)
    if whole:
        lowest = 0 if field.kind.startswith("u") else -_INT32_MAX
        return max(lowest, min(_INT32_MAX, int(value)))
    return round(value, 3)


def _magnitude(words: list[str], scene: Scene, rng: Random) -> float:
    names = set(words)
    for greek, (low, high) in _GREEKS.items():
        if greek in names:
            size = rng.uniform(low, high)
            if greek != "delta" or scene.listed.terms is None:
                return size
            return -abs(size) if is_put(scene.listed) else abs(size)
    if words == ["lot", "size"]:
        return rng.choice(_LOTS)
    if words == ["qty", "ratio"]:
        return 1.0
    if words[-1] == "year":
        return scene.instant.year - scene.row % 5
    if words[-1] in _IDENTITY:
        return rng.randrange(1, 10**9)
    if names & _PERCENT_FULL:
        return rng.uniform(0, 100)
    if names & _MULTIPLE:
        return rng.uniform(5, 40)
    if names & _COUNT and not names & _PERCENT:
        return rng.randrange(1, 50)
    if names & _VOLATILITY and not names & _MOVES:
        return rng.uniform(10, 80)
    if names & _PERCENT and not names & {"price"}:
        return rng.uniform(-10, 10)
    if names & _QUANTITY:
        return rng.randrange(1, 10_000) * 100
    if names & _MONEY:
        return round(rng.uniform(1e6, 1e9), 2)
    if names & _PRICE:
        return scene.listed.price * rng.uniform(0.95, 1.05)
    return rng.randrange(1, 100)
