"""WebSockets: messages of 200 bytes over loopback, ours against other libraries and faces.

A child process without any library sends ready-made messages. "Receive" is how many a second
arrive, "round trip" one message of 200 bytes there and one back against a server that never
sleeps. Libraries that the product does not need are measured where they are installed.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.bodies import FEWEST
from benchmarks.children import Child
from benchmarks.clock import alternate, inputs_frozen
from benchmarks.figures import Absent, Outcome, figure
from benchmarks.groups.frame import cut
from benchmarks.run import Run
from benchmarks.websocket_contenders import (
    AsyncioEngine,
    Ours,
    Picows,
    SocketEngine,
    Websockets,
    WebsocketsAsyncio,
    WebsocketsSync,
    Wsproto,
)

__all__ = ["measure"]

_GROUP: Final = "websocket"
_MESSAGE_BYTES: Final = 200
_COUNT: Final = 20_000
_QUICK_COUNT: Final = 2_000
_CALLS: Final = 200
_QUICK_CALLS: Final = 50
_ROOT: Final = Path(__file__).resolve().parents[2]

_Make = Callable[[int, int], Any]


class _Case(NamedTuple):
    face: str
    ours: _Make
    package: str
    how: str  # behind its name and version
    theirs: _Make


_ASYNCIO: Final = partial(AsyncioEngine, make=Ours)
_BLOCKING: Final = partial(SocketEngine, make=Ours)
_CASES: Final = (
    _Case(
        "asyncio", _ASYNCIO, "websockets", " sans-IO alone", partial(AsyncioEngine, make=Websockets)
    ),
    _Case("asyncio", _ASYNCIO, "wsproto", "", partial(AsyncioEngine, make=Wsproto)),
    _Case("asyncio", _ASYNCIO, "picows", "", Picows),
    _Case("asyncio", _ASYNCIO, "websockets", ", its asyncio client", WebsocketsAsyncio),
    _Case(
        "blocking",
        _BLOCKING,
        "websockets",
        " sans-IO alone",
        partial(SocketEngine, make=Websockets),
    ),
    _Case("blocking", _BLOCKING, "wsproto", "", partial(SocketEngine, make=Wsproto)),
    _Case("blocking", _BLOCKING, "websockets", ", its blocking client", WebsocketsSync),
)


def measure(run: Run) -> Iterator[Outcome]:
    """All figures of the group."""
    messages = cut(run.bodies.small_material, _MESSAGE_BYTES, FEWEST)
    with source(run.folder, messages) as port:
        for case in _CASES:
            try:
                baseline = f"{case.package} {version(case.package)}{case.how}"
            except PackageNotFoundError:
                reason = "not installed, and the product does not need it"
                yield Absent(_GROUP, case.face, case.package, reason)
                continue
            yield from _figures(case, baseline, port, run)


@contextmanager
def source(folder: Path, messages: list[bytes]) -> Iterator[int]:
    """The port of a running ``benchmarks.websocket_source``; the messages have one size."""
    path = folder / "websocket.messages"
    path.write_bytes(b"".join(messages))
    command = [sys.executable, "-m", "benchmarks.websocket_source", str(path)]
    with Child("the WebSocket source", [*command, str(len(messages[0]))], folder=_ROOT) as child:
        yield child.read()["port"]


def _figures(case: _Case, baseline: str, port: int, run: Run) -> Iterator[Outcome]:
    effort = run.effort
    count = _QUICK_COUNT if effort.quick else _COUNT
    calls = _QUICK_CALLS if effort.quick else _CALLS
    with (
        case.ours(port, _MESSAGE_BYTES) as ours,
        case.theirs(port, _MESSAGE_BYTES) as theirs,
        inputs_frozen(),
    ):
        streams = alternate(
            lambda _: float(ours.take(count)) / count,
            lambda _: float(theirs.take(count)) / count,
            effort.middle_rounds,
        )
        trips = alternate(
            lambda _: statistics.median(ours.calls(calls)),
            lambda _: statistics.median(theirs.calls(calls)),
            effort.rounds,
        )
    yield figure(_GROUP, f"receive, {case.face}", baseline, streams, unit="/s", rate=True)
    yield figure(_GROUP, f"round trip p50, {case.face}", baseline, trips, unit="µs", scale=1e6)
