"""Messages → bodies, against the upb runtime's ``SerializeToString``.

Both sides start from complete messages; making those is outside the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks import upb
from benchmarks.bodies import BodySet
from benchmarks.compare import Side, compare, for_each
from benchmarks.figures import Figure, figure
from benchmarks.run import Run
from futukit import codec

__all__ = ["measure"]

_GATE: Final = 1.0
_AIM: Final = 1.23


class _Case(NamedTuple):
    name: str
    bodies: Callable[[Run], BodySet]


_CASES: Final = (
    _Case("subscribe request", lambda run: run.bodies.subscriptions),
    _Case("history request", lambda run: run.bodies.history_requests),
    _Case("order request", lambda run: run.bodies.orders),
    _Case("ticker, 1 row", lambda run: run.bodies.tickers(1)),
    _Case("basic quote", lambda run: run.bodies.basic_quotes),
    _Case("order book 10 × 2", lambda run: run.bodies.order_books),
    _Case("snapshot", lambda run: run.bodies.snapshots),
    _Case("1000 K-lines", lambda run: run.bodies.long_klines),
)


def measure(run: Run) -> Iterator[Figure]:
    """All figures of the group."""
    for case in _CASES:
        kind = case.bodies(run)
        pairs = compare(kind.bodies, _ours(kind), _theirs(kind), run.effort)
        yield figure("encode", case.name, "upb", pairs, unit="µs", scale=1e6, gate=_GATE, aim=_AIM)


def _ours(kind: BodySet) -> Side[list[Any]]:
    def prepare(bodies: list[bytes]) -> list[Any]:
        return [codec.decode(kind.cls, body) for body in bodies]

    return Side(prepare, for_each(codec.encode))


def _theirs(kind: BodySet) -> Side[list[Any]]:
    cls = upb.message_class(kind.full_name)

    def prepare(bodies: list[bytes]) -> list[Any]:
        return [cls.FromString(body) for body in bodies]

    return Side(prepare, for_each(cls.SerializeToString))
