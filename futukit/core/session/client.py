"""The client's side of one connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final

from futukit import codec
from futukit._native.frame import Envelope
from futukit.core.events import Answered, Call, ConnectionInfo, Event, Failed, Lost, Ready
from futukit.core.links import Link, Sink
from futukit.core.links.frames import FrameLink
from futukit.core.links.refused import Refused, Undone
from futukit.core.requests import request_kind
from futukit.core.session.doubt import leaves_doubt
from futukit.core.session.greeting import Greeting
from futukit.core.session.machine import (
    KEEP_ALIVE,
    LAST_SERIAL,
    OPEND_LOST,
    SILENT_INTERVALS,
    Observer,
    Session,
)
from futukit.core.states import Role, State, Step
from futukit.errors import (
    ClientClosed,
    ConnectError,
    ConnectionLost,
    FutukitError,
    GatewayError,
    HandshakeError,
    RemoteProtocolError,
    RequestTimeout,
    ServerError,
    ServerFailed,
    UnexpectedPacket,
    UsageError,
    server_error,
)
from futukit.messages import keep_alive, registry

__all__ = ["ClientSession"]

BEAT: Final = 0.8
"""KeepAlive goes out at this part of the interval that OpenD names."""

_ABANDONED_KEPT: Final = 4096

_RET_TYPES: Final = {1: -100, 2: -100, 3: -200}
"""The errors of the script dialect (timeout, OpenD's timeout, disconnected) as retTypes."""

_NO_SINKS: Final[dict[int, Sink]] = {}

# Looked up once: before Python 3.12 a member costs a function call each time it is named.
_CLOSED: Final = State.CLOSED
_SEND_REQUEST: Final = Step.SEND_REQUEST
_GOT_REPLY: Final = Step.GOT_REPLY


class ClientSession(Session):
    """The client's side of one connection.

    ``greeting`` is how it begins. ``restore`` are requests (id, message) to repeat before the
    session counts as ready. ``sinks`` maps push ids to takers of their protobuf bodies,
    ``json_sinks`` to those of JSON bodies; they are the owner's and may change at any time.
    ``keepalive`` overrides 4/5 of OpenD's interval.

    Counters: ``late_replies`` answered a call that had timed out or was cancelled,
    ``stray_packets`` matched nothing, ``unclaimed_pushes`` had no sink. All were dropped.
    """

    role = Role.CLIENT

    def __init__(
        self,
        greeting: Greeting,
        *,
        link: Link | None = None,
        body_format: int = 0,
        epoch: float = 0.0,
        request_timeout: float = 12.0,
        connect_timeout: float = 10.0,
        keepalive: float | None = None,
        restore: Sequence[tuple[int, Any]] = (),
        sinks: dict[int, Sink] = _NO_SINKS,
        json_sinks: Mapping[int, Sink] = _NO_SINKS,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(epoch, link or FrameLink(), observer)
        self.info: ConnectionInfo | None = None
        self.late_replies = 0
        self.stray_packets = 0
        self.unclaimed_pushes = 0
        self.calls: dict[int, Call] = {}
        self._greeting = greeting
        self._body_format = body_format
        self._request_timeout = request_timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._restore = restore
        self._own: dict[int, Call] = {}
        self._unrestored: list[ServerError] = []
        self._all_sinks = sinks
        self._json_sinks = json_sinks
        self._sinks = _NO_SINKS
        self._abandoned: dict[int, int] = {}
        self._serial = 0
        self._init_serial = 0
        self._beat = inf
        self._beat_due = inf
        self._silence = inf
        self._reading = True

    # What the owner asks for.

    def connect(self, now: float) -> None:
        """Introduce ourselves; an answer is due within the connect timeout."""
        self._step(Step.SEND_INIT)
        self._init_serial = self._next_serial()
        self.link.start()
        request = self._greeting.begin(self.link)
        self._pack(self._greeting.proto_id, self._init_serial, request, self._body_format)
        self.next_deadline = now + self._connect_timeout

    def request(
        self,
        proto_id: int,
        message: Any,
        now: float,
        timeout: float | None = None,
        waiter: Any = None,
    ) -> Call:
        """Send a Request or a bare C2S, with packet id and user id filled in.

        The plain bytes of a Request are sent as they are. ``waiter`` becomes the call's. Raises
        UsageError, EncodeError or LocalProtocolError (not ready); then nothing was sent.
        """
        self._step(_SEND_REQUEST)
        return self._send(proto_id, message, now, timeout, waiter)

    def cancel(self, call: Call) -> bool:
        """Nobody waits for this call any more; its answer will be dropped.

        Returns whether it was still open; then an order's outcome is in doubt.
        """
        if self.calls.get(call.serial) is not call:
            return False
        del self.calls[call.serial]
        self._abandon(call)
        return True

    def set_reading(self, reading: bool, now: float) -> None:
        """The owner stops or resumes reading: while it does not read, silence means nothing."""
        self._reading = reading
        self._heard = now

    def close(self) -> list[Event]:
        """End in order; open calls fail with ClientClosed."""
        return self._end(None)

    def lose(self, error: FutukitError) -> list[Event]:
        """The connection is gone; open calls fail with ConnectionLost and are never re-sent."""
        return self._end(error)

    # What arrives.

    def receive(self, now: float) -> list[Event]:
        """Take all packets that the link's reader has; pushes go straight to their sinks.

        A breach of the protocol, a fault of the stream included, ends the session.
        """
        self._heard = now
        events: list[Event] = []
        try:
            for packet in self._unrouted():
                if isinstance(packet, Refused):
                    self._take_refusal(packet, events)
                elif isinstance(packet, Undone):
                    self._take_undone(packet, events)
                else:
                    self._take_envelope(packet, now, events)
                if self.state is _CLOSED:
                    break
        except (RemoteProtocolError, ConnectionLost, GatewayError) as error:
            events += self._end(error)
        return events

    def _unrouted(self) -> Iterator[Envelope | Refused | Undone]:
        """What is no push for a sink. A sink may close this session, which clears the reader."""
        reader = self.link.reader
        if self._observer is None:
            # The hot path: the reader itself gives pushes to their sinks.
            while (packet := reader.route(self._sinks)) is not None:
                yield packet
            return
        while (packet := reader.route(_NO_SINKS)) is not None:
            sink = None
            if isinstance(packet, Envelope):
                self._observer("received", packet)
                sink = self._sinks.get(packet.proto_id) if packet.body_format == 0 else None
            if sink is None or not isinstance(packet, Envelope):
                yield packet
            else:
                sink(packet.body)
            if self.state is _CLOSED:
                return

    def _take_envelope(self, envelope: Envelope, now: float, events: list[Event]) -> None:
        serial, proto_id = envelope.serial, envelope.proto_id
        call = self.calls.get(serial)
        if call is not None and call.proto_id == proto_id:
            self._step(_GOT_REPLY, envelope)
            self._check_format(envelope)
            del self.calls[serial]
            events.append(Answered(call, envelope.body))
        elif serial in self._own and self._own[serial].proto_id == proto_id:
            self._step(_GOT_REPLY, envelope)
            self._check_format(envelope)
            self._take_own(self._own.pop(serial), envelope.body, events)
        elif proto_id == self._greeting.proto_id and self._abandoned.get(serial) != proto_id:
            self._step(Step.GOT_INIT, envelope)
            self._check_format(envelope)
            self._greeted(envelope, now)
            self._restore_all(now, events)
        elif proto_id in registry.PUSH_IDS:
            self._step(Step.GOT_PUSH, envelope)
            sink = self._json_sinks.get(proto_id) if envelope.body_format else None
            if sink is None:
                self.unclaimed_pushes += 1
            else:
                sink(envelope.body)
        elif proto_id == OPEND_LOST and self.link.scripted:
            raise ConnectionLost("the WebSocket server has lost its OpenD")
        else:
            self._step(Step.GOT_STRAY, envelope)
            if self._abandoned.get(serial) == proto_id:
                del self._abandoned[serial]
                self.late_replies += 1
            else:
                self.stray_packets += 1

    def _take_refusal(self, refused: Refused, events: list[Event]) -> None:
        """A packet that is an error instead of an answer (script dialect)."""
        call = self.calls.get(refused.serial)
        if refused.serial == self._init_serial and self.state is State.GREETING:
            raise HandshakeError(f"the login was refused: {refused.text or refused.error}")
        if call is None or call.proto_id != refused.proto_id:
            self.stray_packets += 1
            return
        del self.calls[refused.serial]
        ret_type = _RET_TYPES.get(refused.error, -1)
        error = server_error(
            ret_type, refused.text, refused.error, refused.proto_id, refused.serial
        )
        # It is the WebSocket server that speaks: of what OpenD did with an order it says nothing.
        error.requests_in_doubt = call.in_doubt
        events.append(Failed(call, error))

    def _take_undone(self, undone: Undone, events: list[Event]) -> None:
        """A call that gRPC ended without an answer."""
        serial, error = undone.serial, undone.error
        if serial == self._init_serial and self.state is State.GREETING:
            events += self._end(error)
        elif serial in self.calls:
            call = self.calls.pop(serial)
            if call.is_order and leaves_doubt(error):
                error.requests_in_doubt = call.in_doubt
            events.append(Failed(call, error))
        elif serial in self._own:
            self._take_own_undone(self._own.pop(serial), error, events)
        else:
            self.stray_packets += 1

    def _take_own_undone(self, call: Call, error: FutukitError, events: list[Event]) -> None:
        if call.proto_id == KEEP_ALIVE:
            return  # whatever the server says to it, it lives
        if not isinstance(error, GatewayError):
            events += self._end(error)
            return
        refused = ServerFailed(-1, str(error), 0, call.proto_id, call.serial)
        refused.__cause__ = error
        self._unrestored.append(refused)
        self._finish_restoring(events)

    def _check_format(self, envelope: Envelope) -> None:
        if envelope.body_format != self._body_format:
            raise UnexpectedPacket(
                f"body format {envelope.body_format} is not in use here",
                envelope.proto_id,
                envelope.serial,
            )

    def _greeted(self, envelope: Envelope, now: float) -> None:
        if envelope.serial != self._init_serial:
            raise HandshakeError(f"the login was answered under serial {envelope.serial}")
        info = self.info = self._greeting.accept(envelope, self.link)
        self._sinks = self._all_sinks
        self._beat = self._keepalive or info.keep_alive_interval * BEAT
        self._silence = self._beat * SILENT_INTERVALS / BEAT
        self._beat_due = now + self._beat
        self._schedule()

    # Restoring what the connection before had subscribed.

    def _restore_all(self, now: float, events: list[Event]) -> None:
        for proto_id, message in self._restore:
            self._step(Step.SEND_RESTORE)
            call = self._send(proto_id, message, now, None)
            self._own[call.serial] = self.calls.pop(call.serial)
        self._restore = ()
        self._finish_restoring(events)

    def _take_own(self, call: Call, body: bytes, events: list[Event]) -> None:
        if call.proto_id == KEEP_ALIVE:
            return
        try:
            request_kind(call.proto_id).result(body, call.serial, self._body_format)
        except ServerError as error:
            self._unrestored.append(error)
        self._finish_restoring(events)

    def _finish_restoring(self, events: list[Event]) -> None:
        if self.state is State.RESTORING and self.info is not None:
            if any(call.proto_id != KEEP_ALIVE for call in self._own.values()):
                return
            self._step(Step.RESTORED)
            events.append(Ready(self.info, tuple(self._unrestored)))

    # Time.

    def tick(self, now: float) -> list[Event]:
        """Do what is due: KeepAlive, calls that timed out, a peer that fell silent."""
        if self.state in (State.IDLE, State.CLOSED):
            return []
        if self.state is State.GREETING:
            if now < self.next_deadline:
                return []
            reason = f"no answer to {self._greeting.name} in {self._connect_timeout} s"
            return self._end(ConnectError(reason))
        if self._stalled(now, self._beat) or not self._reading:
            self._heard = now
        if now >= self._heard + self._silence:
            return self._end(ConnectionLost(f"OpenD sent nothing for {self._silence:g} s"))
        if any(now >= call.deadline for call in self._own.values()):
            return self._end(ConnectError("OpenD did not answer the subscriptions in time"))
        events = self._expire(now)
        if now >= self._beat_due:
            self._send_beat(now)
        self._schedule()
        return events

    def _expire(self, now: float) -> list[Event]:
        events: list[Event] = []
        for call in [call for call in self.calls.values() if now >= call.deadline]:
            del self.calls[call.serial]
            self._abandon(call)
            reason = f"no answer to proto id {call.proto_id} in {call.timeout:g} s"
            events.append(
                Failed(call, RequestTimeout(reason, call.proto_id, call.serial, call.in_doubt))
            )
        return events

    def _send_beat(self, now: float) -> None:
        self._beat_due = now + self._beat
        ping = self.link.ping()
        if ping is not None:
            self._out.append(ping)
            return
        for call in [call for call in self._own.values() if call.proto_id == KEEP_ALIVE]:
            self._abandon(self._own.pop(call.serial))
        serial = self._next_serial()
        request = keep_alive.Request(c2s=keep_alive.C2S(time=int(self._epoch + now)))
        self._pack(KEEP_ALIVE, serial, request, self._body_format)
        # No deadline of its own: a peer without an answer for us is found by its silence.
        self._own[serial] = Call(KEEP_ALIVE, serial, False, inf, inf)

    def _schedule(self) -> None:
        waiting = [call.deadline for call in (*self.calls.values(), *self._own.values())]
        self.next_deadline = min(self._beat_due, self._heard + self._silence, *waiting)

    # The small parts.

    def _send(
        self, proto_id: int, message: Any, now: float, timeout: float | None, waiter: Any = None
    ) -> Call:
        kind = request_kind(proto_id)
        if timeout is None:
            timeout = self._request_timeout
        elif not isinstance(timeout, int | float) or not timeout > 0:
            raise UsageError(f"a timeout is a number of seconds above 0, not {timeout!r}")
        serial = self._next_serial()
        if isinstance(message, bytes):
            if len(message) > codec.MAX_BODY_BYTES:
                raise UsageError(f"a body has at most {codec.MAX_BODY_BYTES} bytes")
        else:
            info = self.info
            ids = (info.connection_id, info.login_user_id) if info else (0, 0)
            message = kind.complete(message, serial, *ids)
        self._pack(proto_id, serial, message, self._body_format)
        call = Call(proto_id, serial, kind.is_order, now + timeout, timeout, waiter)
        self.calls[serial] = call
        if call.deadline < self.next_deadline:
            self.next_deadline = call.deadline
        return call

    def _next_serial(self) -> int:
        serial = self._serial
        while True:
            serial = serial + 1 if serial < LAST_SERIAL else 1
            if serial not in self.calls and serial not in self._own:
                self._serial = serial
                return serial

    def _abandon(self, call: Call) -> None:
        abandoned = self._abandoned
        abandoned[call.serial] = call.proto_id
        self.link.abandon(call.serial)
        if len(abandoned) > _ABANDONED_KEPT:
            del abandoned[next(iter(abandoned))]

    def _end(self, error: FutukitError | None) -> list[Event]:
        if self.state is State.CLOSED:
            return []
        self._step(Step.END)
        self._sinks = _NO_SINKS
        if error is None:
            self._out.append(self.link.finish())
        else:
            self._out.clear()
        self.link.reader.clear()
        self.next_deadline = inf
        events: list[Event] = [Failed(call, _ended(call, error)) for call in self.calls.values()]
        self.calls.clear()
        self._own.clear()
        if error is not None:
            events.append(Lost(error))
        self.link.sealer = self.link.opener = None  # the keys die with the connection
        return events


def _ended(call: Call, error: FutukitError | None) -> FutukitError:
    if error is None:
        closed = ClientClosed("the client was closed with this call in flight")
        closed.requests_in_doubt = call.in_doubt
        return closed
    lost = ConnectionLost(str(error), call.proto_id, call.serial, call.in_doubt)
    lost.__cause__ = error
    return lost
