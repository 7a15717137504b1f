"""The asyncio client: waiting, timers and the connection's task; the rules are in the core."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator
from math import inf
from random import random
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from futukit.aio._system import SystemMethods
from futukit.aio._trade import TradeMethods
from futukit.aio.pushes import Mailbox, Pushes
from futukit.aio.quote import Quote
from futukit.channels import AsyncioChannel, Credentials, credentials_of, opener
from futukit.core.client import (
    ClientBase,
    ClientState,
    StateChange,
    StateHandler,
    connect_failure,
)
from futukit.core.events import Answered, Call, Event, Failed, Lost, Ready
from futukit.core.limits import RateGuard
from futukit.core.listening import Listener, check_handler, is_coroutine_function
from futukit.core.pushes import Policy, PushMessage, PushQueue, push_kind
from futukit.core.requests import Answer, plain_bytes
from futukit.core.wiring import Wiring
from futukit.errors import FutukitError, UsageError
from futukit.trace import observer_for

__all__ = ["Client", "Connecting", "connect"]

_logger: Final = logging.getLogger("futukit.aio")

S = TypeVar("S")


class Client(ClientBase):
    """A client of one OpenD, for one event loop. Made by :func:`connect`.

    ``system``, ``quote`` and ``trade`` hold a method for every request id. Calls made while
    there is no connection fail at once with ConnectionLost; nothing is ever sent twice.
    """

    def __init__(self, wiring: Wiring, security: Credentials) -> None:
        super().__init__(wiring, random, observer_for(wiring.options.trace))
        self._security = security
        self.system = SystemMethods(self)
        self.quote = Quote(self)
        self.trade = TradeMethods(self)
        self._loop = asyncio.get_running_loop()
        self._channel: AsyncioChannel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._trying: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._turn_freed: asyncio.Future[None] = self._loop.create_future()

    # Calls.

    async def call(self, proto_id: int, message: Any, /, *, timeout: float | None = None) -> Any:
        """Send a request and return its answer's S2C (3801 to 3803: the whole answer).

        Args:
            proto_id: The request's id.
            message: Its Request, or a bare C2S; packet id and user id are filled in.
            timeout: Seconds to wait for the answer; the client's request_timeout if None.

        Raises:
            UsageError, EncodeError: The message cannot be sent; nothing was.
            ServerError: OpenD answered with a retType other than 0.
            RequestTimeout: No answer in time.
            ConnectionLost: There is no connection, or it went away meanwhile.
            DecodeError: The answer is not the message it should be.

        Whatever ends the call of an order whose outcome is not known, CancelledError too, carries
        its serial in ``requests_in_doubt``.
        """
        call, body = await self._exchange(proto_id, message, timeout)
        return self._result(call, body)

    async def call_response(
        self, proto_id: int, message: Any, /, *, timeout: float | None = None
    ) -> Any:
        """Like ``call``, but the whole Response: for the ``ret_msg`` of a call that succeeded."""
        call, body = await self._exchange(proto_id, message, timeout)
        return self._whole(call, body)

    async def call_body(
        self, proto_id: int, message: Any, /, *, timeout: float | None = None
    ) -> Answer:
        """Like ``call``, but the answer's body as it came, for a decoder of one's own.

        A retType other than 0 raises nothing here.
        """
        call, body = await self._exchange(proto_id, message, timeout)
        return Answer(body, call.serial, self._body_format)

    async def call_bytes(
        self, proto_id: int, body: bytes, /, *, timeout: float | None = None
    ) -> bytes:
        """Send the plain bytes of a Request and return those of the Response, both as they are.

        For ids without a schema, and for proxies. A retType other than 0 raises nothing here.
        """
        _, answer = await self._exchange(proto_id, plain_bytes(body), timeout)
        return answer

    async def _exchange(
        self, proto_id: int, message: Any, timeout: float | None
    ) -> tuple[Call, bytes]:
        self._check_process()
        if asyncio.get_running_loop() is not self._loop:
            raise UsageError("an asyncio client works in the event loop that made it, in no other")
        waiter: asyncio.Future[bytes] = self._loop.create_future()
        if self._guard is None:
            call = self._submit(proto_id, message, self._loop.time(), timeout, waiter)
        else:
            call = await self._submit_in_turn(self._guard, proto_id, message, timeout, waiter)
        self._flush()
        if self._blocking:
            self._regulate()
        try:
            return call, await waiter
        except asyncio.CancelledError as error:
            # A cancellation has no such attribute of its own; callers of orders look for it.
            error.requests_in_doubt = self._forsake(call)  # type: ignore[attr-defined]
            raise

    async def _submit_in_turn(
        self, guard: RateGuard, proto_id: int, message: Any, timeout: float | None, waiter: Any
    ) -> Call:
        """Send a request when its turn has come; a wait within the timeout shortens that."""
        began = now = self._loop.time()
        turn = self._reserve(guard, proto_id, message, now, timeout)
        try:
            with turn:
                while turn.wait:
                    await self._pause(turn.wait)
                    now = self._loop.time()
                    turn.claim(now)
                if now > began:
                    timeout = self._left(timeout, now - began)
                return self._submit(proto_id, message, now, timeout, waiter)
        except BaseException:
            # The turn is free: whoever waits may be earlier now.
            freed, self._turn_freed = self._turn_freed, self._loop.create_future()
            freed.set_result(None)
            raise

    async def _pause(self, seconds: float) -> None:
        """Wait, at most until a turn is given back or the client closed: that is ClientClosed."""
        try:
            ends = (self._ended, self._turn_freed)
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            error.requests_in_doubt = ()  # type: ignore[attr-defined]  # nothing was sent
            raise
        self._check_open()

    def _forsake(self, call: Call) -> tuple[int, ...]:
        """The caller was cancelled: whatever came or comes for this call, nobody learns of it."""
        waiter: asyncio.Future[bytes] = call.waiter
        if self._session is not None:
            self._session.cancel(call)
        if not waiter.cancelled() and waiter.done() and waiter.exception() is not None:
            return call.in_doubt  # it had failed in the same moment, and is noted
        return self._doubt(call)

    # Pushes and states.

    @overload
    def pushes(
        self,
        push: type[PushMessage[S]],
        /,
        *,
        policy: Policy = "drop_oldest",
        maxsize: int | None = None,
    ) -> Pushes[S]: ...

    @overload
    def pushes(
        self, push: int, /, *, policy: Policy = "drop_oldest", maxsize: int | None = None
    ) -> Pushes[Any]: ...

    def pushes(
        self, push: Any, /, *, policy: Policy = "drop_oldest", maxsize: int | None = None
    ) -> Pushes[Any]:
        """Iterate over the pushes of one kind from now on, as S2C messages.

        Args:
            push: The push's Response class, or its proto id (bodies as bytes without a schema).
            policy: What a full queue does: "drop_oldest", "block" or "conflate" (newest of each
                security). See :data:`futukit.core.pushes.Policy`.
            maxsize: How many pushes may wait; the client's push_queue if None.

        Raises:
            UsageError: Not a push, or a policy or size that cannot be.
            ClientClosed: The client is closed.
        """
        self._check_open()
        kind = push_kind(push)
        mailbox = Mailbox(PushQueue(kind, policy, self._queue_size(maxsize)))
        release = self._listen(kind, mailbox)
        return Pushes(mailbox, release, self._regulate, self._regulate_soon)

    @overload
    def on(self, push: type[PushMessage[S]], handler: Callable[[S], object], /) -> Listener: ...

    @overload
    def on(self, push: int, handler: Callable[[Any], object], /) -> Listener: ...

    def on(self, push: Any, handler: Callable[[Any], object], /) -> Listener:
        """Call ``handler`` with the S2C of every push of one kind, until its Listener is closed.

        A function runs in the reading of the connection and has to be quick. A coroutine
        function runs in a task of its own, one push at a time, behind a queue of the client's
        push_queue size that drops its oldest. A handler that raises is logged and stays.
        """
        self._check_open()
        if is_coroutine_function(handler):
            return self._on_slowly(push, handler)
        check_handler(handler)
        kind = push_kind(push)
        self._router.add(kind, handler)
        return Listener(lambda: self._router.remove(kind, handler))

    def on_state(self, handler: StateHandler, /) -> Listener:
        """Call ``handler`` with each StateChange: connecting, ready, lost (why), closed."""
        check_handler(handler)
        self._state_handlers = (*self._state_handlers, handler)

        return Listener(lambda: self._remove_state_handler(handler))

    def _on_slowly(self, push: Any, handler: Callable[[Any], Awaitable[object]]) -> Listener:
        pushes = self.pushes(push)

        async def consume() -> None:
            async for s2c in pushes:
                try:
                    await handler(s2c)
                except Exception:
                    _logger.exception("a push handler failed")

        self._spawn(consume())
        return Listener(pushes.close)

    # The life of the client.

    async def close(self) -> None:
        """Close the connection in order; open calls fail with ClientClosed, iterations end."""
        if not self._change(StateChange(ClientState.CLOSED)):
            return
        self._ended.set_result(None)
        channel, session = self._channel, self._session
        if session is not None:
            events = session.close()
            self._flush()
            self._handle(events)
        self._stop_timer()
        self._end_pushes(None)
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        if channel is not None:
            await channel.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _start(self) -> Client:
        self._change(StateChange(ClientState.CONNECTING))
        try:
            await self._try_to_connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def _try_to_connect(self) -> None:
        """Make one connection and bring it to ready. Raises what went wrong."""
        began = self._loop.time()
        timeout = self._options.connect_timeout
        session = self._new_session(time.time() - began, timeout)
        trying = self._trying = self._loop.create_future()
        channel = self._channel = await opener("asyncio", self._wiring.scheme.dialect)(
            self._endpoint, session, self._deliver, security=self._security, timeout=timeout
        )
        try:
            if not trying.done():  # the peer may have closed already
                session.connect(began)
                self._flush()
            await trying
        except BaseException:
            channel.abort()
            raise
        finally:
            self._trying = None

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(self._retry_after(self._loop.time()))
            self._change(StateChange(ClientState.CONNECTING))
            try:
                await self._try_to_connect()
            except FutukitError as error:
                self._change(StateChange(ClientState.LOST, error))
            else:
                return

    # What the channel and the timer bring.

    def _deliver(self, events: list[Event]) -> None:
        self._flush()
        if events:
            self._handle(events)
        if self._blocking:
            self._regulate()

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Answered):
                if event.call.note is not None or event.call.is_order:
                    self._settle(event.call, event.body)
                if not event.call.waiter.done():
                    event.call.waiter.set_result(event.body)
            elif isinstance(event, Failed):
                self._doubt_failed(event)
                if not event.call.waiter.done():
                    event.call.waiter.set_exception(event.error)
            elif isinstance(event, Ready):
                self._became_ready(self._loop.time())
                self._change(StateChange(ClientState.READY, None, event.unrestored))
                if self._trying is not None and not self._trying.done():
                    self._trying.set_result(None)
            elif isinstance(event, Lost):
                self._lost(event.error)

    def _lost(self, error: FutukitError) -> None:
        self._stop_timer()
        if self._channel is not None:
            self._channel.abort()
        if self._trying is not None and not self._trying.done():
            self._trying.set_exception(connect_failure(self._endpoint, error))
        elif self._change(StateChange(ClientState.LOST, error)):
            if self._options.reconnect:
                self._spawn(self._reconnect())
            else:
                self._end_pushes(error)

    def _flush(self) -> None:
        """Write what the session has packed and keep its timer."""
        session = self._session
        if session is None:
            return
        data = session.take()
        if data and self._channel is not None:
            self._channel.send(data)
        if session.next_deadline < self._timer_due:
            self._stop_timer()
            self._timer_due = session.next_deadline
            self._timer = self._loop.call_at(self._timer_due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_due = inf
        if self._session is not None:
            self._deliver(self._session.tick(self._loop.time()))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_due = inf

    # The small parts.

    def _regulate(self) -> None:
        """Read from OpenD, or not, as the blocking queues want it."""
        if self._channel is None or self._session is None:
            return
        wanted = self._wants_reading()
        if self._channel.set_reading(wanted):
            self._session.set_reading(wanted, self._loop.time())

    def _regulate_soon(self) -> None:
        """The same from wherever the garbage collector runs."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._regulate)

    def _change(self, change: StateChange) -> bool:
        changed = self._enter(change)
        if changed:
            self._tell(change)
        return changed

    def _check_open(self) -> None:
        self._check_process()
        if self._closed:
            raise self._not_ready()

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Connecting:
    """What :func:`connect` returns: await it, or use it with ``async with``."""

    def __init__(self, wiring: Wiring, security: Credentials) -> None:
        self._wiring = wiring
        self._security = security
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return Client(self._wiring, self._security)._start().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self
        return self._client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()


def connect(url: str, **options: Any) -> Connecting:
    """Connect to an OpenD; ``async with`` or ``await`` the result.

    The URL is ``tcp://host:port`` or another of :data:`futukit.endpoint.SCHEMES`. Options are
    keywords, or stand in the URL's query: see :class:`futukit.options.Options`.

    Raises:
        UsageError: At once, for a URL, an option, a combination or a file that cannot be.
        ConnectError: When awaited: unresolvable name, refused port, no answer in time, a
            certificate that is not trusted.
        HandshakeError: OpenD refused the connection, or answered with nonsense.
    """
    wiring = Wiring(url, options)
    return Connecting(wiring, credentials_of(wiring.endpoint, wiring.options))
