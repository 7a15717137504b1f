"""Work that must not overlap: what is asked of OpenD about subscriptions, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from futukit.errors import RequestTimeout
from futukit.gateway.members import Member

__all__ = ["Turns"]

_T = TypeVar("_T")

_PATIENCE_SECONDS: Final = 12.0
"""As long as the official clients wait for an answer."""


class Turns:
    """One piece of work at a time. Of each member one is in the line, so nobody fills it.

    Work that has begun goes on to its end, even if who asked for it goes away: half a subscription
    would never be given up. Who goes away before has asked for nothing.
    """

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def tasks(self) -> int:
        """How much work is under way: one or none."""
        return len(self._tasks)

    async def take(self, member: Member, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Do a member's work when its turn has come. Raises RequestTimeout if that takes long."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                await _both(member.turn, self._lock)
        except TimeoutError:
            raise RequestTimeout("the requests before this one wait for its answers") from None
        return await self._begun(work, self._lock, member.turn)

    async def take_own(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Do the gateway's own work when its turn has come, however long that takes."""
        await self._lock.acquire()
        return await self._begun(work, self._lock)

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begun(self, work: Callable[[], Coroutine[Any, Any, _T]], *held: asyncio.Lock) -> _T:
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)

        def ended(_: asyncio.Task[_T]) -> None:
            self._tasks.discard(task)
            for lock in held:
                lock.release()
            if not task.cancelled():
                task.exception()  # who asked may have gone: then nobody else looks at it

        task.add_done_callback(ended)
        return await asyncio.shield(task)


async def _both(first: asyncio.Lock, second: asyncio.Lock) -> None:
    await first.acquire()
    try:
        await second.acquire()
    except BaseException:
        first.release()
        raise
