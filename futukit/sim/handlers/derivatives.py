"""Options, warrants and futures: 3209 3210 3218 3224."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from futukit.messages import (
    qot_common,
    qot_get_future_info,
    qot_get_option_chain,
    qot_get_option_expiration_date,
    qot_get_warrant,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_codes, check_rows
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles

__all__ = ["expirations", "future_info", "option_chain", "warrants"]

_EVERY: Final = 1_000_000

# The request's ranges that a warrant's own figures are held against: name of the range → figure.
_WARRANT_RANGES: Final = {
    "cur_price": "cur_price",
    "strike_price": "strike_price",
    "street": "street_rate",
    "conversion": "conversion_ratio",
    "vol": "volume",
    "premium": "premium",
    "leverage_ratio": "leverage",
    "delta": "delta",
    "implied": "implied_volatility",
    "recovery_price": "recovery_price",
    "price_recovery_ratio": "price_recovery_ratio",
}
_OPTION_RANGES: Final = (
    "implied_volatility",
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "net_open_interest",
    "open_interest",
)


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    """Whether a figure lies in a range; one that does not exist lies in the open range only."""
    if value is None:
        return low is None and high is None
    return (low is None or value >= low) and (high is None or value <= high)


@handles(3209)
def option_chain(call: Call, c2s: qot_get_option_chain.C2S) -> qot_get_option_chain.S2C:
    """The options of an underlying that expire in a range of days."""
    chains = call.opend.market.option_chain(
        call.key_of(c2s.owner), c2s.begin_time, c2s.end_time, c2s.type, c2s.condition
    )
    if c2s.data_filter is not None:
        chains = tuple(_filtered_chains(call, chains, c2s.data_filter))
    return qot_get_option_chain.S2C(option_chain=chains)


def _filtered_chains(
    call: Call,
    chains: tuple[qot_get_option_chain.OptionChain, ...],
    wanted: qot_get_option_chain.DataFilter,
) -> Iterator[qot_get_option_chain.OptionChain]:
    for chain in chains:
        pairs = []
        for pair in chain.option:
            kept = replace(
                pair,
                call=pair.call if _option_fits(call, pair.call, wanted) else None,
                put=pair.put if _option_fits(call, pair.put, wanted) else None,
            )
            if kept.call or kept.put:
                pairs.append(kept)
        if pairs:
            yield replace(chain, option=tuple(pairs))


def _option_fits(
    call: Call,
    option: qot_common.SecurityStaticInfo | None,
    wanted: qot_get_option_chain.DataFilter,
) -> bool:
    if option is None:
        return False
    quote = call.opend.market.basic_qot(call.key_of(option.basic.security))
    figures = quote.option_ex_data
    return _within(quote.volume, wanted.vol_min, wanted.vol_max) and all(
        _within(
            getattr(figures, name, None),
            getattr(wanted, f"{name}_min"),
            getattr(wanted, f"{name}_max"),
        )
        for name in _OPTION_RANGES
    )


@handles(3210)
def warrants(call: Call, c2s: qot_get_warrant.C2S) -> qot_get_warrant.S2C:
    """One page of the warrants that fit."""
    if c2s.begin < 0:
        raise RefusalError(f"begin is {c2s.begin}: it cannot be negative")
    check_rows(call.proto_id, c2s.num, "num")
    owner = None if c2s.owner is None else call.key_of(c2s.owner)
    rows, _, _ = call.opend.market.warrants(owner, 0, _EVERY, c2s.sort_field, c2s.ascend)
    fitting = tuple(row for row in rows if _warrant_fits(row, c2s))
    end = c2s.begin + c2s.num
    return qot_get_warrant.S2C(
        last_page=end >= len(fitting),
        all_count=len(fitting),
        warrant_data_list=fitting[c2s.begin : end],
    )


def _warrant_fits(row: qot_get_warrant.WarrantData, c2s: qot_get_warrant.C2S) -> bool:
    maturity = row.maturity_time[:10]
    return (
        (not c2s.type_list or row.type in c2s.type_list)
        and (not c2s.issuer_list or row.issuer in c2s.issuer_list)
        and (not c2s.status or row.status == c2s.status)
        and (not c2s.maturity_time_min or maturity >= c2s.maturity_time_min[:10])
        and (not c2s.maturity_time_max or maturity <= c2s.maturity_time_max[:10])
        and all(
            _within(getattr(row, figure), getattr(c2s, f"{name}_min"), getattr(c2s, f"{name}_max"))
            for name, figure in _WARRANT_RANGES.items()
        )
    )


@handles(3218)
def future_info(call: Call, c2s: qot_get_future_info.C2S) -> qot_get_future_info.S2C:
    """Contract data of futures."""
    if not c2s.security_list:
        raise RefusalError("a security is needed")
    check_codes(call.proto_id, len(c2s.security_list))
    keys = [call.key_of(security) for security in c2s.security_list]
    rows = tuple(call.opend.market.future_info(key) for key in keys)
    return qot_get_future_info.S2C(future_info_list=rows)


@handles(3224)
def expirations(
    call: Call, c2s: qot_get_option_expiration_date.C2S
) -> qot_get_option_expiration_date.S2C:
    """The days on which options of an underlying expire."""
    rows = call.opend.market.option_expirations(call.key_of(c2s.owner))
    return qot_get_option_expiration_date.S2C(date_list=rows)
