"""The accounts of the simulated broker: who they are, their cash, and every movement of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from futukit.messages.trd_common import (
    Currency,
    SecurityFirm,
    SimAccType,
    TrdAccType,
    TrdEnv,
    TrdMarket,
)
from futukit.sim.chance import dice
from futukit.sim.market import Instrument, Market
from futukit.sim.market.draws import seed_of
from futukit.sim.trading.money import units
from futukit.sim.trading.orders import Fill, Order
from futukit.sim.trading.positions import Position
from futukit.sim.trading.rules import TRD_MARKETS, segment_of

__all__ = ["Account", "Flow", "open_accounts"]

_REAL_IDS: Final = 281_756_000_000_000_000
_PAPER_IDS: Final = 1_000_000
_OPTIONS: Final = (SimAccType.OPTION, SimAccType.STOCK_AND_OPTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One movement of cash: ``amount`` in units of money, negative when it leaves the account.

    ``day`` and ``settled`` are day numbers on the calendar of the market it came from.
    """

    flow_id: int
    day: int
    settled: int
    currency: Currency
    kind: str
    amount: int
    remark: str


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """One account. ``cash`` is by currency, in units of money; ``positions`` by security."""

    acc_id: int
    name: str
    env: TrdEnv
    markets: tuple[TrdMarket, ...]
    acc_type: TrdAccType
    currency: Currency
    firm: SecurityFirm | None
    sim_type: SimAccType | None
    universal: bool
    futures: bool
    card_num: str | None
    uni_card_num: str | None
    cash: dict[Currency, int]
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)

    @property
    def real(self) -> bool:
        """Whether it trades for real, and so needs unlocking."""
        return self.env == TrdEnv.REAL

    @property
    def margin(self) -> bool:
        """Whether it may borrow money and securities."""
        return self.acc_type == TrdAccType.MARGIN

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the market that it trades in."""
        return tuple(dict.fromkeys(TRD_MARKETS[m] for m in self.markets if m in TRD_MARKETS))

    def market_of(self, inst: Instrument) -> TrdMarket | None:
        """The trading market that a security falls under here, ``None`` when it has no right."""
        segment = segment_of(inst)
        return next((m for m in self.markets if TRD_MARKETS.get(m) == segment), None)

    def trades_kind(self, inst: Instrument) -> bool:
        """Whether a paper account is for this kind of security; real ones trade all."""
        if self.futures or self.sim_type is None:
            return True
        if inst.is_option:
            return self.sim_type in _OPTIONS
        return self.sim_type != SimAccType.OPTION

    def position(self, inst: Instrument) -> Position:
        """The holding of a security, made when there is none yet."""
        found = self.positions.get(inst.key)
        if found is None:
            found = Position(_id_of(self.acc_id, inst.key), inst)
            self.positions[inst.key] = found
        return found

    def held(self, inst: Instrument) -> int:
        """The quantity held, below 0 when short."""
        found = self.positions.get(inst.key)
        return found.qty if found is not None else 0

    def live_orders(self) -> list[Order]:
        """The orders that can still be filled, oldest first."""
        return [order for order in self.orders.values() if order.live]

    def move(
        self, currency: Currency, amount: int, kind: str, days: tuple[int, int], remark: str
    ) -> None:
        """Book a movement of cash that cleared and settled on ``days``."""
        self.cash[currency] = self.cash.get(currency, 0) + amount
        self.flows.append(
            Flow(
                flow_id=_id_of(self.acc_id, len(self.flows)),
                day=days[0],
                settled=days[1],
                currency=currency,
                kind=kind,
                amount=amount,
                remark=remark,
            )
        )


def open_accounts(seed: int, market: Market, day: int) -> list[Account]:
    """The accounts of ``accounts.toml`` as a seed makes them; their cash came in on ``day``."""
    accounts: list[Account] = []
    taken: set[int] = set()
    universal_card = _card(seed, "universal card")
    for row in _rows():
        acc_id = _account_id(seed, row, taken)
        taken.add(acc_id)
        account = _account(seed, row, acc_id, universal_card)
        for name, amount in row["cash"].items():
            account.move(Currency[name], units(amount), "Deposit", (day, day), "Opening balance")
        for key, lots in row.get("positions", {}).items():
            _give(account, market.instrument(key), lots, seed)
        accounts.append(account)
    return accounts


def _account(seed: int, row: dict[str, Any], acc_id: int, universal_card: str) -> Account:
    real = row["env"] == "REAL"
    firm = SecurityFirm[row["firm"]] if "firm" in row else None
    return Account(
        acc_id=acc_id,
        name=row["name"],
        env=TrdEnv[row["env"]],
        markets=tuple(TrdMarket[name] for name in row["markets"]),
        acc_type=TrdAccType[row["type"]],
        currency=Currency[row["currency"]],
        firm=firm,
        sim_type=SimAccType[row["sim_type"]] if "sim_type" in row else None,
        universal=row.get("universal", False),
        futures=row.get("futures", False),
        card_num=_card(seed, row["name"]) if real else None,
        uni_card_num=universal_card if firm == SecurityFirm.FUTU_SECURITIES else None,
        cash={},
    )


def _give(account: Account, inst: Instrument, lots: int, seed: int) -> None:
    """Let an account hold a security from before; its cost lies near the first price."""
    near = dice(f"{seed}|{account.name}|{inst.key}").uniform(0.85, 1.05)
    price = inst.grid.rounded(inst.base * near)
    position = account.position(inst)
    position.trade(lots * inst.unit, price, day=0)


def _account_id(seed: int, row: dict[str, Any], taken: set[int]) -> int:
    drawn = seed_of(seed, "account", row["name"])
    if row["env"] == "REAL":
        acc_id = _REAL_IDS + drawn % 10**12
    else:
        acc_id = _PAPER_IDS + drawn % (9 * _PAPER_IDS)
    while acc_id in taken:
        acc_id += 1
    return acc_id


def _card(seed: int, name: str) -> str:
    return f"1001{seed_of(seed, 'card', name) % 10**12:012d}"


def _id_of(acc_id: int, name: object) -> int:
    return seed_of(acc_id, name) >> 2


@lru_cache(maxsize=1)
def _rows() -> list[dict[str, Any]]:
    text = resources.files(__package__).joinpath("accounts.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["account"]
    return rows
