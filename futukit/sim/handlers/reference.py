"""What is known about securities: 3201 3202 3203 3204 3205 3206 3207 3211 3212 3219 3223."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from futukit.messages import (
    qot_common,
    qot_get_capital_distribution,
    qot_get_capital_flow,
    qot_get_market_state,
    qot_get_owner_plate,
    qot_get_plate_security,
    qot_get_plate_set,
    qot_get_reference,
    qot_get_security_snapshot,
    qot_get_static_info,
    qot_get_suspend,
    qot_request_trade_date,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_codes
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles
from futukit.types import join_security

__all__ = [
    "capital_distribution",
    "capital_flow",
    "market_states",
    "owner_plates",
    "plate_members",
    "plates",
    "references",
    "snapshots",
    "static_info",
    "suspensions",
    "trading_days",
]


def _keys(call: Call, securities: Sequence[qot_common.Security]) -> list[str]:
    if not securities:
        raise RefusalError("a security is needed")
    check_codes(call.proto_id, len(securities))
    return [call.key_of(security) for security in securities]


@handles(3201)
def suspensions(call: Call, c2s: qot_get_suspend.C2S) -> qot_get_suspend.S2C:
    """Days without trading: none, for nothing is ever suspended in the simulated market."""
    _keys(call, c2s.security_list)
    return qot_get_suspend.S2C(
        security_suspend_list=tuple(
            qot_get_suspend.SecuritySuspend(security=security) for security in c2s.security_list
        )
    )


@handles(3202)
def static_info(call: Call, c2s: qot_get_static_info.C2S) -> qot_get_static_info.S2C:
    """Static data of the named securities, or of all of one market and type."""
    market = call.opend.market
    if c2s.security_list:
        rows = tuple(market.static_info(key) for key in _keys(call, c2s.security_list))
    else:
        rows = market.static_list(c2s.market or None, c2s.sec_type or None)
    return qot_get_static_info.S2C(static_info_list=rows)


@handles(3203)
def snapshots(call: Call, c2s: qot_get_security_snapshot.C2S) -> qot_get_security_snapshot.S2C:
    """Snapshots, without a subscription."""
    keys = _keys(call, c2s.security_list)
    rows = tuple(call.opend.market.snapshot(key) for key in keys)
    return qot_get_security_snapshot.S2C(snapshot_list=rows)


@handles(3204)
def plates(call: Call, c2s: qot_get_plate_set.C2S) -> qot_get_plate_set.S2C:
    """The plates of a market."""
    rows = call.opend.market.plates(int(c2s.market), int(c2s.plate_set_type))
    return qot_get_plate_set.S2C(plate_info_list=rows)


@handles(3205)
def plate_members(call: Call, c2s: qot_get_plate_security.C2S) -> qot_get_plate_security.S2C:
    """The securities of a plate."""
    key = join_security(int(c2s.plate.market), c2s.plate.code)
    ascend = True if c2s.ascend is None else c2s.ascend
    rows = call.opend.market.plate_members(key, c2s.sort_field, ascend)
    return qot_get_plate_security.S2C(static_info_list=rows)


@handles(3206)
def references(call: Call, c2s: qot_get_reference.C2S) -> qot_get_reference.S2C:
    """What belongs to a security: its warrants, the contracts of a future."""
    rows = call.opend.market.reference(call.key_of(c2s.security), int(c2s.reference_type))
    return qot_get_reference.S2C(static_info_list=rows)


@handles(3207)
def owner_plates(call: Call, c2s: qot_get_owner_plate.C2S) -> qot_get_owner_plate.S2C:
    """The plates that securities belong to."""
    market = call.opend.market
    keys = _keys(call, c2s.security_list)
    return qot_get_owner_plate.S2C(
        owner_plate_list=tuple(
            qot_get_owner_plate.SecurityOwnerPlate(
                security=security,
                name=market.instrument(key).name,
                plate_info_list=market.owner_plates(key),
            )
            for security, key in zip(c2s.security_list, keys, strict=True)
        )
    )


@handles(3211)
def capital_flow(call: Call, c2s: qot_get_capital_flow.C2S) -> Struct:
    """Money into and out of a security: today's from its trades, longer periods made up."""
    key = call.key_of(c2s.security)
    if c2s.period_type in (None, qot_common.PeriodType.UNKNOWN, qot_common.PeriodType.INTRADAY):
        return call.opend.market.capital_flow(key)
    return call.opend.schema_answer(call.proto_id, c2s)


@handles(3212)
def capital_distribution(
    call: Call, c2s: qot_get_capital_distribution.C2S
) -> qot_get_capital_distribution.S2C:
    """The day's trades of a security by size and direction."""
    return call.opend.market.capital_distribution(call.key_of(c2s.security))


@handles(3219)
def trading_days(call: Call, c2s: qot_request_trade_date.C2S) -> qot_request_trade_date.S2C:
    """The trading days of a market, or of a security."""
    market = call.opend.market
    if c2s.security is not None:
        key = call.key_of(c2s.security)
        days = market.trading_days_of(key, c2s.begin_time, c2s.end_time)
    else:
        days = market.trading_days(int(c2s.market), c2s.begin_time, c2s.end_time)
    return qot_request_trade_date.S2C(trade_date_list=days)


@handles(3223)
def market_states(call: Call, c2s: qot_get_market_state.C2S) -> qot_get_market_state.S2C:
    """Whether the markets of securities trade."""
    market = call.opend.market
    keys = _keys(call, c2s.security_list)
    return qot_get_market_state.S2C(
        market_info_list=tuple(
            qot_get_market_state.MarketInfo(
                security=security,
                name=market.instrument(key).name,
                market_state=market.market_state(key),
            )
            for security, key in zip(c2s.security_list, keys, strict=True)
        )
    )
