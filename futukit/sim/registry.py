"""Which handler answers which proto id.

A handler is a function ``(call, c2s) -> s2c``. It registers itself with ``@handles(3004)``, so a
new group of requests is a new module in ``futukit.sim.handlers`` and nothing else changes. An id
without a handler is answered from the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from futukit.sim.app import Call

__all__ = ["Handler", "HandlerTable", "handles"]

Handler = Callable[["Call", Any], Struct]

_H = TypeVar("_H", bound=Callable[..., Struct])

_known: dict[int, Handler] = {}


def handles(proto_id: int) -> Callable[[_H], _H]:
    """Register the decorated function as the handler of ``proto_id``; a second one is an error."""

    def register(handler: _H) -> _H:
        if proto_id in _known:
            raise ValueError(f"proto id {proto_id} has a handler already")
        _known[proto_id] = handler
        return handler

    return register


class HandlerTable:
    """The handlers of one simulator: the registered ones, and what a user put in their place."""

    def __init__(self) -> None:
        # They import the application, which imports this module: only now can they load.
        import_module("futukit.sim.handlers")
        self._own: dict[int, Handler] = {}

    def replace(self, proto_id: int, handler: Handler) -> None:
        """Answer ``proto_id`` with ``handler`` in this simulator only."""
        self._own[proto_id] = handler

    def find(self, proto_id: int) -> Handler | None:
        """The handler of ``proto_id``, ``None`` where the schema answers."""
        return self._own.get(proto_id) or _known.get(proto_id)
