"""The gRPC door: unary calls and streams of pushes, of channels that come and go.

gRPC has no session, so a member is a channel (its peer address) with one key. What it subscribed
goes to the streams of pushes on that channel or, where it has none, to those of its key on other
channels. With the last stream that serves it a member leaves, and its subscriptions end. One that
never had a stream may call all the same: the newest pushes wait for its stream, and it leaves when
its connection closes or it has said nothing for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final

from futukit import codec
from futukit.channels.serving_grpc import GrpcListener, PushStream, abort, bearer
from futukit.core.push import Push
from futukit.core.requests import request_kind
from futukit.errors import (
    ClientClosed,
    ConnectionLost,
    DecodeError,
    FutukitError,
    RequestTimeout,
    UsageError,
)
from futukit.gateway.access import NO_PUSHES, PUSH_SCOPES
from futukit.gateway.answers import bare_s2c, outcome_of
from futukit.gateway.grpc_peers import SERVER_OPTIONS, Peers
from futukit.gateway.hub import Hub
from futukit.gateway.members import Member
from futukit.gateway.refusals import Refused, denied, exhausted, told_of
from futukit.gateway.subscriptions import Held, TopicBook
from futukit.gateway.topics import Topic, topics_of_push
from futukit.messages.futu_service import FutuRequest, FutuResponse

__all__ = ["GrpcDoor"]

_WAITING_PUSHES: Final = 1000
"""So many order pushes and notices wait for a member without a stream; the oldest make room."""

_MOST_STREAMS: Final = 64
"""Of one client; its pushes go to each of them."""

_WRITING_SECONDS: Final = 1.0
"""So long answers may take to be written when the door closes."""

_PROTOBUF: Final = 0


class _Channel:
    """A member over gRPC: its streams, and what waits for the first of them."""

    def __init__(self, door: GrpcDoor, name: str, key_id: str) -> None:
        self.name = name
        self.key_id = key_id
        self.heard = 0.0
        self.member: Member
        self.streams: set[_Stream] = set()
        self.waiting: dict[int, Push] = {}
        self._door = door

    @property
    def is_idle(self) -> bool:
        """Whether it holds nothing and asks nothing: nobody misses it."""
        return not (self.streams or self.member.under_way or self.member.accounts or self.topics)

    @property
    def topics(self) -> dict[Topic, Held]:
        """What it has subscribed."""
        return self._door.book.held_by(self.member)

    def send_push(self, push: Push) -> None:
        """Send a push; see PushSink."""
        streams = self.streams or self._door.streams_of(self.key_id)
        for stream in tuple(streams):
            stream.put_push(push)
        if not streams and not any(topics_of_push(push)):
            self.waiting[self._door.number_of(push)] = push
            if len(self.waiting) > _WAITING_PUSHES:
                del self.waiting[next(iter(self.waiting))]

    def catch_up(self, push: Push) -> None:
        """Send a push that others have had, but not to streams that have had it for them."""
        topics = dict(topics_of_push(push))
        had = {
            stream
            for other in self._door.of_key(self.key_id)
            if other is not self and other.is_pushed(topics)
            for stream in other.streams or self._door.streams_of(self.key_id)
        }
        for stream in {*(self.streams or self._door.streams_of(self.key_id))} - had:
            stream.put_push(push)

    def is_pushed(self, topics: Mapping[Topic, int]) -> bool:
        """Whether it gets the pushes of one of these topics in that variant."""
        held = self.topics
        return any(topic in held and held[topic].variants & {topics[topic]} for topic in topics)

    def end(self, status: str, reason: str) -> None:
        """End its streams; see MemberSink."""
        for stream in tuple(self.streams):
            stream.status = status
            stream.cut(reason)
        self._door.forget(self)

    def end_pushes(self, reason: str) -> None:
        """Its key gets no pushes any more; see MemberSink."""
        for stream in tuple(self.streams):
            stream.status = "PERMISSION_DENIED"
            stream.cut(reason)


class _Stream(PushStream):
    """One stream of pushes; several members may share it, so each push goes out once."""

    def __init__(self, channel: _Channel, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.channel = channel
        self.status = "UNAVAILABLE"
        self._newest: Push | None = None

    def put_push(self, push: Push) -> None:
        """Send a push, unless it has just been sent."""
        if push is not self._newest:
            self._newest = push
            self.put(push.event())


class GrpcDoor:
    """Serves one hub over gRPC. All methods belong to the event loop that called ``listen``.

    ``bare_answers`` gives an answer's S2C in place of the whole Response. ``queue_bytes`` is how
    much may wait on one stream before it is cut, ``idle_seconds`` how long a member without a
    stream is kept.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        bare_answers: bool = False,
        queue_bytes: int,
        idle_seconds: float,
        tls: tuple[str | Path, str | Path] | None = None,
        services: Sequence[Any] = (),
    ) -> None:
        self._hub = hub
        self._bare_answers = bare_answers
        self._queue_bytes = queue_bytes
        self._idle_seconds = idle_seconds
        self._channels: dict[tuple[str, str], _Channel] = {}
        self._streams: dict[str, set[_Stream]] = {}
        self._newest: Push | None = None
        self._number = 0
        self._peers = Peers()
        self._listener = GrpcListener(
            self._request, self._subscribe, tls=tls, services=services, options=SERVER_OPTIONS
        )

    async def listen(self, host: str, port: int) -> int:
        """Listen on one port; returns it. Raises OSError where that cannot be."""
        self._hub.room_makers.add(self._make_room)
        return await self._listener.listen(host, port)

    async def stop(self) -> None:
        """Stop listening and end every call and every member."""
        self._hub.room_makers.discard(self._make_room)
        await self._listener.stop(_WRITING_SECONDS)
        for channel in tuple(self._channels.values()):
            self.forget(channel)

    def cut_streams(self, reason: str) -> None:
        """End every stream of pushes."""
        for of_key in tuple(self._streams.values()):
            for stream in tuple(of_key):
                stream.cut(reason)

    @property
    def streams(self) -> int:
        """How many streams of pushes are open."""
        return sum(map(len, self._streams.values()))

    @property
    def book(self) -> TopicBook:
        """Who holds what."""
        return self._hub.subscriptions.book

    def forget_gone(self) -> None:
        """Let members go whose connection is there no more; with a stream they go at once."""
        streamless = [one for one in self._channels.values() if not one.streams]
        gone = set(self._peers.gone([one.name for one in streamless]))
        for channel in streamless:
            if channel.name in gone:
                self.forget(channel)

    def forget_idle(self) -> None:
        """Let members go that have said nothing for a while and that no stream serves.

        Who holds nothing has nothing that a stream of its key could serve.
        """
        now = asyncio.get_running_loop().time()
        for channel in tuple(self._channels.values()):
            if channel.streams or channel.member.under_way:
                continue
            served = self.streams_of(channel.key_id) and not channel.is_idle
            if now - channel.heard > self._idle_seconds and not served:
                self.forget(channel)

    def _make_room(self) -> None:
        """The gateway is full: who holds nothing and asks nothing can come again."""
        self.forget_gone()
        for channel in tuple(self._channels.values()):
            if channel.is_idle:
                self.forget(channel)

    # Who a push goes to: the streams of a channel, and of its key where it has none.

    def streams_of(self, key_id: str) -> Set[_Stream]:
        """The streams of one key, on whatever channel."""
        return self._streams.get(key_id, frozenset())

    def of_key(self, key_id: str) -> list[_Channel]:
        """The members with one key."""
        return [other for other in self._channels.values() if other.key_id == key_id]

    def number_of(self, push: Push) -> int:
        """The place of a push among all that had to wait."""
        if push is not self._newest:
            self._newest = push
            self._number += 1
        return self._number

    def forget(self, channel: _Channel) -> None:
        """A member is gone."""
        key = (channel.name, channel.key_id)
        if self._channels.get(key) is channel:
            del self._channels[key]
        self._hub.leave(channel.member)

    def _opened(self, stream: _Stream) -> None:
        """Count a stream in. It begins with the newest of what it serves, and what has waited."""
        channel = stream.channel
        fresh = [channel]
        if not self.streams_of(channel.key_id):
            fresh = self.of_key(channel.key_id)
        channel.streams.add(stream)
        self._streams.setdefault(channel.key_id, set()).add(stream)
        # Several of them may have waited for the same.
        newest = (push for other in fresh for push in self._hub.subscriptions.newest(other.member))
        waiting = {
            number: push
            for other in fresh
            for number, push in other.waiting.items()
            if self._hub.may_get(other.member, push)  # its key may have changed since
        }
        for other in fresh:
            other.waiting.clear()
        for push in (*dict.fromkeys(newest), *(waiting[number] for number in sorted(waiting))):
            stream.put_push(push)

    def _closed(self, stream: _Stream) -> None:
        """Count a stream out; whom nobody serves any more leaves."""
        channel = stream.channel
        channel.streams.discard(stream)
        of_key = self._streams[channel.key_id]
        of_key.discard(stream)
        if not of_key:
            del self._streams[channel.key_id]
            for other in self.of_key(channel.key_id):
                # Who asks for something for the first time was not served by it.
                if other.topics or other.member.accounts or not other.member.under_way:
                    self.forget(other)
        if not channel.streams:
            self.forget(channel)

    # The calls.

    async def _request(self, data: bytes, context: Any) -> bytes:
        channel = await self._admit(context)
        try:
            asked = codec.decode(FutuRequest, data)
        except DecodeError as error:
            self._hub.records.unreadable(channel.member)
            await abort(context, "INVALID_ARGUMENT", str(error))
        proto_id = asked.proto_id or 0
        try:
            answer = await self._hub.answer(
                channel.member, proto_id, asked.body or b"", _PROTOBUF, may_be_bare=True
            )
        except Refused as refused:
            await abort(context, refused.status, refused.reason, refused.retry_after or None)
        except (DecodeError, UsageError) as error:
            await abort(context, "INVALID_ARGUMENT", str(error))
        except (ConnectionLost, ClientClosed) as error:
            await abort(context, "UNAVAILABLE", told_of(error))
        except RequestTimeout as error:
            await abort(context, "DEADLINE_EXCEEDED", told_of(error))
        except FutukitError as error:
            await abort(context, "INTERNAL", str(error))
        finally:
            channel.heard = asyncio.get_running_loop().time()
        outcome = outcome_of(answer)
        # Flat answers and those without a schema have no S2C to take out.
        if self._bare_answers and request_kind(proto_id).s2c is not None:
            answer = bare_s2c(answer)
        return codec.encode(
            FutuResponse(
                ret_type=outcome.ret_type, ret_msg=outcome.ret_msg, proto_id=proto_id, body=answer
            )
        )

    async def _subscribe(self, data: bytes, context: Any) -> None:
        del data
        channel = await self._admit(context)
        if self._hub.is_closing:
            await abort(context, "UNAVAILABLE", "the gateway stops")
        try:
            self._check_stream(channel)
        except Refused as refused:
            self._hub.records.stream_refused(channel.member, refused)
            await abort(context, refused.status, refused.reason)
        stream = _Stream(channel, self._queue_bytes)
        self._opened(stream)
        self._hub.records.stream_opened(channel.member)
        try:
            await context.send_initial_metadata(())
            await stream.pump(context.write)
        finally:
            self._hub.records.stream_closed(channel.member, stream.reason or None)
            self._closed(stream)
        if stream.is_slow:
            self._hub.records.metrics.slow_cut.inc()
            stream.status = "RESOURCE_EXHAUSTED"
        # Only now: to a client that does not read this takes as long as it likes.
        await abort(context, stream.status, stream.reason)

    def _check_stream(self, channel: _Channel) -> None:
        scopes = self._hub.access.scopes(channel.member.grant)
        if not set(scopes) & set(PUSH_SCOPES):
            raise denied(NO_PUSHES)
        if len(channel.streams) >= _MOST_STREAMS:
            raise exhausted(f"{_MOST_STREAMS} streams of this client are open", 0.0)

    async def _admit(self, context: Any) -> _Channel:
        """The member that calls, which may be a new one; the wrong ones are sent away."""
        name: str = context.peer()
        try:
            grant = self._hub.access.authenticate(bearer(context), self._hub.now())
        except Refused as refused:
            self._hub.records.turned_away(name, refused)
            await abort(context, refused.status, refused.reason)
        key_id = "" if grant.key is None else grant.key.sha256
        channel = self._channels.get((name, key_id))
        if channel is None:
            full = self._hub.refusal()
            if full is not None:
                self._hub.records.no_room(name, full)
                await abort(context, "UNAVAILABLE", full)
            self._peers.prove(name)
            channel = _Channel(self, name, key_id)
            number = self._hub.welcome().conn_id
            channel.member = self._hub.join(grant, name, channel, notify=True, connection_id=number)
            self._channels[name, key_id] = channel
        channel.heard = asyncio.get_running_loop().time()
        return channel
