"""Both faces of a channel, driven the way the clients drive them, with one way to look at them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from futukit._native.frame import Envelope
from futukit.channels import opener, security_of
from futukit.channels.tcp_asyncio import TcpChannel as AsyncioChannel
from futukit.channels.tcp_blocking import TcpChannel as BlockingChannel
from futukit.channels.tcp_blocking import Wakeup
from futukit.core.events import Event
from futukit.core.links.frames import FrameLink
from futukit.core.links.refused import Refused
from futukit.endpoint import Endpoint
from futukit.errors import FutukitError
from futukit.options import Options

T = TypeVar("T")

WAIT = 10.0


class Session:
    """Collects what arrives, and how it ended."""

    def __init__(self) -> None:
        self.link = FrameLink()
        self.envelopes: list[Envelope] = []
        self.lost: FutukitError | None = None
        self._changed = threading.Condition()

    def receive(self, now: float) -> list[Event]:
        del now
        with self._changed:
            while (packet := self.link.reader.route({})) is not None:
                assert not isinstance(packet, Refused)
                self.envelopes.append(packet)
            self._changed.notify_all()
        return []

    def lose(self, error: FutukitError) -> list[Event]:
        with self._changed:
            self.lost = self.lost or error
            self._changed.notify_all()
        return []

    def wait_for_envelopes(self, count: int) -> list[Envelope]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.envelopes) >= count, WAIT)
            return self.envelopes

    def wait_for_loss(self) -> FutukitError:
        with self._changed:
            assert self._changed.wait_for(lambda: self.lost is not None, WAIT)
            assert self.lost is not None
            return self.lost


class Pipe(Protocol):
    """An open channel and its session."""

    session: Session

    def open(self, endpoint: Endpoint, options: Options, timeout: float) -> None: ...

    def send(self, data: bytes) -> None: ...

    def set_reading(self, reading: bool) -> None: ...

    def close(self) -> None:
        """Close in order, and wait for that."""


class AsyncioPipe:
    """The asyncio face, with its event loop in a thread."""

    def __init__(self) -> None:
        self.session = Session()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._channel: AsyncioChannel | None = None
        self._react: Callable[[], object] = lambda: None

    def open(self, endpoint: Endpoint, options: Options, timeout: float) -> None:
        async def open_channel() -> AsyncioChannel:
            channel: AsyncioChannel = await opener("asyncio")(
                endpoint,
                self.session,
                lambda events: self._react(),
                security=security,
                timeout=timeout,
            )
            return channel

        security = security_of(endpoint, options)
        self._channel = self._run(open_channel())

    def abort_on_arrival(self) -> None:
        """Abort from within the next delivery."""
        assert self._channel is not None
        self._react = self._channel.abort

    def send(self, data: bytes) -> None:
        assert self._channel is not None
        self._call(self._channel.send, data)

    def set_reading(self, reading: bool) -> None:
        assert self._channel is not None
        self._call(self._channel.set_reading, reading)

    def close(self) -> None:
        if self._loop.is_closed():
            return
        if self._channel is not None:
            self._run(self._channel.close())
        self._run(settled())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        async def call() -> None:
            function(*arguments)

        self._run(call())


async def settled() -> None:
    """Let the loop do what is due: transports close in its next rounds."""
    for _ in range(5):
        await asyncio.sleep(0)


class BlockingPipe:
    """The blocking face, with its reader thread."""

    close_timeout = 5.0

    def __init__(self) -> None:
        self.session = Session()
        self._lock = threading.RLock()
        self._wakeup = Wakeup()
        self._channel: BlockingChannel | None = None
        self._thread = threading.Thread(target=self._serve)
        self._reading = True
        self._closing = False

    def open(self, endpoint: Endpoint, options: Options, timeout: float) -> None:
        self._channel = opener("blocking")(
            endpoint,
            self._wakeup,
            self.session.link.reader,
            security=security_of(endpoint, options),
            timeout=timeout,
        )
        assert self._channel is not None
        self._thread.start()

    def send(self, data: bytes) -> None:
        with self._lock:
            assert self._channel is not None
            self._channel.send(data)

    def set_reading(self, reading: bool) -> None:
        self._reading = reading
        self._wakeup.ring()

    def close(self) -> None:
        self._closing = True
        self._wakeup.ring()
        if self._thread.is_alive():
            self._thread.join(WAIT)
        self._wakeup.close()

    def _serve(self) -> None:
        channel = self._channel
        assert channel is not None
        try:
            while not self._closing:
                readable, writable = channel.wait(WAIT, self._reading)
                with self._lock:
                    if writable:
                        channel.flush()
                    if readable and channel.receive():
                        self.session.receive(0.0)
            self._end(channel)
        except FutukitError as error:
            self.session.lose(error)
        finally:
            channel.close()

    def _end(self, channel: BlockingChannel) -> None:
        with self._lock:
            channel.finish()
        deadline = time.monotonic() + self.close_timeout
        while channel.unsent and time.monotonic() < deadline:
            channel.wait(deadline - time.monotonic(), False)
            with self._lock:
                channel.flush()
