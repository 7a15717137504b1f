"""The gRPC door: unary calls and streams of pushes, of channels that come and go.

gRPC has no session, so a member is a channel (its peer address) with one key. What it subscribed
goes to the streams of pushes on that channel or, where it has none, to those of its key on other
channels. With the last stream that serves it a member leaves, and its subscriptions end. One that
never had a stream may call all the same: the newest pushes wait for its stream, and it leaves when
it has said nothing for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
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
from futukit.gateway.access import Grant
from futukit.gateway.answers import bare_s2c, outcome_of
from futukit.gateway.hub import Hub
from futukit.gateway.members import Member
from futukit.gateway.refusals import Refused, denied, told_of
from futukit.messages.futu_service import FutuRequest, FutuResponse

__all__ = ["GrpcDoor"]

_WAITING_PUSHES: Final = 1000
"""So many order pushes and notices wait for a member without a stream; the oldest make room."""

_PROTOBUF: Final = 0
_PUSH_SCOPES: Final = ("qot:read", "acc:read")


class _Channel:
    """A member over gRPC: its streams, and what waits for the first of them."""

    def __init__(self, door: GrpcDoor, name: str) -> None:
        self.name = name
        self.heard = 0.0
        self.member: Member
        self.streams: set[_Stream] = set()
        self.waiting: dict[int, Push] = {}
        self._door = door

    @property
    def key_name(self) -> str:
        """The name of its key."""
        return self.member.grant.name

    def send_push(self, push: Push) -> None:
        """Send a push; see PushSink."""
        streams = self.streams or self._door.streams_of(self.key_name)
        for stream in tuple(streams):
            stream.put_push(push)
        if not streams and push.facts.event_type != "quote":
            self.waiting[self._door.number_of(push)] = push
            if len(self.waiting) > _WAITING_PUSHES:
                del self.waiting[next(iter(self.waiting))]

    def end(self, status: str, reason: str) -> None:
        """End its streams; see MemberSink."""
        for stream in tuple(self.streams):
            stream.status = status
            stream.cut(reason)
        self._door.forget(self)


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
        self._listener = GrpcListener(self._request, self._subscribe, tls=tls, services=services)

    async def listen(self, host: str, port: int) -> int:
        """Listen on one port; returns it. Raises OSError where that cannot be."""
        return await self._listener.listen(host, port)

    async def stop(self) -> None:
        """Stop listening and end every call and every member."""
        await self._listener.stop()
        for channel in tuple(self._channels.values()):
            self.forget(channel)

    @property
    def streams(self) -> int:
        """How many streams of pushes are open."""
        return sum(map(len, self._streams.values()))

    def forget_idle(self) -> None:
        """Let members go that no stream serves and that have said nothing for a while."""
        now = asyncio.get_running_loop().time()
        for channel in tuple(self._channels.values()):
            silent = now - channel.heard > self._idle_seconds and not channel.member.under_way
            if silent and not self.streams_of(channel.key_name):
                self.forget(channel)

    # Who a push goes to: the streams of a channel, and of its key where it has none.

    def streams_of(self, key_name: str) -> Iterable[_Stream]:
        """The streams of one key, on whatever channel."""
        return self._streams.get(key_name, ())

    def number_of(self, push: Push) -> int:
        """The place of a push among all that had to wait."""
        if push is not self._newest:
            self._newest = push
            self._number += 1
        return self._number

    def forget(self, channel: _Channel) -> None:
        """A member is gone."""
        key = (channel.name, channel.key_name)
        if self._channels.get(key) is channel:
            del self._channels[key]
        self._hub.leave(channel.member)

    def _of_key(self, key_name: str) -> list[_Channel]:
        return [other for other in self._channels.values() if other.key_name == key_name]

    def _opened(self, stream: _Stream) -> None:
        """Count a stream in; whom nobody served before gets what has waited."""
        channel = stream.channel
        fresh = [] if channel.streams else [channel]
        if not self.streams_of(channel.key_name):
            fresh = self._of_key(channel.key_name)
        channel.streams.add(stream)
        self._streams.setdefault(channel.key_name, set()).add(stream)
        # Several of them may have waited for the same.
        newest = (push for other in fresh for push in self._hub.subscriptions.newest(other.member))
        waiting = {number: push for other in fresh for number, push in other.waiting.items()}
        for other in fresh:
            other.waiting.clear()
        for push in (*dict.fromkeys(newest), *(waiting[number] for number in sorted(waiting))):
            stream.put_push(push)

    def _closed(self, stream: _Stream) -> None:
        """Count a stream out; whom nobody serves any more leaves."""
        channel = stream.channel
        channel.streams.discard(stream)
        of_key = self._streams[channel.key_name]
        of_key.discard(stream)
        if not of_key:
            del self._streams[channel.key_name]
            for other in self._of_key(channel.key_name):
                self.forget(other)
        if not channel.streams:
            self.forget(channel)

    # The calls.

    async def _request(self, data: bytes, context: Any) -> bytes:
        channel = await self._admit(context)
        try:
            asked = codec.decode(FutuRequest, data)
            proto_id = asked.proto_id or 0
            answer = await self._hub.answer(
                channel.member, proto_id, asked.body or b"", _PROTOBUF, may_be_bare=True
            )
        except Refused as refused:
            await abort(context, refused.status, refused.reason, refused.retry_after or None)
        except (DecodeError, UsageError) as error:
            await abort(context, "INVALID_ARGUMENT", str(error))
        except (ConnectionLost, ClientClosed) as error:
            await abort(context, "UNAVAILABLE", f"OpenD is not there: {told_of(error)}")
        except RequestTimeout as error:
            await abort(context, "DEADLINE_EXCEEDED", f"OpenD did not answer: {told_of(error)}")
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
        try:
            self._check_pushes(channel.member.grant)
        except Refused as refused:
            await abort(context, refused.status, refused.reason)
        stream = _Stream(channel, self._queue_bytes)
        self._opened(stream)
        self._hub.records.metrics.streams.inc()
        try:
            await context.send_initial_metadata(())
            await stream.pump(context.write)
        finally:
            self._hub.records.metrics.streams.dec()
            self._closed(stream)
        if stream.is_slow:
            self._hub.records.metrics.slow_cut.inc()
            stream.status = "RESOURCE_EXHAUSTED"
        # Only now: to a client that does not read this takes as long as it likes.
        await abort(context, stream.status, stream.reason)

    def _check_pushes(self, grant: Grant) -> None:
        scopes = self._hub.access.scopes(grant)
        if not set(scopes) & set(_PUSH_SCOPES):
            raise denied(f"pushes need one of the scopes {' and '.join(_PUSH_SCOPES)}")

    async def _admit(self, context: Any) -> _Channel:
        """The member that calls, which may be a new one; the wrong ones are sent away."""
        name: str = context.peer()
        try:
            grant = self._hub.access.authenticate(bearer(context), self._hub.now())
        except Refused as refused:
            self._hub.records.turned_away(name, refused)
            await abort(context, refused.status, refused.reason)
        key = (name, grant.name)
        channel = self._channels.get(key)
        if channel is None:
            if self._hub.refusal() is not None:
                self.forget_idle()
            full = self._hub.refusal()
            if full is not None:
                await abort(context, "UNAVAILABLE", full)
            channel = self._channels[key] = _Channel(self, name)
            number = self._hub.welcome().conn_id
            channel.member = self._hub.join(grant, name, channel, notify=True, connection_id=number)
        channel.heard = asyncio.get_running_loop().time()
        return channel
