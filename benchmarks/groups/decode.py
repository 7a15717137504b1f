"""Bodies → messages, against the upb runtime alone, upb with every field read, and the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from benchmarks import official, upb
from benchmarks.bodies import BodySet
from benchmarks.clock import Effort, alternate, inputs_frozen
from benchmarks.compare import Side, compare, for_each, fresh, taken_in_turns
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.run import Run
from futukit import codec

__all__ = ["measure", "ours"]

_GROUP: Final = "decode"
_SDK: Final = "official SDK's table"


class _Case(NamedTuple):
    """Gate and aims are ratios to upb's FromString alone, and to upb with all fields read."""

    name: str
    bodies: Callable[[Run], BodySet]
    gate: float | None = None
    aim: float | None = None
    aim_read: float | None = None


_CASES: Final = (
    _Case("ticker, 1 row", lambda run: run.bodies.tickers(1), 1.0, 1.1, 12.0),
    _Case("ticker, 1 row, cold strings", lambda run: run.bodies.cold_tickers),
    _Case("K-line push, 1 row", lambda run: run.bodies.kline_pushes, 1.0, 1.1, 12.0),
    _Case("basic quote", lambda run: run.bodies.basic_quotes, 1.0),
    _Case("ticker, 10 rows", lambda run: run.bodies.tickers(10), None, 0.76, 7.8),
    _Case("order book 10 × 2", lambda run: run.bodies.order_books, None, 0.69, 15.0),
    _Case("snapshot", lambda run: run.bodies.snapshots),
    _Case("1000 K-lines", lambda run: run.bodies.long_klines, 0.3, 0.42, 5.9),
)

#: Cases that the official SDK's DataFrame handlers are measured with too.
_OFFICIAL: Final = ("ticker, 1 row", "basic quote", "order book 10 × 2", "1000 K-lines")


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    for case in _CASES:
        kind = case.bodies(run)
        alone = Side(fresh, for_each(upb.message_class(kind.full_name).FromString))
        read = Side(fresh, for_each(_parse_and_read(kind.full_name)))
        cost = partial(figure, _GROUP, case.name, unit="µs", scale=1e6)
        pairs = compare(kind.bodies, ours(kind), alone, run.effort)
        yield cost("upb", pairs, gate=case.gate, aim=case.aim)
        pairs = compare(kind.bodies, ours(kind), read, run.effort)
        yield cost("upb + all fields read", pairs, aim=case.aim_read)
    yield from _against_official(run, [case for case in _CASES if case.name in _OFFICIAL])


def ours(kind: BodySet) -> Side[list[bytes]]:
    """Decode each body with futukit."""
    cls: type[Any] = kind.cls

    def run(bodies: list[bytes]) -> None:
        decode = codec.decode
        for body in bodies:
            decode(cls, body)

    return Side(fresh, run)


def _parse_and_read(full_name: str) -> Callable[[bytes], None]:
    parse = upb.message_class(full_name).FromString
    read = upb.field_reader(full_name)
    return lambda body: read(parse(body))


def _against_official(run: Run, cases: list[_Case]) -> Iterator[Outcome]:
    python = run.official
    if isinstance(python, official.Unavailable):
        for case in cases:
            yield Absent(_GROUP, case.name, _SDK, python.reason)
        return
    with official.worker(python) as child:
        for case in cases:
            kind = case.bodies(run)
            path = run.frame_file(f"decode-{kind.proto_id}", [kind])
            theirs = official.decode_cost(child, case.name, kind, path)
            pairs = _rounds_with(theirs, kind, run.effort)
            yield figure(_GROUP, case.name, _SDK, pairs, unit="µs", scale=1e6)


def _rounds_with(
    theirs: Callable[[int, int], float], kind: BodySet, effort: Effort
) -> list[tuple[float, float]]:
    """Both sides decode the same bodies; the slow one settles how many per round."""
    side = ours(kind)
    count = max(1, round(10 * effort.turn / theirs(0, 4)))
    batch = taken_in_turns(kind.bodies, count)
    with inputs_frozen():
        return alternate(
            lambda turn: side.cost(batch(turn)),
            lambda turn: theirs(turn * count, count),
            effort.long_rounds,
        )
