"""The hub: many members, one client of OpenD.

Doors bring members in and hand over their requests; what a member may ask is the access's to say,
what is about its own connection is answered for it alone, everything else goes to OpenD as it is.
Pushes go to whom they concern.
"""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from time import time
from typing import Any, Final

from msgspec import structs

from futukit import codec
from futukit.aio import Client
from futukit.codec.masks import secrets_of
from futukit.core.client import ClientState, StateChange
from futukit.core.grpc_bodies import single_rows, whole_request
from futukit.core.push import Push
from futukit.core.requests import request_kind
from futukit.core.session.machine import INIT_CONNECT, KEEP_ALIVE
from futukit.errors import ClientClosed, FutukitError, RateLimited
from futukit.gateway.access import NO_PUSHES, PUSH_SCOPES, ROWS_OF_ACCOUNTS, Access, Grant
from futukit.gateway.answers import answered, outcome_of, success
from futukit.gateway.calculations import CALCULATE, CALCULATED, Calculations
from futukit.gateway.members import Member, MemberSink
from futukit.gateway.orders import ORDER_IDS
from futukit.gateway.records import Call, Records
from futukit.gateway.refusals import Refused, exhausted
from futukit.gateway.subscribing import Handler, Subscribing
from futukit.gateway.topics import topics_of_push
from futukit.messages import init_connect, keep_alive, notify, registry, trd_get_order_list
from futukit.messages.common import RetType
from futukit.messages.futu_service import SubscribePushRequest

__all__ = ["Hub"]

_NOTIFY: Final = 1003
_GLOBAL_STATE: Final = 1002
_USER_INFO: Final = 1005
_ORDER_LIST: Final = 2201
_LOOKED_AT: Final = frozenset({_USER_INFO, _GLOBAL_STATE, CALCULATE, *ORDER_IDS, *ROWS_OF_ACCOUNTS})
"""Answers that are read here: for connection ids, keys, orders, accounts, calculations."""

_KEEP_ALIVE_SECONDS: Final = 10
_ID_BITS: Final = 63
_SOON_SECONDS: Final = 0.1
_LETTERS: Final = string.ascii_letters + string.digits
_AES_KEY_LETTERS: Final = 16
_PROTOBUF: Final = 0


class Hub:
    """All members of one gateway. For the event loop that made it.

    ``max_members`` is how many there may be, whatever door they came by, ``under_way`` how many
    requests one of them may have waiting at a time; ``clock`` gives seconds, the same as the event
    loop's.
    """

    def __init__(
        self,
        client: Client,
        access: Access,
        records: Records,
        *,
        max_members: int = 1000,
        under_way: int = 64,
        clock: Callable[[], float] | None = None,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        self.access = access
        self.records = records
        self.members: dict[int, Member] = {}
        self.now = wall_clock
        self._client = client
        self._max_members = max_members
        self._under_way = under_way
        clock = clock or asyncio.get_running_loop().time
        self._subscribing = Subscribing(self._ask, clock, self.members.values)
        self._own: dict[int, Handler] = {
            **self._subscribing.handlers,
            INIT_CONNECT: self._greet,
            KEEP_ALIVE: self._keep_alive,
        }
        self._calculations = Calculations()
        self._is_up = client.state is ClientState.READY
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_closing = False
        self.room_makers: set[Callable[[], None]] = set()  # of doors, for when it is full
        self._under_way_now = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._tidying: asyncio.Task[Any] | None = None
        self._listeners = [client.on_state(self._upstream_changed)]
        self._listeners += [
            client.on(number, self._taker(number)) for number in sorted(registry.PUSH_IDS)
        ]
        records.upstream(up=self._is_up)

    # Members.

    def welcome(self) -> init_connect.S2C:
        """A greeting with a connection id of the gateway's own, for a client to come."""
        return init_connect.S2C(
            server_ver=self._client.server_version,
            login_user_id=self._client.login_user_id,
            conn_id=secrets.randbits(_ID_BITS) | 1,
            conn_aes_key="".join(secrets.choice(_LETTERS) for _ in range(_AES_KEY_LETTERS)),
            keep_alive_interval=_KEEP_ALIVE_SECONDS,
        )

    def refusal(self) -> str | None:
        """Why one more client is refused, None if it is not."""
        limit = self._max_members
        if len(self.members) >= limit:
            for make_room in self.room_makers:
                make_room()
        return f"too many clients: {limit} are there" if len(self.members) >= limit else None

    def join(
        self, grant: Grant, name: str, sink: MemberSink, *, notify: bool, connection_id: int
    ) -> Member:
        """A client has said who it is: from now on it can ask and be pushed to."""
        member = Member(connection_id, grant, name, sink, notify=notify)
        self.members[connection_id] = member
        self.records.joined(member)
        if not self._is_up and notify:
            sink.send_push(_connection_notice(up=False))
        return member

    def leave(self, member: Member) -> None:
        """A client is gone: its subscriptions end. Harmless to repeat."""
        if member.gone:
            return
        member.gone = True
        del self.members[member.connection_id]
        self.records.left(member)
        self.spawn(self._subscribing.leave(member))

    def expel(self) -> None:
        """Send away whose key is no longer valid, after a reload or when one has expired."""
        for member in tuple(self.members.values()):
            try:
                self.access.validate(member.grant, self.now())
            except Refused as refused:
                self.records.expelled(member, refused)
                member.sink.end(refused.status, refused.reason)

    def narrow(self) -> None:
        """After a reload: take away what keys may not have any more, and tell their members."""
        for member in tuple(self.members.values()):
            self._subscribing.narrow(
                member,
                partial(self.access.may_hold, member.grant),
                partial(self.access.may_follow, member.grant),
            )
            if not set(self.access.scopes(member.grant)) & set(PUSH_SCOPES):
                member.sink.end_pushes(NO_PUSHES)

    @property
    def subscriptions(self) -> Subscribing:
        """Who holds what."""
        return self._subscribing

    @property
    def tasks(self) -> int:
        """How many tasks of the hub's own are under way."""
        return len(self._tasks) + self._subscribing.turns.tasks

    def keep_house(self) -> None:
        """Do what is due by the clock."""
        self.expel()
        tidying = self._tidying
        if self._subscribing.is_untidy() and (tidying is None or tidying.done()):
            self._tidying = self.spawn(self._subscribing.tidy())

    async def close(self) -> None:
        """End what is under way; the doors are closed by then."""
        for listener in self._listeners:
            listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._subscribing.turns.close()

    async def quiet(self, patience_seconds: float) -> None:
        """Wait until no request is under way, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                await self._quiet.wait()

    # Requests.

    async def answer(
        self,
        member: Member,
        proto_id: int,
        body: bytes,
        body_format: int,
        *,
        may_be_bare: bool = False,
    ) -> bytes:
        """Answer a whole Request with a whole Response, both plain and in the same body format.

        With ``may_be_bare`` the body may be a C2S, by the rule for gRPC bodies. Raises Refused for
        what the caller may not do or may not do now, DecodeError for a body that is no such
        request, and what the client to OpenD raises: ConnectionLost, RequestTimeout and so on.
        """
        call = Call(member, proto_id)
        try:
            answer = await self._bounded(call, body, body_format, may_be_bare)
        except Refused as refused:
            self.records.refused(call, refused)
            raise
        except RateLimited as limited:
            over = exhausted(str(limited), limited.retry_after or 0.0)
            self.records.refused(call, over)
            raise over from limited
        except (FutukitError, asyncio.CancelledError) as error:
            self.records.failed(call, error)
            raise
        self.records.answered(call)
        return answer

    async def _bounded(self, call: Call, body: bytes, body_format: int, bare: bool) -> bytes:
        member = call.member
        if self.is_closing:
            raise ClientClosed("the gateway stops")
        if member.under_way >= self._under_way:
            reason = f"{self._under_way} requests of this client are under way"
            raise exhausted(reason, _SOON_SECONDS)
        member.under_way += 1
        self._quiet.clear()
        self._under_way_now += 1
        try:
            self.access.check_id(member.grant, call.proto_id, self.now())
            body = whole_request(call.proto_id, body) if bare else body
            return await self._answered(call, body, body_format)
        finally:
            member.under_way -= 1
            self._under_way_now -= 1
            if not self._under_way_now:
                self._quiet.set()

    async def _answered(self, call: Call, body: bytes, body_format: int) -> bytes:
        member, proto_id = call.member, call.proto_id
        kind = request_kind(proto_id)
        if kind.request is None:
            self.access.check(member.grant, proto_id, None, self.now())
            return await self._forward(call, body)
        request = codec.decode_body(kind.request, body, body_format)
        call.c2s = kind.c2s_of(request)
        listed = await self._find_order(call)
        counted = self.access.check(member.grant, proto_id, call.c2s, self.now(), listed)
        own = self._own.get(proto_id)
        if own is not None:
            response = await own(member, call.c2s)
            call.ret_type = int(response.ret_type)
            return codec.encode_body(response, body_format, server=True)
        # Bytes go on as they came, unless something has to be filled in for this connection.
        as_it_is = body_format == _PROTOBUF and not kind.is_personal
        with self._calculations.asked(proto_id):
            with counted:
                answer = await self._forward(call, body if as_it_is else request)
                counted.answered(self.now())
            return self._finished(call, answer, body_format)

    async def _find_order(self, call: Call) -> trd_get_order_list.S2C | None:
        """Ask OpenD for an order that the key's limits must know, and memory does not tell."""
        grant = call.member.grant
        question = self.access.order_in_question(grant, call.proto_id, call.c2s, self.now())
        if question is None:
            return None
        answer = await self._ask(_ORDER_LIST, question)
        with answered():
            response = codec.decode(trd_get_order_list.Response, answer)
        return response.s2c if response.ret_type == RetType.SUCCEED else None

    async def _forward(self, call: Call, message: Any) -> bytes:
        answer = (await self._client.call_body(call.proto_id, message)).body
        with answered():
            call.ret_type = outcome_of(answer).ret_type
        return answer

    def _finished(self, call: Call, answer: bytes, body_format: int) -> bytes:
        """Look at what OpenD answered, and bring it into the caller's body format."""
        if body_format == _PROTOBUF and call.proto_id not in _LOOKED_AT:
            return answer
        with answered():
            response = codec.decode(registry.response_class(call.proto_id), answer)
        s2c = getattr(response, "s2c", None)
        if s2c is not None:
            if call.ret_type == 0:
                self.access.note_order(call.member.grant, call.proto_id, call.c2s, s2c)
                self._calculations.note(call, s2c)
            response = structs.replace(response, s2c=self._shown(call, s2c))
        return codec.encode_body(response, body_format, server=True)

    def _shown(self, call: Call, s2c: Any) -> Any:
        """What the caller sees of an answer: nothing of the connection to OpenD, or of others."""
        if call.proto_id == _GLOBAL_STATE:
            s2c = structs.replace(s2c, conn_id=call.member.connection_id)
        secrets = secrets_of(type(s2c))
        if secrets:
            s2c = structs.replace(s2c, **dict.fromkeys(secrets))
        return self.access.filter_answer(call.member.grant, call.proto_id, s2c)

    async def _greet(self, member: Member, c2s: Any) -> Any:
        """A second greeting, or one over gRPC: nothing depends on it, and no key is shown."""
        del c2s
        welcome = self.welcome()
        s2c = init_connect.S2C(
            server_ver=welcome.server_ver,
            login_user_id=welcome.login_user_id,
            conn_id=member.connection_id,
            conn_aes_key="",
            keep_alive_interval=welcome.keep_alive_interval,
        )
        return success(INIT_CONNECT, s2c)

    async def _keep_alive(self, member: Member, c2s: Any) -> Any:
        del member, c2s
        return success(KEEP_ALIVE, keep_alive.S2C(time=int(self.now())))

    async def _ask(self, proto_id: int, c2s: Any) -> bytes:
        return (await self._client.call_body(proto_id, c2s)).body

    # Pushes.

    def _taker(self, proto_id: int) -> Callable[[Any], None]:
        if registry.row(proto_id).module is None:
            return lambda body: self._spread(_RawPush(proto_id, body))
        response = registry.response_class(proto_id)

        def take(s2c: Any) -> None:
            for part in single_rows(proto_id, response(ret_type=RetType.SUCCEED, s2c=s2c)):
                self._spread(Push(proto_id, part))

        return take

    def _spread(self, push: Push) -> None:
        """Give a push to whom it concerns."""
        sent = 0
        for member in self._receivers(push, getattr(push.message, "s2c", None)):
            if self.may_get(member, push):
                member.sink.send_push(push)
                sent += 1
        self.records.pushed(sent)

    def may_get(self, member: Member, push: Push) -> bool:
        """Whether a push is for a member by today's keys."""
        s2c = getattr(push.message, "s2c", None)
        return self.access.may_get(member.grant, push.proto_id, s2c, self.now())

    def _receivers(self, push: Push, s2c: Any) -> Iterable[Member]:
        everybody = tuple(self.members.values())
        topics = tuple(topics_of_push(push))
        if topics:
            book = self._subscribing.book
            found = (m for topic, variant in topics for m in book.take(topic, variant, push))
            return tuple(dict.fromkeys(found))
        if push.proto_id == _NOTIFY:
            return (member for member in everybody if member.notify)
        if push.proto_id == CALCULATED:
            return self._calculations.owner(s2c.calc_id, push)
        if push.facts.event_type == "trade":
            return (member for member in everybody if push.facts.acc_id in member.accounts)
        return everybody

    def _upstream_changed(self, change: StateChange) -> None:
        if change.state is ClientState.CONNECTING or self.is_closing:
            return
        up = change.state is ClientState.READY
        if up is self._is_up:
            return  # one more try that failed
        self._is_up = up
        self.records.upstream(up=up, reason=change.reason)
        push = _connection_notice(up=up)
        for member in tuple(self.members.values()):
            if member.notify:
                member.sink.send_push(push)
        if up:
            self.spawn(self._subscribing.renew(restored=not change.unrestored))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """Do something that nobody waits for."""
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step leaves its work untouched.
        task.add_done_callback(lambda _: work.close())
        return task


class _RawPush(Push):
    """A push of an id without a schema: the same bytes in every format."""

    __slots__ = ("_raw",)

    def __init__(self, proto_id: int, body: bytes) -> None:
        super().__init__(proto_id, SubscribePushRequest())  # a message of nothing
        self._raw = body

    def body_in(self, body_format: int) -> bytes:
        """The bytes as they came."""
        del body_format
        return self._raw


def _connection_notice(*, up: bool) -> Push:
    status = notify.ConnectStatus(qot_logined=up, trd_logined=up)
    s2c = notify.S2C(type=notify.NotifyType.CONN_STATUS, connect_status=status)
    return Push(_NOTIFY, notify.Response(ret_type=RetType.SUCCEED, s2c=s2c))


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    """What happens by itself has no caller to fail: OpenD is gone then, and its return mends it."""
    try:
        await work
    except FutukitError:
        return
