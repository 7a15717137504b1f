"""2001 accounts, 2005 unlock, 2008 account pushes, 2202 2205 2227 2237 orders."""

from __future__ import annotations

from typing import cast

from futukit.messages import (
    common,
    trd_common,
    trd_get_acc_list,
    trd_modify_order,
    trd_place_combo_order,
    trd_place_order,
    trd_reconfirm_order,
    trd_sub_acc_push,
    trd_unlock_trade,
)
from futukit.sim.app import Call
from futukit.sim.refusal import ORDER_DONE, UNKNOWN_ACCOUNT, RefusalError
from futukit.sim.registry import handles
from futukit.sim.trading import Account, Terms
from futukit.sim.trading.changes import Change
from futukit.sim.trading.views import account_row

__all__ = [
    "accounts",
    "follow_accounts",
    "modify_order",
    "place_combo_order",
    "place_order",
    "reconfirm_order",
    "unlock",
]

_Category = trd_common.TrdCategory


@handles(2001)
def accounts(call: Call, c2s: trd_get_acc_list.C2S) -> trd_get_acc_list.S2C:
    """The accounts of a category; universal ones only where they are asked for."""
    category = c2s.trd_category or _Category.UNKNOWN
    if not category.listed:
        raise RefusalError(f"trdCategory {int(category)} is none")
    return trd_get_acc_list.S2C(
        acc_list=tuple(
            account_row(account)
            for account in call.opend.trading.accounts.values()
            if (c2s.need_general_sec_account or not account.universal)
            and category in (_Category.UNKNOWN, _category_of(account))
        )
    )


def _category_of(account: Account) -> trd_common.TrdCategory:
    return _Category.FUTURE if account.futures else _Category.SECURITY


@handles(2005)
def unlock(call: Call, c2s: trd_unlock_trade.C2S) -> trd_unlock_trade.S2C:
    """Unlock or lock the real accounts, for every connection."""
    access = call.opend.trading.access
    if c2s.unlock:
        access.unlock(c2s.pwd_md5, c2s.security_firm)
    else:
        access.lock(c2s.security_firm)
    return trd_unlock_trade.S2C()


@handles(2008)
def follow_accounts(call: Call, c2s: trd_sub_acc_push.C2S) -> trd_sub_acc_push.S2C:
    """Push orders and fills of these accounts to this connection, in place of those before."""
    for acc_id in c2s.acc_id_list:
        if acc_id not in call.opend.trading.accounts:
            raise RefusalError(f"unknown account {acc_id}", UNKNOWN_ACCOUNT)
    call.opend.trading.access.follow(call.peer.connection_id, c2s.acc_id_list)
    return trd_sub_acc_push.S2C()


def _trader(call: Call, packet: common.PacketID, header: trd_common.TrdHeader) -> Account:
    """The account that a request may change orders of."""
    trading = call.opend.trading
    trading.access.take_packet(call.peer.connection_id, packet)
    account = trading.account(header)
    trading.access.check_unlocked(account)
    return account


@handles(2202)
def place_order(call: Call, c2s: trd_place_order.C2S) -> trd_place_order.S2C:
    """Place an order; it is in the list before the answer leaves."""
    account = _trader(call, c2s.packet_id, c2s.header)
    order = call.opend.trading.place(account, _terms(c2s))
    call.peer.after_reply.append(call.opend.traded)
    return trd_place_order.S2C(
        header=c2s.header, order_id=order.order_id, order_id_ex=order.order_id_ex
    )


def _terms(c2s: trd_place_order.C2S) -> Terms:
    return Terms(
        trd_market=c2s.header.trd_market,
        side=c2s.trd_side,
        order_type=c2s.order_type,
        code=c2s.code,
        qty=c2s.qty,
        price=c2s.price,
        adjust=c2s.adjust_side_and_limit if c2s.adjust_price else None,
        sec_market=c2s.sec_market,
        remark=c2s.remark,
        time_in_force=c2s.time_in_force or trd_common.TimeInForce.DAY,
        outside_hours=bool(c2s.fill_outside_rth),
        session=c2s.session,
        aux_price=c2s.aux_price,
        trail_type=c2s.trail_type,
        trail_value=c2s.trail_value,
        trail_spread=c2s.trail_spread,
        expire_time=c2s.expire_time,
    )


@handles(2205)
def modify_order(call: Call, c2s: trd_modify_order.C2S) -> trd_modify_order.S2C:
    """Change one order, or cancel all orders of an account."""
    account = _trader(call, c2s.packet_id, c2s.header)
    trading = call.opend.trading
    if c2s.for_all:
        if c2s.modify_order_op != trd_common.ModifyOrderOp.CANCEL:
            raise RefusalError("forAll is for cancelling only")
        trading.cancel_all(account, c2s.trd_market)
        call.peer.after_reply.append(call.opend.traded)
        return trd_modify_order.S2C(header=c2s.header, order_id=0)
    order = trading.order(account, c2s.order_id, c2s.order_id_ex)
    change = Change(
        qty=c2s.qty,
        price=c2s.price,
        adjust=c2s.adjust_side_and_limit if c2s.adjust_price else None,
        aux_price=c2s.aux_price,
        trail_type=c2s.trail_type,
        trail_value=c2s.trail_value,
        trail_spread=c2s.trail_spread,
    )
    trading.modify(account, order, c2s.modify_order_op, change)
    call.peer.after_reply.append(call.opend.traded)
    return trd_modify_order.S2C(
        header=c2s.header, order_id=order.order_id, order_id_ex=order.order_id_ex
    )


@handles(2227)
def place_combo_order(call: Call, c2s: trd_place_combo_order.C2S) -> trd_place_combo_order.S2C:
    """Option combinations are not simulated: the schema answers whoever may place orders."""
    _trader(call, c2s.packet_id, c2s.header)
    return cast(trd_place_combo_order.S2C, call.opend.schema_answer(call.proto_id, c2s))


@handles(2237)
def reconfirm_order(call: Call, c2s: trd_reconfirm_order.C2S) -> trd_reconfirm_order.S2C:
    """No order is ever held back for a confirmation here, so there is none to confirm."""
    account = _trader(call, c2s.packet_id, c2s.header)
    order = call.opend.trading.order(account, c2s.order_id, None)
    raise RefusalError(
        f"order {order.order_id} is {order.status.name}: it does not wait for a confirmation",
        ORDER_DONE,
    )
