"""The handle of a callback, the same on both faces."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Listener"]


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
