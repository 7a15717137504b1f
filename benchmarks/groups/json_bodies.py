"""JSON bodies ↔ messages, against ``google.protobuf.json_format`` on the upb runtime.

Both sides read the same texts and write the same messages, json_format without line breaks.
Reading answers takes what a server writes, reading requests what a client writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from google.protobuf import json_format

from benchmarks import upb
from benchmarks.bodies import BodySet
from benchmarks.compare import Side, compare, for_each, fresh
from benchmarks.figures import Figure, figure
from benchmarks.run import Run
from futukit import codec

__all__ = ["measure"]

_BASELINE: Final = "json_format"
_DECODE_GATE: Final = 10.0
_ENCODE_GATE: Final = 4.0
_AIM: Final = 15.0


class _Case(NamedTuple):
    """``server`` tells who writes such a message."""

    name: str
    bodies: Callable[[Run], BodySet]
    server: bool


_CASES: Final = (
    _Case("subscribe request", lambda run: run.bodies.subscriptions, False),
    _Case("order request", lambda run: run.bodies.orders, False),
    _Case("ticker, 1 row", lambda run: run.bodies.tickers(1), True),
    _Case("basic quote", lambda run: run.bodies.basic_quotes, True),
    _Case("order book 10 × 2", lambda run: run.bodies.order_books, True),
    _Case("snapshot", lambda run: run.bodies.snapshots, True),
    _Case("1000 K-lines", lambda run: run.bodies.long_klines, True),
)


def measure(run: Run) -> Iterator[Figure]:
    """All figures of the group."""
    for case in _CASES:
        kind = case.bodies(run)
        texts = _as_json(kind, server=case.server)
        cost = partial(figure, "json", unit="µs", scale=1e6, aim=_AIM)
        pairs = compare(texts.bodies, _reading(texts), _their_reading(texts), run.effort)
        yield cost(f"decode: {case.name}", _BASELINE, pairs, gate=_DECODE_GATE)
        ours = _writing(kind, server=case.server)
        pairs = compare(kind.bodies, ours, _their_writing(kind), run.effort)
        yield cost(f"encode: {case.name}", _BASELINE, pairs, gate=_ENCODE_GATE)


def _as_json(kind: BodySet, *, server: bool) -> BodySet:
    messages = (codec.decode(kind.cls, body) for body in kind.bodies)
    return replace(kind, bodies=[codec.encode_json(message, server=server) for message in messages])


def _reading(kind: BodySet) -> Side[list[bytes]]:
    cls: type[Any] = kind.cls

    def run(bodies: list[bytes]) -> None:
        decode = codec.decode_json
        for body in bodies:
            decode(cls, body)

    return Side(fresh, run)


def _their_reading(kind: BodySet) -> Side[list[bytes]]:
    cls = upb.message_class(kind.full_name)
    return Side(fresh, for_each(lambda body: json_format.Parse(body, cls())))


def _writing(kind: BodySet, *, server: bool) -> Side[list[Any]]:
    def prepare(bodies: list[bytes]) -> list[Any]:
        return [codec.decode(kind.cls, body) for body in bodies]

    return Side(prepare, for_each(partial(codec.encode_json, server=server)))


def _their_writing(kind: BodySet) -> Side[list[Any]]:
    cls = upb.message_class(kind.full_name)

    def prepare(bodies: list[bytes]) -> list[Any]:
        return [cls.FromString(body) for body in bodies]

    def write(message: Any) -> bytes:
        return json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()

    return Side(prepare, for_each(write))
