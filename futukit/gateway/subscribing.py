"""The requests that are about the caller's own connection: 3001, 3455, 3002, 3003 and 2008.

Members see what an OpenD of their own would show them; OpenD sees one client. What a member asks
for is taken from OpenD only where nobody has it yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from logging import getLogger
from typing import Any, Final, NamedTuple

import msgspec

from futukit import codec
from futukit.core.push import Push
from futukit.errors import FutukitError, RequestTimeout
from futukit.gateway.answers import answered, failure, success
from futukit.gateway.members import Member
from futukit.gateway.refusals import UnreadableAnswer
from futukit.gateway.subscriptions import MINIMUM_SECONDS, TopicBook
from futukit.gateway.topics import EVENT_CONTRACTS, QUOTES, Flags, Topic, topics_of, variants
from futukit.messages import (
    notify,
    qot_common,
    qot_get_sub_info,
    qot_reg_qot_push,
    qot_sub,
    qot_sub_event_contract,
    registry,
    trd_sub_acc_push,
)
from futukit.messages.common import RetType, Session

__all__ = ["Handler", "Subscribing"]

_NOTIFY: Final = 1003
_ACCOUNTS: Final = 2008
_REGISTER: Final = 3002
_SUB_INFO: Final = 3003
_SECURITIES_PER_REQUEST: Final = 400
_MOST_TOPICS: Final = 10_000
"""In one request; the largest quota of OpenD is 2000."""

_logger: Final = getLogger("futukit.gateway")

Ask = Callable[[int, Any], Awaitable[bytes]]
"""Sends a request (id, C2S) to OpenD and gives the body of its Response."""


Handler = Callable[[Member, Any], Coroutine[Any, Any, Any]]
"""Answers a member's request (its C2S) with a whole Response."""


class _Wish(NamedTuple):
    """What a request asks for: topics, how, and which variants to push (None: says nothing).

    ``first`` is whether the newest push is wanted at once.
    """

    topics: tuple[Topic, ...]
    flags: Flags
    pushes: dict[Topic, set[int]] | None
    first: bool


class Subscribing:
    """The subscriptions of all members. Requests to OpenD go one after the other."""

    def __init__(
        self, ask: Ask, clock: Callable[[], float], members: Callable[[], Iterable[Member]]
    ) -> None:
        self.book = TopicBook()
        self._ask = ask
        self._clock = clock
        self._members = members
        self._accounts: frozenset[int] = frozenset()
        self._asking = asyncio.Lock()
        self.handlers: dict[int, Handler] = {
            QUOTES: self._subscribe_quotes,
            EVENT_CONTRACTS: self._subscribe_event_contracts,
            _REGISTER: self._register,
            _SUB_INFO: self._sub_info,
            _ACCOUNTS: self._follow_accounts,
        }

    # Requests of members: each gives a whole Response.

    async def _subscribe_quotes(self, member: Member, c2s: qot_sub.C2S) -> Any:
        return await self._subscribe(QUOTES, member, c2s)

    async def _subscribe_event_contracts(
        self, member: Member, c2s: qot_sub_event_contract.C2S
    ) -> Any:
        return await self._subscribe(EVENT_CONTRACTS, member, c2s)

    async def _subscribe(self, by: int, member: Member, c2s: Any) -> Any:
        if c2s.is_unsub_all:
            held = self.book.held_by(member)
            return await self._let_go(by, member, tuple(t for t in held if t.by == by))
        if _is_too_much(c2s):
            return failure(f"more than {_MOST_TOPICS} securities with their types at a time")
        topics = topics_of(by, c2s)
        if not topics:
            return await self._answer_of(by, c2s)  # OpenD says what is missing
        if not c2s.is_sub_or_un_sub:
            return await self._let_go(by, member, topics)
        pushes = None
        if c2s.is_reg_or_un_reg_push:
            rehab_types = getattr(c2s, "reg_push_rehab_type_list", ())
            pushes = {topic: set(variants(topic, rehab_types)) for topic in topics}
        wish = _Wish(topics, Flags.of(c2s), pushes, c2s.is_first_push is not False)
        if self._lacks(wish):
            async with self._asking:
                refused = await self._take(by, wish, c2s)
                return refused or self._hold(by, member, wish, c2s)
        return self._hold(by, member, wish, c2s)

    def _lacks(self, wish: _Wish) -> bool:
        return self.book.lacks(wish.topics, wish.flags, wish.pushes or {}, first=wish.first)

    async def _take(self, by: int, wish: _Wish, c2s: Any) -> Any:
        """Take topics from OpenD; gives its refusal, if it is one."""
        if not self._lacks(wish):
            return None  # somebody was faster
        flags = self.book.joined(wish.topics, wish.flags)
        self.book.expect(wish.topics, self._clock())
        try:
            response = await self._answer_of(by, _request_for(by, c2s, flags))
        except (RequestTimeout, UnreadableAnswer):
            # It may have them all the same: they are given up when they are old enough.
            self.book.confirm(wish.topics, flags, {}, self._clock(), first=False)
            raise
        except FutukitError:
            self.book.fail(wish.topics)
            raise
        if response.ret_type:
            self.book.fail(wish.topics)
            return response
        self.book.confirm(wish.topics, flags, wish.pushes or {}, self._clock(), first=wish.first)
        return None

    def _hold(self, by: int, member: Member, wish: _Wish, c2s: Any) -> Any:
        if not member.gone:
            new = self.book.hold(member, wish.topics, wish.flags, wish.pushes, self._clock())
            if c2s.is_reg_or_un_reg_push is False:
                self.book.unregister(member, wish.topics)
            if wish.first:
                self._catch_up_soon(member, new)
        return _done(by)

    async def _let_go(self, by: int, member: Member, topics: Sequence[Topic]) -> Any:
        youngest, left = self.book.young(member, topics, self._clock())
        if left:
            return failure(
                f"{youngest} was subscribed less than a minute ago: it can be unsubscribed in "
                f"{left:.1f} seconds"
            )
        self.book.release(member, topics)
        await self.release_due()
        return _done(by)

    async def _register(self, member: Member, c2s: qot_reg_qot_push.C2S) -> Any:
        if _is_too_much(c2s):
            return failure(f"more than {_MOST_TOPICS} securities with their types at a time")
        topics = topics_of(QUOTES, c2s)
        if not c2s.is_reg_or_un_reg:
            self.book.unregister(member, topics)
            return _done(_REGISTER)
        held = self.book.held_by(member)
        for topic in topics:
            if topic not in held:
                return failure(f"{topic} is not subscribed here: subscribe first (3001)")
        wanted = {topic: set(variants(topic, c2s.rehab_type_list)) for topic in topics}
        first = c2s.is_first_push is not False
        async with self._asking:
            flags = self.book.joined(topics, Flags())
            if self.book.lacks(topics, Flags(), wanted, first=first):
                response = await self._answer_of(_REGISTER, c2s)
                if response.ret_type:
                    return response
                self.book.confirm(topics, flags, wanted, self._clock(), first=first)
        new = self.book.register(member, wanted)
        if first:
            self._catch_up_soon(member, new)
        return _done(_REGISTER)

    async def _sub_info(self, member: Member, c2s: qot_get_sub_info.C2S) -> Any:
        """The caller's topics only, and the quota of the whole OpenD."""
        c2s = msgspec.structs.replace(c2s, is_req_all_conn=False)
        response = await self._answer_of(_SUB_INFO, c2s)
        if response.ret_type or response.s2c is None:
            return response
        mine = tuple(t for t in self.book.held_by(member) if t.by == QUOTES)
        by_type: dict[int, list[qot_common.Security]] = {}
        for topic in mine:
            by_type.setdefault(topic.sub_type, []).append(topic.message())
        info = qot_common.ConnSubInfo(
            sub_info_list=tuple(
                qot_common.SubInfo(
                    sub_type=qot_common.SubType(sub_type), security_list=tuple(securities)
                )
                for sub_type, securities in by_type.items()
            ),
            used_quota=len(mine),
            is_own_conn_data=True,
        )
        s2c = msgspec.structs.replace(response.s2c, conn_sub_info_list=(info,))
        return msgspec.structs.replace(response, s2c=s2c)

    async def _follow_accounts(self, member: Member, c2s: trd_sub_acc_push.C2S) -> Any:
        wanted = frozenset(c2s.acc_id_list)
        async with self._asking:
            refused = await self._follow(wanted | self._followed(without=member))
        if refused is None and not member.gone:
            member.accounts = wanted
        return refused or _done(_ACCOUNTS)

    # What happens by itself.

    async def leave(self, member: Member) -> None:
        """A member is gone: what only it had is given up, each topic when it is a minute old."""
        self.book.release(member, tuple(self.book.held_by(member)))
        had_accounts, member.accounts = bool(member.accounts), frozenset()
        await self.release_due()
        if had_accounts:
            async with self._asking:
                await self._follow(self._followed())

    async def release_due(self) -> None:
        """End at OpenD what nobody holds any more and is old enough."""
        async with self._asking:
            topics = self.book.due(self._clock())
            self.book.ending(topics)
            for by, sub_types, some in _groups(topics):
                c2s = _subscribe_class(by)(
                    security_list=tuple(topic.message() for topic in some),
                    sub_type_list=tuple(map(qot_common.SubType, sub_types)),
                    is_sub_or_un_sub=False,
                )
                ended = [Topic(by, topic.security, kind) for topic in some for kind in sub_types]
                if await self._succeeds(by, c2s):
                    self.book.forget(ended)
                else:
                    self.book.postpone(ended, self._clock() + MINIMUM_SECONDS)

    async def renew(self, *, restored: bool) -> None:
        """There is a new connection to OpenD; ``restored`` says whether all was asked for again."""
        self.book.renewed(self._clock())
        if restored:
            return
        async with self._asking:
            self._accounts = frozenset()
            await self._follow(self._followed())
            for topic, entry in tuple(self.book.wanted()):
                c2s = _subscribe_class(topic.by)(
                    security_list=(topic.message(),),
                    sub_type_list=(qot_common.SubType(topic.sub_type),),
                    is_sub_or_un_sub=True,
                    is_reg_or_un_reg_push=bool(entry.variants) or None,
                )
                rehab_types = [qot_common.RehabType(number) for number in sorted(entry.variants)]
                if topic.by == QUOTES and any(rehab_types):
                    c2s = msgspec.structs.replace(c2s, reg_push_rehab_type_list=tuple(rehab_types))
                if not await self._succeeds(topic.by, _request_for(topic.by, c2s, entry.flags)):
                    entry.taken = False  # who asks next asks OpenD
                    _logger.warning("%s could not be subscribed again", topic)
                    _tell(entry.holders, f"{topic} could not be subscribed again")

    def newest(self, member: Member) -> Iterator[Push]:
        """The newest push of each topic that a member gets pushes of."""
        for topic, held in self.book.held_by(member).items():
            for variant in sorted(held.variants):
                push = self.book.last(topic, variant)
                if push is not None:
                    yield push

    # The small parts.

    def _catch_up_soon(self, member: Member, new: Iterable[tuple[Topic, int]]) -> None:
        """Send the newest pushes of topics to a member that is new to them, after its answer."""
        newest = [(topic, variant, self.book.last(topic, variant)) for topic, variant in new]
        asyncio.get_running_loop().call_soon(self._catch_up, member, newest)

    def _catch_up(self, member: Member, newest: Iterable[tuple[Topic, int, Push | None]]) -> None:
        for topic, variant, push in newest:
            # What came meanwhile has gone to the member as to every holder.
            if push is not None and push is self.book.last(topic, variant) and not member.gone:
                member.sink.send_push(push)

    def _followed(self, without: Member | None = None) -> frozenset[int]:
        return frozenset().union(*(m.accounts for m in self._members() if m is not without))

    async def _follow(self, accounts: frozenset[int]) -> Any:
        """Have OpenD push these accounts; gives its refusal, if it is one."""
        if accounts == self._accounts:
            return None
        c2s = trd_sub_acc_push.C2S(acc_id_list=tuple(sorted(accounts)))
        response = await self._answer_of(_ACCOUNTS, c2s)
        if response.ret_type:
            return response
        self._accounts = accounts
        return None

    async def _answer_of(self, proto_id: int, c2s: Any) -> Any:
        answer = await self._ask(proto_id, c2s)
        with answered():
            return codec.decode(registry.response_class(proto_id), answer)

    async def _succeeds(self, proto_id: int, c2s: Any) -> bool:
        try:
            return not (await self._answer_of(proto_id, c2s)).ret_type
        except FutukitError:
            return False


def _is_too_much(c2s: Any) -> bool:
    return len(c2s.security_list) * len(c2s.sub_type_list) > _MOST_TOPICS


def _tell(members: Iterable[Member], text: str) -> None:
    event = notify.GtwEvent(event_type=notify.GtwEventType.NONE, desc=text)
    s2c = notify.S2C(type=notify.NotifyType.GTW_EVENT, event=event)
    push = Push(_NOTIFY, notify.Response(ret_type=RetType.SUCCEED, s2c=s2c))
    for member in members:
        if member.notify:
            member.sink.send_push(push)


def _done(proto_id: int) -> Any:
    module = {
        QUOTES: qot_sub,
        EVENT_CONTRACTS: qot_sub_event_contract,
        _REGISTER: qot_reg_qot_push,
        _ACCOUNTS: trd_sub_acc_push,
    }[proto_id]
    return success(proto_id, module.S2C())


def _subscribe_class(by: int) -> type[Any]:
    return qot_sub.C2S if by == QUOTES else qot_sub_event_contract.C2S


def _request_for(by: int, c2s: Any, flags: Flags) -> Any:
    """The request to OpenD that serves a member's request and those who hold the topics already.

    Pushes are never unregistered there: others may want them.
    """
    fields: dict[str, Any] = {}
    if not c2s.is_reg_or_un_reg_push:
        fields["is_reg_or_un_reg_push"] = None
    if by == QUOTES:
        fields["session"] = Session(flags.session) if flags.session else None
        fields["extended_time"] = flags.extended_time or None
        fields["is_sub_order_book_detail"] = flags.detail or None
    return msgspec.structs.replace(c2s, **fields)


def _groups(topics: Iterable[Topic]) -> Iterable[tuple[int, tuple[int, ...], list[Topic]]]:
    """Topics by what subscribes them and the types of each security, one topic per security."""
    types: dict[tuple[int, str], list[Topic]] = {}
    for topic in topics:
        types.setdefault((topic.by, topic.security), []).append(topic)
    alike: dict[tuple[int, tuple[int, ...]], list[Topic]] = {}
    for (by, _), found in types.items():
        kinds = tuple(sorted(topic.sub_type for topic in found))
        alike.setdefault((by, kinds), []).append(found[0])
    for (by, kinds), found in alike.items():
        for start in range(0, len(found), _SECURITIES_PER_REQUEST):
            yield by, kinds, found[start : start + _SECURITIES_PER_REQUEST]
