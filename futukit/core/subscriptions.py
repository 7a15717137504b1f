"""The book of what was asked for on a connection, so that the next one gets exactly the same.

What OpenD confirmed is written down per security and data type, with its flags as they were
sent (an absent flag stays absent). After a reconnect the book gives the fewest requests that
ask for all of it again: 3001 Qot_Sub and 3455 Qot_SubEventContract (with the pushes registered
in the same request), 3002 Qot_RegQotPush (pushes registered apart), 2008 Trd_SubAccPush.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from futukit.messages import qot_reg_qot_push, qot_sub, trd_sub_acc_push
from futukit.messages.qot_common import Security

__all__ = ["BOOKED_IDS", "SubscriptionBook"]

_ACCOUNTS: Final = 2008
_QUOTES: Final = 3001
_REGISTER: Final = 3002
_EVENT_CONTRACTS: Final = 3455

BOOKED_IDS: Final = frozenset({_ACCOUNTS, _QUOTES, _REGISTER, _EVENT_CONTRACTS})
"""Ids whose confirmed requests belong into the book."""

_SECURITIES_PER_REQUEST: Final = 400

_QUOTE_FLAGS: Final = (
    "is_reg_or_un_reg_push",
    "is_first_push",
    "is_sub_order_book_detail",
    "extended_time",
    "session",
    "header",
)
_EVENT_CONTRACT_FLAGS: Final = ("is_reg_or_un_reg_push", "is_first_push", "header")
_VARIANT_FIELD: Final = {
    _QUOTES: "reg_push_rehab_type_list",
    _REGISTER: "rehab_type_list",
    _EVENT_CONTRACTS: "kline_source",
}

_Topic = tuple[int, Security, int]  # 3001 or 3455, security, data type
_Request = tuple[int, Any]
_Flags = tuple[tuple[str, Any], ...]
_Variants = tuple[int | None, ...]


class _Push(NamedTuple):
    """One registration for pushes: by which id, and with which flags."""

    by: int
    first_push: bool | None
    header: Any


_Key = tuple[int, _Flags, _Push | None, _Variants]
_Rows = dict[Security, list[int]]


class _Entry:
    """One data type of one security: its subscription flags, its registrations.

    ``variants`` are rehab types (K-lines) or K-line sources (event contracts); ``None`` stands
    for a request that named none.
    """

    __slots__ = ("flags", "pushes")

    def __init__(self, flags: _Flags) -> None:
        self.flags = flags
        self.pushes: dict[int | None, _Push] = {}


class SubscriptionBook:
    """What is subscribed now, as far as OpenD has confirmed it."""

    def __init__(self) -> None:
        self._entries: dict[_Topic, _Entry] = {}
        self._accounts: trd_sub_acc_push.C2S | None = None

    def __len__(self) -> int:
        return len(self._entries) + (self._accounts is not None)

    def confirm(self, proto_id: int, c2s: Any) -> None:
        """Note a request (its C2S) that OpenD has answered with success."""
        if proto_id == _ACCOUNTS:
            self._accounts = c2s if c2s.acc_id_list else None
        elif proto_id == _REGISTER:
            self._register(c2s)
        elif c2s.is_unsub_all:
            self._forget(proto_id)
        elif c2s.is_sub_or_un_sub:
            self._subscribe(proto_id, c2s)
        else:
            for topic in _topics(proto_id, c2s):
                self._entries.pop(topic, None)

    def requests(self) -> list[_Request]:
        """The requests (id, C2S) that bring everything back."""
        found: list[_Request] = []
        if self._accounts is not None:
            found.append((_ACCOUNTS, self._accounts))
        found += self._subscriptions()
        found += self._registrations()
        return found

    def _forget(self, proto_id: int) -> None:
        self._entries = {
            topic: entry for topic, entry in self._entries.items() if topic[0] != proto_id
        }

    def _subscribe(self, proto_id: int, c2s: Any) -> None:
        flags = _flags(proto_id, c2s)
        for topic in _topics(proto_id, c2s):
            entry = self._entries.get(topic)
            if entry is None:
                entry = self._entries[topic] = _Entry(flags)
            entry.flags = flags
            if c2s.is_reg_or_un_reg_push:
                push = _Push(proto_id, c2s.is_first_push, getattr(c2s, "header", None))
                entry.pushes.update(dict.fromkeys(_variants(proto_id, c2s), push))
            elif c2s.is_reg_or_un_reg_push is False:
                _unregister(entry, _variants(proto_id, c2s))

    def _register(self, c2s: Any) -> None:
        push = _Push(_REGISTER, c2s.is_first_push, getattr(c2s, "header", None))
        for topic in _topics(_QUOTES, c2s):
            entry = self._entries.get(topic)
            if entry is None:
                continue
            if c2s.is_reg_or_un_reg:
                entry.pushes.update(dict.fromkeys(_variants(_REGISTER, c2s), push))
            else:
                _unregister(entry, _variants(_REGISTER, c2s))

    def _subscriptions(self) -> list[_Request]:
        wanted: dict[_Key, _Rows] = {}
        for (proto_id, security, sub_type), entry in self._entries.items():
            groups: list[tuple[_Push | None, _Variants]] = [*_groups(entry, by=proto_id)]
            for push, variants in groups or [(None, ())]:
                rows = wanted.setdefault((proto_id, entry.flags, push, variants), {})
                rows.setdefault(security, []).append(sub_type)
        return [
            (proto_id, _subscribe_c2s(proto_id, flags, push, variants, *part))
            for (proto_id, flags, push, variants), rows in wanted.items()
            for part in _parts(rows)
        ]

    def _registrations(self) -> list[_Request]:
        wanted: dict[tuple[_Push, _Variants], _Rows] = {}
        for (_, security, sub_type), entry in self._entries.items():
            for push, variants in _groups(entry, by=_REGISTER):
                rows = wanted.setdefault((push, variants), {})
                rows.setdefault(security, []).append(sub_type)
        return [
            (_REGISTER, _register_c2s(push, variants, *part))
            for (push, variants), rows in wanted.items()
            for part in _parts(rows)
        ]


def _topics(proto_id: int, c2s: Any) -> Iterable[_Topic]:
    for security in c2s.security_list:
        for sub_type in c2s.sub_type_list:
            yield proto_id, security, sub_type


def _flags(proto_id: int, c2s: Any) -> _Flags:
    """The flags of a subscription, ready to be passed to its C2S again."""
    names = _EVENT_CONTRACT_FLAGS if proto_id == _EVENT_CONTRACTS else _QUOTE_FLAGS
    # Fields that an older schema does not have are left out.
    flags = {name: getattr(c2s, name) for name in names if name in c2s.__struct_fields__}
    if c2s.is_reg_or_un_reg_push:
        # Registered pushes are noted one by one: some may be taken back later.
        flags["is_reg_or_un_reg_push"] = flags["is_first_push"] = None
    return tuple(flags.items())


def _variants(proto_id: int, c2s: Any) -> _Variants:
    return tuple(getattr(c2s, _VARIANT_FIELD[proto_id])) or (None,)


def _unregister(entry: _Entry, variants: _Variants) -> None:
    if variants == (None,):
        entry.pushes.clear()
    for variant in variants:
        entry.pushes.pop(variant, None)


def _groups(entry: _Entry, by: int) -> list[tuple[_Push, _Variants]]:
    """The registrations made through one id, variants with the same flags together.

    One that named no variant stays apart: beside a list of others nothing would stand for it.
    """
    groups: dict[tuple[_Push, bool], _Variants] = {}
    for variant, push in entry.pushes.items():
        if push.by == by:
            alike = (push, variant is None)
            groups[alike] = (*groups.get(alike, ()), variant)
    return [(push, variants) for (push, _), variants in groups.items()]


def _parts(rows: _Rows) -> Iterable[tuple[tuple[Security, ...], tuple[Any, ...]]]:
    """Join securities that want the same data types; gives (securities, data types)."""
    joined: dict[tuple[Any, ...], list[Security]] = {}
    for security, sub_types in rows.items():
        joined.setdefault(tuple(sub_types), []).append(security)
    for types, securities in joined.items():
        for start in range(0, len(securities), _SECURITIES_PER_REQUEST):
            yield tuple(securities[start : start + _SECURITIES_PER_REQUEST]), types


def _named(variants: _Variants) -> tuple[Any, ...]:
    return tuple(variant for variant in variants if variant is not None)


def _subscribe_c2s(
    proto_id: int,
    flags: _Flags,
    push: _Push | None,
    variants: _Variants,
    securities: tuple[Security, ...],
    sub_types: tuple[Any, ...],
) -> Any:
    fields = dict(flags)
    if push is not None:
        fields["is_reg_or_un_reg_push"] = True
        fields["is_first_push"] = push.first_push
        fields[_VARIANT_FIELD[proto_id]] = _named(variants)
    return _subscribe_class(proto_id)(
        security_list=securities, sub_type_list=sub_types, is_sub_or_un_sub=True, **fields
    )


def _subscribe_class(proto_id: int) -> type[Any]:
    if proto_id == _QUOTES:
        return qot_sub.C2S
    # Loaded when used: a package generated from an older schema has no event contracts.
    from futukit.messages import qot_sub_event_contract

    return qot_sub_event_contract.C2S


def _register_c2s(
    push: _Push,
    variants: _Variants,
    securities: tuple[Security, ...],
    sub_types: tuple[Any, ...],
) -> qot_reg_qot_push.C2S:
    return qot_reg_qot_push.C2S(
        security_list=securities,
        sub_type_list=sub_types,
        rehab_type_list=_named(variants),
        is_reg_or_un_reg=True,
        is_first_push=push.first_push,
        **({} if push.header is None else {"header": push.header}),
    )
