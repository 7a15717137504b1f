"""Requests as clients send them, many and all different, for the encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from futukit.messages import (
    common,
    qot_common,
    qot_request_history_kl,
    qot_sub,
    trd_common,
    trd_place_order,
)

__all__ = ["histories", "orders", "subscriptions"]

_PER_CODE = 40

ByCode = dict[str, list[Any]]


def subscriptions(securities: Mapping[str, Any]) -> tuple[type[Any], ByCode]:
    """Qot_Sub: every code with changing groups of types."""
    types = [kind for kind in qot_common.SubType if kind]
    groups = [tuple(types[at : at + size]) for size in (1, 2, 3) for at in range(len(types) - 2)]
    by_code = {
        key: [
            qot_sub.Request(
                c2s=qot_sub.C2S(
                    security_list=(security,),
                    sub_type_list=group,
                    is_sub_or_un_sub=True,
                    is_reg_or_un_reg_push=True,
                    is_first_push=False,
                )
            )
            for group in groups[:_PER_CODE]
        ]
        for key, security in securities.items()
    }
    return qot_sub.Request, by_code


def histories(securities: Mapping[str, Any]) -> tuple[type[Any], ByCode]:
    """Qot_RequestHistoryKL: every code with changing types and years."""
    by_code = {
        key: [
            qot_request_history_kl.Request(
                c2s=qot_request_history_kl.C2S(
                    rehab_type=qot_common.RehabType.FORWARD,
                    kl_type=kl_type,
                    security=security,
                    begin_time=f"{year}-01-01",
                    end_time=f"{year}-12-31",
                    max_ack_kl_num=1000,
                )
            )
            for kl_type in (qot_common.KLType.DAY, qot_common.KLType.K_1MIN)
            for year in range(2006, 2026)
        ]
        for key, security in securities.items()
    }
    return qot_request_history_kl.Request, by_code


def orders(trades: Mapping[str, Sequence[Any]]) -> tuple[type[Any], ByCode]:
    """Trd_PlaceOrder: every code at the prices and quantities at which it traded."""
    by_code = {
        key: [_order(number, key, ticker) for number, ticker in enumerate(tickers)]
        for key, tickers in trades.items()
    }
    return trd_place_order.Request, by_code


def _order(number: int, key: str, ticker: Any) -> trd_place_order.Request:
    return trd_place_order.Request(
        c2s=trd_place_order.C2S(
            packet_id=common.PacketID(conn_id=7203984105023160425, serial_no=number),
            header=trd_common.TrdHeader(
                trd_env=trd_common.TrdEnv.SIMULATE,
                acc_id=281756455998014447,
                trd_market=trd_common.TrdMarket.HK,
            ),
            trd_side=trd_common.TrdSide.BUY,
            order_type=trd_common.OrderType.NORMAL,
            code=key.partition(".")[2],
            qty=float(ticker.volume),
            price=ticker.price,
            sec_market=trd_common.TrdSecMarket.HK,
            remark=f"bench {number}",
        )
    )
