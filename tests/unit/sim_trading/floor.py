"""A trading desk over its own market, without any server: what the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from futukit.messages import trd_common
from futukit.messages.trd_common import OrderStatus, OrderType, TrdMarket, TrdSide
from futukit.sim.market import Market
from futukit.sim.timetable import Timetable
from futukit.sim.trading import Account, Order, Terms, TradingDesk

THIN = 0.005
"""An intensity at which days pass quickly."""

PASSWORD = "123456"
TENCENT = "HK.00700"
BUY, SELL = TrdSide.BUY, TrdSide.SELL


class Floor:
    """A market, a desk and the clock that moves both as OpenD does; thin for long stretches."""

    def __init__(self, seed: int = 1, intensity: float = 1.0) -> None:
        self.market = Market(seed, intensity=intensity)
        self.timetable = Timetable()
        self.desk = TradingDesk(self.market, seed, PASSWORD, self.timetable)

    def account(self, name: str) -> Account:
        """An account of accounts.toml by its name."""
        return next(one for one in self.desk.accounts.values() if one.name == name)

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping wherever something is due."""
        end = self.market.now + seconds
        while True:
            due = self.timetable.next
            stop = end if due is None else min(end, max(due, self.market.now))
            self.desk.happened(self.market.advance(stop - self.market.now))
            self.timetable.run(self.market.now)
            if end - self.market.now < 1e-6:
                return

    def advance_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Let time pass until it is so; fails after an hour."""
        end = self.market.now + 3600
        while not condition():
            assert self.market.now < end, "it did not come to be"
            self.advance(seconds)

    def state(self, market: str, state: Any) -> None:
        """Force a market's state."""
        self.market.set_market_state(market, state)
        self.desk.happened(self.market.advance(0.0))

    def place(self, account: Account, key: str, side: TrdSide, qty: float, **terms: Any) -> Order:
        """Place an order; a limit order unless ``order_type`` says otherwise."""
        return self.desk.place(account, self.terms(account, key, side, qty, **terms))

    def terms(self, account: Account, key: str, side: TrdSide, qty: float, **terms: Any) -> Terms:
        inst = self.market.instrument(key)
        chosen: dict[str, Any] = {
            "trd_market": account.market_of(inst) or TrdMarket.HK,
            "order_type": OrderType.NORMAL,
            **terms,
        }
        return Terms(side=side, code=inst.code, qty=qty, **chosen)

    def asks(self, key: str = TENCENT) -> Any:
        """The offers, best first."""
        return self.market.order_book(key, 100).asks

    def bids(self, key: str = TENCENT) -> Any:
        """The bids, best first."""
        return self.market.order_book(key, 100).bids

    def last(self, key: str = TENCENT) -> int:
        """The last price in price units."""
        return self.desk.exchange.last(self.market.instrument(key))

    def told(self) -> list[Any]:
        """The statuses of the orders and the quantities of the fills pushed since the last call."""
        rows: list[Any] = []
        for news in self.desk.take_news():
            s2c: Any = news.message.s2c  # type: ignore[attr-defined]
            rows.append(
                OrderStatus(s2c.order.order_status).name
                if news.proto_id == 2208
                else s2c.order_fill.qty
            )
        return rows


def header(account: Account, market: TrdMarket | None = None) -> trd_common.TrdHeader:
    """The header of a request about an account."""
    return trd_common.TrdHeader(
        trd_env=account.env, acc_id=account.acc_id, trd_market=market or account.markets[0]
    )
