"""The blocking client: its socket, its reader thread, its locks; the rules are in the core."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from math import inf
from random import random
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from futukit.channels import BlockingChannel, Credentials, credentials_of, opener
from futukit.channels.tcp_blocking import Wakeup
from futukit.core.client import (
    ClientBase,
    ClientState,
    StateChange,
    StateHandler,
    connect_failure,
)
from futukit.core.events import Answered, Call, Event, Failed, Lost, Ready
from futukit.core.limits import RateGuard
from futukit.core.listening import Listener, check_handler
from futukit.core.pushes import Policy, PushMessage, PushQueue, push_kind
from futukit.core.requests import Answer, plain_bytes
from futukit.core.session import ClientSession
from futukit.core.wiring import Wiring
from futukit.errors import ConnectError, ConnectionLost, FutukitError, RemoteProtocolError
from futukit.sync._system import SystemMethods
from futukit.sync._trade import TradeMethods
from futukit.sync.pushes import Mailbox, Pushes
from futukit.sync.quote import Quote
from futukit.sync.waiting import Dispatcher, Waiter
from futukit.trace import observer_for

__all__ = ["Client", "connect"]

_logger: Final = logging.getLogger("futukit.sync")

_CLOSE_TIMEOUT: Final = 2.0

S = TypeVar("S")


class Client(ClientBase):
    """A client of one OpenD, for any number of threads. Made by :func:`connect`.

    ``system``, ``quote`` and ``trade`` hold a method for every request id. Calls made while
    there is no connection fail at once with ConnectionLost; nothing is ever sent twice.
    """

    def __init__(self, wiring: Wiring, security: Credentials) -> None:
        super().__init__(wiring, random, observer_for(wiring.options.trace))
        self._security = security
        self.system = SystemMethods(self)
        self.quote = Quote(self)
        self.trade = TradeMethods(self)
        # Guards the session and all that follows from it. Reentrant: a Pushes that the garbage
        # collector closes may need it in the middle of anything.
        self._lock = threading.RLock()
        self._look_again = threading.Condition(self._lock)  # for calls that wait for their turn
        self._wakeup = Wakeup()
        self._dispatcher = Dispatcher(wiring.options.push_queue)
        self._channel: BlockingChannel | None = None
        self._first = Waiter()
        self._paused = False
        self._sleeping_until = inf
        self._thread = threading.Thread(target=self._run, name="futukit-reader", daemon=True)

    # Calls.

    def call(self, proto_id: int, message: Any, /, *, timeout: float | None = None) -> Any:
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

        Whatever ends the call of an order whose outcome is not known, KeyboardInterrupt too,
        carries its serial in ``requests_in_doubt``.
        """
        call, body = self._exchange(proto_id, message, timeout)
        return self._result(call, body)

    def call_response(self, proto_id: int, message: Any, /, *, timeout: float | None = None) -> Any:
        """Like ``call``, but the whole Response: for the ``ret_msg`` of a call that succeeded."""
        call, body = self._exchange(proto_id, message, timeout)
        return self._whole(call, body)

    def call_body(self, proto_id: int, message: Any, /, *, timeout: float | None = None) -> Answer:
        """Like ``call``, but the answer's body as it came, for a decoder of one's own.

        A retType other than 0 raises nothing here.
        """
        call, body = self._exchange(proto_id, message, timeout)
        return Answer(body, call.serial, self._body_format)

    def call_bytes(self, proto_id: int, body: bytes, /, *, timeout: float | None = None) -> bytes:
        """Send the plain bytes of a Request and return those of the Response, both as they are.

        For ids without a schema, and for proxies. A retType other than 0 raises nothing here.
        """
        _, answer = self._exchange(proto_id, plain_bytes(body), timeout)
        return answer

    def _exchange(self, proto_id: int, message: Any, timeout: float | None) -> tuple[Call, bytes]:
        self._check_process()
        waiter = Waiter()
        call: Call | None = None
        try:
            with self._lock:
                if self._guard is None:
                    call = self._submit(proto_id, message, time.monotonic(), timeout, waiter)
                else:
                    call = self._submit_in_turn(self._guard, proto_id, message, timeout, waiter)
                self._flush()
                if self._paused or call.deadline < self._sleeping_until:
                    self._wakeup.ring()
            return call, waiter.wait()
        except FutukitError:
            raise
        except BaseException as error:  # Ctrl-C, or what another signal handler raises
            error.requests_in_doubt = self._forsake(call, waiter)  # type: ignore[attr-defined]
            raise

    def _submit_in_turn(
        self, guard: RateGuard, proto_id: int, message: Any, timeout: float | None, waiter: Waiter
    ) -> Call:
        """Send a request when its turn has come; a wait within the timeout shortens that.

        Is called with the lock, which others have during the wait.
        """
        began = now = time.monotonic()
        turn = self._reserve(guard, proto_id, message, now, timeout)
        try:
            with turn:
                while turn.wait:
                    self._look_again.wait(turn.wait)
                    self._check_open()
                    now = time.monotonic()
                    turn.claim(now)
                if now > began:
                    timeout = self._left(timeout, now - began)
                return self._submit(proto_id, message, now, timeout, waiter)
        except BaseException:
            self._look_again.notify_all()  # the turn is free: whoever waits may be earlier now
            raise

    def _forsake(self, call: Call | None, waiter: Waiter) -> tuple[int, ...]:
        """The caller was interrupted: whatever comes for this call, nobody learns of it.

        The interruption may have come anywhere, even between the sending and the knowing.
        """
        with self._lock:
            session = self._session
            if session is not None:
                for known in [c for c in session.calls.values() if c.waiter is waiter]:
                    session.cancel(known)
                    call = known
            if call is None:
                return ()
            return call.in_doubt if waiter.failed else self._doubt(call)

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
        with self._lock:
            release = self._listen(kind, mailbox)

        def locked_release() -> None:
            with self._lock:
                release()

        return Pushes(mailbox, locked_release, self._regulate, self._check_process)

    @overload
    def on(self, push: type[PushMessage[S]], handler: Callable[[S], object], /) -> Listener: ...

    @overload
    def on(self, push: int, handler: Callable[[Any], object], /) -> Listener: ...

    def on(self, push: Any, handler: Callable[[Any], object], /) -> Listener:
        """Call ``handler`` with the S2C of every push of one kind, until its Listener is closed.

        All handlers run in one thread, one push at a time, behind a queue of the client's
        push_queue size that drops its oldest; they may make calls. A handler that raises is
        logged and stays.
        """
        self._check_open()
        check_handler(handler)
        kind = push_kind(push)
        self._dispatcher.start()
        with self._lock:
            if self._dispatcher.add(kind.content, handler):
                self._router.add(kind, self._dispatcher.collect)

        def end() -> None:
            with self._lock:
                if self._dispatcher.remove(kind.content, handler):
                    self._router.remove(kind, self._dispatcher.collect)

        return Listener(end)

    def on_state(self, handler: StateHandler, /) -> Listener:
        """Call ``handler`` with each StateChange: connecting, ready, lost (why), closed."""
        self._check_process()
        check_handler(handler)
        self._dispatcher.start()
        with self._lock:
            self._state_handlers = (*self._state_handlers, handler)

        def end() -> None:
            with self._lock:
                self._remove_state_handler(handler)

        return Listener(end)

    # The life of the client.

    def close(self) -> None:
        """Close the connection in order; open calls fail with ClientClosed, iterations end."""
        if os.getpid() != self._pid:
            self._close_in_child()
            return
        with self._lock:
            if not self._change(StateChange(ClientState.CLOSED)):
                return
            self._look_again.notify_all()
            if self._session is not None:
                events = self._session.close()
                self._flush()
                self._handle(events)
            self._end_pushes(None)
        self._wakeup.ring()
        self._dispatcher.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)
        self._dispatcher.join(_CLOSE_TIMEOUT)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> Client:
        self._thread.start()
        try:
            self._first.wait()
        except BaseException:
            self.close()
            raise
        return self

    def _close_in_child(self) -> None:
        """Only let go of the descriptors: the connection and the locks are the parent's."""
        if self._channel is not None:
            self._channel.close()
        self._wakeup.close()

    # The reader thread.

    def _run(self) -> None:
        try:
            self._live()
        except BaseException as error:
            # Nobody may wait for ever for a thread that has died of a fault of our own.
            _logger.exception("the reader thread failed")
            self._give_up(ConnectionLost(f"the reader thread failed: {error!r}"))
            raise
        finally:
            self._wakeup.close()

    def _live(self) -> None:
        while True:
            self._change(StateChange(ClientState.CONNECTING))
            error = self._connect_and_serve()
            if self._closed or error is None:
                return
            if not self._first.done or not self._options.reconnect:
                self._give_up(error)
                return
            self._change(StateChange(ClientState.LOST, error))
            self._wakeup.clear()
            if not self._closed:
                self._wakeup.wait(self._retry_after(time.monotonic()))

    def _give_up(self, error: FutukitError) -> None:
        with self._lock:
            if self._session is not None:
                self._handle(self._session.lose(error))
            self._change(StateChange(ClientState.LOST, error))
            self._end_pushes(error)
        self._first.set_exception(connect_failure(self._endpoint, error))

    def _connect_and_serve(self) -> FutukitError | None:
        """Live through one connection; gives what ended it, None when the client was closed."""
        began = time.monotonic()
        timeout = self._options.connect_timeout
        with self._lock:
            session = self._new_session(time.time() - began, timeout)
            self._paused = False  # nobody has to ring while nothing is read
            self._wakeup.clear()
            if self._closed:
                return None
        try:
            channel: BlockingChannel | None = opener("blocking", self._wiring.scheme.dialect)(
                self._endpoint,
                self._wakeup,
                session.link.reader,
                security=self._security,
                timeout=timeout,
            )
        except ConnectError as error:
            return error
        if channel is None:
            return None if self._closed else ConnectError("the try to connect was interrupted")
        try:
            with self._lock:
                if self._closed:
                    return None
                self._channel = channel
                session.connect(began)
                self._flush()
            return self._serve(session, channel)
        finally:
            with self._lock:
                self._channel = None
                channel.close()

    def _serve(self, session: ClientSession, channel: BlockingChannel) -> FutukitError | None:
        while not self._closed:
            with self._lock:
                reading = self._may_read(session)
                self._sleeping_until = session.next_deadline
            readable, writable = channel.wait(self._sleeping_until - time.monotonic(), reading)
            with self._lock:
                if writable:
                    channel.flush()
                lost = self._handle(self._read(session, channel, readable))
                self._flush()
            if lost is not None:
                return lost
        self._drain(channel)
        return None

    def _read(
        self, session: ClientSession, channel: BlockingChannel, readable: bool
    ) -> list[Event]:
        now = time.monotonic()
        events: list[Event] = []
        if readable:
            try:
                if channel.receive():
                    events = session.receive(now)
                    self._dispatcher.deliver()
            except (ConnectionLost, RemoteProtocolError) as error:
                return session.lose(error)
        if now >= session.next_deadline:
            events += session.tick(now)
        return events

    def _drain(self, channel: BlockingChannel) -> None:
        """Closed in order: write what is left, for a peer that reads."""
        with self._lock:
            channel.finish()
        deadline = time.monotonic() + _CLOSE_TIMEOUT / 2
        while channel.unsent and time.monotonic() < deadline:
            channel.wait(deadline - time.monotonic(), False)
            with self._lock:
                channel.flush()

    def _handle(self, events: list[Event]) -> FutukitError | None:
        """Pass on what happened; gives the error of a connection that is lost."""
        lost: FutukitError | None = None
        for event in events:
            if isinstance(event, Answered):
                if event.call.note is not None or event.call.is_order:
                    self._settle(event.call, event.body)
                event.call.waiter.set_result(event.body)
            elif isinstance(event, Failed):
                self._doubt_failed(event)
                event.call.waiter.set_exception(event.error)
            elif isinstance(event, Ready):
                self._became_ready(time.monotonic())
                self._change(StateChange(ClientState.READY, None, event.unrestored))
                self._first.set_result(None)
            elif isinstance(event, Lost):
                lost = event.error
        return lost

    def _flush(self) -> None:
        """Write what the session has packed."""
        session = self._session
        if session is None:
            return
        data = session.take()
        if data and self._channel is not None:
            self._channel.send(data)

    # The small parts.

    def _may_read(self, session: ClientSession) -> bool:
        # First the flag, then the look: a consumer that makes room in between sees the flag.
        paused, self._paused = self._paused, True
        wanted = self._wants_reading()
        if wanted:
            self._paused = False
        if paused is wanted:
            session.set_reading(wanted, time.monotonic())
        return wanted

    def _regulate(self) -> None:
        if self._paused and self._wants_reading():
            self._wakeup.ring()

    def _change(self, change: StateChange) -> bool:
        with self._lock:
            changed = self._enter(change)
            if changed and self._state_handlers:
                self._dispatcher.urgent(partial(self._tell, change))
            return changed

    def _check_open(self) -> None:
        self._check_process()
        if self._closed:
            raise self._not_ready()


def connect(url: str, **options: Any) -> Client:
    """Connect to an OpenD and return the client once it is ready.

    The URL is ``tcp://host:port`` or another of :data:`futukit.endpoint.SCHEMES`. Options are
    keywords, or stand in the URL's query: see :class:`futukit.options.Options`.

    Raises:
        UsageError: A URL, an option, a combination or a file that cannot be.
        ConnectError: Unresolvable name, refused port, no answer in time, a certificate that is
            not trusted.
        HandshakeError: OpenD refused the connection, or answered with nonsense.
    """
    wiring = Wiring(url, options)
    return Client(wiring, credentials_of(wiring.endpoint, wiring.options))._start()
