"""The trading desk: what happens to orders, from the request to the last fill.

It reads no clock and waits for nothing. Fills and the ends of days come from the market; what is
due at an instant of its own (a session that opens, a trigger, a date) is put on the timetable, so
that it happens at that instant however time is cut into calls.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from math import floor
from typing import NamedTuple

from msgspec import Struct

from futukit.messages import trd_update_order, trd_update_order_fill
from futukit.messages.common import RetType
from futukit.messages.trd_common import (
    ModifyOrderOp,
    OrderStatus,
    OrderType,
    TrdHeader,
    TrdMarket,
)
from futukit.sim.market import Change as MarketChange
from futukit.sim.market import Event, Market, StateChange
from futukit.sim.market import Fill as Match
from futukit.sim.market.draws import seed_of
from futukit.sim.market.grid import SCALE
from futukit.sim.refusal import UNKNOWN_ACCOUNT, UNKNOWN_ORDER, WRONG_ACCOUNT, RefusalError
from futukit.sim.timetable import Timetable
from futukit.sim.trading.access import Access
from futukit.sim.trading.accounts import Account, open_accounts
from futukit.sim.trading.admission import Admission, Terms
from futukit.sim.trading.changes import Change, changed_order, check_operation
from futukit.sim.trading.exchange import Exchange
from futukit.sim.trading.fees import fees_of
from futukit.sim.trading.funds import FundsView
from futukit.sim.trading.margins import Margins
from futukit.sim.trading.orders import Fill, Kind, Order
from futukit.sim.trading.rules import rules
from futukit.sim.trading.views import Views

__all__ = ["News", "TradingDesk"]

_S = OrderStatus
_ORDER_PUSH = 2208
_FILL_PUSH = 2218
_SUCCEED = RetType.SUCCEED


class News(NamedTuple):
    """Something to push to the followers of an account: the whole response of a push id."""

    acc_id: int
    proto_id: int
    message: Struct


class TradingDesk:
    """All accounts of one simulated OpenD and what they trade.

    ``seed`` decides the accounts and all ids. Raises RefusalError for what cannot be done.
    """

    def __init__(
        self, market: Market, seed: int, trade_password: str, timetable: Timetable
    ) -> None:
        self.exchange = Exchange(market)
        self.rules = rules()
        self.margins = Margins(self.rules, self.exchange.last)
        self.admission = Admission(market, self.exchange, self.rules, self.margins)
        self.views = Views(self.exchange, self.margins)
        self.funds = FundsView(self.exchange, self.rules, self.margins)
        first = market.instrument(market.keys()[0])
        opened = open_accounts(seed, market, self.exchange.day(first) - 1)
        self.accounts = {account.acc_id: account for account in opened}
        self.access = Access(trade_password, {a.firm for a in opened if a.firm is not None})
        self._seed = seed
        self._timetable = timetable
        self._owners: dict[str, tuple[Account, Order]] = {}
        self._live: dict[str, tuple[Account, Order]] = {}
        self._disabled: dict[str, tuple[Account, Order]] = {}
        self._fills = 0
        self._news: list[News] = []
        self._watched: set[str] = set()
        self._venues: set[str] = set()
        self._ticking = False

    # Look-up.

    def account(self, header: TrdHeader) -> Account:
        """The account that a request is about."""
        account = self.accounts.get(header.acc_id)
        if account is None:
            raise RefusalError(f"unknown account {header.acc_id}", UNKNOWN_ACCOUNT)
        if account.env != header.trd_env:
            raise RefusalError(
                f"account {account.acc_id} is {account.env.name}, not {header.trd_env.name}",
                WRONG_ACCOUNT,
            )
        if header.trd_market not in account.markets:
            raise RefusalError(
                f"account {account.acc_id} does not trade on trdMarket {header.trd_market.name}",
                WRONG_ACCOUNT,
            )
        return account

    def order(self, account: Account, order_id: int, order_id_ex: str | None) -> Order:
        """The order of an account with an id, the text one where both are given."""
        if order_id_ex:
            found = account.orders.get(order_id_ex)
        else:
            matching = (one for one in account.orders.values() if one.order_id == order_id)
            found = next(matching, None)
        if found is None:
            raise RefusalError(f"unknown order {order_id_ex or order_id}", UNKNOWN_ORDER)
        return found

    def take_news(self) -> list[News]:
        """What has happened to orders since the last call, oldest first."""
        news, self._news = self._news, []
        return news

    # What clients ask for.

    def place(self, account: Account, terms: Terms) -> Order:
        """Place an order; it may be filled already when this returns."""
        order = self.draft(account, terms)
        if order.kind is Kind.MARKET and not order.waits_for_price:
            _, order.worst = self.exchange.reach(order)
        self.margins.check(account, order)
        account.orders[order.order_id_ex] = order
        self._owners[order.order_id_ex] = (account, order)
        self._live[order.order_id_ex] = (account, order)
        if self.exchange.open_to(order) and not order.waits_for_price:
            self._set(account, order, _S.SUBMITTING)
            self._submit(account, order)
        else:
            self._set(account, order, _S.WAITING_SUBMIT)
        self._plan(order)
        return order

    def draft(self, account: Account, terms: Terms) -> Order:
        """An order that is checked but for the money, and in no account yet."""
        count = len(self._owners) + 1
        order_id = seed_of(self._seed, "orders") % 10**9 * 10**8 + count
        order_id_ex = f"FS{seed_of(self._seed, 'order', count):016X}"
        return self.admission.order(account, terms, order_id, order_id_ex)

    def modify(
        self, account: Account, order: Order, op: ModifyOrderOp, change: Change | None = None
    ) -> None:
        """Change, cancel, disable, enable or delete an order."""
        check_operation(order, op)
        if op == ModifyOrderOp.CANCEL:
            self._end(account, order)
        elif op == ModifyOrderOp.DISABLE:
            self.exchange.cancel(order)
            self._set(account, order, _S.DISABLED)
        elif op == ModifyOrderOp.DELETE:
            self._set(account, order, _S.DELETED)
        elif op == ModifyOrderOp.ENABLE:
            self._enable(account, order)
        else:
            self._change(account, order, change or Change())

    def cancel_all(self, account: Account, market: TrdMarket | None) -> None:
        """Cancel all live orders of an account, on one of its markets or on all."""
        for order in account.live_orders():
            if not market or account.market_of(order.inst) == market:
                self._end(account, order)

    def _change(self, account: Account, order: Order, change: Change) -> None:
        new = changed_order(self.admission, self.margins, account, order, change)
        self.exchange.cancel(order)
        for name in ("qty", "price", "side", "aux_price", "trigger"):
            setattr(order, name, getattr(new, name))
        for name in ("trail_type", "trail_value", "trail_spread"):
            setattr(order, name, getattr(new, name))
        order.updated = self.exchange.now
        self._resume(account, order)
        self._plan(order)

    def _enable(self, account: Account, order: Order) -> None:
        order.side = self.admission.side(account, order.inst, order.left, buys=order.buys)
        self.margins.check(account, order)
        self._live[order.order_id_ex] = (account, order)
        self._resume(account, order)
        self._plan(order)

    def _resume(self, account: Account, order: Order) -> None:
        """Bring a live order back to where it belongs: the book, or a wait."""
        if self.exchange.open_to(order) and not order.waits_for_price:
            self._submit(account, order)
        else:
            self._set(account, order, _S.WAITING_SUBMIT)

    # What happens to orders.

    def _submit(self, account: Account, order: Order) -> None:
        """Let an order into the book and drop what may not rest there."""
        kind = order.kind
        price = order.price
        if kind in (Kind.MARKET, Kind.ALL_OR_NOTHING):
            there, worst = self.exchange.reach(order)
            if kind is Kind.MARKET:
                price = order.worst = worst
            if not there or (kind is Kind.ALL_OR_NOTHING and there < order.left):
                self._set(account, order, _S.SUBMITTED)
                self._end(account, order, "nobody trades at this price now")
                return
        self._set(account, order, _S.FILLED_PART if order.filled else _S.SUBMITTED)
        self.exchange.place(order, price)
        self._harvest()
        if kind is not Kind.LIMIT and order.live:
            self._end(account, order, "no more was to be had at this price")

    def _end(self, account: Account, order: Order, reason: str = "") -> None:
        """Cancel what is left of an order."""
        self.exchange.cancel(order)
        order.error = reason
        self._set(account, order, _S.CANCELLED_PART if order.filled else _S.CANCELLED_ALL)

    def _set(self, account: Account, order: Order, status: OrderStatus) -> None:
        order.status = status
        order.updated = max(order.updated, self.exchange.now)
        if not order.live:
            self._live.pop(order.order_id_ex, None)
        if status == _S.DISABLED:
            self._disabled[order.order_id_ex] = (account, order)
        else:
            self._disabled.pop(order.order_id_ex, None)
        self._tell_order(account, order)

    def _tell_order(self, account: Account, order: Order) -> None:
        header = self.views.header(account, order.inst)
        s2c = trd_update_order.S2C(header=header, order=self.views.order(account, order))
        message = trd_update_order.Response(ret_type=_SUCCEED, s2c=s2c)
        self._news.append(News(account.acc_id, _ORDER_PUSH, message))

    @property
    def _open_ids(self) -> ChainMap[str, tuple[Account, Order]]:
        """The orders that are not at their end: live ones, and disabled ones."""
        return ChainMap(self._live, self._disabled)

    # Fills.

    def _harvest(self) -> None:
        """Take over what the market has done to orders."""
        for match in self.exchange.take():
            known = self._owners.get(match.owner)
            if known is not None:
                self._fill(*known, match)
        ended = self.exchange.take_ended()
        if ended:
            for _, order in self._live.values():
                if order.book_id in ended:
                    order.book_id = None

    def _fill(self, account: Account, order: Order, match: Match) -> None:
        price = round(match.price * SCALE)
        self._fills += 1
        fill = Fill(
            fill_id=seed_of(self._seed, "fills") % 10**9 * 10**8 + self._fills,
            fill_id_ex=f"FF{seed_of(self._seed, 'fill', self._fills):016X}",
            order=order,
            qty=match.volume,
            price=price,
            time=match.time,
        )
        account.fills.append(fill)
        order.filled += match.volume
        order.traded += match.volume * price
        self._settle(account, order, fill)
        order.updated = max(order.updated, match.time)
        if not order.left:
            order.book_id = None
            order.status = _S.FILLED_ALL
            self._live.pop(order.order_id_ex, None)
        else:
            order.status = _S.FILLED_PART
        self._tell_order(account, order)
        header = self.views.header(account, order.inst)
        s2c = trd_update_order_fill.S2C(header=header, order_fill=self.views.fill(account, fill))
        message = trd_update_order_fill.Response(ret_type=_SUCCEED, s2c=s2c)
        self._news.append(News(account.acc_id, _FILL_PUSH, message))

    def _settle(self, account: Account, order: Order, fill: Fill) -> None:
        """Move cash and holding for one fill, and charge the fees that have grown with it."""
        inst, market = order.inst, self.rules.market(order.inst)
        day = self.exchange.day(inst, fill.time)
        days = (day, self.exchange.settled_on(inst, day, market.settlement_days))
        change = fill.qty if order.buys else -fill.qty
        profit = account.position(inst).trade(change, fill.price, day)
        amount = fill.qty * fill.price * inst.multiplier
        remark = f"{order.side.name} {inst.key} {order.order_id_ex}"
        if not account.futures:
            kind = "Buy" if order.buys else "Sell"
            account.move(market.currency, -amount if order.buys else amount, kind, days, remark)
        elif profit:
            account.move(market.currency, profit, "Realized P/L", days, remark)
        fees = fees_of(inst, order.amount, order.filled, buys=order.buys)
        charge = sum(fees.values()) - order.fee
        order.fees = fees
        if charge:
            account.move(market.currency, -charge, "Fees", days, remark)

    # Time.

    def happened(self, events: Iterable[Event]) -> None:
        """The market has moved: take over fills, then see to sessions and triggers."""
        self._harvest()
        if not self._open_ids:
            return
        for event in events:
            if isinstance(event, StateChange):
                self._session(event.market)
            elif event.key in self._watched:
                self._see(event)
        self._tick_later()

    def _session(self, venue: str) -> None:
        """A market is in another state: orders end, wait, or go to the exchange."""
        for account, order in (*self._live.values(), *self._disabled.values()):
            if order.inst.market != venue or order.order_id_ex not in self._open_ids:
                continue
            if self.exchange.over_for(order):
                self._end(account, order, "the trading day is over")
            elif not order.live:
                continue  # disabled: it waits for nothing but its end
            elif self.exchange.open_to(order):
                if order.book_id is None and not order.waits_for_price:
                    self._release(account, order)
            elif order.book_id is not None and self._must_leave(order):
                self.exchange.cancel(order)
                self._set(account, order, _S.WAITING_SUBMIT)
            elif order.book_id is None and order.status != _S.WAITING_SUBMIT:
                self._set(account, order, _S.WAITING_SUBMIT)

    def _must_leave(self, order: Order) -> bool:
        """Whether an order rests in a book that trades in a session that is not the order's."""
        return order.inst.extended and not self.exchange.open_to(order)

    def _plan(self, order: Order) -> None:
        """Put the instants that an order waits for on the timetable."""
        if not order.live:
            return
        self._wake_at_change(order.inst.market)
        if order.expires is not None:
            self._timetable.at(order.expires, lambda: self._expire(order))
        self._tick_later()

    def _wake_at_change(self, venue: str) -> None:
        """Have time stop where the market changes its state, as long as orders live there."""

        def again() -> None:
            self._venues.discard(venue)
            waiting = (*self._live.values(), *self._disabled.values())
            if any(order.inst.market == venue for _, order in waiting):
                self._wake_at_change(venue)

        if venue not in self._venues:
            self._venues.add(venue)
            self._timetable.at(self.exchange.next_change(venue), again)

    def _expire(self, order: Order) -> None:
        account, _ = self._owners[order.order_id_ex]
        if order.order_id_ex in self._open_ids:
            self._end(account, order, "the order's date is over")

    # Triggers.

    def _see(self, change: MarketChange) -> None:
        prices = [row.price for row in change.tickers]
        prices += [row.ticker.price for row in change.extended]
        for _, order in self._live.values():
            if order.trigger is not None and order.waits_for_price and order.inst.key == change.key:
                for price in prices:
                    order.trigger.see(round(price * SCALE))

    def _tick_later(self) -> None:
        """Look at the triggers at the next whole second, as long as there are any that could."""
        armed = [order for _, order in self._live.values() if order.trigger is not None]
        self._watched = {order.inst.key for order in armed if order.waits_for_price}
        able = any(order.book_id is None and self.exchange.open_to(order) for order in armed)
        if able and not self._ticking:
            self._ticking = True
            self._timetable.at(floor(self.exchange.now) + 1.0, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        for account, order in list(self._live.values()):
            fired = order.trigger is not None and order.trigger.fired
            if fired and order.book_id is None and self.exchange.open_to(order):
                self._release(account, order)
        self._tick_later()

    def _release(self, account: Account, order: Order) -> None:
        """Send a waiting order to the exchange, if it can still be paid for."""
        if order.trigger is not None:
            try:
                self._price_triggered(order)
                self.margins.check(account, order, order)
            except RefusalError as refusal:
                order.error = refusal.reason
                self._set(account, order, _S.FAILED)
                return
        self._submit(account, order)

    def _price_triggered(self, order: Order) -> None:
        if order.order_type == OrderType.TRAILING_STOP_LIMIT and order.trigger is not None:
            away = order.trail_spread or 0
            wanted = order.trigger.level + (away if order.buys else -away)
            order.price = order.inst.grid.rounded(max(1, wanted))
        elif order.kind is Kind.MARKET:
            _, order.worst = self.exchange.reach(order)
