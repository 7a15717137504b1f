"""Watch lists and price reminders: what is changed is then there."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from futukit.core.push import Push
from futukit.messages import (
    common,
    init_connect,
    qot_common,
    qot_get_price_reminder,
    qot_get_search_quote,
    qot_get_user_security,
    qot_get_user_security_group,
    qot_modify_user_security,
    qot_set_price_reminder,
    registry,
)
from futukit.sim.app import OpenD
from futukit.sim.personal import MAX_REMINDERS, NOTE_CHARACTERS
from futukit.sim.settings import Settings
from tests.unit.sim.raw_client import securities, security

GroupOp = qot_modify_user_security.ModifyUserSecurityOp
ReminderOp = qot_set_price_reminder.SetPriceReminderOp
UP = qot_common.PriceReminderType.PRICE_UP
DOWN = qot_common.PriceReminderType.PRICE_DOWN
ONCE = qot_common.PriceReminderFreq.ONLY_ONCE
TENCENT, APPLE, MOUTAI = "HK.00700", "US.AAPL", "SH.600519"


class Nobody:
    """Takes no pushes."""

    def send_push(self, push: Push) -> None:
        raise AssertionError(push)


class User:
    """Asks a simulator without a socket."""

    def __init__(self, seed: int = 1) -> None:
        self.opend = OpenD(Settings(seed=seed, freeze=True))
        hello = init_connect.C2S(client_ver=1, client_id="user")
        self.peer = self.opend.join(self.opend.welcome(), hello, Nobody())

    def call(self, proto_id: int, c2s: Struct) -> Any:
        return self.opend.call(self.peer, proto_id, registry.request_class(proto_id)(c2s=c2s))

    def ask(self, proto_id: int, c2s: Struct) -> Any:
        response = self.call(proto_id, c2s)
        assert response.ret_type == common.RetType.SUCCEED, response.ret_msg
        return response.s2c

    def refused(self, proto_id: int, c2s: Struct) -> str:
        response = self.call(proto_id, c2s)
        assert response.ret_type == common.RetType.FAILED
        return str(response.ret_msg)

    def group(self, name: str) -> list[str]:
        rows = self.ask(3213, qot_get_user_security.C2S(group_name=name)).static_info_list
        assert all(row == self.opend.market.static_info(self.key(row)) for row in rows)
        return [self.key(row) for row in rows]

    def key(self, row: qot_common.SecurityStaticInfo) -> str:
        return self.opend.market.key_of(row.basic.security)

    def remind(self, op: ReminderOp, code: str = TENCENT, **fields: Any) -> int:
        c2s = qot_set_price_reminder.C2S(security=security(code), op=op, **fields)
        made: int = self.ask(3220, c2s).key
        return made

    def reminders(self, **fields: Any) -> dict[str, tuple[Any, ...]]:
        rows = self.ask(3221, qot_get_price_reminder.C2S(**fields)).price_reminder_list
        return {self.opend.market.key_of(row.security): row.item_list for row in rows}


@pytest.fixture
def user() -> User:
    return User()


def change(op: GroupOp, group: str, *keys: str) -> qot_modify_user_security.C2S:
    return qot_modify_user_security.C2S(group_name=group, op=op, security_list=securities(*keys))


def test_groups_are_there_and_the_seed_decides_what_is_in_them(user: User) -> None:
    kinds = qot_get_user_security_group.GroupType

    def names(kind: qot_get_user_security_group.GroupType) -> list[str]:
        c2s = qot_get_user_security_group.C2S(group_type=kind)
        return [row.group_name for row in user.ask(3222, c2s).group_list]

    assert names(kinds.CUSTOM) == ["A", "B"]
    assert names(kinds.ALL) == names(kinds.CUSTOM) + names(kinds.SYSTEM)
    unknown = qot_get_user_security_group.C2S(group_type=kinds(77))
    assert "no type" in user.refused(3222, unknown)
    assert user.group("All") == User().group("All") != User(2).group("All")
    assert set(user.group("A")) < set(user.group("All"))


def test_what_is_added_is_in_the_group_and_on_the_watch_list(user: User) -> None:
    user.ask(3214, change(GroupOp.ADD, "B", TENCENT, APPLE, TENCENT))
    assert user.group("B") == [TENCENT, APPLE]
    assert {TENCENT, APPLE} <= set(user.group("All"))
    assert TENCENT in user.group("HK")
    assert APPLE in user.group("US")


def test_moved_out_stays_watched_and_deleted_does_not(user: User) -> None:
    user.ask(3214, change(GroupOp.ADD, "B", TENCENT, APPLE, MOUTAI))
    user.ask(3214, change(GroupOp.MOVE_OUT, "B", TENCENT))
    assert user.group("B") == [APPLE, MOUTAI]
    assert TENCENT in user.group("All")
    user.ask(3214, change(GroupOp.DEL_, "A", APPLE))
    assert user.group("B") == [MOUTAI]
    assert APPLE not in user.group("All")


def test_search_tells_what_is_watched(user: User) -> None:
    def watched() -> bool | None:
        c2s = qot_get_search_quote.C2S(keyword="600519")
        (row,) = user.ask(3262, c2s).search_quote_list
        assert (row.market, row.code, row.sec_type) == (21, "600519", 3)
        found: bool | None = row.is_watched
        return found

    user.ask(3214, change(GroupOp.ADD, "A", MOUTAI))
    assert watched()
    user.ask(3214, change(GroupOp.DEL_, "A", MOUTAI))
    assert not watched()
    many = qot_get_search_quote.C2S(keyword="hk.", max_count=3)
    assert len(user.ask(3262, many).search_quote_list) == 3
    assert user.ask(3262, qot_get_search_quote.C2S(keyword="none")).search_quote_list == ()
    assert "keyword" in user.refused(3262, qot_get_search_quote.C2S(keyword=" "))


@pytest.mark.parametrize(
    ("c2s", "why"),
    [
        (change(GroupOp.ADD, "All", TENCENT), "cannot be changed"),
        (change(GroupOp.ADD, "Z", TENCENT), "no group 'Z'"),
        (change(GroupOp(9), "A", TENCENT), "no operation"),
        (change(GroupOp.ADD, "A"), "a security is needed"),
        (change(GroupOp.ADD, "A", "HK.99999"), "unknown security"),
    ],
)
def test_a_change_that_cannot_be_is_refused(user: User, c2s: Struct, why: str) -> None:
    before = user.group("A")
    assert why in user.refused(3214, c2s)
    assert user.group("A") == before


def test_a_reminder_is_set_changed_and_deleted(user: User) -> None:
    first = user.remind(ReminderOp.ADD, type=UP, freq=ONCE, value=600.0, note="sell")
    second = user.remind(ReminderOp.ADD, type=DOWN, freq=ONCE, value=400.0)
    assert [(row.key, row.type, row.value, row.note) for row in kept(user)] == [
        (first, UP, 600.0, "sell"),
        (second, DOWN, 400.0, ""),
    ]
    assert user.remind(ReminderOp.MODIFY, key=first, value=650.0) == first
    user.remind(ReminderOp.DISABLE, key=first)
    row = kept(user)[0]
    assert (row.value, row.note, row.type, row.is_enable) == (650.0, "sell", UP, False)
    user.remind(ReminderOp.ENABLE, key=first)
    assert kept(user)[0].is_enable
    user.remind(ReminderOp.DEL_, key=first)
    assert [row.key for row in kept(user)] == [second]
    assert user.remind(ReminderOp.DEL_ALL) == 0
    assert user.reminders(security=security(TENCENT)) == {}


def kept(user: User) -> tuple[Any, ...]:
    return user.reminders(security=security(TENCENT))[TENCENT]


def test_reminders_of_a_market(user: User) -> None:
    for key in (TENCENT, MOUTAI, "SZ.000001"):
        user.remind(ReminderOp.ADD, key, type=UP, freq=ONCE, value=1.0)
    market = qot_common.QotMarket
    assert set(user.reminders(market=market.HK_SECURITY)) == {TENCENT}
    assert set(user.reminders(market=market.CNSH_SECURITY)) == {MOUTAI, "SZ.000001"}
    assert user.reminders(market=market.US_SECURITY) == {}
    assert "is needed" in user.refused(3221, qot_get_price_reminder.C2S())


def test_a_security_has_at_most_ten_reminders_of_a_type(user: User) -> None:
    for _ in range(MAX_REMINDERS):
        last = user.remind(ReminderOp.ADD, type=UP, freq=ONCE, value=1.0)
    more: dict[str, Any] = {
        "security": security(TENCENT),
        "op": ReminderOp.ADD,
        "freq": ONCE,
        "value": 1.0,
    }
    refused = user.refused(3220, qot_set_price_reminder.C2S(**more, type=UP))
    assert "at most 10" in refused
    user.remind(ReminderOp.MODIFY, key=last, value=2.0)
    user.remind(ReminderOp.ADD, type=DOWN, freq=ONCE, value=1.0)
    assert len(kept(user)) == MAX_REMINDERS + 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"op": ReminderOp.ADD, "type": UP, "freq": ONCE}, "needs type, freq and value"),
        ({"op": ReminderOp.ADD, "type": UP, "freq": ONCE, "value": float("nan")}, "is none"),
        (
            {
                "op": ReminderOp.ADD,
                "type": UP,
                "freq": ONCE,
                "value": 1.0,
                "note": "n" * (NOTE_CHARACTERS + 1),
            },
            "at most 20 characters",
        ),
        ({"op": ReminderOp.DEL_, "key": 77}, "no reminder with key 77"),
        ({"op": ReminderOp.MODIFY}, "no reminder with key None"),
        ({"op": ReminderOp(9)}, "no operation"),
    ],
)
def test_a_reminder_that_cannot_be_is_refused(user: User, fields: dict[str, Any], why: str) -> None:
    c2s = qot_set_price_reminder.C2S(security=security(TENCENT), **fields)
    assert why in user.refused(3220, c2s)
    assert user.reminders(security=security(TENCENT)) == {}
