"""Accounts, orders, fills and positions as the protocol tells of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from futukit.messages.trd_common import (
    Order as OrderRow,
)
from futukit.messages.trd_common import (
    OrderFill,
    OrderFillStatus,
    PositionSide,
    TrdAcc,
    TrdAccRole,
    TrdAccStatus,
    TrdHeader,
    TrdMarket,
)
from futukit.messages.trd_common import (
    Position as PositionRow,
)
from futukit.sim.market import Instrument
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.exchange import Exchange
from futukit.sim.trading.margins import Margins
from futukit.sim.trading.money import number
from futukit.sim.trading.orders import Fill, Order
from futukit.sim.trading.positions import Position
from futukit.sim.trading.rules import SEC_MARKETS, segment_of

__all__ = ["Views", "account_row"]

_AVERAGE_DIGITS: Final = 6


def account_row(account: Account) -> TrdAcc:
    """One account as 2001 lists it."""
    return TrdAcc(
        trd_env=account.env,
        acc_id=account.acc_id,
        trd_market_auth_list=account.markets,
        acc_type=account.acc_type,
        card_num=account.card_num,
        security_firm=account.firm,
        sim_acc_type=account.sim_type,
        uni_card_num=account.uni_card_num,
        acc_status=TrdAccStatus.ACTIVE,
        acc_role=TrdAccRole.NORMAL,
    )


class Views:
    """Makes the rows. All amounts leave in the currency that the row names."""

    def __init__(self, exchange: Exchange, margins: Margins) -> None:
        self._exchange = exchange
        self._margins = margins

    def header(self, account: Account, inst: Instrument) -> TrdHeader:
        """The header of a push about a security of an account."""
        return TrdHeader(
            trd_env=account.env,
            acc_id=account.acc_id,
            trd_market=account.market_of(inst) or TrdMarket.UNKNOWN,
        )

    def local_text(self, inst: Instrument, time: float) -> str:
        """A time on the clock of a market."""
        zone = self._exchange.calendar(inst).zone
        return f"{datetime.fromtimestamp(time, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"

    def order(self, account: Account, order: Order) -> OrderRow:
        """An order as it is now."""
        inst = order.inst
        american = segment_of(inst) == "US"
        return OrderRow(
            trd_side=order.side,
            order_type=order.order_type,
            order_status=order.status,
            order_id=order.order_id,
            order_id_ex=order.order_id_ex,
            code=inst.code,
            name=inst.name,
            qty=float(order.qty),
            price=number(order.price) if order.price else None,
            create_time=self.local_text(inst, order.created),
            update_time=self.local_text(inst, order.updated),
            fill_qty=float(order.filled),
            fill_avg_price=_average(order.traded, order.filled),
            last_err_msg=order.error,
            sec_market=SEC_MARKETS[inst.market],
            create_timestamp=order.created,
            update_timestamp=order.updated,
            remark=order.remark,
            time_in_force=order.time_in_force,
            fill_outside_rth=order.outside_hours if american else None,
            aux_price=None if order.aux_price is None else number(order.aux_price),
            trail_type=order.trail_type,
            trail_value=order.trail_value,
            trail_spread=None if order.trail_spread is None else number(order.trail_spread),
            currency=self._margins.currency_of(inst),
            trd_market=account.market_of(inst),
            session=order.session if american else None,
            expire_time=order.expire_time,
        )

    def fill(self, account: Account, fill: Fill) -> OrderFill:
        """One trade of an order."""
        order, inst = fill.order, fill.order.inst
        return OrderFill(
            trd_side=order.side,
            fill_id=fill.fill_id,
            fill_id_ex=fill.fill_id_ex,
            order_id=order.order_id,
            order_id_ex=order.order_id_ex,
            code=inst.code,
            name=inst.name,
            qty=float(fill.qty),
            price=number(fill.price),
            create_time=self.local_text(inst, fill.time),
            sec_market=SEC_MARKETS[inst.market],
            create_timestamp=fill.time,
            update_timestamp=fill.time,
            status=OrderFillStatus.OK,
            trd_market=account.market_of(inst),
        )

    def position(self, account: Account, position: Position) -> PositionRow:
        """A holding at the last price.

        The ratios are plain fractions (0.088 is up 8.8 %): the official Python SDK multiplies
        them by 100, and divides the bounds of its filter by 100.
        """
        inst, price = position.inst, self._exchange.last(position.inst)
        today = position.on(self._exchange.day(inst))
        units = position.qty * inst.multiplier
        average = _average(position.cost, abs(units))
        diluted = _average(position.spent, units)
        cost_price = average if account.futures else diluted
        value = position.value(price)
        profit = position.unrealized(price) if account.futures else value - position.spent
        day_start = position.qty - today.bought + today.sold
        started_at = day_start * self._exchange.last_close(inst) * inst.multiplier
        return PositionRow(
            position_id=position.position_id,
            position_side=PositionSide.SHORT if position.qty < 0 else PositionSide.LONG,
            code=inst.code,
            name=inst.name,
            qty=float(abs(position.qty)),
            can_sell_qty=float(self._can_close(account, position)),
            price=number(price),
            cost_price=cost_price,
            val=0.0 if account.futures else number(value),
            pl_val=number(profit),
            pl_ratio=_ratio(profit, position.cost if account.futures else abs(position.spent)),
            sec_market=SEC_MARKETS[inst.market],
            td_pl_val=number(value - started_at - today.bought_for + today.sold_for),
            td_trd_val=number(today.bought_for + today.sold_for),
            td_buy_val=number(today.bought_for),
            td_buy_qty=float(today.bought),
            td_sell_val=number(today.sold_for),
            td_sell_qty=float(today.sold),
            unrealized_pl=number(position.unrealized(price)),
            realized_pl=number(position.realized),
            currency=self._margins.currency_of(inst),
            trd_market=account.market_of(inst),
            diluted_cost_price=None if account.futures else diluted,
            average_cost_price=average if account.futures or account.real else None,
            average_pl_ratio=_ratio(position.unrealized(price), position.cost),
            acc_id=account.acc_id,
        )

    def _can_close(self, account: Account, position: Position) -> int:
        inst = position.inst
        if account.futures:
            against = [o for o in account.live_orders() if o.inst is inst]
            closing = sum(o.left for o in against if o.buys is (position.qty < 0))
            return max(0, abs(position.qty) - closing)
        if position.qty < 0:
            return self._margins.can_buy_back(account, inst)
        return self._margins.can_sell(account, inst, self._exchange.day(inst))


def _average(total: int, quantity: int) -> float:
    """Money per unit in the currency, 0 when there is no quantity."""
    return round(number(total) / quantity, _AVERAGE_DIGITS) if quantity else 0.0


def _ratio(profit: int, cost: int) -> float | None:
    return round(profit / cost, _AVERAGE_DIGITS) if cost else None
