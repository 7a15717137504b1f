"""Who may call what: the one place where the gateway decides.

A request is checked in this order: is the key still in force, has it the scope, are the accounts
its own, then markets, securities, sides, value, and the rate last, so that a refused order uses
none of it. What is not known (an id, a side, the market of a code) is refused where it matters.

Account reads that name no security (funds, positions, orders) are limited by account only. Their
header's market says nothing about what they show: the official Python SDK puts the first market
of the account there, whatever it asks for.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from futukit.enums import TrdEnv
from futukit.errors import UsageError
from futukit.gateway import limits, orders
from futukit.gateway.keys import SCOPES, Key, KeyStore
from futukit.gateway.limits import Counted
from futukit.gateway.orders import Act, Ledger
from futukit.gateway.refusals import Refused, denied, unauthenticated
from futukit.gateway.subjects import accounts_of, names_of, readable, trade_header
from futukit.messages import registry, trd_get_order_list
from futukit.messages.qot_common import Security
from futukit.messages.registry import ProtoId

__all__ = [
    "ANONYMOUS_SCOPES",
    "NO_PUSHES",
    "PUSH_SCOPES",
    "ROWS_OF_ACCOUNTS",
    "Access",
    "Grant",
    "Refused",
]

ANONYMOUS_SCOPES: Final = ("qot:read", "acc:read")
"""What everybody may do where there is no keys file."""

PUSH_SCOPES: Final = ("qot:read", "acc:read")
NO_PUSHES: Final = f"pushes need one of the scopes {' and '.join(PUSH_SCOPES)}"

_TRADE_SCOPES: Final[dict[int, str]] = {
    TrdEnv.SIMULATE: "trade:simulate",
    TrdEnv.REAL: "trade:real",
}

# 2001 asks for all accounts, its answer is filtered; 2008 may name none, to end its pushes.
_MAY_NAME_NO_ACCOUNT: Final = frozenset({2001, 2008})

ROWS_OF_ACCOUNTS: Final = {2001: "acc_list", 2102: "position_list"}
"""The answers whose rows say which account they belong to."""


class Grant:
    """Who is calling: ``name`` (``"anonymous"`` without keys) and ``key``, None for anonymous.

    It holds no rights: each check asks what the key may do today. What is counted and remembered
    belongs to the key, so all its grants share it.
    """

    __slots__ = ("key", "name")

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.name = "anonymous" if key is None else key.name

    def __repr__(self) -> str:
        return f"Grant({self.name!r})"


class Access:
    """The rules of one gateway over its keys; None stands for no keys file.

    Without keys everybody is anonymous and may read quotes and accounts, nothing else. All times
    are Unix seconds. Not for several threads.
    """

    def __init__(self, store: KeyStore | None) -> None:
        self._store = store
        self._ledgers: dict[str, Ledger] = {}

    # Who is calling.

    def authenticate(self, text: str | None, now: float) -> Grant:
        """Take a key's text and give a grant. Raises Refused (UNAUTHENTICATED)."""
        return Grant(None if self._store is None else self._store.find(text or "", now))

    def authenticate_web_socket(self, md5_hex: str | None, now: float) -> Grant:
        """Take the MD5 of a key, as the JavaScript SDK logs in. Raises what the other does."""
        if self._store is None:
            return Grant(None)
        return Grant(self._store.find_web_socket(md5_hex or "", now))

    def validate(self, grant: Grant, now: float) -> None:
        """Raise Refused (UNAUTHENTICATED) where the key was taken away or has expired."""
        self._key_in_force(grant, now)

    def may_hold(self, grant: Grant, security: Security) -> bool:
        """Whether pushes about a security are for this caller by today's keys."""
        key = self._limits(grant)
        return "qot:read" in _scopes_of(key) and (key is None or _allows_names(key, security))

    def may_follow(self, grant: Grant, account: int) -> bool:
        """Whether pushes about an account are for this caller by today's keys."""
        key = self._limits(grant)
        is_named = key is None or not key.accounts or account in key.accounts
        return "acc:read" in _scopes_of(key) and is_named

    def _key_in_force(self, grant: Grant, now: float) -> Key | None:
        """The key of a grant with its limits of today; None for anonymous. Raises Refused."""
        if self._store is None:
            return None
        key = None if grant.key is None else self._store.current(grant.key)
        if key is None:
            raise unauthenticated("the API key is not in force any more")
        if key.expired(now):
            raise unauthenticated("the API key has expired")
        return key

    def scopes(self, grant: Grant) -> tuple[str, ...]:
        """What the caller may do by today's keys, to be shown; a key taken away shows its last."""
        key = self._limits(grant)
        return ANONYMOUS_SCOPES if key is None else key.scopes

    # What it may do.

    def check_id(self, grant: Grant, proto_id: int, now: float) -> None:
        """Raise Refused for what the id alone forbids, before anybody reads the body.

        For an id without a schema this is all there is to check. For the others ``check`` decides.
        """
        key = self._key_in_force(grant, now)
        row = _request_row(proto_id)
        scopes = _scopes_of(key)
        if row.access == "trade":
            if not {*scopes} & {*_TRADE_SCOPES.values()}:
                raise denied(f"{row.name} needs a scope to trade, {grant.name!r} has none")
        else:
            _check_scope(scopes, grant.name, row, row.access)
        if row.module is None and key is not None and _is_looked_into(key, row):
            raise denied(f"{row.name} cannot be read, so it is not for a key with limits")

    def check(
        self,
        grant: Grant,
        proto_id: int,
        c2s: Any,
        now: float,
        listed: trd_get_order_list.S2C | None = None,
    ) -> Counted:
        """Pass a request, or raise Refused. ``c2s`` is the C2S, or a flat request itself.

        ``listed`` is OpenD's answer to ``order_in_question``, if that gave one to ask; it holds for
        this check alone. Counts an order that passes, so each is to be checked once, and to be sent
        in the context that this gives: one that does not go out is not counted any more.
        """
        key, row = self._check_scope_and_accounts(grant, proto_id, c2s, now)
        if key is not None and row.access == "trade":
            act = orders.act_of(proto_id, c2s, self._known(key, proto_id, c2s, listed))
            return _check_act(key, self._ledger(key), act, now)
        if key is not None and _is_looked_into(key, row):
            limits.check_names(key, names_of(readable(proto_id, c2s)))
        return Counted()

    def order_in_question(
        self, grant: Grant, proto_id: int, c2s: Any, now: float
    ) -> trd_get_order_list.C2S | None:
        """What to ask OpenD (2201) before ``check`` can judge a change of an order.

        None where nothing is to be asked. It is asked in the key's name, so never for one without
        acc:read. Raises Refused where ``check`` would in any case.
        """
        key, row = self._check_scope_and_accounts(grant, proto_id, c2s, now)
        if key is None or row.access != "trade" or not limits.limits_orders(key):
            return None
        act = orders.act_of(proto_id, c2s, self._known(key, proto_id, c2s, None))
        is_unknown = act is not None and act.unknown and orders.ids_of(c2s)
        return orders.question_of(c2s) if is_unknown and _may_look_up(key) else None

    def _known(
        self, key: Key, proto_id: int, c2s: Any, listed: trd_get_order_list.S2C | None
    ) -> Act:
        """What is known of the order that a request names: what OpenD lists, else the memory."""
        found = None if listed is None else orders.found_in(c2s, listed)
        if found is not None:
            return found
        is_stale = key.max_order_value is not None and orders.keeps_value(proto_id, c2s)
        if is_stale and listed is None and _may_look_up(key):
            return orders.NOT_TOLD  # another key, or the app, may have changed what it is worth
        known = self._ledger(key).find(c2s.header, orders.ids_of(c2s))
        if known is not None:
            return known
        if not _may_look_up(key):
            return orders.NOT_LOOKED_UP
        return orders.NOT_TOLD if listed is None else orders.NOT_LISTED

    def _check_scope_and_accounts(
        self, grant: Grant, proto_id: int, c2s: Any, now: float
    ) -> tuple[Key | None, ProtoId]:
        """The key and what is known of the id, after the checks that need no order."""
        key = self._key_in_force(grant, now)
        row = _request_row(proto_id)
        needed = _trade_scope(row, c2s) if row.access == "trade" else row.access
        _check_scope(_scopes_of(key), grant.name, row, needed)
        if key is not None:
            _check_accounts(key, row, c2s)
        return key, row

    def note_order(self, grant: Grant, proto_id: int, c2s: Any, s2c: Any) -> None:
        """Remember an order that OpenD has accepted, so that its change can be judged.

        To be called after each success of an id in ``orders.ORDER_IDS``; for others it does
        nothing.
        """
        if grant.key is not None:
            orders.note_order(self._ledger(grant.key), proto_id, c2s, s2c)

    def _ledger(self, key: Key) -> Ledger:
        """What is counted and remembered of a key, under its hash: a change of limits keeps it."""
        if key.sha256 not in self._ledgers and self._store is not None:
            kept = {each.sha256 for each in self._store.keys}  # forget those of keys taken away
            self._ledgers = {each: held for each, held in self._ledgers.items() if each in kept}
        return self._ledgers.setdefault(key.sha256, Ledger())

    def filter_answer(self, grant: Grant, proto_id: int, s2c: Any) -> Any:
        """The answer without the accounts that the key may not see (2001, 2102)."""
        attribute = ROWS_OF_ACCOUNTS.get(proto_id)
        key = self._limits(grant)
        if attribute is None or key is None or not key.accounts:
            return s2c
        # A row without an account belongs to the one that was asked for.
        rows = [
            row
            for row in getattr(s2c, attribute)
            if row.acc_id is None or row.acc_id in key.accounts
        ]
        return msgspec.structs.replace(s2c, **{attribute: tuple(rows)})

    def _limits(self, grant: Grant) -> Key | None:
        if self._store is None or grant.key is None:
            return None
        return self._store.current(grant.key) or grant.key

    def may_get(self, grant: Grant, proto_id: int, s2c: Any, now: float | None = None) -> bool:
        """Whether a push is for this caller. Without ``now`` the key's date is not looked at."""
        try:
            key = self._key_in_force(grant, float("-inf") if now is None else now)
            row = _row(proto_id)
        except Refused:
            return False
        if row.kind != "push" or row.access not in ("none", *_scopes_of(key)):
            return False
        return key is None or _allows_push(key, row, s2c)


def _row(proto_id: int) -> ProtoId:
    try:
        return registry.row(proto_id)
    except UsageError as error:
        raise denied(f"proto id {proto_id} is not known, so it is refused") from error


def _request_row(proto_id: int) -> ProtoId:
    row = _row(proto_id)
    if row.kind != "request":
        raise denied(f"proto id {proto_id} is a push, it cannot be called")
    return row


def _scopes_of(key: Key | None) -> tuple[str, ...]:
    return ANONYMOUS_SCOPES if key is None else key.scopes


def _check_scope(scopes: tuple[str, ...], name: str, row: ProtoId, needed: str) -> None:
    if needed == "none":
        return
    if needed not in SCOPES:
        raise denied(f"what {row.name} needs is not known, so it is refused")
    if needed not in scopes:
        raise denied(f"{row.name} needs the scope {needed}, which {name!r} does not have")


def _is_looked_into(key: Key, row: ProtoId) -> bool:
    """Whether the securities that a request names matter to the key."""
    return row.access != "none" and limits.limits_names(key)


def _trade_scope(row: ProtoId, c2s: Any) -> str:
    header = trade_header(readable(row.proto_id, c2s))
    scope = None if header is None else _TRADE_SCOPES.get(header.trd_env)
    if scope is None:
        raise denied(f"{row.name}: whether the account is real or simulated cannot be told")
    return scope


def _check_accounts(key: Key, row: ProtoId, c2s: Any) -> None:
    if not key.accounts or row.access not in ("acc:read", "trade"):
        return
    accounts = accounts_of(readable(row.proto_id, c2s))
    if not accounts and row.proto_id not in _MAY_NAME_NO_ACCOUNT:
        raise denied(f"{row.name}: its account cannot be told")
    limits.check_accounts(key, accounts)


def _may_look_up(key: Key) -> bool:
    """Whether the key may learn of orders: a refusal tells what they are worth."""
    return "acc:read" in key.scopes


def _check_act(key: Key, ledger: Ledger, act: Act | None, now: float) -> Counted:
    if act is None:
        return Counted()
    limits.check_order(key, act)
    limits.check_sides(key, act)
    limits.check_value(key, act)
    return limits.check_rate(key, ledger, now) if act.counted else Counted()


def _allows_push(key: Key, row: ProtoId, s2c: Any) -> bool:
    if row.access == "acc:read" and key.accounts:
        header = trade_header(s2c)
        return header is not None and header.acc_id in key.accounts
    if row.access == "qot:read" and limits.limits_names(key):
        return _allows_names(key, s2c)
    return True


def _allows_names(key: Key, s2c: Any) -> bool:
    try:
        names = names_of(s2c) if isinstance(s2c, msgspec.Struct) else ()
        limits.check_names(key, names)
    except Refused:
        return False
    return bool(names)
