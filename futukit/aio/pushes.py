"""Iterating over pushes with ``async for``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from futukit.core.pushes import PushQueue
from futukit.errors import FutukitError

__all__ = ["Mailbox", "Pushes"]

S = TypeVar("S")


class Mailbox:
    """A queue and the one task that waits at it. What the router holds of a :class:`Pushes`."""

    __slots__ = ("_error", "_waiter", "ended", "queue")

    def __init__(self, queue: PushQueue) -> None:
        self.queue = queue
        self.ended = False
        self._error: FutukitError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, s2c: Any) -> None:
        """Take a push."""
        self.queue.put(s2c)
        if self._waiter is not None:
            self._wake()

    def end(self, error: FutukitError | None) -> None:
        """No more will come; ``error`` is raised after the last one."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._wake()

    async def get(self) -> Any:
        """The next push. Raises StopAsyncIteration, or the error, at the end."""
        while not self.queue:
            if self.ended:
                raise self._error or StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("two tasks wait for the same pushes")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.queue.get()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
        abandoned: Callable[[], None],
    ) -> None:
        self._mailbox = mailbox
        self._release: Callable[[], None] | None = release
        self._taken = taken
        self._abandoned = abandoned

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
            self._mailbox.queue.clear()
            self._mailbox.end(None)
            self._taken()

    def __aiter__(self) -> Pushes[S]:
        return self

    async def __anext__(self) -> S:
        s2c: S = await self._mailbox.get()
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
        if self._release is not None:
            self._release()
            self._abandoned()
