"""Round trips of GetGlobalState against a server that never sleeps, one after the other.

The server answers with a canned body. All sides encode the request, verify the answer's digest
and read every field of the answer.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

from benchmarks import official
from benchmarks.clock import alternate, inputs_frozen
from benchmarks.contenders import Asyncio, AsyncioStreams, Blocking, Official, PlainSocket
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.groups.pushes import source
from benchmarks.run import Run

__all__ = ["measure", "percentiles"]

_GROUP: Final = "roundtrip"
_SDK: Final = "official SDK"


class _Caller(Protocol):
    def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips."""


class _Case(NamedTuple):
    face: str
    ours: Callable[[int], Any]
    baseline: str
    theirs: Callable[[int], Any]
    aim: float | None = None


_CASES: Final = (
    _Case("asyncio", Asyncio, "asyncio streams", AsyncioStreams, 1.92),
    _Case("asyncio", Asyncio, "blocking socket", PlainSocket, 0.75),
    _Case("blocking", Blocking, "blocking socket", PlainSocket),
)


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    count = 100 if run.effort.quick else 500
    with source({}, spin=True) as (_, port):
        for case in _CASES:
            with case.ours(port) as ours, case.theirs(port) as theirs:
                yield from _figures(case, ours, theirs, count, run.effort.rounds)
        yield from _against_official(run, port, count)


def _figures(
    case: _Case, ours: _Caller, theirs: _Caller, count: int, rounds: int
) -> Iterator[Outcome]:
    with inputs_frozen():
        pairs = alternate(
            lambda _: percentiles(ours.calls(count)),
            lambda _: percentiles(theirs.calls(count)),
            rounds,
        )
    for number, percentile in enumerate(("p50", "p99")):
        yield figure(
            _GROUP,
            f"{case.face}, {percentile}",
            case.baseline,
            [(ours[number], theirs[number]) for ours, theirs in pairs],
            unit="µs",
            scale=1e6,
            aim=case.aim if percentile == "p50" else None,
        )


def percentiles(values: list[float]) -> tuple[float, float]:
    """The 50th and the 99th percentile."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _against_official(run: Run, port: int, count: int) -> Iterator[Outcome]:
    python = run.official
    faces: tuple[tuple[str, Callable[[int], Any]], ...] = (
        ("asyncio", Asyncio),
        ("blocking", Blocking),
    )
    if isinstance(python, official.Unavailable):
        for face, _ in faces:
            yield Absent(_GROUP, face, _SDK, python.reason)
        return
    with official.worker(python) as child:
        child.ask(do="connect", port=port)
        for face, make in faces:
            case = _Case(face, make, _SDK, PlainSocket)
            with make(port) as ours:
                yield from _figures(case, ours, Official(child), count, run.effort.long_rounds)
