"""What a user keeps: 3213 3214 3222 watch lists, 3220 3221 price reminders; 3262 search."""

from __future__ import annotations

from typing import Final

from futukit.messages import (
    qot_common,
    qot_get_price_reminder,
    qot_get_search_quote,
    qot_get_user_security,
    qot_get_user_security_group,
    qot_modify_user_security,
    qot_set_price_reminder,
)
from futukit.sim.app import Call
from futukit.sim.bounds import check_rows
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles

__all__ = [
    "change_group",
    "change_reminder",
    "groups",
    "members_of_group",
    "reminders",
    "search",
]

_GroupType = qot_get_user_security_group.GroupType
_FOUND: Final = 10


@handles(3213)
def members_of_group(call: Call, c2s: qot_get_user_security.C2S) -> qot_get_user_security.S2C:
    """The securities of a group of the watch list."""
    keys = call.opend.watch_lists.group(c2s.group_name)
    rows = tuple(call.opend.market.static_info(key) for key in keys)
    return qot_get_user_security.S2C(static_info_list=rows)


@handles(3214)
def change_group(call: Call, c2s: qot_modify_user_security.C2S) -> qot_modify_user_security.S2C:
    """Put securities into a group, or take them out of it or off the watch list."""
    op, lists = qot_modify_user_security.ModifyUserSecurityOp, call.opend.watch_lists
    change = {op.ADD: lists.add, op.DEL_: lists.delete, op.MOVE_OUT: lists.move_out}.get(c2s.op)
    if change is None:
        raise RefusalError(f"op {int(c2s.op)} is no operation on a group")
    if not c2s.security_list:
        raise RefusalError("a security is needed")
    change(c2s.group_name, [call.key_of(security) for security in c2s.security_list])
    return qot_modify_user_security.S2C()


@handles(3222)
def groups(call: Call, c2s: qot_get_user_security_group.C2S) -> qot_get_user_security_group.S2C:
    """The groups of the watch list."""
    lists = call.opend.watch_lists
    names = {_GroupType.CUSTOM: lists.custom_groups, _GroupType.SYSTEM: lists.system_groups}
    if c2s.group_type not in (*names, _GroupType.ALL):
        raise RefusalError(f"groupType {int(c2s.group_type)} is no type of group")
    return qot_get_user_security_group.S2C(
        group_list=tuple(
            qot_get_user_security_group.GroupData(group_name=name, group_type=group_type)
            for group_type, members in names.items()
            for name in members
            if c2s.group_type in (group_type, _GroupType.ALL)
        )
    )


@handles(3220)
def change_reminder(call: Call, c2s: qot_set_price_reminder.C2S) -> qot_set_price_reminder.S2C:
    """Add, change or delete a price reminder."""
    key = call.opend.reminders.change(call.key_of(c2s.security), c2s)
    return qot_set_price_reminder.S2C(key=key)


@handles(3221)
def reminders(call: Call, c2s: qot_get_price_reminder.C2S) -> qot_get_price_reminder.S2C:
    """The price reminders of a security, or of a market; Shanghai and Shenzhen are one."""
    market = call.opend.market
    if c2s.security is not None:
        keys = [call.key_of(c2s.security)]
    elif c2s.market:
        rows = [row for number in _one_market(c2s.market) for row in market.static_list(number, 0)]
        keys = [market.key_of(row.basic.security) for row in rows]
    else:
        raise RefusalError("a security or a market is needed")
    return qot_get_price_reminder.S2C(
        price_reminder_list=tuple(
            qot_get_price_reminder.PriceReminder(
                security=market.security(key), name=market.instrument(key).name, item_list=items
            )
            for key in keys
            if (items := call.opend.reminders.of(key))
        )
    )


def _one_market(market: int) -> tuple[int, ...]:
    china = (int(qot_common.QotMarket.CNSH_SECURITY), int(qot_common.QotMarket.CNSZ_SECURITY))
    return china if market in china else (int(market),)


@handles(3262)
def search(call: Call, c2s: qot_get_search_quote.C2S) -> qot_get_search_quote.S2C:
    """The securities whose code or name has the keyword in it."""
    most = _FOUND if c2s.max_count is None else c2s.max_count
    check_rows(call.proto_id, most, "maxCount")
    market, wanted = call.opend.market, c2s.keyword.strip().casefold()
    if not wanted:
        raise RefusalError("a keyword is needed")
    found = [
        one
        for one in map(market.instrument, market.keys())
        if any(wanted in text.casefold() for text in (one.key, one.name))
    ]
    return qot_get_search_quote.S2C(
        search_quote_list=tuple(
            qot_get_search_quote.SearchQuote(
                market=qot_common.QotMarket(one.security.market),
                code=one.security.code,
                name=one.name,
                sec_type=one.sec_type,
                is_watched=one.key in call.opend.watch_lists,
            )
            for one in found[:most]
        )
    )
