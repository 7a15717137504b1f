"""What may be changed in an order, and what the order is afterwards."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Final

from futukit.messages.trd_common import ModifyOrderOp, OrderStatus, TrailType, TrdSide
from futukit.sim.refusal import BAD_QUANTITY, NOT_SIMULATED, ORDER_DONE, RefusalError
from futukit.sim.trading.accounts import Account
from futukit.sim.trading.admission import Admission, Terms
from futukit.sim.trading.margins import Margins
from futukit.sim.trading.money import number
from futukit.sim.trading.orders import Kind, Order
from futukit.sim.trading.rules import segment_of

__all__ = ["DELETABLE", "Change", "changed_order", "check_operation"]

DELETABLE: Final = frozenset(
    (
        OrderStatus.CANCELLED_ALL,
        OrderStatus.CANCELLED_PART,
        OrderStatus.FAILED,
        OrderStatus.DISABLED,
    )
)
"""States in which an order can be deleted."""

_Op = ModifyOrderOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New terms of an order; the fields are those of Trd_ModifyOrder.C2S (2205).

    ``None`` leaves a term as it is. ``adjust`` is ``adjustSideAndLimit`` where ``adjustPrice`` is
    set.
    """

    qty: float | None = None
    price: float | None = None
    adjust: float | None = None
    aux_price: float | None = None
    trail_type: TrailType | None = None
    trail_value: float | None = None
    trail_spread: float | None = None


def check_operation(order: Order, op: ModifyOrderOp) -> None:
    """Raise RefusalError where an order's state or market does not allow an operation."""
    if op not in (_Op.NORMAL, _Op.CANCEL, _Op.DISABLE, _Op.ENABLE, _Op.DELETE):
        raise RefusalError(f"modifyOrderOp {int(op)} is no operation on an order")
    if op not in (_Op.NORMAL, _Op.CANCEL) and segment_of(order.inst) == "US":
        raise RefusalError("US orders can be changed and cancelled only", NOT_SIMULATED)
    status = order.status
    if op == _Op.ENABLE:
        allowed = status == OrderStatus.DISABLED
    elif op == _Op.DELETE:
        allowed = status in DELETABLE
    elif op == _Op.CANCEL:
        allowed = order.live or status == OrderStatus.DISABLED
    else:
        allowed = order.live
    if not allowed:
        raise RefusalError(
            f"order {order.order_id_ex} is {status.name}: {op.name} is not possible", ORDER_DONE
        )


def changed_order(
    admission: Admission, margins: Margins, account: Account, order: Order, change: Change
) -> Order:
    """A copy of a live order with its new terms. Raises RefusalError where they cannot be."""
    new = copy(order)
    inst = order.inst
    if change.qty:
        new.qty = admission.quantity(inst, change.qty)
        if new.qty <= order.filled:
            raise RefusalError(
                f"{order.filled} are filled already: qty cannot become {new.qty}", BAD_QUANTITY
            )
    if order.kind is not Kind.MARKET and order.price and change.price:
        new.price = admission.price(inst, change.price, change.adjust)
    if order.waits_for_price:
        admission.arm(new, _trigger_terms(account, order, change))
    new.side = admission.side(account, inst, new.left, buys=new.buys, instead_of=order)
    if {new.side, order.side} == {TrdSide.SELL, TrdSide.SELL_SHORT} and order.filled:
        raise RefusalError("a sale that is filled in part cannot become a short sale")
    margins.check(account, new, order)
    return new


def _trigger_terms(account: Account, order: Order, change: Change) -> Terms:
    """The terms of the trigger that an order has, with what the change says in their place."""
    market = account.market_of(order.inst)
    if market is None:
        raise RefusalError(f"{order.inst.key} is not traded in this account")
    aux = None if order.aux_price is None else number(order.aux_price)
    spread = None if order.trail_spread is None else number(order.trail_spread)
    return Terms(
        trd_market=market,
        side=order.side,
        order_type=order.order_type,
        code=order.inst.code,
        qty=order.qty,
        adjust=change.adjust,
        aux_price=change.aux_price if change.aux_price is not None else aux,
        trail_type=change.trail_type or order.trail_type,
        trail_value=change.trail_value if change.trail_value is not None else order.trail_value,
        trail_spread=change.trail_spread if change.trail_spread is not None else spread,
    )
