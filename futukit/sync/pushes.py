"""Iterating over pushes with ``for``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from futukit.core.pushes import PushQueue
from futukit.errors import FutukitError

__all__ = ["Mailbox", "Pushes"]

S = TypeVar("S")


class Mailbox:
    """A queue and the threads that wait at it. What the router holds of a :class:`Pushes`."""

    __slots__ = ("_changed", "_error", "_idle", "ended", "queue")

    def __init__(self, queue: PushQueue) -> None:
        self.queue = queue
        self.ended = False
        self._error: FutukitError | None = None
        # Reentrant: the garbage collector may close a Pushes in the middle of anything.
        self._changed = threading.Condition(threading.RLock())
        self._idle = 0

    def put(self, s2c: Any) -> None:
        """Take a push."""
        with self._changed:
            self.queue.put(s2c)
            if self._idle:
                self._changed.notify()

    def end(self, error: FutukitError | None) -> None:
        """No more will come; ``error`` is raised after the last one."""
        with self._changed:
            if not self.ended:
                self.ended = True
                self._error = error
                self._changed.notify_all()

    def get(self) -> Any:
        """The next push. Raises StopIteration, or the error, at the end."""
        with self._changed:
            while not self.queue:
                if self.ended:
                    raise self._error or StopIteration
                self._idle += 1
                try:
                    self._changed.wait()
                finally:
                    self._idle -= 1
            return self.queue.get()

    def clear(self) -> None:
        """Forget what waits."""
        with self._changed:
            self.queue.clear()


class Pushes(Generic[S]):
    """The pushes of one kind since it was made, as their S2C messages.

    It survives reconnects, and ends when it or the client is closed. When the client gives up
    its connection (``reconnect=False``), the iteration raises what ended it. What was queued is
    still given first. Made by ``client.pushes``; leaving it to the garbage collector closes it.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        release: Callable[[], None],
        taken: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        self._mailbox = mailbox
        self._release: Callable[[], None] | None = release
        self._taken = taken
        self._check = check

    @property
    def received(self) -> int:
        """How many pushes came."""
        return self._mailbox.queue.received

    @property
    def dropped(self) -> int:
        """How many of them nobody will see, because the queue was full or a newer one came."""
        return self._mailbox.queue.dropped

    @property
    def waiting(self) -> int:
        """How many wait in the queue."""
        return len(self._mailbox.queue)

    def close(self) -> None:
        """End the iteration and forget what waits."""
        release, self._release = self._release, None
        if release is not None:
            release()
            self._mailbox.clear()
            self._mailbox.end(None)
            self._taken()

    def __iter__(self) -> Pushes[S]:
        return self

    def __next__(self) -> S:
        self._check()
        s2c: S = self._mailbox.get()
        self._taken()
        return s2c

    def __enter__(self) -> Pushes[S]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A loop left with `break` drops the last reference: the queue must not fill up for ever.
        self.close()
