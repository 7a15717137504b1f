"""Who may call what: scopes by id, accounts, pushes, and keys that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from futukit.codec.plan import plan_of
from futukit.core.requests import request_kind
from futukit.enums import (
    QotMarket,
    TrdEnv,
)
from futukit.gateway.access import ANONYMOUS_SCOPES, Access, Grant
from futukit.gateway.keys import SCOPES
from futukit.gateway.refusals import Refused
from futukit.gateway.subjects import accounts_of
from futukit.messages import (
    common,
    qot_get_basic_qot,
    registry,
    trd_common,
    trd_get_acc_list,
    trd_get_funds,
    trd_get_max_trd_qtys,
    trd_get_position_list,
    trd_notify,
    trd_sub_acc_push,
    trd_unlock_trade,
)
from futukit.messages.qot_common import Security
from tests.unit.gateway.keyring import NOW, Keyring, denied, header, messages_below, place

REQUESTS = [row for row in registry.rows() if row.kind == "request"]
PUSHES = [row for row in registry.rows() if row.kind == "push"]
TRADE_SCOPES = {TrdEnv.SIMULATE: "trade:simulate", TrdEnv.REAL: "trade:real"}


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys.json")


def trade_c2s(proto_id: int, env: TrdEnv = TrdEnv.SIMULATE) -> Any:
    """The least C2S of a trading request."""
    fields: dict[str, Any] = {
        "header": header(env),
        "packet_id": common.PacketID(conn_id=1, serial_no=1),
    }
    fields |= {"order_id": 5, "modify_order_op": 2, "reconfirm_reason": 1}
    fields |= {"trd_side": 1, "order_type": 1, "code": "00700", "qty": 1.0}
    cls = request_kind(proto_id).c2s
    return cls(**{name: each for name, each in fields.items() if name in cls.__struct_fields__})


# Scopes.


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: str(row.proto_id))
def test_each_request_asks_for_its_scope_and_for_no_other(ring: Keyring, row: Any) -> None:
    assert row.access in ("none", "trade", *SCOPES)
    for env, trade in TRADE_SCOPES.items():
        c2s = trade_c2s(row.proto_id, env) if row.access == "trade" else None
        needed = trade if row.access == "trade" else row.access
        for scope in SCOPES:
            ring.make(scopes=(scope,))
            others = "trade:" in scope and scope != "trade:unlock" and row.access == "trade"
            if needed in ("none", scope):
                ring.access.check_id(ring.grant, row.proto_id, NOW)
                ring.access.check(ring.grant, row.proto_id, c2s, NOW)
            else:
                assert needed in denied(ring, row.proto_id, c2s)
                if not others:
                    with pytest.raises(Refused):
                        ring.access.check_id(ring.grant, row.proto_id, NOW)
        ring.make(scopes=tuple(each for each in SCOPES if each != needed))
        if needed != "none":
            assert needed in denied(ring, row.proto_id, c2s)


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: str(row.proto_id))
def test_without_a_keys_file_everybody_reads_and_nobody_trades(row: Any) -> None:
    access = Access(None)
    grant = access.authenticate("anything", NOW)
    assert (grant.name, grant.key) == ("anonymous", None)
    c2s = trade_c2s(row.proto_id) if row.access == "trade" else None
    if row.access in ("none", *ANONYMOUS_SCOPES):
        access.check_id(grant, row.proto_id, NOW)
        access.check(grant, row.proto_id, c2s, NOW)
    else:
        with pytest.raises(Refused, match="'anonymous'"):
            access.check_id(grant, row.proto_id, NOW)
        with pytest.raises(Refused, match="'anonymous'"):
            access.check(grant, row.proto_id, c2s, NOW)


@pytest.mark.parametrize("row", PUSHES, ids=lambda row: str(row.proto_id))
def test_a_push_is_never_called_and_comes_only_with_its_scope(ring: Keyring, row: Any) -> None:
    for scope in SCOPES:
        ring.make(scopes=(scope,))
        got = ring.access.may_get(ring.grant, row.proto_id, None)
        assert got is (row.access in ("none", scope))
    ring.make(scopes=SCOPES)
    assert "is a push" in denied(ring, row.proto_id, None)
    anonymous = Access(None)
    grant = anonymous.authenticate(None, NOW)
    assert anonymous.may_get(grant, row.proto_id, None) is (
        row.access in ("none", *ANONYMOUS_SCOPES)
    )


@pytest.mark.parametrize("proto_id", [0, -1, 9999, 2**40])
def test_an_unknown_id_is_refused(ring: Keyring, proto_id: int) -> None:
    ring.make(scopes=SCOPES)
    assert "not known" in denied(ring, proto_id, None)
    with pytest.raises(Refused, match="not known"):
        ring.access.check_id(ring.grant, proto_id, NOW)
    assert not ring.access.may_get(ring.grant, proto_id, None)
    assert not ring.access.may_get(ring.grant, 3004, None)  # a request is no push


@pytest.mark.parametrize("access", ["", "everything", "trade:paper"])
def test_an_id_with_an_unknown_access_is_refused(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch, access: str
) -> None:
    ring.make(scopes=SCOPES)
    changed = registry.row(3004)._replace(access=access)
    monkeypatch.setattr(registry, "row", lambda _: changed)
    assert "needs is not known" in denied(ring, 3004, None)


def test_a_trading_id_that_nobody_thought_of_is_refused(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.make(scopes=SCOPES)
    changed = registry.row(2101)._replace(access="trade")
    monkeypatch.setattr(registry, "row", lambda _: changed)
    assert "2101 does is not known" in denied(ring, 2101, trd_get_funds.C2S(header=header()))


def test_an_unknown_environment_is_neither_real_nor_simulated(ring: Keyring) -> None:
    ring.make(scopes=SCOPES)
    assert "cannot be told" in denied(ring, 2202, place(header=header(env=TrdEnv(7))))


@pytest.mark.parametrize("c2s", [None, b"", trd_get_funds.C2S(header=header()), object()])
def test_what_is_not_the_c2s_of_the_id_is_refused(ring: Keyring, c2s: Any) -> None:
    ring.make(scopes=SCOPES)
    assert "cannot be read" in denied(ring, 2202, c2s)
    ring.make(scopes=SCOPES, accounts=(1,))
    assert "cannot be read" in denied(ring, 2102, c2s)
    ring.make(scopes=SCOPES, symbols=("HK.00700",))
    assert "cannot be read" in denied(ring, 3004, c2s)


def test_an_id_without_a_schema_is_not_for_a_key_with_limits(ring: Keyring) -> None:
    ring.make(scopes=SCOPES)
    ring.access.check_id(ring.grant, 3016, NOW)
    ring.access.check(ring.grant, 3016, b"x", NOW)
    ring.make(scopes=SCOPES, markets=("HK",))
    with pytest.raises(Refused, match="cannot be read"):
        ring.access.check_id(ring.grant, 3016, NOW)
    assert "cannot be read" in denied(ring, 3016, b"x")
    assert not ring.access.may_get(ring.grant, 3017, None)


def test_unlocking_asks_for_its_scope_alone(ring: Keyring) -> None:
    c2s = trd_unlock_trade.C2S(unlock=True)
    ring.make(scopes=("trade:unlock",), accounts=(1,), markets=("HK",), symbols=("HK.00700",))
    ring.access.check(ring.grant, 2005, c2s, NOW)
    ring.make(scopes=("trade:real", "trade:simulate", "admin"))
    assert "trade:unlock" in denied(ring, 2005, c2s)


# Who is calling.


def test_a_caller_needs_a_key_where_there_are_keys(ring: Keyring) -> None:
    for text in (None, "", "fk_wrong"):
        with pytest.raises(Refused) as caught:
            ring.access.authenticate(text, NOW)
        assert caught.value.status == "UNAUTHENTICATED"
        with pytest.raises(Refused):
            ring.access.authenticate_web_socket(text, NOW)
    assert "not in force" in denied_grant(ring, Grant(None))


def denied_grant(ring: Keyring, grant: Grant, now: float = NOW) -> str:
    with pytest.raises(Refused) as caught:
        ring.access.validate(grant, now)
    assert caught.value.status == "UNAUTHENTICATED"
    with pytest.raises(Refused, match=caught.value.reason):
        ring.access.check_id(grant, 1002, now)
    with pytest.raises(Refused, match=caught.value.reason):
        ring.access.check(grant, 1002, None, now)
    assert not ring.access.may_get(grant, 1003, None, now)
    return caught.value.reason


def test_a_javascript_client_is_known_by_the_md5_of_its_key(ring: Keyring) -> None:
    ring.make(scopes=("qot:read",))
    grant = ring.access.authenticate_web_socket(ring.md5, NOW)
    assert grant.name == ring.grant.name
    assert repr(grant) == "Grant('desk')"
    assert Access(None).authenticate_web_socket(None, NOW).key is None


def test_a_grant_ends_with_its_key(ring: Keyring) -> None:
    ring.make(scopes=SCOPES, expires="2027-01-31")
    old = ring.grant
    ring.access.validate(old, NOW)
    assert ring.access.may_get(old, 1003, None, NOW)
    assert "expired" in denied_grant(ring, old, NOW + 30 * 86_400)
    ring.make(scopes=SCOPES)  # a key of the same name, another text
    assert "not in force" in denied_grant(ring, old)


def test_changed_limits_take_effect_on_grants_that_are_out(ring: Keyring) -> None:
    ring.make(scopes=("qot:read", "acc:read"))
    c2s = qot_get_basic_qot.C2S(security_list=(Security(market=QotMarket(11), code="AAPL"),))
    ring.access.check(ring.grant, 3004, c2s, NOW)
    ring.change(markets=("HK",))
    assert "market US" in denied(ring, 3004, c2s)
    ring.change(scopes=("acc:read",))
    assert "needs the scope qot:read" in denied(ring, 3004, c2s)


def test_a_bad_file_changes_nothing(ring: Keyring) -> None:
    ring.make(scopes=("qot:read",))
    ring.path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        ring.store.reload()
    ring.access.check(ring.grant, 3004, None, NOW)


def test_the_scopes_of_a_grant_are_those_of_today(ring: Keyring) -> None:
    ring.make(scopes=("qot:read",))
    ring.change(scopes=("acc:read", "admin"))
    assert ring.access.scopes(ring.grant) == ("acc:read", "admin")
    assert Access(None).scopes(Grant(None)) == ANONYMOUS_SCOPES


# Accounts.


def test_a_request_names_only_accounts_of_the_key(ring: Keyring) -> None:
    ring.make(scopes=SCOPES, accounts=(1, 2))
    ring.access.check(ring.grant, 2101, trd_get_funds.C2S(header=header(acc_id=2)), NOW)
    assert "account 3" in denied(ring, 2101, trd_get_funds.C2S(header=header(acc_id=3)))
    for proto_id in (2202, 2205, 2227, 2237):
        c2s = trade_c2s(proto_id)
        ring.change(accounts=(2,))
        assert "account 1 " in denied(ring, proto_id, c2s)


@pytest.mark.parametrize(("accounts", "passes"), [((), True), ((1, 2), True), ((1, 3), False)])
def test_every_account_of_2008_must_be_of_the_key(
    ring: Keyring, accounts: tuple[int, ...], passes: bool
) -> None:
    ring.make(scopes=("acc:read",), accounts=(1, 2))
    c2s = trd_sub_acc_push.C2S(acc_id_list=accounts)
    if passes:
        ring.access.check(ring.grant, 2008, c2s, NOW)
    else:
        assert "account 3" in denied(ring, 2008, c2s)


def test_a_request_whose_account_cannot_be_told_is_refused(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.make(scopes=SCOPES, accounts=(1,))
    changed = registry.row(3004)._replace(access="acc:read")
    monkeypatch.setattr(registry, "row", lambda _: changed)
    assert "account cannot be told" in denied(ring, 3004, qot_get_basic_qot.C2S())


def test_all_requests_about_accounts_say_which() -> None:
    for row in REQUESTS:
        if row.access not in ("acc:read", "trade") or row.proto_id in (2001, 2008):
            continue
        fields = {each[1]: each[6] for each in plan_of(request_kind(row.proto_id).c2s).fields}
        assert fields["header"] is trd_common.TrdHeader, row.name
    assert accounts_of(trd_get_funds.C2S(header=header(acc_id=9))) == (9,)


def account(acc_id: int) -> trd_common.TrdAcc:
    return trd_common.TrdAcc(trd_env=TrdEnv.REAL, acc_id=acc_id)


def position(acc_id: int | None) -> trd_common.Position:
    numbers: dict[str, Any] = dict.fromkeys(("qty", "can_sell_qty", "price", "val", "pl_val"), 1.0)
    return trd_common.Position(
        position_id=1,
        position_side=trd_common.PositionSide.LONG,
        code="00700",
        name="x",
        acc_id=acc_id,
        **numbers,
    )


def test_answers_hold_no_account_of_others(ring: Keyring) -> None:
    listed = trd_get_acc_list.S2C(acc_list=(account(1), account(2), account(3)))
    held = trd_get_position_list.S2C(
        header=header(), position_list=(position(1), position(9), position(None))
    )
    funds = trd_get_max_trd_qtys.S2C(header=header())
    ring.make(scopes=("acc:read",))
    assert ring.access.filter_answer(ring.grant, 2001, listed) is listed
    ring.change(accounts=(1, 3))
    seen = ring.access.filter_answer(ring.grant, 2001, listed)
    assert [each.acc_id for each in seen.acc_list] == [1, 3]
    seen = ring.access.filter_answer(ring.grant, 2102, held)
    assert [each.acc_id for each in seen.position_list] == [1, None]
    assert ring.access.filter_answer(ring.grant, 2111, funds) is funds
    old = ring.grant
    ring.make(scopes=("acc:read",))  # the key is gone: its last limits still hold
    assert len(ring.access.filter_answer(old, 2001, listed).acc_list) == 3
    access = Access(None)
    assert access.filter_answer(access.authenticate(None, NOW), 2001, listed) is listed


def test_no_other_answer_has_rows_of_accounts() -> None:
    found = set()
    for row in REQUESTS:
        if row.module is None or (s2c := request_kind(row.proto_id).s2c) is None:
            continue
        for cls in messages_below(s2c, set()):
            named = any("accid" in field[2].lower() for field in plan_of(cls).fields)
            if named and cls is not trd_common.TrdHeader:
                found.add(row.proto_id)
    assert found == {2001, 2102}


# Pushes.


def test_pushes_of_accounts_go_by_their_header(ring: Keyring) -> None:
    ring.make(scopes=("acc:read",), accounts=(1,))
    mine, other = (trd_notify.S2C(header=header(acc_id=each), type=1) for each in (1, 2))
    assert ring.access.may_get(ring.grant, 2240, mine)
    assert not ring.access.may_get(ring.grant, 2240, other)
    assert not ring.access.may_get(ring.grant, 2240, None)
    ring.change(accounts=())
    assert ring.access.may_get(ring.grant, 2240, other)
