"""What OpenD is asked about topics: requests for as many at a time as want the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from futukit.gateway.topics import QUOTES, Flags, Topic
from futukit.messages import qot_common, qot_reg_qot_push, qot_sub, qot_sub_event_contract
from futukit.messages.common import Session

__all__ = ["Batch", "Need", "batches", "end_request", "register_request", "subscribe_request"]

_SECURITIES_PER_REQUEST: Final = 400


class Need(NamedTuple):
    """What OpenD is to be asked for a topic: how to take it, and which variants to push.

    With ``first`` it shall push what it has of them at once.
    """

    flags: Flags
    variants: tuple[int, ...]
    first: bool


class Batch(NamedTuple):
    """Topics for one request: securities, each with all of the types."""

    by: int
    securities: tuple[qot_common.Security, ...]
    sub_types: tuple[qot_common.SubType, ...]
    topics: tuple[Topic, ...]


def batches(topics: Iterable[Topic]) -> Iterator[Batch]:
    """The fewest requests for these topics, and no topic besides."""
    types: dict[tuple[int, str], list[Topic]] = {}
    for topic in topics:
        types.setdefault((topic.by, topic.security), []).append(topic)
    alike: dict[tuple[int, tuple[int, ...]], list[list[Topic]]] = {}
    for (by, _), found in types.items():
        kinds = tuple(sorted(topic.sub_type for topic in found))
        alike.setdefault((by, kinds), []).append(found)
    for (by, kinds), groups in alike.items():
        for start in range(0, len(groups), _SECURITIES_PER_REQUEST):
            part = groups[start : start + _SECURITIES_PER_REQUEST]
            yield Batch(
                by,
                tuple(found[0].message() for found in part),
                tuple(map(qot_common.SubType, kinds)),
                tuple(topic for found in part for topic in found),
            )


def subscribe_request(batch: Batch, need: Need) -> Any:
    """The C2S that takes topics which need the same (3001, 3455)."""
    fields: dict[str, Any] = {"header": need.flags.header}
    if need.variants:
        # Never unregistered: others may want the pushes.
        fields |= {"is_reg_or_un_reg_push": True, "is_first_push": need.first}
    if batch.by == QUOTES:
        fields |= {
            "session": Session(need.flags.session) if need.flags.session else None,
            "extended_time": need.flags.extended_time or None,
            "is_sub_order_book_detail": need.flags.detail or None,
            "reg_push_rehab_type_list": _rehab_types(batch, need.variants),
        }
    else:
        sources = map(qot_common.EC_KlineSource, sorted(need.flags.sources))
        fields["kline_source"] = tuple(sources)
    return _request(batch, is_sub_or_un_sub=True, **fields)


def register_request(batch: Batch, need: Need) -> qot_reg_qot_push.C2S:
    """The C2S that has pushes sent of topics that are taken (3002)."""
    return qot_reg_qot_push.C2S(
        security_list=batch.securities,
        sub_type_list=batch.sub_types,
        rehab_type_list=_rehab_types(batch, need.variants),
        is_reg_or_un_reg=True,
        is_first_push=need.first,
        header=need.flags.header,
    )


def end_request(batch: Batch, header: Any) -> Any:
    """The C2S that ends topics (3001, 3455); ``header`` is that by which they were taken."""
    return _request(batch, is_sub_or_un_sub=False, header=header)


def _request(batch: Batch, **fields: Any) -> Any:
    cls: Any = qot_sub.C2S if batch.by == QUOTES else qot_sub_event_contract.C2S
    return cls(security_list=batch.securities, sub_type_list=batch.sub_types, **fields)


def _rehab_types(batch: Batch, variants: Iterable[int]) -> tuple[qot_common.RehabType, ...]:
    """The variants of K-lines, named one by one: no list would mean forward."""
    if not any(topic.is_kline for topic in batch.topics):
        return ()
    return tuple(map(qot_common.RehabType, variants))
