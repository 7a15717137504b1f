"""The requests that are about the caller's own connection: 3001, 3455, 3002, 3003 and 2008.

Members see what an OpenD of their own would show them; OpenD sees one client. What a member asks
for is taken from OpenD only where nobody has it yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from logging import getLogger
from math import inf
from typing import Any, Final, NamedTuple

import msgspec

from futukit import codec
from futukit.core.push import Push
from futukit.errors import FutukitError, RequestTimeout
from futukit.gateway.answers import answered, failure, success
from futukit.gateway.asking import (
    Batch,
    Need,
    batches,
    end_request,
    register_request,
    subscribe_request,
)
from futukit.gateway.members import Member
from futukit.gateway.refusals import UnreadableAnswer
from futukit.gateway.subscriptions import MINIMUM_SECONDS, TopicBook
from futukit.gateway.topics import (
    EVENT_CONTRACTS,
    QUOTES,
    Flags,
    Topic,
    quota_of,
    topics_of,
    variants,
)
from futukit.gateway.turns import Turns
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
from futukit.messages.common import RetType

__all__ = ["Handler", "Subscribing"]

_NOTIFY: Final = 1003
_ACCOUNTS: Final = 2008
_REGISTER: Final = 3002
_SUB_INFO: Final = 3003
_MOST_TOPICS: Final = 10_000
"""In one request; the largest quota of OpenD is 2000."""

_ENDED: Final = "the client has ended its subscriptions while this one was made"

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
    flags: Flags | None
    pushes: dict[Topic, set[int]] | None
    first: bool


class Subscribing:
    """The subscriptions of all members. Requests to OpenD go one after the other."""

    def __init__(
        self, ask: Ask, clock: Callable[[], float], members: Callable[[], Iterable[Member]]
    ) -> None:
        self.book = TopicBook()
        self.turns = Turns()
        self._ask = ask
        self._clock = clock
        self._members = members
        self._accounts: frozenset[int] | None = frozenset()  # None: nobody knows
        self._ask_again_at = inf
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
            return await self._let_go(by, member, topics, c2s.header)
        pushes = None
        if c2s.is_reg_or_un_reg_push:
            rehab_types = getattr(c2s, "reg_push_rehab_type_list", ())
            pushes = {topic: set(variants(topic, rehab_types)) for topic in topics}
        wish = _Wish(topics, Flags.of(c2s), pushes, c2s.is_first_push is not False)

        def hold() -> Any:
            self.book.hold(member, topics, wish.flags or Flags(), self._clock())
            if c2s.is_reg_or_un_reg_push is False:
                self.book.unregister(member, topics)
            return self._done(by, member, wish)

        return await self._granted(by, member, wish, hold)

    async def _register(self, member: Member, c2s: qot_reg_qot_push.C2S) -> Any:
        if _is_too_much(c2s):
            return failure(f"more than {_MOST_TOPICS} securities with their types at a time")
        topics = topics_of(QUOTES, c2s)
        if not c2s.is_reg_or_un_reg:
            self.book.unregister(member, topics)
            return _success(_REGISTER)
        held = self.book.held_by(member)
        for topic in topics:
            if topic not in held:
                return failure(f"{topic} is not subscribed here: subscribe first (3001)")
        wanted = {topic: set(variants(topic, c2s.rehab_type_list)) for topic in topics}
        wish = _Wish(topics, None, wanted, c2s.is_first_push is not False)
        return await self._granted(
            _REGISTER, member, wish, lambda: self._done(_REGISTER, member, wish)
        )

    async def _granted(self, by: int, member: Member, wish: _Wish, hold: Callable[[], Any]) -> Any:
        """What ``hold`` gives once OpenD has all that is wished for, or OpenD's refusal."""

        async def take() -> Any:
            try:
                refused = await self._take(by, wish)
                if refused is not None:
                    return refused
                return failure(_ENDED) if member.gone else hold()
            finally:
                self.book.settle(wish.topics)

        if self._needs(wish) or member.gone:
            return await self.turns.take(member, take)
        return hold()

    def _needs(self, wish: _Wish) -> dict[tuple[Need, bool], list[Topic]]:
        """What OpenD lacks of a wish: topics that need the same, K-lines apart."""
        found: dict[tuple[Need, bool], list[Topic]] = {}
        for topic in wish.topics:
            numbers = (wish.pushes or {}).get(topic, set())
            need = self.book.need(topic, wish.flags, numbers, first=wish.first)
            if need is not None:
                found.setdefault((need, topic.is_kline), []).append(topic)
        return found

    async def _take(self, by: int, wish: _Wish) -> Any:
        """Take from OpenD what it lacks; gives its refusal, if it is one."""
        for (need, _), topics in self._needs(wish).items():
            self.book.expect(topics, self._clock())
            try:
                for batch in batches(topics):
                    refused = await self._take_batch(by, batch, need)
                    if refused is not None:
                        return refused
            finally:
                self.book.fail(topics)
        return None

    async def _take_batch(self, by: int, batch: Batch, need: Need) -> Any:
        request = register_request if by == _REGISTER else subscribe_request
        try:
            response = await self._answer_of(by, request(batch, need))
        except (RequestTimeout, UnreadableAnswer):
            self.book.doubt(batch.topics, self._clock())
            raise
        if response.ret_type:
            return response
        numbers = set(need.variants)
        self.book.confirm(batch.topics, need.flags, numbers, self._clock(), first=need.first)
        return None

    def _done(self, by: int, member: Member, wish: _Wish) -> Any:
        """Register what is to be pushed to the member, and give it what it has missed."""
        for push in self.book.register(member, wish.pushes or {}, first=wish.first):
            member.sink.catch_up(push)
        return _success(by)

    async def _let_go(
        self, by: int, member: Member, topics: Sequence[Topic], header: Any = None
    ) -> Any:
        youngest, left = self.book.young(member, topics, self._clock())
        if left:
            return failure(
                f"{youngest} was subscribed less than a minute ago: it can be unsubscribed in "
                f"{left:.1f} seconds"
            )
        # What nobody has may not even be a security: that is OpenD's to say.
        for batch in batches(topic for topic in topics if topic not in self.book):
            response = await self._answer_of(by, end_request(batch, header))
            if response.ret_type:
                return response
        self.book.release(member, topics)
        await self.release_due()
        return _success(by)

    async def _sub_info(self, member: Member, c2s: qot_get_sub_info.C2S) -> Any:
        """The caller's topics only, and the quota of the whole OpenD."""
        c2s = msgspec.structs.replace(c2s, is_req_all_conn=False)
        response = await self._answer_of(_SUB_INFO, c2s)
        if response.ret_type or response.s2c is None:
            return response
        mine = tuple(t for t in self.book.held_by(member) if t.by == QUOTES)
        used, options = quota_of(mine)
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
            used_quota=used,
            option_used_quota=options,
            is_own_conn_data=True,
        )
        s2c = msgspec.structs.replace(response.s2c, conn_sub_info_list=(info,))
        return msgspec.structs.replace(response, s2c=s2c)

    async def _follow_accounts(self, member: Member, c2s: trd_sub_acc_push.C2S) -> Any:
        wanted = frozenset(c2s.acc_id_list)

        async def follow() -> Any:
            before = member.accounts
            # Already now: the first push may stand right behind the answer.
            member.accounts = before | wanted
            refused: Any = True
            try:
                refused = await self._follow(wanted | self._followed(without=member))
            finally:
                member.accounts = before if refused else wanted
            if not member.gone:
                return refused or _success(_ACCOUNTS)
            member.accounts = frozenset()
            await self._follow(self._followed())
            return failure(_ENDED)

        return await self.turns.take(member, follow)

    # What happens by itself.

    async def leave(self, member: Member) -> None:
        """A member is gone: what only it had is given up, each topic when it is a minute old."""
        self.book.release(member, tuple(self.book.held_by(member)))
        member.accounts = frozenset()
        await self.tidy()

    def is_untidy(self) -> bool:
        """Whether there is something for ``tidy`` to do."""
        return self.book.next_due <= self._clock() or self._is_to_ask_again()

    def _is_to_ask_again(self) -> bool:
        if self._ask_again_at == inf:
            return self._accounts != self._followed()
        return self._ask_again_at <= self._clock()

    async def tidy(self) -> None:
        """Bring what OpenD has and what is wanted of it together, as far as it is due."""
        await self.release_due()
        if self._is_to_ask_again():
            await self.turns.take_own(self._ask_again)

    async def release_due(self) -> None:
        """End at OpenD what nobody holds any more and is old enough."""
        if self.book.next_due <= self._clock():
            await self.turns.take_own(self._release_due)

    async def _release_due(self) -> None:
        by_header: dict[Any, list[Topic]] = {}
        for topic in self.book.ending(self.book.due(self._clock())):
            by_header.setdefault(self.book.header_of(topic), []).append(topic)
        for header, topics in by_header.items():
            for batch in batches(topics):
                refused = await self._refused(batch.by, end_request(batch, header))
                if refused is False:
                    self.book.forget(batch.topics)
                    continue
                again = self._clock() + MINIMUM_SECONDS
                for topic in self.book.postpone(batch.topics, again, refused=bool(refused)):
                    _logger.warning("OpenD does not end %s", topic)

    async def renew(self, *, restored: bool) -> None:
        """There is a new connection to OpenD; ``restored`` says whether all was asked for again."""
        self.book.renewed(self._clock(), restored=restored)
        if not restored:
            self._accounts = None if self._accounts or self._followed() else frozenset()
            await self.turns.take_own(lambda: self._ask_again(tell=True))

    async def _ask_again(self, *, tell: bool = False) -> None:
        """Ask for what OpenD should have and has not; what it refuses, once more in a minute."""
        self._ask_again_at = inf
        followed = self._followed()
        c2s = trd_sub_acc_push.C2S(acc_id_list=tuple(sorted(followed)))
        if followed == self._accounts or await self._refused(_ACCOUNTS, c2s) is False:
            self._accounts = followed
        else:
            self._ask_again_at = self._clock() + MINIMUM_SECONDS
            if tell:
                text = "the pushes of accounts could not be asked for again"
                _tell((member for member in self._members() if member.accounts), text)
        for topic, entry in self.book.missing():
            need = Need(entry.flags, tuple(sorted(entry.variants)), first=True)
            [batch] = batches((topic,))
            if await self._refused(topic.by, subscribe_request(batch, need)) is False:
                numbers = set(need.variants)
                self.book.confirm((topic,), need.flags, numbers, self._clock(), first=True)
                continue
            self._ask_again_at = self._clock() + MINIMUM_SECONDS
            if tell:
                _logger.warning("%s could not be subscribed again", topic)
                _tell(entry.holders, f"{topic} could not be subscribed again")

    def narrow(
        self,
        member: Member,
        may_hold: Callable[[qot_common.Security], bool],
        may_follow: Callable[[int], bool],
    ) -> None:
        """Take from a member what is not for it any more, and tell it."""
        lost = [each for each in self.book.held_by(member) if not may_hold(each.message())]
        self.book.release(member, lost)
        gone = frozenset(account for account in member.accounts if not may_follow(account))
        member.accounts -= gone
        for what in (*lost, *(f"account {account}" for account in sorted(gone))):
            _tell((member,), f"{what} is not for key {member.grant.name!r} any more")

    def newest(self, member: Member) -> Iterator[Push]:
        """The newest push of each topic that a member gets pushes of."""
        for topic, held in self.book.held_by(member).items():
            for variant in sorted(held.variants):
                push = self.book.last(topic, variant)
                if push is not None:
                    yield push

    # The small parts.

    def _followed(self, without: Member | None = None) -> frozenset[int]:
        return frozenset().union(*(m.accounts for m in self._members() if m is not without))

    async def _follow(self, accounts: frozenset[int]) -> Any:
        """Have OpenD push these accounts; gives its refusal, if it is one."""
        if accounts == self._accounts:
            return None
        c2s = trd_sub_acc_push.C2S(acc_id_list=tuple(sorted(accounts)))
        before, self._accounts = self._accounts, None
        response = await self._answer_of(_ACCOUNTS, c2s)
        self._accounts = before if response.ret_type else accounts
        return response if response.ret_type else None

    async def _answer_of(self, proto_id: int, c2s: Any) -> Any:
        answer = await self._ask(proto_id, c2s)
        with answered():
            return codec.decode(registry.response_class(proto_id), answer)

    async def _refused(self, proto_id: int, c2s: Any) -> bool | None:
        """Whether OpenD refuses a request; None where it does not answer."""
        try:
            return bool((await self._answer_of(proto_id, c2s)).ret_type)
        except FutukitError:
            return None


def _is_too_much(c2s: Any) -> bool:
    return len(c2s.security_list) * len(c2s.sub_type_list) > _MOST_TOPICS


def _tell(members: Iterable[Member], text: str) -> None:
    event = notify.GtwEvent(event_type=notify.GtwEventType.NONE, desc=text)
    s2c = notify.S2C(type=notify.NotifyType.GTW_EVENT, event=event)
    push = Push(_NOTIFY, notify.Response(ret_type=RetType.SUCCEED, s2c=s2c))
    for member in members:
        if member.notify:
            member.sink.send_push(push)


def _success(proto_id: int) -> Any:
    module = {
        QUOTES: qot_sub,
        EVENT_CONTRACTS: qot_sub_event_contract,
        _REGISTER: qot_reg_qot_push,
        _ACCOUNTS: trd_sub_acc_push,
    }[proto_id]
    return success(proto_id, module.S2C())
