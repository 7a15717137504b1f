"""Orders of the official Python API: making, changing and cancelling them.

An order is sent once. When its answer is missing, the method returns ``(RET_ERROR, text)`` and
``text.error.requests_in_doubt`` names the request; nothing is ever sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from futukit.errors import FutukitError, UsageError
from futukit.futu._enums import (
    ModifyOrderOp,
    OrderType,
    PredSide,
    Session,
    SubAccType,
    TimeInForce,
    TrailType,
    TrdEnv,
    TrdMarket,
    TrdSide,
)
from futukit.futu._trade import TradeMethods
from futukit.futu.arguments import (
    as_enum,
    as_integer,
    as_items,
    as_number,
    as_security,
    as_text,
    needed,
)
from futukit.futu.config import logger
from futukit.futu.constants import QOT_MARKET_TO_TRD_SEC_MARKET_MAP
from futukit.futu.conversions import MISSING
from futukit.futu.frames import Columns, frame
from futukit.futu.outcome import RET_OK, Outcome, answering

if TYPE_CHECKING:
    import pandas

    from futukit.futu.requests import ComboLeg
    from futukit.messages.common import PacketID
    from futukit.messages.trd_common import TrdHeader

__all__ = ["OrderMethods"]

_REMARK_BYTES: Final = 64


class OrderMethods(TradeMethods):
    """Methods about orders that no table carries."""

    @answering()
    def place_order(
        self,
        price: float,
        qty: float,
        code: str,
        trd_side: str,
        order_type: str = OrderType.NORMAL,
        adjust_limit: float = 0,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        remark: str | None = None,
        time_in_force: str = TimeInForce.DAY,
        fill_outside_rth: bool = False,
        aux_price: float | None = None,
        trail_type: str | None = None,
        trail_value: float | None = None,
        trail_spread: float | None = None,
        session: str = Session.NONE,
        jp_acc_type: str = SubAccType.JP_GENERAL,
        position_id: int | None = None,
        expire_time: str | None = None,
        amount: float | None = None,
        pred_side: str | None = None,
    ) -> Outcome:
        """Make an order. (proto ids 2202, then 2201 for the row that is returned)

        Args:
            price: Price in the security's currency; required, but not used, for market orders.
            qty: Quantity (shares, contracts).
            code: Security, like "HK.00700"; its market decides the account's.
            trd_side: Buy or sell (TrdSide).
            order_type: Kind of order (OrderType).
            adjust_limit: How far OpenD may move the price to a valid one, 0.015 is 1.5 % up,
                negative is down; 0: not at all.
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            remark: Your own note, at most 64 bytes of UTF-8.
            time_in_force: How long it is good (TimeInForce).
            fill_outside_rth: Whether it may be filled before and after US trading hours.
            aux_price: Price that triggers a stop or touched order.
            trail_type: What trail_value is (TrailType), for trailing orders.
            trail_value: Distance of a trailing order.
            trail_spread: Spread of a trailing limit order.
            session: US sessions that it may be filled in (Session).
            jp_acc_type: Sub-account (SubAccType), for Japanese accounts.
            position_id: Position that it closes, for Japanese accounts.
            expire_time: Last day of an order that is good till then.
            amount: Amount of money in place of a quantity.
            pred_side: Yes or no (PredSide), for event contracts.

        Returns:
            ``(RET_OK, DataFrame)`` of one row, ``(RET_ERROR, text)``. Where the order was made
            but its row could not be had, only ``order_id`` is filled.
        """
        from futukit.futu import _tables
        from futukit.messages import trd_place_order

        header = self._trade_header(trd_env, acc_id, acc_index, code)
        listing = self._trade_header(trd_env, acc_id, acc_index)
        security = needed("code", as_security("code", code))
        limit = needed("adjust_limit", as_number("adjust_limit", adjust_limit))
        c2s = trd_place_order.C2S(
            packet_id=_packet_id(),
            header=_with_sub_account(header, jp_acc_type),
            trd_side=_number("trd_side", trd_side, TrdSide),
            order_type=_number("order_type", order_type, OrderType),
            code=security.code,
            qty=needed("qty", as_number("qty", qty)),
            price=needed("price", as_number("price", price)),
            adjust_price=limit != 0,
            adjust_side_and_limit=limit,
            sec_market=_security_market(security.market),
            remark=_remark(remark),
            time_in_force=_number("time_in_force", time_in_force, TimeInForce),
            fill_outside_rth=bool(fill_outside_rth),
            aux_price=as_number("aux_price", aux_price),
            trail_type=_optional_number("trail_type", trail_type, TrailType),
            trail_value=as_number("trail_value", trail_value),
            trail_spread=as_number("trail_spread", trail_spread),
            session=_number("session", session, Session),
            position_id=as_integer("position_id", position_id) or None,
            expire_time=as_text("expire_time", expire_time) or None,
            amount=as_number("amount", amount),
            pred_side=_optional_number("pred_side", pred_side, PredSide),
        )
        answer = self._call(2202, trd_place_order.Request(c2s=c2s))
        return RET_OK, self._made(listing, answer.order_id_ex or "", _tables.placed_order)

    @answering()
    def place_combo_order(
        self,
        combo_leg_list: Sequence[ComboLeg],
        price: float,
        qty: float,
        order_type: str = OrderType.NORMAL,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        remark: str = "",
        time_in_force: str = TimeInForce.DAY,
        expire_time: str | None = None,
        quote_id: str | None = None,
    ) -> Outcome:
        """Make an order for a combination. (proto ids 2227, then 2201 for the row)

        Args:
            combo_leg_list: The legs (ComboLeg); the first one's market decides the account's.
            price: Price of one combination.
            qty: How many combinations.
            order_type: Kind of order (OrderType).
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            remark: Your own note, at most 64 bytes of UTF-8.
            time_in_force: How long it is good (TimeInForce).
            expire_time: Last day of an order that is good till then.
            quote_id: The quote that it accepts, for combinations of event contracts.

        Returns:
            What ``place_order`` returns, with the columns of combinations.
        """
        from futukit.futu import _objects, _tables
        from futukit.messages import trd_place_combo_order

        header = self._trade_header(trd_env, acc_id, acc_index, combo_leg_list)
        listing = self._trade_header(trd_env, acc_id, acc_index)
        c2s = trd_place_combo_order.C2S(
            packet_id=_packet_id(),
            header=header,
            combo_legs=as_items("combo_leg_list", combo_leg_list, _objects.combo_leg),
            qty=needed("qty", as_number("qty", qty)),
            price=needed("price", as_number("price", price)),
            order_type=_number("order_type", order_type, OrderType),
            time_in_force=_number("time_in_force", time_in_force, TimeInForce),
            expire_time=as_text("expire_time", expire_time),
            remark=_remark(remark),
            quote_id=as_text("quote_id", quote_id),
        )
        answer = self._call(2227, trd_place_combo_order.Request(c2s=c2s))
        return RET_OK, self._made(listing, answer.order_id_ex or "", _tables.placed_combination)

    @answering()
    def modify_order(
        self,
        modify_order_op: str,
        order_id: str,
        qty: float,
        price: float,
        adjust_limit: float = 0,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        aux_price: float | None = None,
        trail_type: str | None = None,
        trail_value: float | None = None,
        trail_spread: float | None = None,
    ) -> Outcome:
        """Change, cancel, suspend, resume or delete an order. (proto id 2205)

        Args:
            modify_order_op: What to do (ModifyOrderOp).
            order_id: The order.
            qty: Its new quantity; not used but for ModifyOrderOp.NORMAL, as all that follows
                up to adjust_limit and from aux_price on.
            price: Its new price.
            adjust_limit: How far OpenD may move the price to a valid one; see ``place_order``.
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            aux_price: New price that triggers it.
            trail_type: What trail_value is (TrailType).
            trail_value: New distance of a trailing order.
            trail_spread: New spread of a trailing limit order.

        Returns:
            ``(RET_OK, DataFrame)`` with ``trd_env`` and ``order_id``, or ``(RET_ERROR, text)``.
        """
        from futukit.messages import trd_modify_order

        trail = _optional_number("trail_type", trail_type, TrailType)
        changes: dict[str, Any] = {}
        if modify_order_op == ModifyOrderOp.NORMAL:
            limit = needed("adjust_limit", as_number("adjust_limit", adjust_limit))
            changes = {
                "qty": needed("qty", as_number("qty", qty)),
                "price": needed("price", as_number("price", price)),
                "adjust_price": limit != 0,
                "adjust_side_and_limit": limit,
                "aux_price": as_number("aux_price", aux_price),
                "trail_type": trail,
                "trail_value": as_number("trail_value", trail_value),
                "trail_spread": as_number("trail_spread", trail_spread),
            }
        c2s = trd_modify_order.C2S(
            packet_id=_packet_id(),
            header=self._trade_header(trd_env, acc_id, acc_index),
            order_id=0,
            order_id_ex=_order_id(order_id),
            modify_order_op=_number("modify_order_op", modify_order_op, ModifyOrderOp),
            for_all=False,
            **changes,
        )
        answer = self._call(2205, trd_modify_order.Request(c2s=c2s))
        word = TrdEnv.to_string2(answer.header.trd_env)
        return RET_OK, frame({"trd_env": [word], "order_id": [answer.order_id_ex or ""]})

    @answering()
    def cancel_all_order(
        self,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        trdmarket: str = TrdMarket.NONE,
    ) -> Outcome:
        """Cancel all orders of an account. (proto id 2205)

        Args:
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            trdmarket: The one market whose orders are meant (TrdMarket); NONE for all.

        Returns:
            ``(RET_OK, "success")`` or ``(RET_ERROR, text)``.
        """
        from futukit.messages import trd_modify_order

        c2s = trd_modify_order.C2S(
            packet_id=_packet_id(),
            header=self._trade_header(trd_env, acc_id, acc_index),
            order_id=0,
            modify_order_op=_number("modify_order_op", ModifyOrderOp.CANCEL, ModifyOrderOp),
            for_all=True,
            trd_market=_number("trdmarket", trdmarket, TrdMarket),
        )
        self._call(2205, trd_modify_order.Request(c2s=c2s))
        return RET_OK, "success"

    def change_order(
        self,
        order_id: str,
        price: float,
        qty: float,
        adjust_limit: float = 0,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
    ) -> Outcome:
        """Give an order a new price and quantity: ``modify_order`` with ModifyOrderOp.NORMAL."""
        return self.modify_order(
            ModifyOrderOp.NORMAL,
            order_id=order_id,
            qty=qty,
            price=price,
            adjust_limit=adjust_limit,
            trd_env=trd_env,
            acc_id=acc_id,
        )

    @answering()
    def acctradinginfo_query(
        self,
        order_type: str,
        code: str,
        price: float,
        order_id: str | None = None,
        adjust_limit: float = 0,
        trd_env: str = TrdEnv.REAL,
        acc_id: int = 0,
        acc_index: int = 0,
        session: str = Session.NONE,
        jp_acc_type: str = SubAccType.JP_GENERAL,
        position_id: int | None = None,
    ) -> Outcome:
        """How much an account could buy and sell of a security at a price. (proto id 2111)

        Args:
            order_type: Kind of order (OrderType).
            code: Security, like "HK.00700"; its market decides the account's.
            price: Price in the security's currency.
            order_id: The order that would be changed; None for a new one.
            adjust_limit: How far OpenD may move the price; see ``place_order``.
            trd_env: Real or paper trading (TrdEnv).
            acc_id: Account id; 0 leaves the choice to acc_index.
            acc_index: Position among this environment's accounts, from 0.
            session: US sessions of the order (Session).
            jp_acc_type: Sub-account (SubAccType), for Japanese accounts.
            position_id: Position that would be closed, for Japanese accounts.

        Returns:
            ``(RET_OK, DataFrame)`` of one row, quantities in shares or contracts, or
            ``(RET_ERROR, text)``.
        """
        from futukit.futu import _tables
        from futukit.messages import trd_get_max_trd_qtys

        header = self._trade_header(trd_env, acc_id, acc_index, code)
        security = needed("code", as_security("code", code))
        limit = needed("adjust_limit", as_number("adjust_limit", adjust_limit))
        c2s = trd_get_max_trd_qtys.C2S(
            header=_with_sub_account(header, jp_acc_type),
            order_type=_number("order_type", order_type, OrderType),
            code=security.code,
            price=needed("price", as_number("price", price)),
            order_id_ex=None if order_id in (None, "") else _order_id(order_id),
            adjust_price=limit != 0,
            adjust_side_and_limit=limit or None,
            sec_market=_security_market(security.market),
            session=_number("session", session, Session),
            position_id=as_integer("position_id", position_id) or None,
        )
        answer = self._call(2111, trd_get_max_trd_qtys.Request(c2s=c2s))
        rows = () if answer.max_trd_qtys is None else (answer.max_trd_qtys,)
        return RET_OK, frame(_tables.trading_info(rows, answer))

    def _made(
        self, header: TrdHeader, order_id: str, table: Callable[[Sequence[Any], Any], Columns]
    ) -> pandas.DataFrame:
        """The row of an order that was made just now: whatever happens here, it was made."""
        from futukit.messages import trd_common, trd_get_order_list

        filters = trd_common.TrdFilterConditions(
            order_id_ex_list=(order_id,), filter_market=_number("market", TrdMarket.NONE, TrdMarket)
        )
        c2s = trd_get_order_list.C2S(header=header, filter_conditions=filters)
        rows: Sequence[Any] = ()
        if order_id:
            try:
                rows = self._call(2201, trd_get_order_list.Request(c2s=c2s)).order_list[:1]
            except FutukitError as error:
                logger.warning("order %s was made, but not read back: %s", order_id, error)
        columns = table(rows, None)
        if not rows:
            columns = {name: [MISSING] for name in columns} | {"order_id": [order_id]}
        return frame(columns)


def _packet_id() -> PacketID:
    """To be filled in by the session, which knows the connection and the serial."""
    from futukit.messages import common

    return common.PacketID(conn_id=0, serial_no=0)


def _with_sub_account(header: TrdHeader, word: Any) -> TrdHeader:
    if word == SubAccType.NONE:
        return header
    from msgspec.structs import replace

    return replace(header, jp_acc_type=_number("jp_acc_type", word, SubAccType))


def _number(name: str, word: Any, enum: Any) -> Any:
    """The number of an enum's word, which must be there."""
    return needed(name, as_enum(name, word, enum))


def _optional_number(name: str, word: Any, enum: Any) -> Any:
    return as_enum(name, word, enum)


def _security_market(market: int) -> Any:
    """Trd_Common.TrdSecMarket of a Qot_Common.QotMarket."""
    return QOT_MARKET_TO_TRD_SEC_MARKET_MAP.get(int(market), 0)


def _remark(value: Any) -> str | None:
    remark = as_text("remark", value)
    if remark is not None:
        size = len(remark.encode("utf-8", "surrogatepass"))
        if size > _REMARK_BYTES:
            raise UsageError(f"remark has {size} bytes in UTF-8, more than {_REMARK_BYTES}")
    return remark


def _order_id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        raise UsageError(f"order_id is the text that names an order, not {value!r}")
    return str(value)
