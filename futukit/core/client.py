"""What both faces' clients are made of, except for waiting and IO.

It holds what outlives a connection: the options, who listens to pushes and states, the book of
subscriptions, the orders in doubt, the counters of frequency limits. Each connection gets a
session of its own; no byte and no key of the one before is left.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from futukit.core.events import Call, Failed
from futukit.core.limits import RateGuard, Reservation, limited_c2s
from futukit.core.pushes import PushKind, PushQueue, PushRouter, without
from futukit.core.requests import request_kind
from futukit.core.retry import Backoff
from futukit.core.session import ClientSession
from futukit.core.session.doubt import leaves_doubt
from futukit.core.session.machine import INIT_CONNECT, KEEP_ALIVE, Observer
from futukit.core.states import State
from futukit.core.subscriptions import BOOKED_IDS, SubscriptionBook
from futukit.core.wiring import Wiring
from futukit.endpoint import Endpoint
from futukit.errors import (
    ClientClosed,
    ConnectError,
    ConnectionLost,
    ForkedProcessError,
    FutukitError,
    ServerError,
    UsageError,
)

__all__ = [
    "ClientBase",
    "ClientState",
    "Counters",
    "OrderInDoubt",
    "StateChange",
    "StateHandler",
    "connect_failure",
]

_logger: Final = logging.getLogger("futukit.client")

_DOUBTS_KEPT: Final = 1000
_NOTED: Final = "in doubt"
_SHORTEST_TIMEOUT: Final = 0.001
_SESSION_READY: Final = State.READY


class ClientState(Enum):
    """Where a client is. LOST turns into CONNECTING again unless ``reconnect`` is off."""

    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    CLOSED = "closed"


class StateChange(NamedTuple):
    """What ``on_state`` handlers get.

    ``reason`` is why the connection was lost, or a try to connect failed. ``unrestored`` is what
    OpenD answered to subscriptions that it did not take back on this connection.
    """

    state: ClientState
    reason: FutukitError | None = None
    unrestored: tuple[ServerError, ...] = ()


StateHandler = Callable[[StateChange], object]


class OrderInDoubt(NamedTuple):
    """An order request that was sent and whose outcome is not known: ask OpenD before acting."""

    connection_id: int
    serial: int
    proto_id: int


class Counters(NamedTuple):
    """What was dropped or repaired since the client was made.

    late_replies: answers to calls that had timed out or were cancelled.
    stray_packets: packets that nothing waited for.
    unclaimed_pushes: pushes that nobody listens to.
    push_errors: pushes that could not be read.
    connections: connections that became ready.
    """

    late_replies: int
    stray_packets: int
    unclaimed_pushes: int
    push_errors: int
    connections: int


class Mailbox(Protocol):
    """Where a face keeps the pushes of one iteration."""

    @property
    def queue(self) -> PushQueue:
        """What waits to be taken."""

    def put(self, s2c: Any) -> None:
        """Take a push."""

    def end(self, error: FutukitError | None) -> None:
        """No more will come."""


class ClientBase:
    """State, facts and rules of a client; its faces add ``call`` and everything that waits."""

    def __init__(
        self, wiring: Wiring, chance: Callable[[], float], observer: Observer | None
    ) -> None:
        options = wiring.options
        self._wiring = wiring
        self._observer = observer
        self._endpoint = wiring.endpoint
        self._options = options
        self._body_format = wiring.body_format
        self._state = ClientState.CONNECTING
        self._reason: FutukitError | None = None
        self._session: ClientSession | None = None
        self._router = PushRouter()
        self._mailboxes: tuple[Mailbox, ...] = ()
        self._blocking: tuple[PushQueue, ...] = ()
        self._book = SubscriptionBook()
        self._guard = None if options.rate_limit is None else RateGuard()
        self._backoff = Backoff(options.reconnect_delay, options.reconnect_max_delay, chance)
        self._state_handlers: tuple[StateHandler, ...] = ()
        self._doubts: deque[OrderInDoubt] = deque(maxlen=_DOUBTS_KEPT)
        self._counters = Counters(0, 0, 0, 0, 0)
        self._ready_since = 0.0
        self._pid = os.getpid()

    # Facts.

    @property
    def state(self) -> ClientState:
        """Where the client is now."""
        session = self._session
        down = session is None or session.state is not _SESSION_READY
        if self._state is ClientState.READY and down:
            # Calls fail a moment before the handlers learn of it: who catches ConnectionLost
            # and asks must not read that all is well.
            return ClientState.LOST
        return self._state

    @property
    def connection_id(self) -> int:
        """OpenD's id of the present connection (InitConnect.connID); 0 before the first."""
        return self._session.info.connection_id if self._session and self._session.info else 0

    @property
    def login_user_id(self) -> int:
        """The user that OpenD is logged in as (InitConnect.loginUserID); 0 before the first."""
        return self._session.info.login_user_id if self._session and self._session.info else 0

    @property
    def server_version(self) -> int:
        """OpenD's version (InitConnect.serverVer), for example 1011; 0 before the first."""
        return self._session.info.server_version if self._session and self._session.info else 0

    @property
    def encryption(self) -> str:
        """What encrypts the bodies of the present connection, besides TLS.

        "none", "ftaes_ecb", "aes_ecb" or "aes_cbc"; "none" before the first.
        """
        return self._session.info.encryption if self._session and self._session.info else "none"

    @property
    def requests_in_doubt(self) -> tuple[OrderInDoubt, ...]:
        """Orders sent of which nobody knows what became of them; the last 1000.

        No answer came (lost, timed out, cancelled), or one that says no more than that: retType
        -100, -200 or -400, or what cannot be read.
        """
        return tuple(self._doubts)

    @property
    def counters(self) -> Counters:
        """What was dropped or repaired since the client was made."""
        return self._counted(self._session)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.Client {self._endpoint} {self.state.value}>"

    # Connections.

    def _new_session(self, epoch: float, connect_timeout: float) -> ClientSession:
        options = self._options
        self._counters = self._counted(self._session)
        self._session = ClientSession(
            self._wiring.greeting(),
            link=self._wiring.link(),
            body_format=self._body_format,
            epoch=epoch,
            request_timeout=options.request_timeout,
            connect_timeout=connect_timeout,
            keepalive=options.keepalive,
            restore=self._book.requests(),
            sinks=self._router.sinks,
            json_sinks=self._router.json_sinks,
            observer=self._observer,
        )
        return self._session

    def _became_ready(self, now: float) -> None:
        self._ready_since = now
        self._counters = self._counters._replace(connections=self._counters.connections + 1)

    def _retry_after(self, now: float) -> float:
        """Seconds to wait before the next try to connect."""
        if self._ready_since:
            self._backoff.lived(now - self._ready_since)
            self._ready_since = 0.0
        return self._backoff.failed()

    def _counted(self, session: ClientSession | None) -> Counters:
        known = self._counters
        if session is None:
            return known._replace(push_errors=self._router.errors)
        return Counters(
            known.late_replies + session.late_replies,
            known.stray_packets + session.stray_packets,
            known.unclaimed_pushes + session.unclaimed_pushes,
            self._router.errors,
            known.connections,
        )

    # Calls.

    def _submit(
        self, proto_id: int, message: Any, now: float, timeout: float | None, waiter: Any
    ) -> Call:
        """Send a request on the present connection. A client that is not ready refuses at once."""
        session = self._session
        if session is None or session.state is not _SESSION_READY:
            raise self._not_ready()
        if proto_id in _SESSION_IDS:
            raise UsageError(f"proto id {proto_id} is the session's own")
        call = session.request(proto_id, message, now, timeout, waiter)
        if proto_id in BOOKED_IDS:
            call.note = message
        return call

    def _reserve(
        self, guard: RateGuard, proto_id: int, message: Any, now: float, timeout: float | None
    ) -> Reservation:
        """The turn of a call under the option ``rate_limit``. Raises RateLimited, or not ready.

        With a turn whose wait is 0.0, or once that is claimed, the call is submitted.
        """
        session = self._session
        if session is None or session.state is not _SESSION_READY:
            raise self._not_ready()
        longest = 0.0
        if self._options.rate_limit == "queue":
            longest = self._options.request_timeout if timeout is None else timeout
            if not isinstance(longest, int | float) or not longest > 0:
                longest = 0.0  # the session refuses such a timeout
        c2s = limited_c2s(proto_id, message, self._body_format)
        return guard.reserve(proto_id, c2s, now, longest)

    def _left(self, timeout: float | None, waited: float) -> float:
        """What the wait for its turn leaves of a call's timeout; never nothing."""
        whole = self._options.request_timeout if timeout is None else timeout
        return max(whole - waited, _SHORTEST_TIMEOUT)

    def _settle(self, call: Call, body: bytes) -> None:
        """Note what an answer says: subscriptions that OpenD has confirmed, orders in doubt."""
        kind = request_kind(call.proto_id)
        try:
            if call.is_order:
                self._result(call, body)
            elif call.note is not None:
                kind.result(body, call.serial, self._body_format)
                self._book.confirm(call.proto_id, kind.c2s_of(call.note, self._body_format))
        except FutukitError as error:
            # Refused or unreadable: the caller is told, the book stays.
            if error.requests_in_doubt:
                self._doubt(call)

    def _result(self, call: Call, body: bytes) -> Any:
        """What ``call`` returns for an answer, or raises, with the order's serial if in doubt."""
        try:
            return request_kind(call.proto_id).result(body, call.serial, self._body_format)
        except FutukitError as error:
            _mark(call, error)
            raise

    def _whole(self, call: Call, body: bytes) -> Any:
        """What ``call_response`` returns for an answer, or raises, like ``_result``."""
        try:
            return request_kind(call.proto_id).whole(body, call.serial, self._body_format)
        except FutukitError as error:
            _mark(call, error)
            raise

    def _doubt(self, call: Call) -> tuple[int, ...]:
        """Note, once, a call whose outcome is not known; gives its serial if it is an order."""
        if call.is_order and call.note is not _NOTED:
            call.note = _NOTED
            self._doubts.append(OrderInDoubt(self.connection_id, call.serial, call.proto_id))
        return call.in_doubt

    def _doubt_failed(self, failed: Failed) -> None:
        """Note an order that failed, unless it is known that it was not carried out."""
        if failed.error.requests_in_doubt:
            self._doubt(failed.call)

    def _not_ready(self) -> FutukitError:
        if self._closed:
            return ClientClosed("the client is closed")
        error = ConnectionLost(f"not connected to {self._endpoint}")
        error.__cause__ = self._reason
        return error

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError("a client cannot be used in a child of the process it is from")

    # States.

    @property
    def _closed(self) -> bool:
        return self._state is ClientState.CLOSED

    def _enter(self, change: StateChange) -> bool:
        """Move to another state; gives whether handlers are to be told."""
        if self._closed:
            return False
        self._state = change.state
        self._reason = change.reason
        return True

    def _remove_state_handler(self, handler: StateHandler) -> None:
        self._state_handlers = without(self._state_handlers, handler)

    def _tell(self, change: StateChange) -> None:
        for handler in self._state_handlers:
            try:
                handler(change)
            except Exception:
                _logger.exception("a state handler failed")

    # Pushes.

    def _queue_size(self, maxsize: int | None) -> int:
        return self._options.push_queue if maxsize is None else maxsize

    def _listen(self, kind: PushKind, mailbox: Mailbox) -> Callable[[], None]:
        """Fill a mailbox with pushes from now on; gives what ends that."""
        consume = mailbox.put
        queues = (mailbox.queue,) if mailbox.queue.policy == "block" else ()
        self._router.add(kind, consume)
        self._mailboxes = (*self._mailboxes, mailbox)
        self._blocking = (*self._blocking, *queues)

        def release() -> None:
            self._router.remove(kind, consume)
            self._mailboxes = without(self._mailboxes, mailbox)
            self._blocking = without(self._blocking, mailbox.queue)

        return release

    def _end_pushes(self, error: FutukitError | None) -> None:
        """No push will ever come again: iterations end, with an error unless it was asked for."""
        for mailbox in self._mailboxes:
            lost: FutukitError | None = None
            if error is not None:
                lost = ConnectionLost(f"the connection was lost: {error}")
                lost.__cause__ = error
            mailbox.end(lost)
        self._mailboxes = ()
        self._blocking = ()
        self._router.clear()

    # Reading.

    def _wants_reading(self) -> bool:
        """Whether OpenD should be read: not while a blocking queue is full and no call waits."""
        if not self._blocking or not any(queue.full for queue in self._blocking):
            return True
        return self._session is not None and bool(self._session.calls)


def _mark(call: Call, error: FutukitError) -> None:
    if call.is_order and leaves_doubt(error):
        error.requests_in_doubt = call.in_doubt


def connect_failure(endpoint: Endpoint, error: FutukitError) -> FutukitError:
    """What ``connect`` raises when its first try ended with ``error``."""
    if isinstance(error, ConnectionLost):
        failure = ConnectError(f"cannot connect to {endpoint}: {error}")
        failure.__cause__ = error
        return failure
    return error


_SESSION_IDS: Final = frozenset({INIT_CONNECT, KEEP_ALIVE})
