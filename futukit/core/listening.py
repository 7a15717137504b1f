"""The handle of a callback, the same on both faces."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeGuard

from futukit.errors import UsageError

__all__ = ["Listener", "check_handler", "is_coroutine_function"]


def is_coroutine_function(
    handler: object,
) -> TypeGuard[Callable[..., Coroutine[Any, Any, object]]]:
    """Whether calling it makes a coroutine; also for objects whose ``__call__`` is ``async``."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(type(handler), "__call__", None)  # noqa: B004 - not asked whether it is callable
    )


def check_handler(handler: object) -> None:
    """Refuse with UsageError what cannot be called, and a coroutine that nobody would await."""
    if not callable(handler):
        raise UsageError(f"a handler is a function, not {handler!r}")
    if is_coroutine_function(handler):
        raise UsageError("a coroutine function cannot be a handler here: nothing would await it")


class Listener:
    """A registered handler. ``close()`` ends it; it may be called more than once."""

    __slots__ = ("_end",)

    def __init__(self, end: Callable[[], None]) -> None:
        self._end: Callable[[], None] | None = end

    def close(self) -> None:
        """Call the handler no more."""
        end, self._end = self._end, None
        if end is not None:
            end()
