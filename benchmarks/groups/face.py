"""The drop-in face against the official SDK: what a program gains that only changes its import.

Both talk to the same child process: a page of 1000 K-lines as a DataFrame, end to end, and ticker
pushes into a handler that makes a DataFrame of each. Its constructor alone, on columns that are
there already, is the floor of the latter: it is shown against ours.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import official
from benchmarks.children import Child
from benchmarks.clock import alternate, inputs_frozen
from benchmarks.contenders import Official
from benchmarks.face_contender import Face
from benchmarks.figures import Absent, Figure, Outcome, figure
from benchmarks.groups.pushes import source
from benchmarks.run import Run

__all__ = ["measure"]

_GROUP: Final = "face"
_OFFICIAL: Final = "official SDK"
_FLOOR: Final = "DataFrame constructor alone"
_HISTORY: Final = "1000 K-lines, request to DataFrame"
_TABLE: Final = "ticker push to DataFrame handler"
_TYPED: Final = "ticker push to typed handler"
_PUSHES: Final = 6_000  # fewer than may wait for a handler: none is dropped
_SLOWER: Final = 5
_STREAM: Final = "tickers"


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    files = {
        _STREAM: run.frame_file("push-tickers", [run.bodies.tickers(1)]),
        "answers": run.frame_file("answers", [run.bodies.long_klines]),
    }
    python = run.official
    missing = python.reason if isinstance(python, official.Unavailable) else ""
    with inputs_frozen():
        if isinstance(python, official.Unavailable):
            yield Absent(_GROUP, _HISTORY, _OFFICIAL, missing)
        else:
            yield _history(run, files, python)
        with source(files) as (child, port), Face(port) as ours:
            yield from _against_floor(run, child, ours)
            if isinstance(python, official.Unavailable):
                for case in (_TABLE, _TYPED):
                    yield Absent(_GROUP, case, _OFFICIAL, missing)
            else:
                yield from _pushes_against_official(run, child, port, ours, python)


def _history(run: Run, files: dict[str, Path], python: Path) -> Figure:
    """Requests for a page, one after the other, of a server that never sleeps meanwhile."""
    calls = 3 if run.effort.quick else 30
    with (
        source(files, spin=True) as (_, port),
        Face(port) as ours,
        official.worker(python) as sdk,
    ):
        sdk.ask(do="connect", port=port)
        pairs = alternate(
            lambda _: median(ours.history(calls * 4)),
            lambda _: median(sdk.ask(do="history", count=calls)["seconds"]),
            run.effort.long_rounds,
        )
    return figure(_GROUP, _HISTORY, _OFFICIAL, pairs, unit="ms", scale=1e3, gate=10.0)


def _pushes_against_official(
    run: Run, child: Child, port: int, ours: Face, python: Path
) -> Iterator[Outcome]:
    with official.worker(python) as sdk:
        sdk.ask(do="connect", port=port)
        for case, handler, gate in ((_TABLE, "table", 5.0), (_TYPED, "raw", None)):
            take = ours.take_tables if handler == "table" else ours.take_typed
            pairs = alternate(
                _cost(child, take, _pushes(run)),
                _cost(child, Official(sdk, handler).take, _pushes(run) // _SLOWER),
                run.effort.long_rounds,
            )
            yield figure(_GROUP, case, _OFFICIAL, pairs, unit="/s", rate=True, gate=gate)


def _against_floor(run: Run, child: Child, ours: Face) -> Iterator[Outcome]:
    columns = ours.ticker_columns(child, _STREAM)
    pairs = alternate(
        _cost(child, ours.take_tables, _pushes(run)),
        lambda _: _constructor_cost(columns, _pushes(run) // _SLOWER),
        run.effort.long_rounds,
    )
    yield figure(_GROUP, _TABLE, _FLOOR, pairs, unit="/s", rate=True)


def _constructor_cost(columns: dict[str, list[Any]], count: int) -> float:
    """Seconds for one DataFrame of ready columns."""
    import pandas

    gc.collect()
    started = time.perf_counter()
    for _ in range(count):
        pandas.DataFrame(columns)
    return (time.perf_counter() - started) / count


def _pushes(run: Run) -> int:
    return _PUSHES // 10 if run.effort.quick else _PUSHES


def _cost(child: Child, take: Callable[[int], float], count: int) -> Callable[[int], float]:
    """Seconds for one push of so many."""

    def turn(number: int) -> float:
        child.ask(arm=_STREAM, first=number * count, count=count)
        return take(count) / count

    return turn
