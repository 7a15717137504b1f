"""3001 subscribe and unsubscribe, 3002 register for pushes, 3003 who is subscribed to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from futukit.messages import qot_common, qot_get_sub_info, qot_reg_qot_push, qot_sub
from futukit.sim.app import Call
from futukit.sim.refusal import RefusalError
from futukit.sim.registry import handles
from futukit.sim.subscriptions import Route, Topic
from futukit.sim.topics import KL_TYPES, check_offered, session_of

__all__ = ["get_sub_info", "register_pushes", "subscribe"]


@handles(3001)
def subscribe(call: Call, c2s: qot_sub.C2S) -> qot_sub.S2C:
    """Subscribe or unsubscribe, and with it register or unregister pushes where asked."""
    book, connection_id = call.opend.book, call.peer.connection_id
    now = call.opend.now
    if c2s.is_unsub_all:
        book.unsubscribe_all(connection_id, now)
        return qot_sub.S2C()
    topics = _topics(call, c2s.security_list, c2s.sub_type_list)
    if not c2s.is_sub_or_un_sub:
        book.unsubscribe(connection_id, topics, now)
        return qot_sub.S2C()
    session = session_of(c2s.session, c2s.extended_time)
    _check_rehab_types(c2s.reg_push_rehab_type_list)
    book.subscribe(connection_id, topics, now, session, bool(c2s.is_sub_order_book_detail))
    if c2s.is_reg_or_un_reg_push:
        _register(call, topics, c2s.reg_push_rehab_type_list, c2s.is_first_push)
    elif c2s.is_reg_or_un_reg_push is not None:
        book.unregister(connection_id, topics)
    return qot_sub.S2C()


@handles(3002)
def register_pushes(call: Call, c2s: qot_reg_qot_push.C2S) -> qot_reg_qot_push.S2C:
    """Register pushes of what is subscribed, or end them."""
    topics = _topics(call, c2s.security_list, c2s.sub_type_list)
    if c2s.is_reg_or_un_reg:
        _check_rehab_types(c2s.rehab_type_list)
        _register(call, topics, c2s.rehab_type_list, c2s.is_first_push)
    else:
        call.opend.book.unregister(call.peer.connection_id, topics)
    return qot_reg_qot_push.S2C()


@handles(3003)
def get_sub_info(call: Call, c2s: qot_get_sub_info.C2S) -> qot_get_sub_info.S2C:
    """The subscriptions of this connection, or of all connections."""
    book, mine = call.opend.book, call.peer.connection_id
    shown = book.connections() if c2s.is_req_all_conn else (mine,)
    used, option_used = book.used()
    return qot_get_sub_info.S2C(
        conn_sub_info_list=tuple(_connection_info(call, number) for number in shown),
        total_used_quota=used,
        remain_quota=book.quota - used,
        option_used_quota=option_used,
        option_remain_quota=book.option_quota - option_used,
    )


def _connection_info(call: Call, connection_id: int) -> qot_common.ConnSubInfo:
    market, book = call.opend.market, call.opend.book
    by_type: dict[int, list[qot_common.Security]] = {}
    for topic in book.held_by(connection_id):
        by_type.setdefault(topic.sub_type, []).append(market.security(topic.security))
    used, option_used = book.used_by(book.held_by(connection_id))
    return qot_common.ConnSubInfo(
        sub_info_list=tuple(
            qot_common.SubInfo(
                sub_type=qot_common.SubType(sub_type), security_list=tuple(securities)
            )
            for sub_type, securities in by_type.items()
        ),
        used_quota=used,
        is_own_conn_data=connection_id == call.peer.connection_id,
        option_used_quota=option_used,
    )


def _topics(
    call: Call, securities: Sequence[qot_common.Security], sub_types: Sequence[int]
) -> list[Topic]:
    if not securities or not sub_types:
        raise RefusalError("a security and a subscription type are needed")
    topics = []
    for security in securities:
        key = call.key_of(security)
        instrument = call.opend.market.instrument(key)
        for sub_type in sub_types:
            check_offered(instrument, sub_type)
            topics.append(Topic(key, int(sub_type)))
    return topics


def _check_rehab_types(rehab_types: Sequence[int]) -> None:
    for rehab_type in rehab_types:
        if not qot_common.RehabType(rehab_type).listed:
            raise RefusalError(f"there is no adjustment of type {int(rehab_type)}")


def _register(
    call: Call, topics: Sequence[Topic], rehab_types: Sequence[int], is_first_push: bool | None
) -> None:
    routes = list(_routes(topics, rehab_types))
    call.opend.book.register(call.peer.connection_id, routes)
    if is_first_push is None or is_first_push:
        call.peer.after_reply.append(lambda: _push_first(call, routes))


def _routes(topics: Iterable[Topic], rehab_types: Sequence[int]) -> Iterable[Route]:
    adjusted = rehab_types or (qot_common.RehabType.FORWARD,)
    for topic in topics:
        for rehab_type in adjusted if topic.sub_type in KL_TYPES else (0,):
            yield Route(topic, int(rehab_type))


def _push_first(call: Call, routes: Iterable[Route]) -> None:
    connection_id = call.peer.connection_id
    held = call.opend.book.held_by(connection_id)
    for topic, rehab_type in routes:
        call.opend.publisher.first_push(connection_id, topic, rehab_type, held[topic])
