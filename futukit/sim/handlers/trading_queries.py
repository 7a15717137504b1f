"""What accounts hold and did: 2101 2102 2111 2201 2211 2221 2222 2223 2225 2226."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

from futukit.messages import (
    qot_common,
    trd_common,
    trd_flow_summary,
    trd_get_funds,
    trd_get_history_order_fill_list,
    trd_get_history_order_list,
    trd_get_margin_ratio,
    trd_get_max_trd_qtys,
    trd_get_order_fee,
    trd_get_order_fill_list,
    trd_get_order_list,
    trd_get_position_list,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_codes
from futukit.sim.market import Instrument
from futukit.sim.market.calendar import parse_when
from futukit.sim.refusal import BAD_PRICE, RefusalError
from futukit.sim.registry import handles
from futukit.sim.trading import Account, Fill, Order, TradingDesk
from futukit.sim.trading.accounts import Flow
from futukit.sim.trading.money import number, price_units
from futukit.sim.trading.quantities import Quantities

__all__ = [
    "cash_flow",
    "fills_of_today",
    "funds",
    "largest_quantities",
    "margin_ratios",
    "order_fees",
    "orders_of_today",
    "past_fills",
    "past_orders",
    "positions",
]

_Direction: Final = trd_flow_summary.TrdCashFlowDirection
_NO_FILTER: Final = trd_common.TrdFilterConditions()


@handles(2101)
def funds(call: Call, c2s: trd_get_funds.C2S) -> trd_get_funds.S2C:
    """What the account is worth; a universal account in the currency asked for."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    return trd_get_funds.S2C(header=c2s.header, funds=trading.funds.funds(account, c2s.currency))


@handles(2102)
def positions(call: Call, c2s: trd_get_position_list.C2S) -> trd_get_position_list.S2C:
    """The holdings of an account, by code, id, market and profit."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    wanted = c2s.filter_conditions or _NO_FILTER
    low, high = c2s.filter_pl_ratio_min, c2s.filter_pl_ratio_max
    rows = [
        trading.views.position(account, position)
        for position in account.positions.values()
        if position.qty and _names(account, wanted, position.inst, position.position_id)
    ]
    return trd_get_position_list.S2C(
        header=c2s.header,
        position_list=tuple(row for row in rows if _within(row.pl_ratio, low, high)),
    )


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


@handles(2111)
def largest_quantities(call: Call, c2s: trd_get_max_trd_qtys.C2S) -> trd_get_max_trd_qtys.S2C:
    """How much could be traded at a price; market orders are reckoned at the last price."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    inst = trading.admission.instrument(account, c2s.code, c2s.sec_market, c2s.header.trd_market)
    changed = None
    if c2s.order_id or c2s.order_id_ex:
        changed = trading.order(account, c2s.order_id or 0, c2s.order_id_ex)
    price = price_units(c2s.price)
    if c2s.order_type == trd_common.OrderType.MARKET:
        price = trading.exchange.last(inst)
    if price is None or price <= 0:
        raise RefusalError(f"price is a number above 0, not {c2s.price:g}", BAD_PRICE)
    quantities = Quantities(trading.exchange, trading.rules, trading.margins)
    return trd_get_max_trd_qtys.S2C(
        header=c2s.header, max_trd_qtys=quantities.largest(account, inst, price, changed)
    )


@handles(2201)
def orders_of_today(call: Call, c2s: trd_get_order_list.C2S) -> trd_get_order_list.S2C:
    """The orders of today, and older ones that can still be filled."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    wanted = c2s.filter_conditions or _NO_FILTER

    def current(order: Order) -> bool:
        return order.live or _is_today(trading, order.inst, order.updated)

    rows = _orders(trading, account, wanted, c2s.filter_status_list, current)
    return trd_get_order_list.S2C(header=c2s.header, order_list=rows)


@handles(2221)
def past_orders(call: Call, c2s: trd_get_history_order_list.C2S) -> trd_get_history_order_list.S2C:
    """The orders that were placed between two times; both are needed."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    _check_window(c2s.filter_conditions)
    rows = _orders(trading, account, c2s.filter_conditions, c2s.filter_status_list, lambda _: True)
    return trd_get_history_order_list.S2C(header=c2s.header, order_list=rows)


def _orders(
    trading: TradingDesk,
    account: Account,
    wanted: trd_common.TrdFilterConditions,
    statuses: Iterable[trd_common.OrderStatus],
    keep: Callable[[Order], bool],
) -> tuple[trd_common.Order, ...]:
    known, inside = frozenset(statuses), _window(wanted)
    return tuple(
        trading.views.order(account, order)
        for order in reversed(account.orders.values())
        if keep(order)
        and _names(account, wanted, order.inst, order.order_id)
        and (not wanted.order_id_ex_list or order.order_id_ex in wanted.order_id_ex_list)
        and (not known or order.status in known)
        and inside(trading.views.local_text(order.inst, order.created))
    )


@handles(2211)
def fills_of_today(call: Call, c2s: trd_get_order_fill_list.C2S) -> trd_get_order_fill_list.S2C:
    """What was traded today, newest first."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    wanted = c2s.filter_conditions or _NO_FILTER

    def current(fill: Fill) -> bool:
        return _is_today(trading, fill.order.inst, fill.time)

    rows = _fills(trading, account, wanted, current)
    return trd_get_order_fill_list.S2C(header=c2s.header, order_fill_list=rows)


@handles(2222)
def past_fills(
    call: Call, c2s: trd_get_history_order_fill_list.C2S
) -> trd_get_history_order_fill_list.S2C:
    """The fills between two times; both are needed."""
    trading = call.opend.trading
    account = trading.account(c2s.header)
    _check_window(c2s.filter_conditions)
    rows = _fills(trading, account, c2s.filter_conditions, lambda _: True)
    return trd_get_history_order_fill_list.S2C(header=c2s.header, order_fill_list=rows)


def _fills(
    trading: TradingDesk,
    account: Account,
    wanted: trd_common.TrdFilterConditions,
    keep: Callable[[Fill], bool],
) -> tuple[trd_common.OrderFill, ...]:
    inside = _window(wanted)
    return tuple(
        trading.views.fill(account, fill)
        for fill in reversed(account.fills)
        if keep(fill)
        and _names(account, wanted, fill.order.inst, fill.fill_id)
        and (not wanted.order_id_ex_list or fill.order.order_id_ex in wanted.order_id_ex_list)
        and inside(trading.views.local_text(fill.order.inst, fill.time))
    )


def _names(
    account: Account, wanted: trd_common.TrdFilterConditions, inst: Instrument, row_id: int
) -> bool:
    """Whether a row's code, id and market are among those that a filter names."""
    return (
        (not wanted.code_list or inst.code in wanted.code_list)
        and (not wanted.id_list or row_id in wanted.id_list)
        and (not wanted.filter_market or account.market_of(inst) == wanted.filter_market)
    )


def _window(wanted: trd_common.TrdFilterConditions) -> Callable[[str], bool]:
    begin = parse_when(wanted.begin_time or "")
    end = parse_when(wanted.end_time or "", end=True)
    return lambda text: begin <= text <= end


def _check_window(wanted: trd_common.TrdFilterConditions) -> None:
    if not wanted.begin_time or not wanted.end_time:
        raise RefusalError("beginTime and endTime are needed for the history")


def _is_today(trading: TradingDesk, inst: Instrument, time: float) -> bool:
    return trading.exchange.day(inst, time) == trading.exchange.day(inst)


@handles(2223)
def margin_ratios(call: Call, c2s: trd_get_margin_ratio.C2S) -> trd_get_margin_ratio.S2C:
    """The margins of securities; nothing is lent to a cash account."""
    check_codes(call.proto_id, len(c2s.security_list))
    account = call.opend.trading.account(c2s.header)
    return trd_get_margin_ratio.S2C(
        header=c2s.header,
        margin_ratio_info_list=tuple(
            _margin_row(call, account, security) for security in c2s.security_list
        ),
    )


def _margin_row(
    call: Call, account: Account, security: qot_common.Security
) -> trd_get_margin_ratio.MarginRatioInfo:
    inst = call.opend.market.instrument(call.key_of(security))
    rules = call.opend.trading.rules
    long, short = rules.margin(inst, short=False), rules.margin(inst, short=True)
    borrowed = account.margin and rules.lends(inst, short=True)
    values: dict[str, Any] = {}
    for side, margin in (("long", long), ("short", short)):
        if side == "long" or borrowed:
            values |= {
                f"im_{side}_ratio": float(margin.initial),
                f"mcm_{side}_ratio": float(margin.margin_call),
                f"mm_{side}_ratio": float(margin.maintenance),
                f"alert_{side}_ratio": float(margin.warning),
            }
    if borrowed:
        lent = max(0, -account.held(inst))
        values |= {
            "short_pool_remain": float(rules.pool - lent),
            "short_fee_rate": rules.short_fee_percent,
        }
    return trd_get_margin_ratio.MarginRatioInfo(
        security=security,
        is_long_permit=account.margin and rules.lends(inst, short=False),
        is_short_permit=borrowed,
        **values,
    )


@handles(2225)
def order_fees(call: Call, c2s: trd_get_order_fee.C2S) -> trd_get_order_fee.S2C:
    """What orders were charged so far, for those that the account knows."""
    check_codes(call.proto_id, len(c2s.order_id_ex_list))
    account = call.opend.trading.account(c2s.header)
    known = [account.orders[one] for one in c2s.order_id_ex_list if one in account.orders]
    return trd_get_order_fee.S2C(
        header=c2s.header,
        order_fee_list=tuple(
            trd_common.OrderFee(
                order_id_ex=order.order_id_ex,
                fee_amount=number(order.fee),
                fee_list=tuple(
                    trd_common.OrderFeeItem(title=title, value=number(fee))
                    for title, fee in order.fees.items()
                    if fee
                ),
            )
            for order in known
        ),
    )


@handles(2226)
def cash_flow(call: Call, c2s: trd_flow_summary.C2S) -> trd_flow_summary.S2C:
    """The movements of cash that cleared on a day."""
    account = call.opend.trading.account(c2s.header)
    try:
        day = date.fromisoformat(c2s.clearing_date.strip()).toordinal()
    except ValueError as error:
        raise RefusalError(f"clearingDate is YYYY-MM-DD, not {c2s.clearing_date!r}") from error
    wanted = c2s.cash_flow_direction
    return trd_flow_summary.S2C(
        header=c2s.header,
        flow_summary_info_list=tuple(
            _flow_row(flow)
            for flow in account.flows
            if flow.day == day and (not wanted or _direction(flow) == wanted)
        ),
    )


def _direction(flow: Flow) -> trd_flow_summary.TrdCashFlowDirection:
    return _Direction.IN_ if flow.amount > 0 else _Direction.OUT


def _flow_row(flow: Flow) -> trd_flow_summary.FlowSummaryInfo:
    return trd_flow_summary.FlowSummaryInfo(
        clearing_date=date.fromordinal(flow.day).isoformat(),
        settlement_date=date.fromordinal(flow.settled).isoformat(),
        currency=flow.currency,
        cash_flow_type=flow.kind,
        cash_flow_direction=_direction(flow),
        cash_flow_amount=number(flow.amount),
        cash_flow_remark=flow.remark,
        cash_flow_id=flow.flow_id,
    )
