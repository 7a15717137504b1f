"""Pushes over loopback into a Python callback, as fast as the reader takes them.

A child process writes frames that were made before; every contender gets the same bytes and
starts the stream with a subscription. Ours call a Python function with the typed message; the
baseline is one loop of recv, struct, hashlib and upb that reads every field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from benchmarks import official
from benchmarks.bodies import BodySet
from benchmarks.children import Child
from benchmarks.clock import alternate, inputs_frozen
from benchmarks.contenders import Asyncio, Blocking, Official, PlainSocket
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.run import Run

__all__ = ["measure", "source"]

_GROUP: Final = "pushes"
_GATE: Final = 5.0
_AIM: Final = 10.0
_COUNT: Final = 40_000
_QUICK_COUNT: Final = 4_000
_LOOP: Final = "Python loop"
_TICKERS: Final = "tickers"
_ROOT: Final = Path(__file__).resolve().parents[2]


class _Taker(Protocol):
    def take(self, count: int) -> float:
        """Seconds for ``count`` pushes."""


class _Stream(NamedTuple):
    """What is pushed; the gate is for the stream of small pushes."""

    name: str
    label: str
    kinds: list[BodySet]
    gate: float | None
    aim: float | None


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    bodies = run.bodies
    mixed = [bodies.tickers(1), bodies.basic_quotes, bodies.order_books, bodies.kline_pushes]
    streams = [
        _Stream(_TICKERS, "tickers", [bodies.tickers(1)], _GATE, _AIM),
        _Stream("mixed", "tickers, quotes, books, K-lines", mixed, None, None),
    ]
    files = {stream.name: run.frame_file(f"push-{stream.name}", stream.kinds) for stream in streams}
    with source(files) as (child, port):
        for stream in streams:
            yield from _against_loop(run, child, port, stream)
        yield from _against_official(run, child, port, streams[0])


@contextmanager
def source(files: dict[str, Path], *, spin: bool = False) -> Iterator[tuple[Child, int]]:
    """A running ``benchmarks.source`` and its port."""
    command = [sys.executable, "-m", "benchmarks.source"]
    command += ["--spin"] if spin else []
    command += [f"{name}={path}" for name, path in files.items()]
    with Child("the push source", command, folder=_ROOT) as child:
        yield child, child.read()["port"]


def _ours(port: int, stream: _Stream) -> list[tuple[str, Callable[[], Any]]]:
    classes = [kind.cls for kind in stream.kinds]
    return [
        ("asyncio", lambda: Asyncio(port, classes)),
        ("blocking", lambda: Blocking(port, classes)),
    ]


def _against_loop(run: Run, child: Child, port: int, stream: _Stream) -> Iterator[Outcome]:
    count = _QUICK_COUNT if run.effort.quick else _COUNT
    for face, make in _ours(port, stream):
        with make() as ours, PlainSocket(port, stream.kinds) as theirs:
            pairs = _rounds(
                child, stream.name, (ours, count), (theirs, count), run.effort.middle_rounds
            )
        yield figure(
            _GROUP,
            f"{stream.label}, {face}",
            _LOOP,
            pairs,
            unit="/s",
            rate=True,
            # The blocking face hands each push to a thread of its own, which may make calls.
            gate=stream.gate if face == "asyncio" else None,
            aim=stream.aim if face == "asyncio" else stream.gate,
        )


def _against_official(run: Run, child: Child, port: int, stream: _Stream) -> Iterator[Outcome]:
    python = run.official
    cases = (("raw", "official SDK, raw handler", 10), ("table", "official SDK, DataFrame", 50))
    if isinstance(python, official.Unavailable):
        for face, _ in _ours(port, stream):
            for _, name, _ in cases:
                yield Absent(_GROUP, f"{stream.label}, {face}", name, python.reason)
        return
    count = _QUICK_COUNT if run.effort.quick else _COUNT
    with official.worker(python) as sdk:
        sdk.ask(do="connect", port=port)
        for face, make in _ours(port, stream):
            for handler, name, slower in cases:
                with make() as ours:
                    pairs = _rounds(
                        child,
                        stream.name,
                        (ours, count),
                        (Official(sdk, handler), count // slower * 2),
                        run.effort.long_rounds,
                    )
                yield figure(_GROUP, f"{stream.label}, {face}", name, pairs, unit="/s", rate=True)


def _rounds(
    child: Child,
    stream: str,
    ours: tuple[_Taker, int],
    theirs: tuple[_Taker, int],
    rounds: int,
) -> Sequence[tuple[float, float]]:
    """Seconds per push of both sides, round by round; slow ones may take fewer pushes."""

    def cost(taker: _Taker, count: int) -> Callable[[int], float]:
        def turn(number: int) -> float:
            child.ask(arm=stream, first=number * count, count=count)
            return taker.take(count) / count

        return turn

    with inputs_frozen():
        return alternate(cost(*ours), cost(*theirs), rounds)
