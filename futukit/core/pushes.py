"""Pushes on their way from the session to those who asked for them.

One sink per push id decodes a body once and hands the S2C to every consumer. Consumers that may
be slow stand behind a :class:`PushQueue`, which is bounded and says what it does when full.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, Literal, Protocol, TypeVar, get_args, get_origin

from futukit import codec
from futukit.errors import DecodeError, FutukitError, UsageError, server_error
from futukit.messages import registry

__all__ = ["Policy", "PushKind", "PushMessage", "PushQueue", "PushRouter", "push_kind", "without"]

_logger: Final = logging.getLogger("futukit.pushes")

S_co = TypeVar("S_co", covariant=True)

H = TypeVar("H")

Consumer = Callable[[Any], object]

Policy = Literal["drop_oldest", "block", "conflate"]
"""What a full queue does.

drop_oldest: the oldest push makes room.
block: OpenD is not read any more until there is room; while a call waits for its answer it is
    read all the same, so the queue may then grow past its size.
conflate: a push replaces the waiting one of the same security (and K-line type), in its place.
"""

_KEY_FIELDS: Final = ("security", "kl_type", "rehab_type")
_ROW_KEY_FIELDS: Final = ("security", "code", "pre_side")


class PushMessage(Protocol[S_co]):
    """A push's message: a Response whose S2C is what consumers get."""

    @property
    def s2c(self) -> S_co | None:
        """What is pushed; absent from a push that is an error."""


class PushKind:
    """One push id: its message class (None without a schema), and what names its subject.

    ``content`` is the class of what consumers get: the S2C, ``bytes`` without a schema.
    """

    __slots__ = (
        "_key_fields",
        "_row_key_fields",
        "_rows_field",
        "content",
        "proto_id",
        "response",
    )

    def __init__(self, proto_id: int) -> None:
        row = registry.row(proto_id)
        if row.kind != "push":
            raise UsageError(f"proto id {proto_id} ({row.name}) is no push")
        self.proto_id = proto_id
        self.response: Any = None
        self.content: type[Any] = bytes
        self._key_fields: tuple[str, ...] = ()
        self._rows_field = ""
        self._row_key_fields: tuple[str, ...] = ()
        if row.module is not None:
            self.response = registry.response_class(proto_id)
            self.content = get_args(self.response.__annotations__["s2c"])[0]
            self._find_key(self.content)

    @property
    def names_security(self) -> bool:
        """Whether the push says which security it is about."""
        return bool(self._key_fields or self._row_key_fields)

    def key(self, s2c: Any) -> tuple[Any, ...]:
        """What the push is about: its security, for K-lines with type and adjustment."""
        if self._key_fields:
            return tuple([getattr(s2c, name) for name in self._key_fields])
        return tuple(
            [
                getattr(row, name)
                for row in getattr(s2c, self._rows_field)
                for name in self._row_key_fields
            ]
        )

    def _find_key(self, s2c: Any) -> None:
        names = s2c.__struct_fields__
        if "security" in names:
            self._key_fields = tuple(name for name in _KEY_FIELDS if name in names)
            return
        # Some pushes carry a list whose rows name their security, mostly a list of one.
        for name in names:
            annotation = s2c.__annotations__[name]
            if get_origin(annotation) is not tuple:
                continue
            fields = getattr(get_args(annotation)[0], "__struct_fields__", ())
            if "security" in fields or "code" in fields:
                self._rows_field = name
                self._row_key_fields = tuple(name for name in _ROW_KEY_FIELDS if name in fields)


@cache
def _ids_by_class() -> dict[tuple[str, str], int]:
    return {
        (row.module, row.response): row.proto_id
        for row in registry.rows()
        if row.kind == "push" and row.module is not None and row.response is not None
    }


@cache
def push_kind(push: type[Any] | int) -> PushKind:
    """The kind of a push, given as its Response class or its proto id. Raises UsageError."""
    if isinstance(push, int):
        return PushKind(push)
    if not isinstance(push, type):
        raise UsageError(f"a push is named by its Response class or proto id, not {push!r}")
    name = (push.__module__.rpartition(".")[2], push.__name__)
    proto_id = _ids_by_class().get(name)
    if proto_id is None or registry.response_class(proto_id) is not push:
        raise UsageError(f"{push.__module__}.{push.__qualname__} is not the Response of a push")
    return PushKind(proto_id)


class PushQueue:
    """Pushes that wait for one consumer.

    ``received`` counts all that came, ``dropped`` those that no consumer will see. Nothing here
    waits or locks: that is the face's.
    """

    __slots__ = ("_items", "_kind", "_latest", "dropped", "maxsize", "policy", "received")

    def __init__(self, kind: PushKind, policy: Policy, maxsize: int) -> None:
        if policy not in get_args(Policy):
            raise UsageError(f"unknown policy {policy!r}; known are {', '.join(get_args(Policy))}")
        if isinstance(maxsize, bool) or not isinstance(maxsize, int) or maxsize < 1:
            raise UsageError(f"maxsize is a number of pushes above 0, not {maxsize!r}")
        if policy == "conflate" and not kind.names_security:
            raise UsageError(f"pushes of proto id {kind.proto_id} name no security to conflate by")
        self.policy = policy
        self.maxsize = maxsize
        self.received = 0
        self.dropped = 0
        self._kind = kind
        self._items: deque[Any] = deque()
        self._latest: dict[tuple[Any, ...], Any] = {}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether a blocking queue wants no more."""
        return self.policy == "block" and len(self._items) >= self.maxsize

    def put(self, s2c: Any) -> None:
        """Add a push, as the policy says."""
        self.received += 1
        if self.policy == "conflate":
            s2c = self._conflated(s2c)
            if s2c is None:
                return
        self._items.append(s2c)
        if len(self._items) > self.maxsize and self.policy != "block":
            self._note_drop()
            self.get()

    def get(self) -> Any:
        """The oldest push. Raises IndexError when there is none."""
        item = self._items.popleft()
        return self._latest.pop(item) if self.policy == "conflate" else item

    def clear(self) -> None:
        """Forget what waits."""
        self._items.clear()
        self._latest.clear()

    def _conflated(self, s2c: Any) -> tuple[Any, ...] | None:
        """Keep the push under its key; gives the key where it has to be queued."""
        key = self._kind.key(s2c)
        waiting = key in self._latest
        self._latest[key] = s2c
        if not waiting:
            return key
        self.dropped += 1
        return None

    def _note_drop(self) -> None:
        if not self.dropped:
            _logger.warning(
                "a consumer of proto id %d is too slow: its oldest pushes are dropped",
                self._kind.proto_id,
            )
        self.dropped += 1


class PushRouter:
    """Who wants which push. ``sinks`` and ``json_sinks`` are what sessions route by.

    A consumer that raises is logged and keeps its place. ``errors`` counts bodies that were not
    the message they should be, which are logged and dropped.
    """

    def __init__(self) -> None:
        self.sinks: dict[int, Callable[[bytes], None]] = {}
        self.json_sinks: dict[int, Callable[[bytes], None]] = {}
        self.errors = 0
        self._consumers: dict[int, tuple[Consumer, ...]] = {}

    def add(self, kind: PushKind, consumer: Consumer) -> None:
        """Let ``consumer`` have every push of this kind (the S2C; bytes without a schema)."""
        self._set(kind, (*self._consumers.get(kind.proto_id, ()), consumer))

    def remove(self, kind: PushKind, consumer: Consumer) -> None:
        """Take a consumer away; nothing happens if it is not there."""
        consumers = self._consumers.get(kind.proto_id, ())
        self._set(kind, without(consumers, consumer))

    def clear(self) -> None:
        """Take all consumers away."""
        self.sinks.clear()
        self.json_sinks.clear()
        self._consumers.clear()

    def _set(self, kind: PushKind, consumers: tuple[Consumer, ...]) -> None:
        proto_id = kind.proto_id
        self._consumers[proto_id] = consumers
        self.sinks.pop(proto_id, None)
        self.json_sinks.pop(proto_id, None)
        if not consumers:
            return
        consume = consumers[0] if len(consumers) == 1 else _each(consumers)
        if kind.response is None:
            self.sinks[proto_id] = self.json_sinks[proto_id] = _guarded(proto_id, consume)
            return
        sink = codec.PushSink(
            codec.plan_of(kind.response),
            consume,
            partial(self._refuse, proto_id),
            partial(_report, proto_id),
        )
        self.sinks[proto_id] = sink
        self.json_sinks[proto_id] = partial(self._take_json, kind.response, sink, proto_id)

    def _take_json(self, cls: type[Any], sink: codec.PushSink, proto_id: int, body: bytes) -> None:
        try:
            response = codec.decode_json(cls, body)
        except DecodeError as error:
            self._refuse(proto_id, error)
        else:
            sink.give(response)

    def _refuse(self, proto_id: int, found: Any) -> None:
        """Count a push that cannot be used: its DecodeError, or a Response of an error."""
        error = found if isinstance(found, FutukitError) else _unusable(found, proto_id)
        self.errors += 1
        _logger.warning("push %d dropped: %s", proto_id, error)


def _report(proto_id: int, error: Exception) -> None:
    _logger.error("a handler of push %d failed", proto_id, exc_info=error)


def without(handlers: tuple[H, ...], handler: H) -> tuple[H, ...]:
    """The handlers without one place of this one: the same function may stand there twice."""
    for index, known in enumerate(handlers):
        if known is handler:
            return handlers[:index] + handlers[index + 1 :]
    return handlers


def _unusable(response: Any, proto_id: int) -> FutukitError:
    if response.ret_type:
        return server_error(int(response.ret_type), response.ret_msg or "", 0, proto_id)
    return DecodeError("a push without content", "s2c", proto_id)


def _guarded(proto_id: int, consume: Consumer) -> Callable[[bytes], None]:
    def sink(body: bytes) -> None:
        try:
            consume(body)
        except Exception:
            _logger.exception("a handler of push %d failed", proto_id)

    return sink


def _each(consumers: tuple[Consumer, ...]) -> Consumer:
    def consume(s2c: Any) -> None:
        for consumer in consumers:
            try:
                consumer(s2c)
            except Exception:
                _logger.exception("a push handler failed")

    return consume
